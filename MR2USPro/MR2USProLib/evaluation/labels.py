"""Labels of a pair of images, and the score of a transform against them. No method ever sees them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..volume import Grid, Volume, read_image
from .metrics import average_surface_distance_mm, dice, hausdorff95_mm, iou, target_registration_error_mm

if TYPE_CHECKING:
    import SimpleITK as sitk

MOST_STRUCTURES = 64
"""A file with more values than this is an image and no label map."""


@dataclass(frozen=True)
class Labels:
    """What was drawn in one image.

    Attributes:
        gland: the prostate, bool (k, j, i), with the structures that it encloses.
        landmarks_mm: LPS centroids (m, 3) of the other structures; NaN where a structure is empty.
        names: what each landmark is called in the file.
        map: all of it as one label map (k, j, i): the file's values, or for channels 1 for the gland, 2, 3...
        numbered: whether a structure is known by its place among the file's channels alone.
    """

    gland: Volume
    landmarks_mm: NDArray[np.float64]
    names: tuple[str, ...]
    map: Volume
    numbered: bool = False

    def only(self, names: tuple[str, ...]) -> Labels:
        """The same with no other landmarks than these, in this order."""
        kept = [self.names.index(name) for name in names]
        return replace(self, landmarks_mm=self.landmarks_mm[kept], names=names)


class Score(TypedDict):
    """How well the moving labels, carried by a transform, meet the fixed ones. ``None``: could not be measured."""

    dsc: float | None
    iou: float | None
    asd_mm: float | None
    hd95_mm: float | None
    tre_mm: float | None
    tre_points_mm: list[float | None]


def read_labels(path: str | Path) -> Labels:
    """Read the labels of one image.

    Either a 3-D label map, where 1 is the gland (or the only value besides 0 is) and every further value a structure
    whose centroid is a landmark; or a 4-D file whose channels are masks: the gland first, then small landmarks.

    Raises:
        InputError: no such file, neither of both forms, or without a gland.
    """
    image, name = read_image(path), Path(path).name
    if image.GetNumberOfComponentsPerPixel() != 1 or image.GetDimension() not in (3, 4):
        raise InputError(
            f"{name} is neither a 3-D label map nor a 4-D file with one mask per channel: save the labels as one of "
            "both."
        )
    return _read_label_map(image, name) if image.GetDimension() == 3 else _read_channels(image, name)


def _read_label_map(image: sitk.Image, name: str) -> Labels:
    volume = Volume.of(image)
    values = np.unique(volume.array)
    if len(values) > MOST_STRUCTURES or values[0] < 0 or np.any(values != np.round(values)):
        raise InputError(f"{name} looks like an image: a label map holds 0, 1 for the gland, 2, 3... for landmarks.")
    present = [int(value) for value in values if value != 0]
    if not present or (1 not in present and len(present) > 1):
        raise InputError(f"{name} has no gland: mark the prostate with the value 1.")
    label_map = volume.array.astype(np.min_scalar_type(present[-1]))
    masks = [label_map == value for value in present]
    return _labels(masks, [f"label {value}" for value in present[1:]], Volume(label_map, volume.grid))


def _read_channels(image: sitk.Image, name: str) -> Labels:
    import SimpleITK as sitk

    channels = sitk.GetArrayFromImage(image)
    if len(channels) > MOST_STRUCTURES or channels.min() < 0 or channels.max() > 1:
        raise InputError(f"{name} looks like an image series: each channel of 4-D labels is a mask of 0 and 1.")
    size = image.GetSize()
    grid = Grid(
        (size[2], size[1], size[0]),
        image.GetSpacing()[:3],
        image.GetOrigin()[:3],
        np.asarray(image.GetDirection()).reshape(4, 4)[:3, :3],
    )
    masks = channels >= 0.5
    if not masks[0].any():
        raise InputError(f"{name} has no gland: the first channel is the mask of the prostate and may not be empty.")
    label_map = np.zeros(masks[0].shape, dtype=np.uint8)
    for channel, mask in enumerate(masks):
        label_map[mask] = channel + 1
    names = [f"channel {channel}" for channel in range(1, len(masks))]
    return replace(_labels(list(masks), names, Volume(label_map, grid)), numbered=True)


def _labels(masks: list[NDArray[np.bool_]], names: list[str], label_map: Volume) -> Labels:
    """Labels of the masks of the gland and of the named structures."""
    from scipy.ndimage import binary_fill_holes

    grid = label_map.grid
    centroids = np.full((len(names), 3), np.nan)
    for number, mask in enumerate(masks[1:]):
        if mask.any():
            centroids[number] = grid.to_world(np.argwhere(mask).mean(axis=0)[::-1])
    return Labels(Volume(binary_fill_holes(masks[0]), grid), centroids, tuple(names), label_map)


def shared(moving: Labels, fixed: Labels) -> tuple[Labels, Labels]:
    """Both with the landmarks that both know, in the moving one's order.

    Raises:
        InputError: channels stand for structures by their place, and there are not as many of them on both sides.
    """
    if (moving.numbered or fixed.numbered) and moving.names != fixed.names:
        raise InputError(
            f"The labels do not match: the moving ones hold {_listed(moving.names)} besides the gland and the fixed "
            f"ones {_listed(fixed.names)}; give both the same structures in the same order."
        )
    both = tuple(name for name in moving.names if name in fixed.names)
    return moving.only(both), fixed.only(both)


def left_out(moving: Labels, fixed: Labels) -> list[str]:
    """The structures that only one of them has, and that no score can tell anything about."""
    return sorted(set(moving.names) ^ set(fixed.names))


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names) if names else "nothing"


def score(moving: Labels, fixed: Labels, transform: sitk.Transform) -> Score:
    """Carry the moving labels to the fixed grid and compare what both have.

    The gland is interpolated linearly and cut at one half. Landmarks stay points: TRE = |T(p_fixed) - p_moving|.

    Args:
        moving: labels of the moving image (MR).
        fixed: labels of the fixed image (TRUS).
        transform: takes fixed points to moving points, LPS mm.

    Raises:
        InputError: the labels do not match.
    """
    moving, fixed = shared(moving, fixed)
    inside = Volume(moving.gland.array.astype(np.float32), moving.gland.grid)
    carried = inside.resampled(fixed.gland.grid, transform)
    gland = Volume(np.asarray(carried.array) >= 0.5, carried.grid)
    errors = target_registration_error_mm(
        fixed.landmarks_mm,
        moving.landmarks_mm,
        lambda points: [transform.TransformPoint(point.tolist()) for point in points],
    )
    known = errors[np.isfinite(errors)]
    return Score(
        dsc=_measured(dice(gland, fixed.gland)),
        iou=_measured(iou(gland, fixed.gland)),
        asd_mm=_measured(average_surface_distance_mm(gland, fixed.gland)),
        hd95_mm=_measured(hausdorff95_mm(gland, fixed.gland)),
        tre_mm=float(known.mean()) if known.size else None,
        tre_points_mm=[_measured(error) for error in errors],
    )


def _measured(value: float) -> float | None:
    """The value, or None where there is none (NaN is no JSON)."""
    return float(value) if np.isfinite(value) else None
