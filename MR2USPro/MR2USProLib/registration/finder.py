"""The start that needs no label: where two glands lie in roughly drawn boxes, and how one lies to the other.

A box that a person draws in a hurry is some millimetres off on every side. What a gland looks like inside such boxes,
averaged over a cohort, is not: the errors cancel. So a linear map from the picture in the box to the error of each of
its six sides can be learned from drawn boxes alone (:mod:`.finder_training`), and takes much of the error back. In the
MR, where the whole gland is seen, a small network learns from the same boxes to see it (:mod:`.gland_network`), and the
middle is brought part of the way to the centre of what it sees. The same cohort tells, by what both pictures have in
common on average, by how much the probe is tilted against the MR's axes, which no single pair shows clearly.

A picture that looks like none of the cohort, in any orientation, is left where it is, and so is a start by which the
two glands, as they are seen, lie on each other already: what would be moved there is what the sight itself errs by.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations, product
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from ..errors import InputError
from ..volume import Volume
from .boxes import Box
from .quality import Ellipsoid, Glands
from .transforms import as_affine

if TYPE_CHECKING:
    from .gland_network import GlandSight

Array = NDArray[np.float64]

SAMPLES = 12
"""Places along each edge at which the picture in a box is looked at."""
REACH = 1.25
"""How far around the gland they reach, in half edges of its box."""
BLUR_MM = 3.0
LOCAL_CELLS = 3.0
SHARE_OF_SIZE = 0.5
"""Of the difference of the two glands' sizes, in logarithms: a box's sizes are too uncertain to be followed wholly."""
LEAST_LIKENESS = 0.45
"""Correlation with the cohort's mean picture below which a picture is not taken for one of its kind."""
HEADERS_LEAD = 0.1
"""By how much another orientation or margin has to look better than those that are taken for granted."""
MARGINS_MM = (10.0, 5.0, 0.0)
"""How much larger than the gland people draw boxes."""
LARGEST_STEP_MM = 6.0
"""A side is never moved farther: the map was learned from errors of a few millimetres."""
WELL_LAID = 0.92
"""Overlap of the glands, as they are seen, from which on a start is kept. On 79 real pairs, their boxes drawn three
times, half of such starts were made worse, and a third of all that were made worse was among them."""


class Sides(NamedTuple):
    """A box as its two corners, (3,) each, along the axes that the pictures are looked at in."""

    low: Array
    high: Array


@dataclass(frozen=True)
class View:
    """What a cohort taught about one modality.

    Attributes:
        mean: (features,), the mean picture.
        slope: (features, 6), from a picture's difference to the mean to how far the low and the high sides are off, mm.
        rest: (6,), the same for the mean picture.
    """

    mean: Array
    slope: Array
    rest: Array

    def likeness(self, features: Array) -> float:
        """Correlation of a picture's grey levels with those of the mean; 0 where it shows nothing."""
        count = len(self.mean) // 2
        if not np.ptp(features[:count]) > 0:
            return 0.0
        return float(np.corrcoef(features[:count], self.mean[:count])[0, 1])

    def correction(self, picture: Picture, sides: Sides, axes: Array, mirror: int) -> Array:
        """How far each side has to move, (6,) mm: the mean of what the picture and its mirror image say."""
        straight = (picture.features(sides, axes) - self.mean) @ self.slope + self.rest
        mirrored = (picture.features(sides, axes, mirror) - self.mean) @ self.slope + self.rest
        found = (straight + swapped(mirrored, mirror)) / 2
        return np.clip(found, -LARGEST_STEP_MM, LARGEST_STEP_MM)

    def corrected(self, picture: Picture, sides: Sides, axes: Array, mirror: int) -> Sides:
        """The sides where the picture says that they are."""
        low, high = np.split(self.correction(picture, sides, axes, mirror), 2)
        return Sides(sides.low + low, sides.high + high)


@dataclass(frozen=True)
class Finder:
    """What a cohort taught about both.

    Attributes:
        mr, us: of each modality.
        gland: of where the centre of the gland is in the MR.
        growth: (3,), mean logarithm of the MR's size against the TRUS's.
        mirror: the axis along which the anatomy is its own mirror image (left to right).
        tilt_deg: rotation about that axis from the TRUS to the MR.
        seen: fingerprints of the MRs that it learned from, so that nobody tests it on them.
    """

    mr: View
    us: View
    gland: GlandSight
    growth: Array
    mirror: int
    tilt_deg: float
    seen: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Found:
    """The start that a finder proposes.

    Attributes:
        transform: fixed to moving points, LPS mm; affine where it is not ``given``.
        given: the start that was to be bettered.
        likeness: correlation of the pictures with those that it learned from, the lower of the two.
        recognised: whether that is enough; where it is not, ``transform`` is ``given``.
        moved_mm: how far the middle of the gland moved against that start.
        glands: both, as they were seen; None where nothing was recognised.
    """

    transform: sitk.Transform
    given: sitk.Transform
    likeness: float
    recognised: bool
    moved_mm: float = 0.0
    glands: Glands | None = None

    @property
    def kept(self) -> bool:
        """Whether the given start stays."""
        return self.transform is self.given


