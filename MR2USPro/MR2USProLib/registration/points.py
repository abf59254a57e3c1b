"""Points that were marked in an image, as files: a CSV list, or markups of 3D Slicer."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..csv_rows import number, read_rows
from ..errors import InputError

MARKUPS = ".json"


def read_points(path: str | Path) -> tuple[list[str], NDArray[np.float64]]:
    """Names and LPS positions (n, 3) in mm of a CSV file with the columns name, x, y, z, or of a ``.mrk.json`` file.

    Raises:
        InputError: no such file, another format, or no points in it.
    """
    path = Path(path)
    try:
        names, positions = _markups(path) if path.suffix.lower() == MARKUPS else _table(path)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise InputError(f"{path} does not exist: check the path.") from error
    except (AttributeError, LookupError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise InputError(
            f"{path.name} is not a list of points: give columns name,x,y,z in LPS mm, or markups that 3D Slicer saved "
            "(.mrk.json)."
        ) from error
    if not names:
        raise InputError(f"{path.name} holds no points: give at least one row of name,x,y,z.")
    if not np.isfinite(positions).all():
        raise InputError(f"{path.name} holds a coordinate that is no number: every point needs three, in LPS mm.")
    return names, positions


def _table(path: Path) -> tuple[list[str], NDArray[np.float64]]:
    rows = read_rows(path, ("name", "x", "y", "z"), "list of points").cells
    return [row["name"] for row in rows], np.array([[number(row[axis]) for axis in "xyz"] for row in rows])


def _markups(path: Path) -> tuple[list[str], NDArray[np.float64]]:
    markups = json.loads(path.read_text("utf-8-sig"))["markups"][0]
    placed = [point for point in markups["controlPoints"] if point.get("positionStatus", "defined") == "defined"]
    positions = np.array([point["position"] for point in placed], dtype=np.float64).reshape(len(placed), 3)
    system = markups.get("coordinateSystem", "LPS")
    if system not in ("LPS", "RAS", "0", "1", 0, 1):
        raise ValueError(f"Coordinates are {system}.")
    if system in ("RAS", "0", 0):
        positions = positions * (-1.0, -1.0, 1.0)
    return [str(point.get("label", "")) for point in placed], positions
