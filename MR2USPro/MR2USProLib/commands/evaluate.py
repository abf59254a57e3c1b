"""``evaluate``: methods compared on a cohort, each tested on patients that it never saw."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..cohorts.cohort import read_cohort
from ..cohorts.methods import START, TABLE_II, Combination
from ..cohorts.plan import Plan
from ..cohorts.study import Study
from ..devices import prepare
from ..errors import InputError
from ..evaluation.comparison import Row
from ..outputs import spare, staged, write_json
from ..progress import SILENT, Progress
from ..provenance import Record
from .cohort_tables import diverged, table_one, table_told, table_two, write_rows

if TYPE_CHECKING:
    from .. import pipeline
    from ..devices import Device


def run(
    *,
    out: Path,
    cohort: Path,
    methods: Sequence[str] = (),
    folds: int = 4,
    fit_only: bool = False,
    refine: bool = True,
    preset: pipeline.Preset = "fast",
    published: bool = False,
    iterations: int | None = None,
    initial: str = "none",
    inception_weights: Path | None = None,
    seed: int = 0,
    device: Device = "auto",
    threads: int | None = None,
    announce: Callable[[str], None] = lambda text: None,
    progress: Progress = SILENT,
) -> Record:
    """Compare methods on a cohort; write ``cases.csv``, ``tables.md``, ``report.html`` and ``report.json`` to ``out``.

    Everything that is finished is kept in ``out``, and a second call with the same settings goes on from there; methods
    may be added.

    Args:
        out: folder for all of it.
        cohort: CSV of the cohort; see :func:`~MR2USProLib.cohorts.cohort.read_cohort`.
        methods: names such as ``acmt+anatomy-aware``; those of the paper's Table II where none are given.
        folds: parts into which the patients are split.
        fit_only: fit everything to each pair, without training.
        refine: whether a trained registration is fitted to each pair for a few iterations more.
        preset: size of the networks' grid.
        published: train translations of the sizes and the schedule of UNSB's paper.
        iterations: of every training or fit.
        initial: the start of cases without labels.
        inception_weights: file with the weights of the Inception network for FID and KID.
        seed: of the folds, the boxes and all networks.
        device: where the networks run.
        threads: at most so many.
        announce: told, in a sentence, where an earlier call is gone on with.
        progress: told about every piece of the work.

    Raises:
        InputError: the cohort or a method is none, a file cannot be read, or ``out`` holds another evaluation.
        Cancelled: the user asked to stop; what is finished is kept.
    """
    from ..evaluation.distributions import InceptionFeatures
    from ..registration.initial import named_file
    from ..report.page import render
    from ..report.tables import markdown
    from .cohort_sections import registration_section, translated_of, translation_section, verdict
    from .sections import facts

    if iterations is not None and iterations < 1:
        raise InputError("Nothing is learned in fewer than one iteration: give --iterations 1 or more.")
    if fit_only and not refine:
        raise InputError("Nothing is trained that could be taken as it is: drop --no-refine, or --fit-only.")
    if published and fit_only:
        raise InputError("The published schedule is for a cohort: drop --published, or --fit-only.")
    if inception_weights is not None:
        InceptionFeatures(inception_weights)  # a file that is none is told before hours of work
    spare(out, ("cases.csv",), (cohort,))
    cases = read_cohort(cohort)
    asked = tuple(dict.fromkeys(Combination.named(name) for name in methods)) or TABLE_II
    # The fixed, simple registration behind every translation, for Table I.
    yardsticks = [Combination(name, "demons") for name in dict.fromkeys(["none", *(m.translation for m in asked)])]
    place = prepare(device, threads)
    plan = Plan(preset, folds, fit_only, refine, published, iterations, initial, seed)
    study = Study(cases, tuple(dict.fromkeys([*asked, *yardsticks])), plan, out, place)
    working = progress.named("Evaluate")
    done, pieces = study.done()
    if done:
        announce(f"Going on with an evaluation of which {done} of {pieces} pieces are done.")
    pose, pose_file = named_file(initial)
    named = {"initial": pose, "methods": ", ".join(map(str, asked)), "device": place, "threads": threads}
    inputs = {"cohort": cohort, "initial": pose_file, "inception_weights": inception_weights}
    record = Record("evaluate", {**asdict(plan), **named}, inputs)
    with record.timed("evaluate"):
        study.run(working.part(0.0, 0.95))
    by_method: dict[str, list[Row]] = {}
    for row in study.rows():
        by_method.setdefault(row.method, []).append(row)
    translations = translated_of(study, by_method, inception_weights, working.part(0.95, 1.0))
    shown = {name: by_method[name] for name in (START, *map(str, asked))}
    first, second, told = table_one(translations), table_two(shown), table_told(shown)
    judged = (second,) if told is None else (second, told)
    warning = diverged(shown)
    with staged(out) as folder:
        write_rows(folder / "cases.csv", [row for rows in by_method.values() for row in rows])
        tables = "\n".join([*map(markdown, (first, *judged)), *([f"{warning}\n"] if warning else [])])
        (folder / "tables.md").write_text(tables, "utf-8")
        sections = [registration_section(study, shown, judged), translation_section(study, first)]
        record.results = {"pieces": pieces, "pieces_from_before": done, "means": _means(shown), "warning": warning}
        judgement = f"{verdict(shown)} {warning}".strip()
        page = render("Methods compared on a cohort", judgement, sections, facts(record))
        (folder / "report.html").write_text(page, "utf-8")
        write_json(folder / "report.json", record.as_dict())
    return record


def _means(rows: Mapping[str, Sequence[Row]]) -> dict[str, dict[str, float]]:
    """The mean of every figure of every method, where any case has it."""
    found: dict[str, dict[str, float]] = {}
    for method, of in rows.items():
        figures = sorted({name for row in of for name in row.figures})
        known = {name: [v for row in of if (v := row.figures.get(name)) is not None] for name in figures}
        found[method] = {name: float(np.mean(values)) for name, values in known.items() if values}
    return found
