"""``fill``: the transverse frames at their positions become a volume, and its gaps are filled."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import pipeline
from ..errors import InputError
from ..outputs import staged
from ..progress import SILENT, Progress
from ..volume import Volume

if TYPE_CHECKING:
    from ..devices import Device


def run(
    *,
    out: Path,
    transverse: Path,
    positions: Path,
    sagittal_row_mm: float | None = None,
    method: pipeline.Fill = "kriging",
    voxel_mm: pipeline.VoxelSize = None,
    extent_mm: Sequence[float] | None = None,
    plane_offset_mm: float = 0.0,
    seed: int = 0,
    device: Device = "auto",
    threads: int | None = None,
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """Write trus_sparse.nrrd, trus_measured.nrrd and trus.nrrd, and say what was filled and how well.

    Args:
        out: folder for the files.
        transverse: the stack that ``read`` wrote.
        positions: positions.csv, as ``stitch`` wrote it.
        sagittal_row_mm: spacing of the rows of the sagittal view, in whose pixels ``positions`` tells how far the hand
            wobbled in depth; where it is not given the wobble stays.
        method: what fills the gaps.
        voxel_mm: edge of a voxel, or edges along x, y and z.
        extent_mm: x0, y0, z0, x1, y1, z1 of the volume, LPS; what the frames cover where not given.
        plane_offset_mm: where on the sagittal frame, from its first column on, the transverse plane crosses it.
        seed: of everything random.
        device: where the networks run.
        threads: CPU threads at most.
        progress: told about every step.

    Returns:
        What :func:`summary` says, and ``frame_planes``: ``width_mm``, ``height_mm``, ``x0_mm`` and ``y0_mm`` of the
        frames' outer corner at the first pixel (LPS; a frame reaches from x0 to x0 + width and from y0 to y0 - height,
        but for the hand's wobble), and ``frames`` with their ``z_mm``, those that were used.

    Raises:
        InputError: the files cannot be read or do not belong together, a volume cannot be made of them, or ``out``
            cannot be written.
    """
    from ..devices import prepare
    from ..reconstruction.mosaic import read_positions
    from ..video.exam import read_stack

    place = prepare(device, threads, network=method == "dip")
    with staged(Path(out)) as folder:
        progress.named("Read").report(0.0)
        frames, spacing_mm = read_stack(Path(transverse))
        positions_mm, usable = read_positions(Path(positions))
        if len(frames) != len(positions_mm):
            raise InputError(
                f"{Path(transverse).name} has {len(frames)} frames, but {Path(positions).name} has positions of "
                f"{len(positions_mm)}: give the two of one exam."
            )
        depths_mm = _offsets_y_px(Path(positions)) * sagittal_row_mm if sagittal_row_mm is not None else None
        result = pipeline.fill_gaps(
            frames,
            spacing_mm,
            positions_mm,
            usable,
            depths_mm=depths_mm,
            method=method,
            voxel_mm=voxel_mm,
            extent_mm=extent_mm,
            plane_offset_mm=plane_offset_mm,
            seed=seed,
            device=place,
            progress=progress,
        )
        write(folder, result)
        return summary(result) | {
            "frame_planes": _planes(frames.shape, spacing_mm, positions_mm + plane_offset_mm, usable)
        }


def summary(result: pipeline.FilledVolume) -> dict[str, Any]:
    """``volume_voxels_ijk``, ``volume_spacing_mm``, ``measured_share_of_fan``, and ``filling`` where it was scored."""
    figures: dict[str, Any] = {
        "volume_voxels_ijk": list(result.volume.grid.size),
        "volume_spacing_mm": list(result.volume.grid.spacing_mm),
        "measured_share_of_fan": float(result.placement.measured.sum() / result.placement.inside.sum()),
    }
    if result.filling is not None:
        figures["filling"] = asdict(result.filling) | {
            "hidden": list(result.filling.hidden),
            "sentence": result.filling.sentence,
        }
    return figures


def write(folder: Path, result: pipeline.FilledVolume) -> None:
    """Write trus_sparse.nrrd (float32), and as uint8 trus.nrrd and trus_measured.nrrd, which is 1 where frames lie."""
    result.placement.volume.write(folder / "trus_sparse.nrrd")
    Volume(result.placement.measured.astype(np.uint8), result.volume.grid).write(folder / "trus_measured.nrrd")
    grey = np.rint(result.volume.array).clip(0, 255).astype(np.uint8)
    Volume(grey, result.volume.grid).write(folder / "trus.nrrd")


def _offsets_y_px(path: Path) -> NDArray[np.float64]:
    """How many rows deeper than the first each sagittal frame lies, (n,), from the table of positions."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        try:
            offsets = np.array([float(row["offset_y_px"]) for row in csv.DictReader(file)])
        except (KeyError, TypeError, ValueError):
            offsets = np.array([np.nan])
    if not np.isfinite(offsets).all():
        raise InputError(f"{path.name} does not give offset_y_px for each frame: stitch the frames again.")
    return offsets


def _planes(
    shape: tuple[int, ...],
    spacing_mm: tuple[float, float],
    positions_mm: NDArray[np.float64],
    usable: NDArray[np.bool_],
) -> dict[str, Any]:
    (_, rows, columns), (row_mm, column_mm) = shape, spacing_mm
    frames = np.flatnonzero(usable)
    return {
        "width_mm": columns * column_mm,
        "height_mm": rows * row_mm,
        "x0_mm": -columns * column_mm / 2,
        "y0_mm": row_mm / 2,
        "frames": frames.tolist(),
        "z_mm": (0.0 - positions_mm[frames]).tolist(),
    }
