"""What came of a case, as files that other programs read. Names of files say what is in them and name nobody."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from MR2USProLib import mrml
from MR2USProLib.errors import InputError
from MR2USProLib.outputs import staged

from .carrying import carriedFrom
from .case import Case
from .registered import areTargetsCarried, isOutdated
from .targetsSection import targetsOf

Writer = Callable[[Any, Path], None]
Files = tuple[tuple[str, str, Writer], ...]
"""Name of each file, field of the case, what writes it."""
SCENE = "case.mrb"


def _writeVolume(node: Any, path: Path) -> None:
    mrml.volume_of(node).write(path)


def _writeDisplacement(node: Any, path: Path) -> None:
    mrml.displacement_of(node).write(path)


def _writeText(node: Any, path: Path) -> None:
    path.write_text(node.GetText(), "utf-8")


RECONSTRUCTED: Files = (
    ("sagittal_map.nrrd", "map", _writeVolume),
    ("positions.csv", "positions", mrml.write_table),
    ("trus_sparse.nrrd", "sparse", _writeVolume),
    ("trus_measured.nrrd", "measured", _writeVolume),
    ("trus.nrrd", "trus", _writeVolume),
)
REGISTERED: Files = (
    ("mr_on_trus.nrrd", "warped", _writeVolume),
    ("mr_to_trus.h5", "deformation", mrml.write_node),
    ("displacement.nrrd", "deformation", _writeDisplacement),
    ("mr_translated.nrrd", "translatedMr", _writeVolume),
    ("us_translated.nrrd", "translatedUs", _writeVolume),
    ("uncertainty.nrrd", "uncertainty", _writeVolume),
    ("metrics.csv", "metrics", mrml.write_table),
    ("report.html", "report", _writeText),
)
TARGETS = "targets.csv"
NAMES = (*(name for name, *_rest in (*RECONSTRUCTED, *REGISTERED)), TARGETS)
"""Of all files but the targets themselves, of which there may be any number."""


def exportable(case: Case) -> dict[str, tuple[Any, Writer]]:
    """File names, with the node that each would hold and what writes it; empty as long as the case has no result.

    What a later step has overtaken is left out: see :func:`leftOut`.
    """
    found: dict[str, tuple[Any, Writer]] = {}
    for name, field, write in (*RECONSTRUCTED, *(() if isOutdated(case) else REGISTERED)):
        node = getattr(case, field)
        if node is not None:
            found[name] = (node, write)
    if areTargetsCarried(case):
        found[TARGETS] = (case.targetTable, mrml.write_table)
        for n, node in enumerate(_carried(case)):
            suffix = "seg.nrrd" if node.IsA("vtkMRMLSegmentationNode") else "mrk.json"
            found[f"target_{n + 1}_on_trus.{suffix}"] = (node, mrml.write_node)
    return found


def leftOut(case: Case) -> str:
    """What the case has and does not export, and why, in a sentence; empty where that is nothing."""
    if isOutdated(case):
        return _("Left out: the registration, which is of other images than those chosen now.")
    if case.targetTable is not None and not areTargetsCarried(case):
        return _("Left out: the targets, which an earlier registration carried.")
    return ""


def holdsExport(folder: Path) -> bool:
    """Whether something that was exported lies in a folder."""
    return any((folder / name).exists() for name in (*NAMES, *_targetFiles(folder)))


def export(case: Case, folder: Path, scene: bool) -> list[Path]:
    """Write all of it; either everything appears in the folder or nothing. What an earlier export left there goes.

    Args:
        case: whose results are written.
        folder: made if it is not there.
        scene: whether the whole scene is written as well, as ``case.mrb``.

    Returns:
        the files.

    Raises:
        InputError: there is nothing to write, or the folder cannot be written.
    """
    contents = exportable(case)
    if not contents:
        raise InputError(_("This case has no results yet: reconstruct or register first."))
    with staged(folder, [*NAMES, *_targetFiles(folder)]) as staging:
        for name, (node, write) in contents.items():
            write(node, staging / name)
        if scene and not slicer.util.saveScene(str(staging / SCENE)):
            raise InputError(_("The scene could not be saved: free some space or choose another folder."))
    return [folder / name for name in (*contents, *([SCENE] if scene else []))]


def _targetFiles(folder: Path) -> list[str]:
    """Names of the targets in a folder."""
    return [path.name for suffix in ("seg.nrrd", "mrk.json") for path in folder.glob(f"target_*_on_trus.{suffix}")]


def _carried(case: Case) -> Iterator[Any]:
    for target in targetsOf(case):
        copy = carriedFrom(target)
        if copy is not None:
            yield copy
