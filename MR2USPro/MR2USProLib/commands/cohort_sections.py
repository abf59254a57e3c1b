"""The chapters of a cohort's report, and what Table I says of each translation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..evaluation.comparison import Row, change, spread
from ..methods import START
from ..report.cuts import AXIAL, Cut, centre_of
from ..report.page import Section, Table
from ..report.side_by_side import Patient, registrations, translations
from ..report.tables import written
from ..volume import Volume
from .cohort_tables import Translated

if TYPE_CHECKING:
    from ..cohort import Case
    from ..start import Started
    from ..study import Study

MOST_PATIENTS = 20
"""So many patients' pictures are correlated with each other; that says what more would."""


def verdict(rows: Mapping[str, Sequence[Row]]) -> str:
    """Which method came out best, in a sentence or two."""
    figure, title, unit, more = ("dsc", "overlap of the glands (DSC)", "", True)
    if not any(spread(of, figure).count for of in rows.values()):
        return "No labels were given, so nothing but the eye can tell which method is the best."
    means = {method: spread(of, figure).mean for method, of in rows.items()}
    best = max((method for method in means if method != START), key=lambda method: means[method])
    found = change(rows[START], rows[best], figure, more_is_better=more)
    return (
        f"The greatest {title} is that of {best}: {written(means[best], unit, 3)} on average, against "
        f"{written(means[START], unit, 3)} at the start; {found.worse:.0%} of the pairs got worse."
    )


def registration_section(study: Study, rows: Mapping[str, Sequence[Row]], table: Table) -> Section:
    """Table II and the pictures behind it."""
    plan = study.plan
    how = (
        "Everything was fitted to each pair; nothing was trained."
        if plan.fit_only
        else f"The patients were split into {plan.folds} folds, and each was tested by networks that the other folds "
        "trained."
    )
    start = (
        "Start: where a case has labels, the middles of two boxes drawn 10 mm too large around the glands, with 2 mm "
        "of jitter, lie on each other; elsewhere the pose in the headers. Labels serve for that and for scoring alone."
    )
    reading = (
        "Mean ± standard deviation over the pairs. Against the start: the mean change, p of Wilcoxon's signed-rank "
        "test over patients, and the share of pairs that got worse. HE is the harmonic energy with lengths in voxels "
        "of the TRUS volume, so it compares within this table only."
    )
    patients = [_patient(study.started(case)) for case in study.pictured]
    moved = {method: [study.warped(case, method) for case in study.pictured] for method in rows}
    return Section("Registration", (how, start, reading), (registrations(patients, moved),), (table,))


def translation_section(study: Study, table: Table) -> Section:
    """Table I and the pictures behind it."""
    reading = (
        "FID and KID compare slices that cross the gland: MR with TRUS for the original, the translated MR with the "
        "TRUS for UNSB, and both translated for the rest. They cannot tell a collapse, as two sets of one picture have "
        "a distance of 0; the columns after them can: the share of smoothed, signed edges that is kept (1 all), the "
        "correlation between different patients (near 1 for a template), and what the features that measure the losses "
        "still see. Demons is one fixed, simple registration (diffeomorphic demons) on the translated pair."
    )
    cases = [study.started(case) for case in study.pictured]
    pictures = {
        "MR": [case.pair.mr for case in cases],
        "TRUS": [case.pair.us for case in cases],
    }
    for name in study.networks:
        found = [study.translation(case, name) for case in study.pictured]
        pictures[f"MR, {name}"] = [Volume(f.mr, c.pair.us.grid) for f, c in zip(found, cases, strict=True)]
        if name != "unsb":
            pictures[f"TRUS, {name}"] = [Volume(f.us, c.pair.us.grid) for f, c in zip(found, cases, strict=True)]
    patients = [_patient(case) for case in cases]
    return Section("Translation", (reading,), (translations(patients, pictures),), (table,))


def translated_of(
    study: Study, rows: Mapping[str, Sequence[Row]], inception_weights: Path | None
) -> tuple[list[Translated], str]:
    """What Table I says of the original and of every translation, and whose features FID and KID compare."""
    from ..translation.collapse import between_patients

    cases = [case for fold in study.folds for case in fold]
    few = _one_each(cases)
    found = []
    for name in ("none", *study.networks):
        seen = {case.name: study.translation(case, name) for case in cases}
        valid = [study.started(case).pair.valid for case in few]
        between = max(
            between_patients([getattr(seen[case.name], side) for case in few], valid) for side in ("mr", "us")
        )
        health = [study.health(case, name) for case in cases] if name != "none" else []
        found.append(
            Translated(
                "original" if name == "none" else name,
                None,
                None,
                float(np.mean([h["signed_mr"] for h in health])) if health else 1.0,
                float(np.mean([h["signed_us"] for h in health])) if health else 1.0,
                between,
                float(np.mean([h["ruler"] for h in health])) if health else None,
                (sum(bool(h["reasons"]) for h in health), len(cases)),
                rows[START],
                rows[f"{name}+demons"],
            )
        )
    return found, "none"


def _one_each(cases: Sequence[Case]) -> list[Case]:
    """One case of each patient, and not too many."""
    first = {case.patient: case for case in reversed(cases)}
    chosen = [first[patient] for patient in sorted(first)]
    return chosen[:: -(-len(chosen) // MOST_PATIENTS)]


def _patient(case: Started) -> Patient:
    gland = case.us_labels.gland if case.us_labels is not None else None
    region = case.pair.us.grid
    point = centre_of(case.us, gland) if gland is not None else region.centre_mm
    return Patient(case.case.name, Cut(AXIAL, AXIAL.at(region, point)), case.us, gland)
