"""Boxes around the gland: as a person draws them in both images, and the start that they give.

Two boxes whose centres are laid on each other are the least that a user has to give, and the common start from which
all methods are compared.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from ..errors import InputError
from ..volume import Volume

MARGIN_MM = 10.0
JITTER_MM = 2.0


@dataclass(frozen=True)
class Box:
    """A box along the axes of the world.

    Attributes:
        low_mm: (3,) LPS, the corner with the smallest coordinates.
        high_mm: (3,) LPS, the opposite corner.
    """

    low_mm: NDArray[np.float64]
    high_mm: NDArray[np.float64]

    @property
    def centre_mm(self) -> NDArray[np.float64]:
        """Its middle, LPS."""
        return (self.low_mm + self.high_mm) / 2

    @property
    def size_mm(self) -> NDArray[np.float64]:
        """Its edges."""
        return self.high_mm - self.low_mm

    @property
    def region_mm(self) -> tuple[float, ...]:
        """x0, y0, z0, x1, y1, z1, as ``--fixed-roi`` takes it."""
        return (*self.low_mm.tolist(), *self.high_mm.tolist())

    @staticmethod
    def of(region_mm: Sequence[float]) -> Box:
        """The box of x0, y0, z0, x1, y1, z1, in whatever order its corners are."""
        corners = np.array(region_mm, dtype=np.float64).reshape(2, 3)
        return Box(corners.min(axis=0), corners.max(axis=0))

    @staticmethod
    def around(mask: Volume) -> Box:
        """The smallest box that holds the voxels that are not zero.

        Raises:
            InputError: there are none.
        """
        inside = np.argwhere(mask.array)[:, ::-1]
        if not len(inside):
            raise InputError("There is no box around an empty mask: give labels that hold the gland.")
        centres = mask.grid.to_world(inside)
        half_voxel = np.abs(mask.grid.index_to_mm).sum(axis=1) / 2
        return Box(centres.min(axis=0) - half_voxel, centres.max(axis=0) + half_voxel)

    def moved(self, transform: sitk.Transform) -> Box:
        """The smallest box that holds where a linear transform takes its corners."""
        corners = itertools.product(*zip(self.low_mm.tolist(), self.high_mm.tolist(), strict=True))
        there = np.array([transform.TransformPoint(corner) for corner in corners])
        return Box(there.min(axis=0), there.max(axis=0))

    def grown(self, margin_mm: float) -> Box:
        """The box with so much more on every side."""
        return Box(self.low_mm - margin_mm, self.high_mm + margin_mm)

    def drawn(self, rng: np.random.Generator, margin_mm: float = MARGIN_MM, jitter_mm: float = JITTER_MM) -> Box:
        """The box as a hurried hand draws it: too large on every side, each coordinate of either corner a bit off.

        Args:
            rng: draws what is off.
            margin_mm: how much too large it is on every side.
            jitter_mm: standard deviation of each of the six coordinates.
        """
        off = rng.normal(0.0, jitter_mm, (2, 3))
        low, high = self.low_mm - margin_mm + off[0], self.high_mm + margin_mm + off[1]
        return Box(np.minimum(low, high), np.maximum(low, high))


def drawn_boxes(moving_gland: Volume, fixed_gland: Volume, name: str, seed: int = 0) -> tuple[Box, Box]:
    """The boxes that a hurried hand draws around the gland in the moving and in the fixed image.

    Args:
        moving_gland: mask, any grid.
        fixed_gland: likewise.
        name: of the case; it and the seed alone decide how the hand errs.
        seed: of the errors.

    Raises:
        InputError: a mask is empty.
    """
    rng = np.random.default_rng((seed, zlib.crc32(name.encode())))
    return Box.around(moving_gland).drawn(rng), Box.around(fixed_gland).drawn(rng)


def centred(moving: Box, fixed: Box) -> sitk.TranslationTransform:
    """The translation from fixed to moving points, LPS mm, that lays the middle of one box on that of the other."""
    return sitk.TranslationTransform(3, (moving.centre_mm - fixed.centre_mm).tolist())