class Picture:
    """An image as the finder looks at it, in the world of the TRUS.

    Args:
        image: MR or TRUS.
        region: all that will be looked at lies in this box.
        start: from the TRUS's world to the image's own, LPS mm; linear.
    """

    def __init__(self, image: Volume, region: Box, start: sitk.Transform | None = None) -> None:
        from scipy.ndimage import gaussian_filter

        affine = as_affine(start or sitk.Transform(3, sitk.sitkIdentity))
        self._matrix = np.reshape(affine.GetMatrix(), (3, 3))
        self._shift = np.array(affine.TransformPoint((0.0, 0.0, 0.0)))
        corners = np.array(list(product(*zip(region.low_mm, region.high_mm, strict=True))))
        there = corners @ self._matrix.T + self._shift
        self._grid = image.grid.cropped_to(there.min(axis=0), there.max(axis=0))
        first = np.rint(image.grid.to_index(self._grid.origin_mm)).astype(int)[::-1]
        part = image.array[tuple(slice(f, f + n) for f, n in zip(first, self._grid.shape, strict=True))]
        sigmas = [BLUR_MM / spacing for spacing in reversed(self._grid.spacing_mm)]
        sharp = part.astype(np.float32)
        low, high = np.percentile(sharp, [1, 99])
        self._sharp = np.clip((sharp - low) / (high - low + 1e-6) * 255, 0, 255).astype(np.uint8)  # a cohort is held
        self._array = gaussian_filter(sharp, sigmas, mode="nearest")

    def at(self, points_mm: Array) -> Array:
        """Smoothed grey levels at points (n, 3) of the TRUS's world; outside the image those of its border."""
        return self._read(self._array, points_mm)

    def sharp_at(self, points_mm: Array) -> Array:
        """The same as they are, between 0 and 1."""
        return self._read(self._sharp, points_mm) / 255

    def _read(self, array: NDArray[np.float32] | NDArray[np.uint8], points_mm: Array) -> Array:
        from scipy.ndimage import map_coordinates

        index = self._grid.to_index(points_mm @ self._matrix.T + self._shift)
        return map_coordinates(array, index[:, ::-1].T, output=np.float32, order=1, mode="nearest")

    def features(self, sides: Sides, axes: Array, mirror: int | None = None) -> Array:
        """The picture in a box: its grey levels between their extremes, and against those around them.

        Args:
            sides: of the gland's box along ``axes``.
            axes: (3, 3), the axes as columns.
            mirror: look at it mirrored along this axis.
        """
        from scipy.ndimage import gaussian_filter

        u = _LATTICE if mirror is None else _LATTICE * np.where(np.arange(3) == mirror, -1.0, 1.0)
        middle, half = (sides.low + sides.high) / 2, (sides.high - sides.low) / 2
        grey = self.at((middle + u * half) @ axes.T)
        low, high = np.percentile(grey, [2, 98])
        grey = np.clip((grey - low) / (high - low + 1e-6), 0, 1)
        cube = grey.reshape((SAMPLES,) * 3)
        around = gaussian_filter(cube, LOCAL_CELLS, mode="nearest")
        spread = np.sqrt(gaussian_filter((cube - around) ** 2, LOCAL_CELLS, mode="nearest"))
        return np.concatenate([grey, (0.3 * (cube - around) / (spread + 0.05)).ravel()])


