"""From a biplane exam to a TRUS volume: stitched, placed, filled (the paper's section III-A)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeGuard

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..progress import SILENT, Progress
from ..volume import Volume

if TYPE_CHECKING:
    from ..reconstruction.filling import FillingCheck
    from ..reconstruction.mosaic import Stitching
    from ..reconstruction.placement import Placement
    from ..video.exam import Exam

Matcher = Literal["auto", "layers", "sift", "orb", "loftr"]
Fill = Literal["kriging", "dip", "linear", "none"]
VoxelSize = float | Sequence[float] | None
"""Edge of cubic voxels in mm, or the edges along x, y and z; None for the default."""

FARTHEST_MM = 1000.0
"""No frame lies further along a probe's shaft than this."""

OFFSET_DIGITS = 3
"""Decimals of an offset in px in the table of positions: what is placed at once lies where it lies step by step."""


@dataclass(frozen=True)
class FilledVolume:
    """A TRUS volume.

    Attributes:
        placement: the transverse frames where they belong, and the gaps between them.
        volume: the same without gaps.
        filling: how well the gaps were filled; None where nothing was filled or it could not be scored.
    """

    placement: Placement
    volume: Volume
    filling: FillingCheck | None


@dataclass(frozen=True)
class Reconstruction(FilledVolume):
    """A TRUS volume and the stitching that it came from."""

    stitching: Stitching


def reconstruct(
    exam: Exam,
    *,
    matcher: Matcher = "auto",
    loftr_weights: str | Path | None = None,
    excluded: Set[int] = frozenset(),
    pinned_mm: Mapping[int, float] | None = None,
    fill: Fill = "kriging",
    voxel_mm: VoxelSize = None,
    extent_mm: Sequence[float] | None = None,
    plane_offset_mm: float = 0.0,
    seed: int = 0,
    device: str = "cpu",
    progress: Progress = SILENT,
) -> Reconstruction:
    """Stitch the sagittal frames, put their transverse partners where they belong, fill what lies between."""
    row_mm, column_mm = exam.sagittal_spacing_mm
    stitching = stitch(
        exam.sagittal,
        column_mm,
        matcher=matcher,
        loftr_weights=loftr_weights,
        excluded=excluded,
        pinned_mm=pinned_mm,
        device=device,
        progress=progress,
    )
    filled = fill_gaps(
        exam.transverse,
        exam.transverse_spacing_mm,
        stitching.positions_mm(column_mm),
        stitching.usable,
        depths_mm=stitching.offsets_px[:, 1].round(OFFSET_DIGITS) * row_mm,
        method=fill,
        voxel_mm=voxel_mm,
        extent_mm=extent_mm,
        plane_offset_mm=plane_offset_mm,
        seed=seed,
        device=device,
        progress=progress,
    )
    return Reconstruction(filled.placement, filled.volume, filled.filling, stitching)


def tries_loftr(weights: str | Path | None, matcher: Matcher) -> TypeGuard[str | Path]:
    """Whether that network is among what a stitching tries: only where its weights are given."""
    return weights is not None and matcher in ("auto", "loftr")


def stitch(
    sagittal: NDArray[np.uint8],
    column_mm: float,
    *,
    matcher: Matcher = "auto",
    loftr_weights: str | Path | None = None,
    excluded: Set[int] = frozenset(),
    pinned_mm: Mapping[int, float] | None = None,
    device: str = "cpu",
    progress: Progress = SILENT,
) -> Stitching:
    """Find where each sagittal frame (frame, row, column) lies, but for the excluded ones.

    Args:
        sagittal: uint8 (frame, row, column).
        column_mm: spacing of the columns.
        matcher: what of the frames is compared.
        loftr_weights: file of the network for ``loftr``; with it, ``auto`` tries that as well.
        excluded: frames that are left out.
        pinned_mm: frames whose position is known, and the position.
        device: where that network runs.
        progress: told before every frame.

    Raises:
        InputError: the frames cannot be stitched, an excluded or pinned frame is not there, or LoFTR's weights are not.
    """
    from ..reconstruction import mosaic

    pins = dict(pinned_mm or {})
    for option, chosen in (("--exclude", sorted(excluded)), ("--pin", sorted(pins))):
        missing = [t for t in chosen if not 0 <= t < len(sagittal)]
        if missing:
            raise InputError(f"There is no frame {missing[0]} ({option}): give frames from 0 to {len(sagittal) - 1}.")
    if not all(np.isfinite(position) for position in pins.values()):
        raise InputError("A pinned frame has no position (--pin): give it in mm.")
    for t, position in pins.items():
        if abs(position) > FARTHEST_MM:
            raise InputError(
                f"Frame {t} is pinned to {position:g} mm (--pin), further than any probe reaches: give its place along "
                "the shaft in mm."
            )
    loftr = None
    if tries_loftr(loftr_weights, matcher):
        from ..reconstruction.loftr import LoftrMatcher

        loftr = LoftrMatcher(loftr_weights, device)
    return mosaic.stitch(
        sagittal,
        matcher=matcher,
        loftr=loftr,
        excluded=excluded,
        pinned_px={t: position / column_mm for t, position in pins.items()},
        progress=progress.named("Stitch"),
    )


def fill_gaps(
    transverse: NDArray[np.uint8],
    spacing_mm: tuple[float, float],
    positions_mm: NDArray[np.float64],
    usable: NDArray[np.bool_],
    *,
    depths_mm: NDArray[np.float64] | None = None,
    method: Fill = "kriging",
    voxel_mm: VoxelSize = None,
    extent_mm: Sequence[float] | None = None,
    plane_offset_mm: float = 0.0,
    seed: int = 0,
    device: str = "cpu",
    progress: Progress = SILENT,
) -> FilledVolume:
    """Put the usable transverse frames at their places and fill what lies between them.

    The places are those of the sagittal frames, whose first column lies at the position and whose first row at the
    depth; ``plane_offset_mm`` says where on the sagittal frame, from its first column on, the transverse plane crosses
    it. The rest is told in :func:`.reconstruction.placement.place` and :func:`.reconstruction.filling.fill_volume`.
    """
    from ..reconstruction.filling import fill_volume
    from ..reconstruction.placement import place

    if not np.isfinite(plane_offset_mm):
        raise InputError("The transverse plane has no place on the sagittal view: give --plane-offset in mm.")
    placement = place(
        transverse,
        spacing_mm,
        positions_mm + plane_offset_mm,
        usable=usable,
        depths_mm=depths_mm,
        voxel_mm=voxel_mm,
        extent_mm=extent_mm,
        progress=progress.named("Place"),
    )
    filled, check = fill_volume(
        placement.volume.array,
        placement.measured,
        placement.inside,
        at=placement.at,
        method=method,
        seed=seed,
        device=device,
        progress=progress.named("Fill"),
    )
    return FilledVolume(placement, Volume(filled, placement.volume.grid), check)
