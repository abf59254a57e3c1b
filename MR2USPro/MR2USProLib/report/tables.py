"""Figures as a reader wants them: with their unit, and said in words whether they got better."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .page import Mark, Table

NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Measure:
    """A figure that a registration is judged by.

    Attributes:
        key: its name in ``metrics.json``.
        name: what a reader calls it.
        best: the perfect value, written out.
        unit: empty for a pure number.
        digits: decimals worth reading.
        more_is_better: else less is.
    """

    key: str
    name: str
    best: str
    unit: str
    digits: int
    more_is_better: bool


MEASURES = (
    Measure("dsc", "Overlap of the glands (Dice)", "1", "", 3, True),
    Measure("iou", "Overlap of the glands (intersection over union)", "1", "", 3, True),
    Measure("asd_mm", "Average distance of the glands' surfaces", "0 mm", "mm", 2, False),
    Measure("hd95_mm", "95 % of the surfaces lie closer than", "0 mm", "mm", 2, False),
    Measure("tre_mm", "Distance of landmarks (target registration error)", "0 mm", "mm", 2, False),
)


def written(value: float | None, unit: str = "", digits: int = 2) -> str:
    """A number with its unit, as ``3.42 mm``; a missing one (None, NaN) says so."""
    if value is None or value != value:
        return NOT_MEASURED
    return f"{round(value, digits) + 0.0:.{digits}f} {unit}".strip().replace("-", "−")  # plus 0: no −0


def change(before: float | None, after: float | None, measure: Measure) -> Mark:
    """What became of a figure: by how much it rose or fell, and whether that is better or worse."""
    if before is None or after is None or before != before or after != after:
        return Mark("", None)
    step = round(after - before, measure.digits)
    if step == 0:
        return Mark("unchanged", None)
    good = (step > 0) == measure.more_is_better
    size = written(abs(step), measure.unit, measure.digits)
    return Mark(f"{'▲' if step > 0 else '▼'} {size}, {'better' if good else 'worse'}", good)


def before_and_after(before: Mapping[str, object], after: Mapping[str, object]) -> Table:
    """The scores of the alignment that one started from and of the one that was found.

    Args:
        before: figures by the keys of ``MEASURES``; those that are missing on both sides are left out.
        after: the same.
    """
    rows: list[tuple[str | Mark, ...]] = []
    for measure in MEASURES:
        first, last = (_number(scores.get(measure.key)) for scores in (before, after))
        if first is None and last is None:
            continue
        texts = [written(value, measure.unit, measure.digits) for value in (first, last)]
        rows.append((measure.name, *texts, change(first, last, measure), measure.best))
    return Table("Agreement with the labels", ("Measure", "Before", "After", "Change", "Perfect"), tuple(rows))


def markdown(table: Table) -> str:
    """The table for a Markdown file, its title above it."""
    cells = [table.columns, *([cell.text if isinstance(cell, Mark) else cell for cell in row] for row in table.rows)]
    lines = ["| " + " | ".join(text.replace("|", "\\|") for text in row) + " |" for row in cells]
    lines.insert(1, "|" + " --- |" * len(table.columns))
    return "\n".join([f"**{table.title}**", "", *lines, ""])


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
