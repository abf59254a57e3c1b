"""MR and TRUS become a pair on the grid on which the networks work, at a start from which they can be registered."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..progress import SILENT, Progress
from ..volume import Grid, Volume

if TYPE_CHECKING:
    import SimpleITK as sitk

    from ..registration.finder import Found
    from ..registration.guidance import Guidance
    from ..weights import Weights

Preset = Literal["fast", "balanced", "paper"]

SHAPES: dict[str, tuple[int, int, int]] = {"fast": (32, 64, 64), "balanced": (48, 96, 96), "paper": (64, 128, 128)}
"""Voxels (k, j, i) of the grid on which the networks work; the last is the paper's."""

FEWEST_SLICES = 6
LEAST_MM = 5.0
"""Edge of a region below which it holds no gland: a slip of the pen, or lengths in another unit."""


@dataclass(frozen=True)
class Pair:
    """MR and TRUS on the grid on which the networks work.

    Attributes:
        mr, us: float32 volumes on one grid; ``initial`` carried the MR there.
        valid: (k, j, i) where both images really show something.
        initial: fixed (TRUS) points to moving (MR) points, LPS mm, before any deformation.
    """

    mr: Volume
    us: Volume
    valid: NDArray[np.bool_]
    initial: sitk.Transform

    @property
    def preparation(self) -> tuple[str, ...]:
        """What was done to both images before any network sees them, for the report."""
        size, spacing = self.us.grid.size, self.us.grid.spacing_mm
        return (
            "Both were resampled in the region to {} x {} x {} voxels".format(*size)
            + " of {:.2f} x {:.2f} x {:.2f} mm, blurred to that size first.".format(*spacing),
            "The bias field of the MR was divided out (N4).",
            f"What only one of them shows is kept out of every loss: "
            f"{100 * (1 - self.valid.mean()):.0f} % of the region.",
            "Their grey levels from the 1st to the 99th percentile of the rest become -1 to 1.",
        )


def read_pair(mr: str | Path, us: str | Path) -> tuple[Volume, Volume]:
    """Both images from their files.

    Raises:
        InputError: a file cannot be read, holds colours, values that are no numbers or one value alone, or the TRUS
            volume is a slice or two.
    """
    pair = Volume.read(mr), Volume.read(us)
    for path, volume in zip((mr, us), pair, strict=True):
        if volume.array.ndim != 3:
            raise InputError(f"{Path(path).name} has colours or vectors in its voxels: save it as grey levels.")
        if not np.isfinite(volume.array).all():
            raise InputError(f"{Path(path).name} holds voxels that are no numbers: save it with 0 in their place.")
        if np.all(volume.array == volume.array.flat[0]):
            raise InputError(f"{Path(path).name} has one value everywhere and shows nothing: give another image.")
    if min(pair[1].grid.shape) < 3:
        raise InputError(f"{Path(us).name} is too thin: a TRUS volume of three voxels along each axis is needed.")
    return pair


def double_slices(mr: Volume, progress: Progress = SILENT) -> Volume:
    """The MR with a slice between every two of its slices, painted by kriging; its own slices stay as they are.

    Slices are those along k, as scanners and files order them.

    Args:
        mr: the image.
        progress: told before every slice that is painted.

    Raises:
        InputError: too few slices to learn from how they go over into each other.
    """
    from ..reconstruction.kriging import guesses

    depth, height, width = mr.grid.shape
    if depth < FEWEST_SLICES:
        raise InputError(f"An MR of {depth} slices cannot be doubled (--double-slices): {FEWEST_SLICES} are needed.")
    found = np.zeros((2 * depth - 1, height, width), np.float32)
    found[::2] = mr.array
    lowest, highest = mr.array.min(), mr.array.max()
    slices = np.arange(len(found))
    everywhere = np.ones((height, width), bool)
    for k, guess in guesses(found, slices[::2], slices[1::2], slices.astype(float), everywhere, progress):
        found[k] = guess.clip(lowest, highest)
    i, j, k_mm = mr.grid.spacing_mm
    grid = Grid(found.shape, (i, j, k_mm / 2), mr.grid.origin_mm, mr.grid.direction)
    whole = np.issubdtype(mr.array.dtype, np.integer)
    return Volume((np.rint(found) if whole else found).astype(mr.array.dtype), grid)


