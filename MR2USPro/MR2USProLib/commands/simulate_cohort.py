"""``simulate --cases``: a cohort of pairs whose true deformation is known, to train on and to compare methods on."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .. import pipeline
from ..cohorts.cohort import COLUMNS
from ..devices import limit_threads
from ..outputs import staged, write_json
from ..progress import SILENT, Progress
from ..provenance import Record

if TYPE_CHECKING:
    from ..phantom.sweep import Level

FILES = {
    "mr": "mr.nrrd",
    "us": "us.nrrd",
    "mr_label": "mr_label.nrrd",
    "us_label": "us_label.nrrd",
    "truth": "truth.h5",
}


def run(
    *,
    out: Path,
    cases: int,
    frames: int = 180,
    level: Level = "medium",
    seed: int = 0,
    threads: int | None = None,
    progress: Progress = SILENT,
) -> None:
    """Simulate exams of as many patients and write their pairs and ``cohort.csv`` to ``out``.

    The TRUS volumes are made from where the frames really were, so that errors of the stitching do not count as errors
    of a registration. A case's exam is the one that ``simulate`` makes with the seed plus the case's number.

    Args:
        out: folder for all of it.
        cases: how many.
        frames: of each sweep.
        level: how hard the exams are.
        seed: of the first exam.
        threads: CPU threads at most.
        progress: told about every slice and frame.

    Raises:
        InputError: ``out`` cannot be written.
    """
    settings = {"cases": cases, "frames": frames, "level": level, "seed": seed, "threads": threads}
    record = Record("simulate", settings, {})
    limit_threads(threads)
    simulating = progress.named("Simulate")
    lines = []
    for n in range(cases):
        name = f"case-{n:03d}"
        with record.timed("simulate"), staged(out / name) as folder:
            _case(folder, frames, level, seed + n, simulating.part(n / cases, (n + 1) / cases))
        lines.append({"case": name, "patient": name, **{role: f"{name}/{file}" for role, file in FILES.items()}})
    with staged(out) as folder:
        with (folder / "cohort.csv").open("w", newline="", encoding="utf-8") as stream:
            table = csv.DictWriter(stream, COLUMNS)
            table.writeheader()
            table.writerows(lines)
        write_json(folder / "report.json", record.as_dict())


def _case(folder: Path, frames: int, level: Level, seed: int, progress: Progress) -> None:
    from ..phantom.exam import simulate
    from ..registration.transforms import write_transform

    exam = simulate(frames=frames, level=level, seed=seed, progress=progress)
    usable = np.ones(len(exam.positions_mm), dtype=np.bool_)
    usable[list(exam.spoilt)] = False
    filled = pipeline.fill_gaps(
        exam.transverse,
        exam.transverse_spacing_mm,
        exam.positions_mm,
        usable,
        depths_mm=-exam.wobble_mm,
        seed=seed,
        progress=Progress(cancelled=progress.cancelled),  # a few seconds, of which nobody needs to hear
    )
    assert exam.mr_label is not None  # an invented patient always has labels
    assert exam.us_label is not None
    volumes = {"mr": exam.mr, "us": filled.volume, "mr_label": exam.mr_label, "us_label": exam.us_label}
    for role, volume in volumes.items():
        volume.write(folder / FILES[role])
    write_transform(folder / FILES["truth"], exam.transform)
