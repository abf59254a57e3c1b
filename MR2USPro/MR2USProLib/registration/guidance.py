"""What the user may know beforehand: where the gland lies in either image, and places that both images show.

None of it is needed. Masks of both glands tell where they lie, how large they are and how they are turned, and later
where their surfaces have to meet (:mod:`.surfaces`); a mask of one gland is a box that nobody has to draw. Landmark
pairs turn the start, which outlines of a nearly round gland cannot, and pull softly what lies around them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from ..errors import InputError
from ..volume import Grid, Volume, read_image
from .boxes import MARGIN_MM, Box
from .points import read_points
from .transforms import as_affine

Array = NDArray[np.float64]

SHARE_OF_SHAPE = 0.5
"""Of the difference of the two glands' shapes, in logarithms: an outline is drawn too freely to be followed wholly."""
TURN_DEG = 7.0
"""How far the start's rotation is off, as a standard deviation, where landmarks speak against it."""
MARK_MM = 3.0
"""How far a landmark and its counterpart are off, likewise, in a gland that was only turned and stretched."""


@dataclass(frozen=True)
class Guidance:
    """Masks and landmark pairs; whatever is not known is left out.

    Attributes:
        moving_gland, fixed_gland: masks, any grid.
        moving_points_mm: (n, 3) LPS, marked in the moving image.
        fixed_points_mm: (n, 3) LPS, the same places in the fixed image, in the same order.
    """

    moving_gland: Volume | None = None
    fixed_gland: Volume | None = None
    moving_points_mm: Array = field(default_factory=lambda: np.zeros((0, 3)))
    fixed_points_mm: Array = field(default_factory=lambda: np.zeros((0, 3)))

    @property
    def glands(self) -> tuple[Volume, Volume] | None:
        """Both masks, the moving one first; None where one is missing."""
        if self.moving_gland is None or self.fixed_gland is None:
            return None
        return self.moving_gland, self.fixed_gland

    @property
    def leads(self) -> bool:
        """Whether it says where anything of the one image lies in the other."""
        return self.glands is not None or len(self.fixed_points_mm) > 0

    @property
    def masks(self) -> tuple[str, ...]:
        """Which images have a mask."""
        given = {"moving": self.moving_gland, "fixed": self.fixed_gland}
        return tuple(name for name, mask in given.items() if mask is not None)

    def boxes(self) -> tuple[Box | None, Box | None]:
        """Around each mask as one would draw it, some 10 mm too large; the moving one first."""
        moving, fixed = (
            None if mask is None else Box.around(mask).grown(MARGIN_MM)
            for mask in (self.moving_gland, self.fixed_gland)
        )
        return moving, fixed

    def start(self, given: sitk.Transform) -> sitk.Transform:
        """The affine map that it speaks for, fixed to moving points, LPS mm.

        With both masks the glands' middles meet, and half of the difference of their second moments, in logarithms, is
        made up for by the stretch between two Gaussians of optimal transport, A = Cf^-1/2 (Cf^1/2 Cm Cf^1/2)^1/2
        Cf^-1/2, which turns nothing by itself: the glands' shapes do not tell how they are turned. The rotation is that
        of ``given``, as far as landmarks do not speak against it (the mode of a matrix Fisher distribution).

        Args:
            given: the start as it is known without; returned as it is where it is not linear, or nothing leads.
        """
        if not self.leads or not given.IsLinear():
            return given
        turn, stretch = _polar(np.reshape(as_affine(given).GetMatrix(), (3, 3)))
        if self.glands is not None:
            (there, moving), (here, fixed) = (_moments(mask) for mask in self.glands)
        else:
            there, here = self.moving_points_mm.mean(axis=0), self.fixed_points_mm.mean(axis=0)
        pulled = (self.moving_points_mm - there).T @ (self.fixed_points_mm - here) / MARK_MM**2
        turn = _polar(pulled + turn / (2 * np.deg2rad(TURN_DEG) ** 2))[0]
        if self.glands is not None:
            stretch = _shrunk(_transport(fixed, turn.T @ moving @ turn))
        matrix = turn @ stretch
        affine = sitk.AffineTransform(3)
        affine.SetMatrix(matrix.ravel().tolist())
        affine.SetTranslation((there - matrix @ here).tolist())
        return affine


def read_guidance(
    moving_mask: str | Path | None = None,
    fixed_mask: str | Path | None = None,
    moving_points: str | Path | None = None,
    fixed_points: str | Path | None = None,
) -> Guidance:
    """What is known, from files.

    Raises:
        InputError: a file cannot be read, a mask is empty, or the points are no pairs.
    """
    if (moving_points is None) != (fixed_points is None):
        raise InputError("Points in one image alone are no pairs: give --moving-points and --fixed-points.")
    none: Array = np.zeros((0, 3))
    moving, fixed = (none if path is None else read_points(path)[1] for path in (moving_points, fixed_points))
    if len(moving) != len(fixed):
        raise InputError(
            f"{len(moving)} points in the MR and {len(fixed)} in the TRUS volume are no pairs: give the same places in "
            "the same order (--moving-points, --fixed-points)."
        )
    mr_gland, us_gland = (None if path is None else read_gland(path) for path in (moving_mask, fixed_mask))
    return Guidance(mr_gland, us_gland, moving, fixed)


def read_gland(path: str | Path) -> Volume:
    """The gland of a label file: all that is not 0, or the first channel of a 4-D file.

    Raises:
        InputError: no such file, no labels, or nothing in them.
    """
    from scipy.ndimage import binary_fill_holes

    image, name = read_image(path), Path(path).name
    if image.GetNumberOfComponentsPerPixel() != 1 or image.GetDimension() not in (3, 4):
        raise InputError(f"{name} is no mask: give a 3-D label map in which the gland is not 0.")
    if image.GetDimension() == 4:
        image = image[:, :, :, 0]
    array = sitk.GetArrayFromImage(image)
    if (array != 0).mean() > 0.9 or len(np.unique(array[array != 0])) > 64 or np.isnan(array).any():
        raise InputError(f"{name} looks like an image: give a label map in which the gland is not 0 and all else is.")
    if not array.any():
        raise InputError(f"{name} is empty: draw the gland in it, or leave the mask out.")
    return Volume(binary_fill_holes(array != 0), Grid.of(image))


def _moments(gland: Volume) -> tuple[Array, Array]:
    """Mean (3,) and covariance (3, 3) of the places inside, LPS mm."""
    inside = gland.grid.to_world(np.argwhere(gland.array)[:, ::-1])
    voxel = gland.grid.index_to_mm
    return inside.mean(axis=0), np.cov(inside.T, bias=True) + voxel @ voxel.T / 12


def _transport(fixed: Array, moving: Array) -> Array:
    root = _power(fixed, 0.5)
    back = np.linalg.inv(root)
    return np.asarray(back @ _power(root @ moving @ root, 0.5) @ back)


def _shrunk(stretch: Array) -> Array:
    """The same change of volume with half of the change of shape."""
    size = np.cbrt(np.linalg.det(stretch))
    return size * _power(stretch / size, SHARE_OF_SHAPE)


def _power(matrix: Array, exponent: float) -> Array:
    """Of a symmetric, positive matrix."""
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * values**exponent) @ vectors.T)


def _polar(matrix: Array) -> tuple[Array, Array]:
    """The rotation and the stretch, in this order, that make up a matrix; the nearest rotation of one that mirrors."""
    left, spread, right = np.linalg.svd(matrix)
    proper = np.array([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
    return np.asarray((left * proper) @ right), np.asarray((right.T * spread) @ right)
