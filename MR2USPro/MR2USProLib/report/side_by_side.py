"""A few patients side by side, a row for each method: what the eye compares in a cohort."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..volume import Volume
from .cuts import Cut, Sheet, Window, png
from .page import Picture
from .pictures import CONTOURS, contours, overlaid, show

COMMON = Window(-1.0, 1.0)
"""All that a translation can give."""


@dataclass(frozen=True)
class Patient:
    """A column: where one patient is cut, and what is the same in all rows.

    Attributes:
        name: above the column.
        cut: through the gland.
        fixed: the TRUS.
        gland: in the TRUS; None where nobody drew it.
    """

    name: str
    cut: Cut
    fixed: Volume
    gland: Volume | None = None


def registrations(
    patients: Sequence[Patient], methods: Mapping[str, Sequence[tuple[Volume, Volume | None]]]
) -> Picture:
    """MR in orange over grey TRUS, as every method laid it.

    Args:
        patients: the columns.
        methods: the rows: of each patient, the MR and its gland where the method brought them.
    """
    sheet = _sheet(patients, list(methods))
    for panels, row in zip(sheet.panels, methods.values(), strict=True):
        for axes, patient, (moved, gland) in zip(panels, patients, row, strict=True):
            grey, warm = Window.of(patient.fixed), Window.of(moved)
            show(axes, overlaid(grey(patient.cut.sample(patient.fixed)), warm(patient.cut.sample(moved))))
            contours(axes, patient.cut, patient.gland, gland)
    drawn = any(patient.gland for patient in patients)
    return Picture(
        "MR over TRUS, method by method",
        png(sheet.figure),
        "MR is orange, TRUS is grey, one axial cut of each patient. The better a method, the nearer the dashed outline "
        "runs to the other, and the more alike a row looks from patient to patient." + (CONTOURS if drawn else ""),
    )


def translations(
    patients: Sequence[Patient], sources: Mapping[str, Sequence[Volume]], translated: Mapping[str, Sequence[Volume]]
) -> Picture:
    """The same cuts before and after each translation, as in the paper's Figure 6.

    Args:
        patients: the columns.
        sources: the first rows: a volume of each patient, each shown over its own grey levels.
        translated: the rows below: volumes in [-1, 1], all shown over the same grey levels, as they are to be alike.
    """
    sheet = _sheet(patients, [*sources, *translated])
    for n, row in enumerate((*sources.values(), *translated.values())):
        for axes, patient, volume in zip(sheet.panels[n], patients, row, strict=True):
            window = Window.of(volume) if n < len(sources) else COMMON
            show(axes, window(patient.cut.sample(volume)))
    return Picture(
        "The translations, patient by patient",
        png(sheet.figure),
        "The two rows of a translation should look alike, the gland dark and even inside; its border should be where "
        "the first rows show it, and nothing should have been invented. Columns that look the same show a template and "
        "no patient.",
    )


def _sheet(patients: Sequence[Patient], rows: list[str]) -> Sheet:
    return Sheet.of([[patient.cut for patient in patients] for _ in rows], rows, [patient.name for patient in patients])
