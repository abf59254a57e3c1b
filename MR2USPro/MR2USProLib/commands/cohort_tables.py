"""The paper's Tables I and II for a cohort, and the file with a row for every case and method."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..cohorts.methods import START
from ..evaluation.comparison import Row, Spread, change, spread, told_apart
from ..report.page import Mark, Table
from ..report.tables import written

if TYPE_CHECKING:
    from ..evaluation.distributions import Distance


@dataclass(frozen=True)
class Column:
    """A figure of Table II.

    Attributes:
        figure: its name in a row.
        title: above the column.
        digits: decimals worth reading.
        factor: between what is kept and what is shown.
    """

    figure: str
    title: str
    digits: int
    factor: float = 1.0


COLUMNS = (
    Column("dsc", "DSC", 3),
    Column("iou", "IoU", 3),
    Column("asd_mm", "ASD mm", 2),
    Column("hd95_mm", "HD95 mm", 2),
    Column("tre_mm", "TRE mm", 2),
    Column("displacement_error_mm", "Error in the gland mm", 2),
    Column("he", "HE", 0),
    Column("he_per_voxel", "HE per voxel", 4),
    Column("folding", "Folding %", 3, 100.0),
    Column("seconds", "Seconds", 1),
)


@dataclass(frozen=True)
class Translated:
    """A translation in Table I. Pairs of values are of the MR and of the TRUS.

    Attributes:
        name: of the method; ``original`` for the pictures as they are.
        distance: FID and KID of the slices of both sides; None where there are too few.
        edges: agreement of smoothed, signed edges with the source.
        between: correlation between patients, the larger of both.
        ruler: what the features still see of the sources, as a share of what they saw at first; None for none.
        alike: overlap of the glands' histograms; None without labels.
        darker: share of the pairs whose gland is darker inside than at its rim; None without labels.
        collapsed: test cases whose translation collapsed, and all of them.
        before, after: rows of the start, and of demons on the translated pairs.
    """

    name: str
    distance: Distance | None
    edges: tuple[float, ...]
    between: float
    ruler: float | None
    alike: float | None
    darker: tuple[float, ...] | None
    collapsed: tuple[int, int]
    before: Sequence[Row]
    after: Sequence[Row]


def table_one(translations: Sequence[Translated]) -> Table:
    """How near MR and TRUS come, what is left of their edges, and how much a fixed, simple registration gains.

    Args:
        translations: the original first.
    """
    lines: list[tuple[str | Mark, ...]] = [
        (
            one.name,
            *_distances(one.distance, translations[0].distance),
            " / ".join(map(_two, one.edges)),
            _two(one.between),
            _two(one.ruler),
            _two(one.alike),
            "" if one.darker is None else " / ".join(f"{100 * share:.0f} %" for share in one.darker),
            f"{one.collapsed[0]} of {one.collapsed[1]}",
            _mean(spread(one.after, "dsc"), 3),
            changed(one.before, one.after, "dsc", 3, more_is_better=True),
            _mean(spread(one.after, "tre_mm"), 2),
            changed(one.before, one.after, "tre_mm", 2, more_is_better=False),
        )
        for one in translations
    ]
    whose = {one.distance.extractor for one in translations if one.distance is not None}
    of = "" if whose == {"Inception"} else " (own features, not Inception's)"
    columns = (
        "Translation", f"FID{of}", f"KID{of}", "Edges kept MR / TRUS", "Between patients", "Ruler", "Insides alike",
        "Darker inside MR / TRUS", "Collapsed", "Demons DSC", "against the start", "Demons TRE mm", "against the start",
    )  # fmt: skip
    slices = max((one.distance.slices[0] for one in translations if one.distance is not None), default=0)
    return Table(f"Table I: the translations ({slices} slices of either side)", columns, tuple(lines))


def table_two(rows: Mapping[str, Sequence[Row]]) -> Table:
    """Every method's figures as mean ± standard deviation, and what it changed against the start.

    Args:
        rows: of each method by its name, the start among them.
    """
    shown = [column for column in COLUMNS if any(spread(of, column.figure).count for of in rows.values())]
    scored = {figure: any(spread(of, figure).count for of in rows.values()) for figure in ("dsc", "tre_mm")}
    lines: list[tuple[str | Mark, ...]] = []
    for method, of in rows.items():
        cells: list[str | Mark] = [method, str(len(of))]
        for column in shown:
            none = method == START and column.figure in ("he", "he_per_voxel", "folding", "seconds")
            cells.append("" if none else _spread(spread(of, column.figure), column))
        for figure, digits, more in (("dsc", 3, True), ("tre_mm", 2, False)):
            if scored[figure]:
                same = method == START
                cells.append("" if same else changed(rows[START], of, figure, digits, more_is_better=more))
        lines.append(tuple(cells))
    columns = ["Method", "Pairs", *(column.title for column in shown)]
    columns += [f"{title} against the start" for title, figure in (("DSC", "dsc"), ("TRE", "tre_mm")) if scored[figure]]
    return Table("Table II: the registrations", tuple(columns), tuple(lines))


def table_told(rows: Mapping[str, Sequence[Row]]) -> Table | None:
    """Whether the glands as the finder sees them tell results that got worse; None where it did not look.

    Args:
        rows: of each method by its name, the start among them.
    """
    methods = {name: of for name, of in rows.items() if spread(of, "overlap_seen").count}
    if not methods:
        return None
    together = {"together": [row for of in methods.values() for row in of]} if len(methods) > 1 else {}
    lines: list[tuple[str | Mark, ...]] = []
    for name, of in (methods | together).items():
        cells = [name]
        for figure, more in (("dsc", True), ("tre_mm", False)):
            told = told_apart(rows[START], of, figure, "overlap_seen", "overlap_seen_at_start", more_is_better=more)
            cells += [f"{told.worse} of {told.count}", _two(told.area if told.area == told.area else None)]
        lines.append(tuple(cells))
    columns = ("Method", "Worse in DSC", "told, area under the curve", "Worse in TRE", "told, area under the curve")
    return Table("Whether the overlap that the finder sees tells which results got worse", columns, tuple(lines))


def diverged(rows: Mapping[str, Sequence[Row]]) -> str:
    """Which registrations ended in no numbers, and what that does to the tables; empty where none did.

    Args:
        rows: of each method by its name.
    """
    lost = {name: sum(bool(row.figures.get("diverged")) for row in of) for name, of in rows.items()}
    told = [f"{name} in {count} of {len(rows[name])} pairs" for name, count in lost.items() if count]
    if not told:
        return ""
    return (
        f"Diverged: {', '.join(told)}. The deformation holds no numbers there, which counts as a DSC of 0, while the "
        "distances and HE of these pairs are missing in the means."
    )


def changed(
    before: Sequence[Row], after: Sequence[Row], figure: str, digits: int, *, more_is_better: bool
) -> str | Mark:
    """A mean change with its p and the share of pairs that got worse; coloured where it is no chance (p < 0.05)."""
    found = change(before, after, figure, more_is_better=more_is_better)
    if not found.count:
        return ""
    sign = "−" if round(found.mean, digits) < 0 else "+"
    p = "" if found.p != found.p else f"p {found.p:.2g}, " if found.p >= 0.001 else "p < 0.001, "
    text = f"{sign}{abs(found.mean):.{digits}f} ({p}{100 * found.worse:.0f} % worse)"
    return Mark(text, (found.mean > 0) == more_is_better if found.p < 0.05 else None)


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """A CSV file with a line for every case and method; what was not measured is empty."""
    figures = [column.figure for column in COLUMNS] + ["displacement_mean_mm", "diverged"]
    with path.open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream)
        table.writerow(["case", "patient", "fold", "method", *figures])
        for row in rows:
            values = [row.figures.get(figure) for figure in figures]
            cells = ["" if value is None else f"{value:.6g}" for value in values]
            table.writerow([row.case, row.patient, "" if row.fold is None else row.fold, row.method, *cells])


def _spread(found: Spread, column: Column) -> str:
    if not found.count:
        return ""
    mean, sd = (value * column.factor for value in (found.mean, found.sd))
    return f"{mean:.{column.digits}f}" + (f" ± {sd:.{column.digits}f}" if sd == sd else "")


def _mean(found: Spread, digits: int) -> str:
    return f"{found.mean:.{digits}f}" if found.count else ""


def _two(value: float | None) -> str:
    return "" if value is None else written(value)


def _distances(found: Distance | None, original: Distance | None) -> tuple[str, str]:
    """FID and KID, and by what share they differ from the original's."""
    if found is None or original is None:
        return written(None), written(None)
    cells = []
    for value, first, digits in ((found.fid, original.fid, 2), (found.kid, original.kid, 4)):
        change = f" ({100 * (value - first) / abs(first):+.0f} %)".replace("-", "−") if found is not original else ""
        cells.append(written(value, digits=digits) + change)
    return cells[0], cells[1]
