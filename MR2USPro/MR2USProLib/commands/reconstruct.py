"""``reconstruct``: from a biplane video to a TRUS volume."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .. import pipeline
from ..devices import prepare
from ..outputs import staged, write_json
from ..progress import SILENT, Progress
from ..provenance import Record
from ..volume import Grid, Volume

if TYPE_CHECKING:
    from ..devices import Device
    from ..video.exam import Exam
    from ..video.frames import Roi


def run(
    *,
    out: Path,
    video: Path | None = None,
    sagittal_roi: Roi | None = None,
    transverse_roi: Roi | None = None,
    sagittal: Path | None = None,
    transverse: Path | None = None,
    spacing_mm: float | None = None,
    matcher: pipeline.Matcher = "auto",
    fill: pipeline.Fill = "dip",
    voxel_mm: float | None = None,
    seed: int = 0,
    device: Device = "auto",
    threads: int | None = None,
    progress: Progress = SILENT,
) -> tuple[Exam, pipeline.Reconstruction, Record]:
    """Reconstruct an exam and write positions.csv, sagittal_map, trus_sparse, trus and the reports to ``out``.

    Raises:
        InputError: the exam cannot be read or stitched, or ``out`` cannot be written.
    """
    from ..report.page import render
    from ..video.exam import read_exam
    from .sections import facts, reconstruction_section

    with staged(out) as folder:
        place = prepare(device, threads)
        inputs = {"video": video, "sagittal": sagittal, "transverse": transverse}
        parameters = {
            "sagittal_roi": sagittal_roi,
            "transverse_roi": transverse_roi,
            "spacing_mm": spacing_mm,
            "matcher": matcher,
            "fill": fill,
            "voxel_mm": voxel_mm,
            "seed": seed,
            "device": place,
            "threads": threads,
        }
        exam = read_exam(
            **inputs,
            sagittal_roi=sagittal_roi,
            transverse_roi=transverse_roi,
            spacing_mm=spacing_mm,
            progress=progress.named("Read"),
        )
        record = Record("reconstruct", parameters, inputs)
        with record.timed("reconstruct"):
            result = pipeline.reconstruct(
                exam, matcher=matcher, fill=fill, voxel_mm=voxel_mm, seed=seed, device=place, progress=progress
            )
        record.results = summary(exam, result)
        _write(folder, exam, result)
        section = reconstruction_section(exam, result)
        page = render("Reconstruction of a TRUS volume", section.text[0], [section], facts(record))
        (folder / "report.html").write_text(page, "utf-8")
        write_json(folder / "report.json", record.as_dict())
    return exam, result, record


def summary(exam: Exam, result: pipeline.Reconstruction) -> dict[str, object]:
    """The figures of a reconstruction that its report gives."""
    stitching = result.stitching
    positions = stitching.positions_mm(exam.sagittal_spacing_mm[1])
    status = np.asarray(stitching.status)
    figures: dict[str, object] = {
        "frames": len(exam.sagittal),
        "frames_by_status": {name: int(np.sum(status == name)) for name in ("ok", "interpolated", "rejected")},
        "matcher_used": stitching.matcher,
        "stitching_quality": stitching.quality,
        "sweep_mm": float(np.ptp(positions)),
        "volume_voxels_ijk": result.volume.grid.size,
        "volume_spacing_mm": result.volume.grid.spacing_mm,
        "measured_share_of_fan": float(result.placement.measured.sum() / _fan_voxels(result)),
    }
    if result.filling is not None:
        figures["filling"] = asdict(result.filling)
    return figures


def _fan_voxels(result: pipeline.Reconstruction) -> int:
    return int(result.placement.fan.sum()) * result.volume.grid.shape[0]


def _write(folder: Path, exam: Exam, result: pipeline.Reconstruction) -> None:
    import cv2

    from ..reconstruction.mosaic import write_positions

    rows_mm, columns_mm = exam.sagittal_spacing_mm
    write_positions(folder / "positions.csv", result.stitching, columns_mm)
    picture = np.nan_to_num(result.stitching.map).clip(0, 255)
    cv2.imwrite(str(folder / "sagittal_map.png"), picture.astype(np.uint8))
    # One slice thick, standing in the sagittal plane of the TRUS volume (x = 0).
    left, top = result.stitching.map_origin_px
    plane = Grid(
        (1, *picture.shape),
        (columns_mm, rows_mm, columns_mm),
        (0.0, -top * rows_mm, -left * columns_mm),
        np.array([[0.0, 0.0, 1.0], [0.0, -1.0, 0.0], [-1.0, 0.0, 0.0]]),
    )
    Volume(picture[None].astype(np.float32), plane).write(folder / "sagittal_map.nrrd")
    result.placement.volume.write(folder / "trus_sparse.nrrd")
    _grey(result.volume).write(folder / "trus.nrrd")


def _grey(volume: Volume) -> Volume:
    return Volume(np.rint(volume.array).clip(0, 255).astype(np.uint8), volume.grid)