def find_start(
    mr: Volume,
    us: Volume,
    *,
    initial: str | sitk.Transform = "none",
    region_mm: tuple[float, ...],
    mr_region_mm: tuple[float, ...] | None = None,
    keep_well_laid: bool = True,
    weights: Weights | None = None,
) -> Found:
    """Where the glands lie in roughly drawn boxes, and so a better start; the given one where it recognises nothing.

    Args:
        mr: the moving image.
        us: the fixed image.
        initial: the start that is to be bettered, as :func:`pair_up` takes it.
        region_mm: x0, y0, z0, x1, y1, z1 (LPS) of a box around the gland in ``us``, some 10 mm too large.
        mr_region_mm: of one in ``mr``; where ``initial`` brings the other one if not given.
        keep_well_laid: keep a start by which both glands, as they are seen, lie on each other already; masks and
            landmarks, which come after, want to know how the glands are turned to each other all the same.
        weights: what a cohort taught; the program's own where they hold nothing of it.

    Raises:
        InputError: a box lies outside its image, or that in the MR is tiny.
    """
    from ..registration.boxes import Box
    from ..registration.finder import find
    from ..registration.finder_training import from_part, own_finder
    from ..registration.initial import initial_transform

    box = Box.of(region_mm)
    region = us.grid.cropped_to(box.low_mm, box.high_mm)
    pose = initial_transform(initial, mr, us, region) if isinstance(initial, str) else initial
    part = weights.parts.get("finder") if weights is not None else None
    finder = from_part(part or own_finder())
    mr_box = Box.of(mr_region_mm) if mr_region_mm else None
    if mr_box is not None and min(mr_box.size_mm) < LEAST_MM:
        raise InputError(
            "The box in the MR is {:.2g} x {:.2g} x {:.2g} mm, too small for a gland: give a larger "
            "--moving-roi.".format(*mr_box.size_mm)
        )
    return find(finder, mr, us, pose, box, mr_box, keep_well_laid=keep_well_laid)


def guided_start(
    mr: Volume,
    us: Volume,
    guidance: Guidance,
    *,
    initial: str | sitk.Transform = "none",
    region_mm: tuple[float, ...] | None = None,
) -> sitk.Transform:
    """The start that masks of both glands and landmark pairs speak for; ``initial`` where there is neither.

    Args:
        mr: the moving image.
        us: the fixed image.
        guidance: what is known.
        initial: the start as it is known without, as :func:`pair_up` takes it; it says how the glands are turned.
        region_mm: x0, y0, z0, x1, y1, z1 of the box to work in, LPS mm; the whole of ``us`` if not given.
    """
    from ..registration.initial import initial_transform

    region = us.grid if region_mm is None else us.grid.cropped_to(region_mm[:3], region_mm[3:])
    return guidance.start(initial_transform(initial, mr, us, region) if isinstance(initial, str) else initial)


def pair_up(
    mr: Volume,
    us: Volume,
    *,
    initial: str | sitk.Transform = "none",
    region_mm: tuple[float, ...] | None = None,
    preset: Preset,
) -> Pair:
    """Bring both images onto the networks' grid, the MR without its bias field.

    Args:
        mr: the moving image.
        us: the fixed image.
        initial: the pose (fixed to moving points, LPS mm), or where it comes from; see
            :func:`.registration.initial.initial_transform`.
        region_mm: x0, y0, z0, x1, y1, z1 (LPS) of the box that is registered; all that ``us`` shows if not given.
        preset: size of the grid.

    Raises:
        InputError: the region misses the TRUS volume or is tiny, or the two images do not overlap in it.
    """
    from ..bias import without_bias
    from ..registration.initial import initial_transform

    shown = us.foreground()
    asked = None if region_mm is None else us.grid.cropped_to(region_mm[:3], region_mm[3:])
    region = us.grid.cropped_to(*_box_of(shown, us.grid)) if asked is None else asked
    if min(region.extent_mm) < LEAST_MM:
        raise InputError(
            "The region to register is {:.2g} x {:.2g} x {:.2g} mm, too small for a gland: ".format(*region.extent_mm)
            + (
                "check the TRUS volume, whose lengths have to be in mm."
                if asked is None
                else "give a larger --fixed-roi."
            )
        )
    pose = initial_transform(initial, mr, us, asked) if isinstance(initial, str) else initial
    grid = region.reoriented().resampled(shape=SHAPES[preset])
    valid = Volume(shown.astype(np.uint8), us.grid).resampled(grid, interpolation="nearest").array > 0
    valid &= Volume(np.ones(mr.grid.shape, np.uint8), mr.grid).resampled(grid, pose, "nearest").array > 0
    if valid.mean() < 0.05:
        raise InputError(
            f"MR and TRUS overlap in only {100 * valid.mean():.0f} % of the region: start from another pose with "
            "--initial (centers brings their middles together)."
        )
    return Pair(
        without_bias(_as_float(mr.smoothed_for(grid).resampled(grid, pose, outside=float(mr.array.min()))), valid),
        _as_float(us.smoothed_for(grid).resampled(grid)),
        valid,
        pose,
    )


def _box_of(shown: NDArray[np.bool_], grid: Grid) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The two corners, LPS mm, of the box that holds the centres of the voxels that are true.

    However the grid lies, the farthest is an end of its row: all of them would take a hundred bytes a voxel.
    """
    rows = shown.any(axis=2)
    k, j = np.nonzero(rows)
    first, last = shown[rows].argmax(axis=1), shown.shape[2] - 1 - shown[rows][:, ::-1].argmax(axis=1)
    ends = np.concatenate([grid.to_world(np.stack([i, j, k], axis=-1)) for i in (first, last)])
    return ends.min(axis=0), ends.max(axis=0)


def _as_float(volume: Volume) -> Volume:
    return Volume(volume.array.astype(np.float32), volume.grid)
