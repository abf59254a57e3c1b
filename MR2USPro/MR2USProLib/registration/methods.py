"""The registration methods by the names that the command line gives them."""

from __future__ import annotations

from ..errors import InputError
from ..weights import Part
from . import SELF_SIMILARITY
from .anatomy_aware import AnatomyAware
from .diffusemorph import DiffuseMorph
from .fsdiffreg import FSDiffReg
from .method import Method
from .voxelmorph import VoxelMorph

METHODS: dict[str, type[Method]] = {m.name: m for m in (AnatomyAware, FSDiffReg, DiffuseMorph, VoxelMorph)}


def named(name: str) -> type[Method]:
    """The method of this name.

    Raises:
        InputError: there is none.
    """
    if name not in METHODS:
        raise InputError(f"There is no registration '{name}': choose {', '.join((SELF_SIMILARITY, *METHODS))}.")
    return METHODS[name]


def method_of(part: Part) -> Method:
    """The method whose network a part of a file of weights holds, with the settings of its training.

    Raises:
        InputError: it is no registration, or of another version.
    """
    return named(part.method).of_part(part)
