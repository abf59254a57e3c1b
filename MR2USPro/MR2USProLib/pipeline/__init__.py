"""The road from a biplane video and a T2 MR to a registered MR, stage by stage.

This is the paper in the order in which it runs: reconstruct (III-A), translate (III-B), register (III-C). Every front
end calls these functions; the stages know nothing of each other.
"""

from .pairing import Pair, Preset, double_slices, find_start, guided_start, pair_up, read_pair
from .reconstructing import (
    Fill,
    FilledVolume,
    Matcher,
    Reconstruction,
    VoxelSize,
    fill_gaps,
    reconstruct,
    stitch,
    tries_loftr,
)
from .registering import (
    Registration,
    RegistrationMethod,
    TranslationMethod,
    methods_for,
    pictures,
    register,
    translate,
)

__all__ = [
    "Fill",
    "FilledVolume",
    "Matcher",
    "Pair",
    "Preset",
    "Reconstruction",
    "Registration",
    "RegistrationMethod",
    "TranslationMethod",
    "VoxelSize",
    "double_slices",
    "fill_gaps",
    "find_start",
    "guided_start",
    "methods_for",
    "pair_up",
    "pictures",
    "read_pair",
    "reconstruct",
    "register",
    "stitch",
    "translate",
    "tries_loftr",
]