_LATTICE = np.stack(np.meshgrid(*[np.linspace(-REACH, REACH, SAMPLES)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)


def swapped(correction: Array, mirror: int) -> Array:
    """Corrections (6,) or (n, 6) of a mirrored box as those of the box itself."""
    found = correction.copy()
    found[..., mirror], found[..., 3 + mirror] = -correction[..., 3 + mirror], -correction[..., mirror]
    return found


def sides_of(box: Box, axes: Array, margin_mm: float) -> Sides:
    """The gland's box, along ``axes``, in a box that was drawn ``margin_mm`` too large."""
    corners = np.stack([box.low_mm, box.high_mm]) @ axes
    return Sides(corners.min(axis=0) + margin_mm, corners.max(axis=0) - margin_mm)


def stretched(mr_size: Array, us_size: Array) -> Array:
    """(3,), by how much a length in the TRUS is taken to be longer in the MR."""
    ratio: Array = (mr_size / us_size) ** SHARE_OF_SIZE
    return ratio


def tilt(angle_deg: float, axis: int) -> Array:
    """Rotation about an axis, (3, 3)."""
    angle, (one, other) = np.deg2rad(angle_deg), [a for a in range(3) if a != axis]
    matrix = np.eye(3)
    matrix[one, one] = matrix[other, other] = np.cos(angle)
    matrix[other, one] = np.sin(angle)
    matrix[one, other] = -np.sin(angle)
    return matrix


class _Sight(NamedTuple):
    """The pair looked at along some axes, with boxes drawn by some margin."""

    likeness: float
    usual: bool
    axes: Array
    mr: Sides
    us: Sides

    def worth(self) -> float:
        """Its likeness, less what is unlikely about it."""
        return self.likeness - (0.0 if self.usual else HEADERS_LEAD)


def find(
    finder: Finder,
    mr: Volume,
    us: Volume,
    start: sitk.Transform,
    us_box: Box,
    mr_box: Box | None = None,
    *,
    keep_well_laid: bool = True,
) -> Found:
    """Propose a start from roughly drawn boxes.

    Args:
        finder: what a cohort taught.
        mr: the moving image.
        us: the fixed image.
        start: fixed to moving points, LPS mm, roughly; nothing is proposed beyond one that is not linear.
        us_box: drawn around the gland in ``us``.
        mr_box: drawn around it in ``mr``, along its axes; where ``start`` brings the other one if not given.
        keep_well_laid: keep a start by which both glands, as they are seen, lie on each other already.

    Raises:
        InputError: a box that was drawn lies outside its image.
    """
    if not start.IsLinear():
        return Found(start, start, 0.0, False)
    for image, box in ((us, us_box), (mr, mr_box)):
        if box is not None:
            image.grid.cropped_to(box.low_mm, box.high_mm)
    carried = us_box if mr_box is None else mr_box.moved(start.GetInverse())
    looked_at = [Box(box.low_mm - box.size_mm, box.high_mm + box.size_mm) for box in (carried, us_box)]
    try:
        pictures = Picture(mr, looked_at[0], start), Picture(us, looked_at[1])
    except InputError:  # the start brings the box beside the MR, where nothing is to be recognised
        return Found(start, start, 0.0, False)
    sights = _sights(finder, *pictures, carried, us_box, given=mr_box is not None)
    best = max(sights, key=_Sight.worth, default=None)
    if best is None:  # a box smaller than any gland
        return Found(start, start, 0.0, False)
    if best.worth() < LEAST_LIKENESS:
        return Found(start, start, best.likeness, False)
    seen = [
        view.corrected(picture, sides, best.axes, finder.mirror)
        for view, picture, sides in zip((finder.mr, finder.us), pictures, (best.mr, best.us), strict=True)
    ]
    (mr_middle, mr_size), (us_middle, us_size) = (((s.low + s.high) / 2, s.high - s.low) for s in seen)
    mr_middle = mr_middle + finder.gland.step(pictures[0], mr_middle, best.axes, finder.mirror)
    there, here = best.axes @ mr_middle, best.axes @ us_middle
    glands = Glands(
        Ellipsoid(there, best.axes @ np.diag(mr_size / 2)).moved(as_affine(start)),
        Ellipsoid(here, best.axes @ np.diag(us_size / 2)),
    )
    if keep_well_laid and glands.overlap(start) >= WELL_LAID:
        return Found(start, start, best.likeness, True, glands=glands)
    stretch = np.diag(stretched(mr_size, us_size))
    matrix = best.axes @ tilt(finder.tilt_deg, finder.mirror) @ stretch @ best.axes.T
    affine = sitk.AffineTransform(3)
    affine.SetMatrix(matrix.ravel().tolist())
    affine.SetTranslation((there - matrix @ here).tolist())
    joined = sitk.CompositeTransform([sitk.Transform(start), affine])  # the last one is applied first
    return Found(as_affine(joined), start, best.likeness, True, float(np.linalg.norm(there - here)), glands)


def _sights(finder: Finder, mr: Picture, us: Picture, mr_box: Box, us_box: Box, *, given: bool) -> Iterator[_Sight]:
    """The pair in every orientation that headers may give it."""
    for order, signs in product(permutations(range(3)), product((1.0, -1.0), repeat=3)):
        axes = np.eye(3)[:, list(order)] * np.array(signs)
        for margin in MARGINS_MM:
            one, other = (sides_of(box, axes, margin) for box in (mr_box, us_box))
            if min((one.high - one.low).min(), (other.high - other.low).min()) <= 2 * LARGEST_STEP_MM:
                continue
            if not given:
                middle, half = (one.low + one.high) / 2, (one.high - one.low) / 2 * np.exp(finder.growth)
                one = Sides(middle - half, middle + half)
            likeness = min(finder.mr.likeness(mr.features(one, axes)), finder.us.likeness(us.features(other, axes)))
            usual = margin == MARGINS_MM[0] and np.array_equal(axes, np.eye(3))
            yield _Sight(likeness, usual, axes, one, other)
