"""``reconstruct``: from a biplane video to a TRUS volume."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from .. import pipeline
from ..devices import prepare
from ..outputs import staged, write_json
from ..progress import SILENT, Progress
from ..provenance import Record
from . import fill as filling
from . import stitch as stitching

if TYPE_CHECKING:
    from ..devices import Device
    from ..video.exam import Exam
    from ..video.recording import Roi


def run(
    *,
    out: Path,
    video: Path | None = None,
    sagittal_roi: Roi | None = None,
    transverse_roi: Roi | None = None,
    sagittal: Path | None = None,
    transverse: Path | None = None,
    spacing_mm: float | None = None,
    flip_sagittal: bool = False,
    flip_transverse: bool = False,
    matcher: pipeline.Matcher = "auto",
    loftr_weights: Path | None = None,
    excluded: Sequence[int] = (),
    pinned: Mapping[int, float] | None = None,
    fill: pipeline.Fill = "kriging",
    voxel_mm: pipeline.VoxelSize = None,
    extent_mm: Sequence[float] | None = None,
    plane_offset_mm: float = 0.0,
    seed: int = 0,
    device: Device = "auto",
    threads: int | None = None,
    progress: Progress = SILENT,
) -> tuple[Exam, pipeline.Reconstruction, Record]:
    """Reconstruct an exam and write what ``stitch`` and ``fill`` write, and the reports, to ``out``.

    Raises:
        InputError: the exam cannot be read or stitched, or ``out`` cannot be written.
    """
    from ..report.page import render
    from ..video.exam import read_exam
    from .sections import facts, reconstruction_section

    with staged(out) as folder:
        place = prepare(device, threads)
        inputs = {"video": video, "sagittal": sagittal, "transverse": transverse, "loftr_weights": loftr_weights}
        left_out, pins = frozenset(excluded), dict(pinned or {})
        exam = read_exam(
            video=video,
            sagittal=sagittal,
            transverse=transverse,
            sagittal_roi=sagittal_roi,
            transverse_roi=transverse_roi,
            spacing_mm=spacing_mm,
            flip_sagittal=flip_sagittal,
            flip_transverse=flip_transverse,
            progress=progress.named("Read"),
        )
        parameters = {
            "sagittal_roi": sagittal_roi,
            "transverse_roi": transverse_roi,
            "spacing_mm": spacing_mm,
            "flip_sagittal": flip_sagittal,
            "flip_transverse": flip_transverse,
            "matcher": matcher,
            "excluded": sorted(left_out) or None,
            "pinned_mm": pins or None,
            "fill": fill,
            "voxel_mm": voxel_mm,
            "extent_mm": extent_mm,
            "plane_offset_mm": plane_offset_mm,
            "seed": seed,
            "device": place,
            "threads": threads,
        }
        record = Record("reconstruct", parameters, inputs)
        with record.timed("reconstruct"):
            result = pipeline.reconstruct(
                exam,
                matcher=matcher,
                loftr_weights=loftr_weights,
                excluded=left_out,
                pinned_mm=pins,
                fill=fill,
                voxel_mm=voxel_mm,
                extent_mm=extent_mm,
                plane_offset_mm=plane_offset_mm,
                seed=seed,
                device=place,
                progress=progress,
            )
        found = stitching.summary(result.stitching, exam.sagittal_spacing_mm[1], left_out)
        record.results = found | filling.summary(result)
        record.results["notes"] = list(exam.notes)
        section = reconstruction_section(exam, result)
        section = replace(section, text=(*section.text, *exam.notes, found["direction"]))
        verdict = found["verdict"]["text"]
        if exam.found is not None:
            record.results["views"] = {
                "sagittal_roi": exam.found.sagittal,
                "transverse_roi": exam.found.transverse,
                "note": exam.found.note,
            }
            boxes = f"Sagittal view: {exam.found.sagittal}, transverse view: {exam.found.transverse} (x, y, w, h)."
            section = replace(section, text=(*section.text, f"{exam.found.note} {boxes}"))
        stitching.write(folder, result.stitching, exam.sagittal_spacing_mm)
        filling.write(folder, result)
        page = render("Reconstruction of a TRUS volume", verdict, [section], facts(record))
        (folder / "report.html").write_text(page, "utf-8")
        write_json(folder / "report.json", record.as_dict())
    return exam, result, record
