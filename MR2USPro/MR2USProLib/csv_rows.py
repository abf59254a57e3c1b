"""CSV files with a header, as rows of texts."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from .errors import InputError

SEPARATORS = ",;\t"
"""Between the columns. Spreadsheets write semicolons where the comma is the decimal point."""


class Rows(NamedTuple):
    """What a CSV file holds.

    Attributes:
        header: names of the columns.
        cells: of each row, by column.
        lines: of the file where each row stands, counted from 1; empty ones are no rows.
    """

    header: tuple[str, ...]
    cells: list[dict[str, str]]
    lines: list[int]


def read_rows(path: str | Path, needed: Sequence[str], what: str) -> Rows:
    """The header and the rows of a CSV file.

    Args:
        path: of the file.
        needed: columns that the header has to name.
        what: the file is, for people.

    Raises:
        InputError: no such file, no table of text, a column is missing or there twice, or a row is longer than the
            header.
    """
    path, header = Path(path), ",".join(needed)
    if not path.is_file():
        raise InputError(f"The {what} {path} does not exist: give a CSV file with the header {header}.")
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            first = stream.readline()
            stream.seek(0)
            reader = csv.DictReader(stream, delimiter=max(SEPARATORS, key=first.count), skipinitialspace=True)
            names = tuple(name.strip() for name in reader.fieldnames or ())
            reader.fieldnames = names
            # spreadsheets leave rows of empty cells
            rows = [(row, reader.line_num) for row in reader if any(row.values())]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"{path.name} is not a text table: give a CSV file in UTF-8 with the header {header}."
        ) from error
    for column in needed:
        if column not in names:
            raise InputError(f"{path.name} lacks the column {column}: its header must name {header}.")
    for column in filter(None, names):
        if names.count(column) > 1:
            raise InputError(f"{path.name} has the column {column} twice: name every column once.")
    for row, line in rows:
        if any(row.get(None) or ()):  # a separator too many: what follows it would be taken for something else
            raise InputError(
                f"The line {line} of {path.name} has not as many values as the header: separate them as the header "
                "does, and put a text that holds the separator in quotes."
            )
    return Rows(names, [row for row, _ in rows], [line for _, line in rows])


def number(cell: str) -> float:
    """The number in a cell; where spreadsheets separate by semicolons, it has a decimal comma.

    Raises:
        ValueError: there is none.
    """
    return float(cell.replace(",", "."))
