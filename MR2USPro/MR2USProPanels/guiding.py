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


def leads(case: Case) -> bool:
    """Whether masks of both glands or lists of points on both sides were chosen."""
    return None not in (case.mrGland, case.trusGland) or None not in (case.mrMarks, case.trusMarks)


def need(case: Case) -> str:
    """What is missing before it can guide, in a few words; empty where nothing is."""
    if (case.mrMarks is None) != (case.trusMarks is None):
        return _("Choose the other list of points, or none")
    if case.mrMarks is not None:
        counts = [node.GetNumberOfDefinedControlPoints() for node in (case.mrMarks, case.trusMarks)]
        if not counts[0] or counts[0] != counts[1]:
            return _("Mark the same places in MR and TRUS ({mr} and {trus} so far)").format(
                mr=counts[0], trus=counts[1]
            )
    if case.mrGland is not None and case.trusGland is None and (case.start != "boxes" or case.trusBox is None):
        return _("Choose the gland in the TRUS too, or none")
    if case.registration == "surfaces" and not leads(case):
        return _("Choose the gland in both images, or points")
    return ""


def writeGland(segmentation: Any, reference: Any, path: Path) -> None:
    """Write the mask of the gland: the segment called prostate or gland; where there is none, the first.

    Raises:
        InputError: the segmentation is empty, or under another transform than its volume.
    """
    names = scoring.namesOf(segmentation)
    if not names:
        raise InputError(_("{name} has no segments: choose another segmentation.").format(name=segmentation.GetName()))
    scoring.writeMasks(segmentation, [scoring.glandOf(names)], reference, path)


def writePoints(positionsMm: NDArray[np.float64], path: Path) -> None:
    """Write LPS positions (n, 3) in mm as the worker reads them."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["name", "x", "y", "z"])
        writer.writerows([n + 1, *position] for n, position in enumerate(positionsMm.tolist()))
