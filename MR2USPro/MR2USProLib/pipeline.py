"""The road from a biplane video and a T2 MR to a registered MR, stage by stage.

This is the paper in the order in which it runs: reconstruct (III-A), translate (III-B), register (III-C). Every front
end calls these functions; the stages know nothing of each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from .errors import InputError
from .progress import SILENT, Progress
from .volume import Volume

if TYPE_CHECKING:
    import SimpleITK as sitk

    from .reconstruction.filling import FillingCheck
    from .reconstruction.mosaic import Stitching
    from .reconstruction.placement import Placement
    from .registration.anatomy_aware import FittedDeformation
    from .translation.acmt import Translation
    from .video.exam import Exam

Matcher = Literal["auto", "sift", "orb"]
Fill = Literal["dip", "linear", "none"]
Preset = Literal["fast", "balanced", "paper"]

SHAPES: dict[str, tuple[int, int, int]] = {"fast": (32, 64, 64), "balanced": (48, 96, 96), "paper": (64, 128, 128)}
"""Voxels (k, j, i) of the grid on which the networks work; the last is the paper's."""


@dataclass(frozen=True)
class Reconstruction:
    """A TRUS volume and how it came about."""

    stitching: Stitching
    placement: Placement
    volume: Volume
    filling: FillingCheck | None


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


@dataclass(frozen=True)
class Registration:
    """How the MR was brought onto the TRUS.

    Attributes:
        pair: what the networks saw, before translation.
        translation: both images in the intermediate modality; None where none was asked for.
        transform: fixed points to moving points, LPS mm, the initial alignment included.
        warped: the original MR on the TRUS volume's grid, interpolated once.
    """

    pair: Pair
    translation: Translation | None
    fitted: FittedDeformation
    transform: sitk.Transform
    warped: Volume


def reconstruct(
    exam: Exam,
    *,
    matcher: Matcher = "auto",
    fill: Fill = "dip",
    voxel_mm: float | None = None,
    seed: int = 0,
    device: str = "cpu",
    progress: Progress = SILENT,
) -> Reconstruction:
    """Stitch the sagittal frames, put their transverse partners where they belong, fill what lies between."""
    from .reconstruction.filling import fill_volume
    from .reconstruction.mosaic import stitch
    from .reconstruction.placement import place

    stitching = stitch(exam.sagittal, matcher=matcher, progress=progress.named("Stitch"))
    placement = place(
        exam.transverse,
        exam.transverse_spacing_mm,
        stitching.positions_mm(exam.sagittal_spacing_mm[1]),
        usable=stitching.usable,
        voxel_mm=voxel_mm,
        progress=progress.named("Place"),
    )
    filled, check = fill_volume(
        placement.volume.array,
        placement.measured,
        placement.fan,
        method=fill,
        seed=seed,
        device=device,
        progress=progress.named("Fill"),
    )
    return Reconstruction(stitching, placement, Volume(filled, placement.volume.grid), check)


def pair_up(
    mr: Volume, us: Volume, *, initial: str = "none", region_mm: tuple[float, ...] | None = None, preset: Preset
) -> Pair:
    """Bring both images onto the networks' grid.

    Args:
        mr: the moving image.
        us: the fixed image.
        initial: where the pose comes from; see :func:`.registration.initial.initial_transform`.
        region_mm: x0, y0, z0, x1, y1, z1 (LPS) of the box that is registered; all that ``us`` shows if not given.
        preset: size of the grid.

    Raises:
        InputError: the region misses the TRUS volume, or the two images do not overlap in it.
    """
    from .registration.initial import initial_transform

    shown = us.foreground()
    if region_mm is not None:
        region = us.grid.cropped_to(region_mm[:3], region_mm[3:])
    else:
        seen = us.grid.to_world(np.argwhere(shown)[:, ::-1])
        region = us.grid.cropped_to(seen.min(axis=0), seen.max(axis=0))
    pose = initial_transform(initial, mr, us, region)
    grid = region.reoriented().resampled(shape=SHAPES[preset])
    valid = Volume(shown.astype(np.uint8), us.grid).resampled(grid, interpolation="nearest").array > 0
    valid &= Volume(np.ones(mr.grid.shape, np.uint8), mr.grid).resampled(grid, pose, "nearest").array > 0
    if valid.mean() < 0.05:
        raise InputError(
            f"MR and TRUS overlap in only {valid.mean():.0%} of the region: start from another pose with --initial "
            "(centers brings their middles together)."
        )
    return Pair(
        _as_float(mr.smoothed_for(grid).resampled(grid, pose, outside=float(mr.array.min()))),
        _as_float(us.smoothed_for(grid).resampled(grid)),
        valid,
        pose,
    )


def translate(
    pair: Pair,
    *,
    strict_paper: bool = False,
    seed: int = 0,
    device: str = "cpu",
    progress: Progress = SILENT,
) -> Translation:
    """Take both images to one intermediate modality (ACMT), fitted to this pair."""
    from .translation.acmt import AcmtSettings, translate_pair

    return translate_pair(
        pair.mr.array,
        pair.us.array,
        pair.valid,
        settings=AcmtSettings(strict_paper=strict_paper),
        seed=seed,
        device=device,
        progress=progress.named("Translate"),
    )


def register(
    mr: Volume,
    us: Volume,
    pair: Pair,
    *,
    translation: Literal["acmt", "none"] = "acmt",
    seed: int = 0,
    device: str = "cpu",
    progress: Progress = SILENT,
) -> Registration:
    """Find the deformation on the translated pair and apply it to the original MR."""
    from .registration.anatomy_aware import fit_anatomy_aware
    from .registration.transforms import composite, warp
    from .translation.acmt import normalised

    translated = translate(pair, seed=seed, device=device, progress=progress) if translation == "acmt" else None
    moving, fixed = (
        (translated.mr, translated.us)
        if translated
        else (normalised(pair.mr.array, pair.valid), normalised(pair.us.array, pair.valid))
    )
    fitted = fit_anatomy_aware(
        moving,
        fixed,
        pair.valid,
        pair.us.grid.spacing_mm,
        seed=seed,
        device=device,
        progress=progress.named("Register"),
    )
    displacement = Volume(pair.us.grid.voxels_to_mm(fitted.displacement), pair.us.grid)
    transform = composite(pair.initial, displacement, us.grid)
    return Registration(pair, translated, fitted, transform, warp(mr, us.grid, transform))


def _as_float(volume: Volume) -> Volume:
    return Volume(volume.array.astype(np.float32), volume.grid)
