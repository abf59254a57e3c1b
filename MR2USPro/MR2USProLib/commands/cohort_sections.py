"""The chapters of a cohort's report, and what Table I says of each translation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..cohorts.methods import START
from ..evaluation.comparison import Row, change, spread
from ..report.cuts import AXIAL, Cut, centre_of
from ..report.page import Section, Table
from ..report.side_by_side import Patient, registrations, translations
from ..report.tables import written
from ..volume import Volume
from .cohort_tables import Translated

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .. import pipeline
    from ..cohorts.cohort import Case
    from ..cohorts.start import Started
    from ..cohorts.study import Study
    from ..cohorts.training import TranslatedPair
    from ..evaluation.interiors import Interiors
    from ..progress import Progress

    Glands = tuple[NDArray[np.bool_], NDArray[np.bool_]]

SIDES = ("mr", "us")
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
    lead = "The greatest" if means[best] > means[START] else "No method made the start better. Of them, the greatest"
    return (
        f"{lead} {title} is that of {best}: {written(means[best], unit, 3)} on average, against "
        f"{written(means[START], unit, 3)} at the start; {100 * found.worse:.0f} % of the pairs got worse."
    )


def registration_section(study: Study, rows: Mapping[str, Sequence[Row]], tables: tuple[Table, ...]) -> Section:
    """Table II, what is known of its results without labels, and the pictures behind it."""
    plan = study.plan
    how = (
        "Everything was fitted to each pair; nothing was trained."
        if plan.fit_only
        else f"The patients were split into {plan.folds} folds, and each was tested by networks that the other folds "
        f"trained{', refined on each pair for a few iterations' if plan.refine else ''}."
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
    patients = [_patient(study.reading.whole(case)) for case in study.pictured]
    moved = {method: [study.warped(case, method) for case in study.pictured] for method in rows}
    return Section("Registration", (how, start, reading), (registrations(patients, moved),), tables)


def translation_section(study: Study, table: Table) -> Section:
    """Table I and the pictures behind it."""
    reading = (
        "FID and KID compare slices that cross the gland: MR with TRUS for the original, the translated MR with the "
        "TRUS for UNSB, and both translated for the rest. They cannot tell a collapse, as two sets of one picture have "
        "a distance of 0; the columns after them can: the share of smoothed, signed edges that is kept (1 all), the "
        "correlation between different patients (near 1 for a template), what the features that measure the losses "
        "still see, how alike the grey levels inside the two glands are (1 the same histogram), and in how many pairs "
        "the inside is darker than the rim. Demons is one fixed, simple registration (diffeomorphic demons) on the "
        "translated pair."
    )
    pairs = [study.reading.pair(case) for case in study.pictured]
    sources = {"MR": [pair.mr for pair in pairs], "TRUS": [pair.us for pair in pairs]}
    pictures: dict[str, list[Volume]] = {}
    for name in study.networks:
        found = [study.translation(case, name) for case in study.pictured]
        pictures[f"MR, {name}"] = [Volume(f.mr, pair.us.grid) for f, pair in zip(found, pairs, strict=True)]
        if name != "unsb":
            pictures[f"TRUS, {name}"] = [Volume(f.us, pair.us.grid) for f, pair in zip(found, pairs, strict=True)]
    patients = [_patient(study.reading.whole(case)) for case in study.pictured]
    return Section("Translation", (reading,), (translations(patients, sources, pictures),), (table,))


def translated_of(
    study: Study, rows: Mapping[str, Sequence[Row]], inception_weights: Path | None, progress: Progress
) -> list[Translated]:
    """What Table I says of the original and of every translation.

    Raises:
        InputError: the Inception weights are none.
    """
    from ..evaluation.distributions import InceptionFeatures, ProxyFeatures, distance
    from ..translation.collapse import between_patients

    features = ProxyFeatures() if inception_weights is None else InceptionFeatures(inception_weights)
    cases = [case for fold in study.folds for case in fold]
    reading = progress.part(0.0, 0.3).steps(len(cases), "reading")
    glands = {cases[n].name: _glands(study.reading.whole(cases[n])) for n in reading}
    few = _one_each(cases)
    valid = [study.reading.pair(case).valid for case in few]
    found = []
    names = ("none", *study.networks)
    for n in progress.part(0.3, 1.0).steps(len(names), "comparing distributions"):
        name = names[n]
        seen = {case.name: study.translation(case, name) for case in cases}
        mr, us = ([x for c in cases for x in _crossing(glands[c.name], getattr(seen[c.name], side))] for side in SIDES)
        between = [between_patients([getattr(seen[case.name], side) for case in few], valid) for side in SIDES]
        health = [study.health(case, name) for case in cases] if name != "none" else []
        insides = [
            inside
            for case in cases
            if (inside := _insides(study.reading.pair(case), glands[case.name], seen[case.name]))
        ]
        found.append(
            Translated(
                name="original" if name == "none" else name,
                distance=distance(mr, us, features, study.device) if min(len(mr), len(us)) > 1 else None,
                edges=tuple(float(np.mean([h[f"signed_{side}"] for h in health])) if health else 1.0 for side in SIDES),
                between=max(between),
                ruler=float(np.mean([h["ruler"] for h in health])) if health else None,
                alike=float(np.mean([i.alike for i in insides])) if insides else None,
                darker=tuple(float(np.mean([getattr(i, f"darker_{side}") > 0 for i in insides])) for side in SIDES)
                if insides
                else None,
                collapsed=(sum(bool(h["reasons"]) for h in health), len(cases)),
                before=rows[START],
                after=rows[f"{name}+demons"],
            )
        )
    return found


def _glands(case: Started) -> Glands | None:
    """The glands of the MR and of the TRUS on the pair's grid at the start; None where they are not known."""
    if case.mr_labels is None or case.us_labels is None:
        return None
    found = []
    for labels, transform in ((case.mr_labels, case.pair.initial), (case.us_labels, None)):
        mask = Volume(labels.gland.array.astype(np.uint8), labels.gland.grid)
        found.append(mask.resampled(case.pair.us.grid, transform, "nearest").array > 0)
    return found[0], found[1]


def _crossing(glands: Glands | None, picture: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """The slices of a picture (k, j, i) that cross the TRUS's gland; all of them where it is not known."""
    return list(picture if glands is None else picture[glands[1].any(axis=(1, 2))])


def _insides(pair: pipeline.Pair, glands: Glands | None, seen: TranslatedPair) -> Interiors | None:
    """The two glands at the start, where they are known and can be seen."""
    from ..evaluation.interiors import interiors

    if glands is None:
        return None
    try:
        return interiors(seen.mr, seen.us, *glands, pair.valid, pair.us.grid.spacing_mm)
    except ValueError:  # a gland so small that the networks' grid has nothing of it
        return None


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
