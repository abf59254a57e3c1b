"""What the user drew or marked to guide a registration, as the files that the worker reads."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from slicer.i18n import tr as _

from MR2USProLib.errors import InputError

from . import scoring
from .case import Case
from .pairing import pointsNeed


def leads(case: Case) -> bool:
    """Whether masks of both glands or lists of points on both sides were chosen."""
    return None not in (case.mrGland, case.trusGland) or None not in (case.mrMarks, case.trusMarks)


def need(case: Case) -> str:
    """What is missing before it can guide, in a few words; empty where nothing is."""
    if (case.mrMarks is None) != (case.trusMarks is None):
        return _("Choose the other list of points, or none")
    missing = "" if case.mrMarks is None else pointsNeed(case.mrMarks, case.trusMarks)
    if missing:
        return missing
    if case.mrGland is not None and case.trusGland is None and (case.start != "boxes" or case.trusBox is None):
        return _("Choose the gland in the TRUS too, or none")
    if case.registration == "surfaces" and not leads(case):
        return _("Choose the gland in both images, or points")
    return ""


def glandToFile(segmentation: Any, reference: Any, path: Path, pose: Any = None) -> Path:
    """The mask of the gland as a file: the segment called prostate or gland; where there is none, the first.

    The arguments are those of :func:`scoring.masksToFile`.

    Raises:
        InputError: the segmentation is empty.
    """
    names = scoring.namesOf(segmentation)
    if not names:
        raise InputError(_("{name} has no segments: choose another segmentation.").format(name=segmentation.GetName()))
    return scoring.masksToFile(segmentation, [scoring.glandOf(names)], reference, path, pose)


def pointsToFile(positionsMm: NDArray[np.float64], path: Path) -> Path:
    """LPS positions (n, 3) in mm as a file, as the worker reads it."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["name", "x", "y", "z"])
        writer.writerows([n + 1, *position] for n, position in enumerate(positionsMm.tolist()))
    return path
