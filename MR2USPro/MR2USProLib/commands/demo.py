"""``demo``: a whole exam, from the probe to the registered MR, scored against its truth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..outputs import staged, write_json
from ..progress import SILENT, Progress
from ..provenance import Record
from . import reconstruct, register, simulate

if TYPE_CHECKING:
    from .. import pipeline
    from ..devices import Device
    from ..phantom.exam import SimulatedExam
    from ..phantom.sweep import Level
    from ..video.exam import Exam

TruthFigures = dict[str, dict[str, float]]
"""``position_error_mm``: mean, p95 and max; ``before`` and ``after``: tre_mm, tre_max_mm and
displacement_error_in_gland_mm."""


def run(
    *,
    out: Path,
    frames: int = 100,
    level: Level = "medium",
    seed: int = 0,
    device: Device = "auto",
    threads: int | None = None,
    progress: Progress = SILENT,
) -> TruthFigures:
    """Simulate an exam, take it down the whole road, and write it all with one report to ``out``.

    The road sees the files of the exam as any other exam's; its truth is used for the scores alone.

    Raises:
        InputError: ``out`` cannot be written.
    """
    from ..report.page import render
    from .sections import facts, reconstruction_section, registration_sections, registration_verdict, truth_section

    exam_folder, trus_folder = out / "exam", out / "reconstruction"
    record = Record("demo", {"frames": frames, "level": level, "seed": seed}, {})
    with record.timed("simulate"):
        truth = simulate.run(out=exam_folder, frames=frames, level=level, seed=seed, threads=threads, progress=progress)
    with record.timed("reconstruct"):
        exam, reconstruction, reconstruction_record = reconstruct.run(
            out=trus_folder,
            sagittal=exam_folder / "sagittal.mha",
            transverse=exam_folder / "transverse.mha",
            seed=seed,
            device=device,
            threads=threads,
            progress=progress,
        )
    with record.timed("register"):
        scored, registration_record = register.run(
            out=out / "registration",
            moving=exam_folder / "mr.nrrd",
            fixed=trus_folder / "trus.nrrd",
            initial="centers",
            preset="fast",
            moving_label=exam_folder / "mr_label.nrrd",
            fixed_label=exam_folder / "us_label.nrrd",
            seed=seed,
            device=device,
            threads=threads,
            progress=progress,
        )
    figures = against_truth(truth, exam, reconstruction, scored)
    with staged(out) as folder:
        record.results = {
            "against_truth": figures,
            "reconstruction": reconstruction_record.results,
            "registration": registration_record.results,
        }
        verdict = registration_verdict(scored.metrics)
        sections = [
            truth_section(figures),
            reconstruction_section(exam, reconstruction, truth.positions_mm),
            *registration_sections(scored),
        ]
        page = render("A simulated exam, from the probe to the registered MR", verdict, sections, facts(record))
        (folder / "report.html").write_text(page, "utf-8")
        write_json(folder / "report.json", record.as_dict())
    return figures


def against_truth(
    truth: SimulatedExam, exam: Exam, reconstruction: pipeline.Reconstruction, scored: register.Scored
) -> TruthFigures:
    """How far the results are from the truth: positions, landmarks, and the displacement inside the gland, in mm."""
    from ..registration.transforms import displacement_on, map_points

    positions = reconstruction.stitching.positions_mm(exam.sagittal_spacing_mm[1])
    placed = np.asarray(reconstruction.stitching.usable)
    off = np.abs(positions - truth.positions_mm)[placed]
    gland = truth.us_label
    assert gland is not None  # an invented patient always has labels
    true = displacement_on(gland.grid, truth.transform).array
    errors = {}
    for name, transform in (("before", scored.registration.pair.initial), ("after", scored.registration.transform)):
        found = displacement_on(gland.grid, transform).array
        landmarks = np.linalg.norm(map_points(truth.us_points_mm, transform) - truth.mr_points_mm, axis=1)
        errors[name] = {
            "tre_mm": float(landmarks.mean()),
            "tre_max_mm": float(landmarks.max()),
            "displacement_error_in_gland_mm": float(np.linalg.norm(found - true, axis=-1)[gland.array == 1].mean()),
        }
    return {
        "position_error_mm": {"mean": float(off.mean()), "p95": float(np.percentile(off, 95)), "max": float(off.max())},
        **errors,
    }
