"""A cohort: pairs of MR and TRUS as a CSV file lists them, and how they are split into folds by patient."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..csv_rows import read_rows
from ..errors import InputError

NEEDED = ("case", "mr", "us")
FILES = ("mr", "us", "mr_label", "us_label", "truth")
COLUMNS = (*NEEDED, "mr_label", "us_label", "patient", "truth")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
"""Names that Windows gives to no file."""


@dataclass(frozen=True)
class Case:
    """One pair.

    Attributes:
        name: what its results are called; a part of file names.
        mr, us: the images.
        mr_label, us_label: their labels, for the start and for scoring only; both or none.
        patient: who it is of; pairs of one patient never lie on both sides of a split.
        truth: a transform (ITK, LPS mm) from TRUS points to MR points, where it is known; for scoring only.
    """

    name: str
    mr: Path
    us: Path
    mr_label: Path | None = None
    us_label: Path | None = None
    patient: str = ""
    truth: Path | None = None

    @property
    def has_labels(self) -> bool:
        """Whether boxes can be drawn around both glands, and results be scored."""
        return self.mr_label is not None and self.us_label is not None

    @property
    def files(self) -> dict[str, Path | None]:
        """The files by their columns."""
        return {column: getattr(self, column) for column in FILES}


def read_cohort(path: str | Path) -> tuple[Case, ...]:
    """The cases of a CSV file with the columns ``case,mr,us`` and, where known, ``mr_label,us_label,patient,truth``.

    Paths are relative to the file's folder. An empty cell is one that is not there. Without a patient a case is a
    patient of its own.

    Raises:
        InputError: no such file, no table, a column or file that is missing, a name that is used twice or that no file
            can have, or labels of one image only.
    """
    path = Path(path)
    rows = read_rows(path, NEEDED, "cohort")
    for column in rows.header:
        if column not in COLUMNS:
            raise InputError(
                f"{path.name} has a column '{column}' that means nothing here: name it one of {', '.join(COLUMNS)}, or "
                "take it out."
            )
    cases: dict[str, Case] = {}
    for line, cells in zip(rows.lines, rows.cells, strict=True):
        case = _case(cells, path, line)
        if case.name.casefold() in cases:  # some file systems do not tell capitals apart
            raise InputError(f"{path.name} names the case '{case.name}' twice (line {line}): give every case its own.")
        cases[case.name.casefold()] = case
    if not cases:
        raise InputError(f"{path.name} names no case: give a line for each pair of MR and TRUS.")
    return tuple(cases.values())


def _case(cells: dict[str, str], path: Path, line: int) -> Case:
    where = f"line {line} of {path.name}"
    if None in cells or None in cells.values():
        raise InputError(f"The {where} has not as many values as the header: separate them with commas.")
    values = {column: value.strip() for column, value in cells.items() if value.strip()}
    for column in NEEDED:
        if column not in values:
            raise InputError(f"The {where} has no value for {column}: fill it in or take the line out.")
    name = values["case"]
    if not _NAME.fullmatch(name) or _RESERVED.fullmatch(name) or name.endswith("."):
        raise InputError(
            f"The case '{name[:40]}' ({where}) cannot name files: use up to 100 letters, digits, '.', '_' and '-', a "
            "letter or digit first and no '.' last, and none of Windows' own names such as 'con'."
        )
    if ("mr_label" in values) != ("us_label" in values):
        one, other = ("mr_label", "us_label") if "mr_label" in values else ("us_label", "mr_label")
        raise InputError(f"The case '{name}' has {one} but no {other}: give the labels of both images, or of none.")
    files = {column: path.parent / values[column] for column in FILES if column in values}
    for column, file in files.items():
        if not file.is_file():
            raise InputError(f"{file} ({column} of the case '{name}') does not exist: correct the {where}.")
    return Case(name=name, patient=values.get("patient", name), **files)


def patients_together(cases: Sequence[Case]) -> list[Case]:
    """The same cases, those of one patient following each other, in the order in which the patients come up first."""
    first: dict[str, int] = {}
    for n, case in enumerate(cases):
        first.setdefault(case.patient, n)
    return sorted(cases, key=lambda case: first[case.patient])


def folds(cases: Sequence[Case], count: int, seed: int) -> tuple[tuple[Case, ...], ...]:
    """The test cases of each fold; all others train it. Every patient is in one fold, and the folds are about as large.

    The split depends on the seed and on the patients' names alone, not on the order of the cases.

    Raises:
        InputError: fewer than two folds, or more than there are patients.
    """
    by_patient: dict[str, list[Case]] = {}
    for case in sorted(cases, key=lambda case: case.name):
        by_patient.setdefault(case.patient, []).append(case)
    if not 2 <= count <= len(by_patient):
        raise InputError(
            f"The {len(cases)} case(s) are of {len(by_patient)} patient(s), who cannot be split into {count} folds: "
            + (
                f"give --folds 2 at least and {len(by_patient)} at most, or --fit-only."
                if len(by_patient) > 1
                else "give --fit-only."
            )
        )
    patients = sorted(by_patient)
    np.random.default_rng(seed).shuffle(patients)
    split: list[list[Case]] = [[] for _ in range(count)]
    for patient in sorted(patients, key=lambda patient: -len(by_patient[patient])):  # a stable sort: shuffled ties
        min(split, key=len).extend(by_patient[patient])
    return tuple(tuple(sorted(fold, key=lambda case: case.name)) for fold in split)
