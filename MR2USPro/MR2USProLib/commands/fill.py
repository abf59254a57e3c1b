"""``fill``: the transverse frames at their positions become a volume, and its gaps are filled."""

from __future__ import annotations

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
    method: pipeline.Fill = "dip",
    voxel_mm: float | None = None,
    seed: int = 0,
    device: Device = "auto",
    threads: int | None = None,
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """Write trus_sparse.nrrd and trus.nrrd, and say what was filled and how well.

    Args:
        out: folder for the files.
        transverse: the stack that ``read`` wrote.
        positions: positions.csv, as ``stitch`` wrote it.
        method: what fills the gaps.
        voxel_mm: edge of a voxel.
        seed: of everything random.
        device: where the networks run.
        threads: CPU threads at most.
        progress: told about every step.

    Returns:
        What :func:`summary` says, and ``frame_planes``: ``width_mm``, ``height_mm``, ``x0_mm`` and ``y0_mm`` of the
        frames' outer corner at the first pixel (LPS; a frame reaches from x0 to x0 + width and from y0 to y0 - height),
        and ``frames`` with their ``z_mm``, those that were used.

    Raises:
        InputError: the files cannot be read or do not belong together, a volume cannot be made of them, or ``out``
            cannot be written.
    """
    from ..devices import prepare
    from ..reconstruction.mosaic import read_positions
    from ..video.exam import read_stack

    with staged(Path(out)) as folder:
        progress.named("Read").report(0.0)
        frames, spacing_mm = read_stack(Path(transverse))
        positions_mm, usable = read_positions(Path(positions))
        if len(frames) != len(positions_mm):
            raise InputError(
                f"{Path(transverse).name} has {len(frames)} frames, but {Path(positions).name} has positions of "
                f"{len(positions_mm)}: give the two of one exam."
            )
        result = pipeline.fill_gaps(
            frames,
            spacing_mm,
            positions_mm,
            usable,
            method=method,
            voxel_mm=voxel_mm,
            seed=seed,
            device=prepare(device, threads),
            progress=progress,
        )
        write(folder, result)
        return summary(result) | {"frame_planes": _planes(frames.shape, spacing_mm, positions_mm, usable)}


def summary(result: pipeline.FilledVolume) -> dict[str, Any]:
    """``volume_voxels_ijk``, ``volume_spacing_mm``, ``measured_share_of_fan``, and ``filling`` where it was scored."""
    fan = int(result.placement.fan.sum()) * result.volume.grid.shape[0]
    figures: dict[str, Any] = {
        "volume_voxels_ijk": list(result.volume.grid.size),
        "volume_spacing_mm": list(result.volume.grid.spacing_mm),
        "measured_share_of_fan": float(result.placement.measured.sum() / fan),
    }
    if result.filling is not None:
        figures["filling"] = asdict(result.filling) | {
            "hidden": list(result.filling.hidden),
            "sentence": result.filling.sentence,
        }
    return figures


def write(folder: Path, result: pipeline.FilledVolume) -> None:
    """Write trus_sparse.nrrd (float32, 0 where nothing was measured) and trus.nrrd (uint8)."""
    result.placement.volume.write(folder / "trus_sparse.nrrd")
    grey = np.rint(result.volume.array).clip(0, 255).astype(np.uint8)
    Volume(grey, result.volume.grid).write(folder / "trus.nrrd")


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
