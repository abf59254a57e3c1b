"""What a cohort says of a method: means and spreads, and paired comparisons with where the method started."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Figures = Mapping[str, float | None]
"""What was measured on one case, by name; None or missing where it could not be."""


@dataclass(frozen=True)
class Row:
    """A method on one case.

    Attributes:
        case, patient: whose images.
        fold: in which the case was tested; None where nothing was trained.
        method: as the command line names it.
        figures: what was measured.
    """

    case: str
    patient: str
    fold: int | None
    method: str
    figures: Figures


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation (n - 1) of a figure over the cases where it is known; NaN where too few are."""

    count: int
    mean: float
    sd: float


@dataclass(frozen=True)
class Change:
    """How a method changed a figure, case by case.

    Attributes:
        count: cases where it is known before and after.
        mean: of after - before.
        p: of Wilcoxon's signed-rank test, two-sided, on the patients' mean changes: pairs of one patient are no
            independent witnesses. NaN with fewer than two patients; 1 where nothing changed.
        worse: share of the cases in which the method made it worse, by however little.
    """

    count: int
    mean: float
    p: float
    worse: float


@dataclass(frozen=True)
class Told:
    """How well results that got worse are told from those that got better.

    Attributes:
        count: cases of which both are known.
        worse: how many of them got worse.
        area: under the receiver operating characteristic: 1 always told, 0.5 no better than chance; NaN where all or
            none of them got worse.
    """

    count: int
    worse: int
    area: float


def spread(rows: Sequence[Row], figure: str) -> Spread:
    """Mean and standard deviation of a figure of one method's rows."""
    known = [value for row in rows if (value := _known(row, figure)) is not None]
    mean = float(np.mean(known)) if known else float("nan")
    return Spread(len(known), mean, float(np.std(known, ddof=1)) if len(known) > 1 else float("nan"))


def change(before: Sequence[Row], after: Sequence[Row], figure: str, *, more_is_better: bool) -> Change:
    """What became of a figure between the rows of two methods on the same cases."""
    from scipy.stats import wilcoxon

    start = {row.case: _known(row, figure) for row in before}
    by_patient: dict[str, list[float]] = {}
    for row in after:
        first, last = start.get(row.case), _known(row, figure)
        if first is not None and last is not None:
            by_patient.setdefault(row.patient, []).append(last - first)
    steps: NDArray[np.float64] = np.array([step for patient in by_patient.values() for step in patient])
    if not steps.size:
        return Change(0, float("nan"), float("nan"), float("nan"))
    means = [float(np.mean(patient)) for patient in by_patient.values()]
    p = 1.0 if len(means) > 1 else float("nan")
    if p == 1.0 and np.any(means):
        p = float(wilcoxon(means).pvalue)
    worse = steps < 0 if more_is_better else steps > 0
    return Change(len(steps), float(steps.mean()), p, float(worse.mean()))


def _known(row: Row, figure: str) -> float | None:
    value = row.figures.get(figure)
    return float(value) if value is not None and np.isfinite(value) else None


def told_apart(
    before: Sequence[Row], after: Sequence[Row], figure: str, sign: str, sign_before: str, *, more_is_better: bool
) -> Told:
    """How well a sign that needs no label, and should fall where a result got worse, tells those from the others.

    Args:
        before: rows of the start.
        after: rows of a method, or of several.
        figure: by which they got worse or better.
        sign: in the rows of ``after``.
        sign_before: in the same rows, what it was at the start.
        more_is_better: of the figure.
    """
    from sklearn.metrics import roc_auc_score

    start = {row.case: _known(row, figure) for row in before}
    worse, loss = [], []
    for row in after:
        first, last, seen, was = start.get(row.case), *(_known(row, name) for name in (figure, sign, sign_before))
        if first is None or last is None or seen is None or was is None:
            continue
        worse.append(last < first if more_is_better else last > first)
        loss.append(was - seen)
    both = 0 < sum(worse) < len(worse)
    return Told(len(worse), sum(worse), float(roc_auc_score(worse, loss)) if both else float("nan"))
