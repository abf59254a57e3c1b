"""``stitch``: where each sagittal frame lies, and whether that can be believed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import pipeline
from ..outputs import staged
from ..progress import SILENT, Progress
from ..volume import Grid, Volume

if TYPE_CHECKING:
    from ..devices import Device
    from ..reconstruction.mosaic import Stitching


def run(
    *,
    out: Path,
    sagittal: Path,
    matcher: pipeline.Matcher = "auto",
    loftr_weights: str | Path | None = None,
    excluded: Sequence[int] = (),
    pinned: Mapping[int, float] | Mapping[str, float] | None = None,
    seed: int = 0,
    device: Device = "auto",
    threads: int | None = None,
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """Write positions.csv and sagittal_map.nrrd/.png, and say what was found.

    Args:
        out: folder for the files.
        sagittal: the stack that ``read`` wrote.
        matcher: what of the frames is compared.
        loftr_weights: file of the network for ``loftr``; with it, ``auto`` tries that as well.
        excluded: frames that are not used; they are ``rejected`` in the table.
        pinned: frames (as JSON has them, in strings, too) whose position in mm is known.
        seed: taken as by every stage; nothing here is random.
        device: where that network runs.
        threads: CPU threads at most.
        progress: told before every frame.

    Returns:
        What :func:`summary` says.

    Raises:
        InputError: the stack cannot be read or stitched, or ``out`` cannot be written.
    """
    from ..devices import prepare
    from ..video.exam import read_stack

    place = prepare(device, threads, network=pipeline.tries_loftr(loftr_weights, matcher))
    with staged(Path(out)) as folder:
        progress.named("Read").report(0.0)
        frames, spacing_mm = read_stack(Path(sagittal))
        left_out = frozenset(int(t) for t in excluded)
        stitching = pipeline.stitch(
            frames,
            spacing_mm[1],
            matcher=matcher,
            loftr_weights=loftr_weights,
            excluded=left_out,
            pinned_mm={int(t): float(position) for t, position in (pinned or {}).items()},
            device=place,
            progress=progress,
        )
        write(folder, stitching, spacing_mm)
        return summary(stitching, spacing_mm[1], left_out)


def summary(stitching: Stitching, column_mm: float, excluded: Set[int] = frozenset()) -> dict[str, Any]:
    """The figures of a stitching, its suspect frames and the verdict on it.

    ``frames``, ``frames_by_status``, ``matcher_used``, ``stitching_quality``, ``position_error_mm`` (the mean absolute
    error of the positions to be expected), ``sweep_mm``, ``suspects`` (each with ``frame``, ``position_mm``,
    ``status``, ``reason``) and ``verdict`` (``level``, ``text``).
    """
    from ..reconstruction.verdict import judged, suspects

    status = np.asarray(stitching.status)
    return {
        "frames": len(status),
        "frames_by_status": {name: int(np.sum(status == name)) for name in ("ok", "interpolated", "rejected")},
        "matcher_used": stitching.matcher,
        "stitching_quality": stitching.quality,
        "position_error_mm": stitching.position_error_px * column_mm,
        "direction": _direction(stitching, column_mm),
        "sweep_mm": float(np.ptp(stitching.positions_mm(column_mm))),
        "suspects": [asdict(suspect) for suspect in suspects(stitching, column_mm, excluded)],
        "verdict": asdict(judged(stitching, column_mm, excluded)),
    }


def _direction(stitching: Stitching, column_mm: float) -> str:
    """Which way the probe went, given that the head is on the left of the sagittal frames."""
    positions = stitching.positions_mm(column_mm)[stitching.usable]
    moved = float(positions[-1] - positions[0]) if len(positions) else 0.0
    way = "feet" if moved > 0 else "head"
    return f"From the first frame to the last the probe moved {abs(moved):.1f} mm towards the {way}."


def write(folder: Path, stitching: Stitching, spacing_mm: tuple[float, float]) -> None:
    """Write positions.csv, sagittal_map.nrrd and sagittal_map.png of a stitching; spacing as (row, column)."""
    import cv2

    from ..reconstruction.mosaic import write_positions

    rows_mm, columns_mm = spacing_mm
    write_positions(folder / "positions.csv", stitching, columns_mm)
    picture = np.nan_to_num(stitching.map).clip(0, 255)
    # By its bytes: OpenCV does not write to names with letters beyond ASCII on every system, and does not say so.
    (folder / "sagittal_map.png").write_bytes(cv2.imencode(".png", picture.astype(np.uint8))[1].tobytes())
    # One slice thick, standing in the sagittal plane of the TRUS volume (x = 0).
    left, top = stitching.map_origin_px
    plane = Grid(
        (1, *picture.shape),
        (columns_mm, rows_mm, columns_mm),
        (0.0, -top * rows_mm, -left * columns_mm),
        np.array([[0.0, 0.0, 1.0], [0.0, -1.0, 0.0], [-1.0, 0.0, 0.0]]),
    )
    Volume(picture[None].astype(np.float32), plane).write(folder / "sagittal_map.nrrd")
