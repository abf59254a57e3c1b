"""What came of a case, as files that other programs read. Names of files say what is in them and name nobody."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from MR2USProLib.errors import InputError

from .carrying import carriedFrom
from .case import Case
from .targetsSection import targetsOf

Writer = Callable[[Any, Path], None]
SCENE = "case.mrb"


def exportable(case: Case) -> dict[str, tuple[Any, Writer]]:
    """File names, with the node that each would hold and what writes it; empty as long as the case has no result."""
    from MR2USProLib import mrml

    found: dict[str, tuple[Any, Writer]] = {}
    for name, node, write in (
        ("sagittal_map.nrrd", case.map, _writeVolume),
        ("positions.csv", case.positions, mrml.write_table),
        ("trus_sparse.nrrd", case.sparse, _writeVolume),
        ("trus_measured.nrrd", case.measured, _writeVolume),
        ("trus.nrrd", case.trus, _writeVolume),
        ("mr_on_trus.nrrd", case.warped, _writeVolume),
        ("mr_to_trus.h5", case.deformation, mrml.write_node),
        ("displacement.nrrd", case.deformation, _writeDisplacement),
        ("mr_translated.nrrd", case.translatedMr, _writeVolume),
        ("us_translated.nrrd", case.translatedUs, _writeVolume),
        ("uncertainty.nrrd", case.uncertainty, _writeVolume),
        ("metrics.csv", case.metrics, mrml.write_table),
        ("report.html", case.report, _writeText),
        ("targets.csv", case.targetTable, mrml.write_table),
    ):
        if node is not None:
            found[name] = (node, write)
    for n, node in enumerate(_carried(case)):
        suffix = "seg.nrrd" if node.IsA("vtkMRMLSegmentationNode") else "mrk.json"
        found[f"target_{n + 1}_on_trus.{suffix}"] = (node, mrml.write_node)
    return found


def export(case: Case, folder: Path, scene: bool) -> list[Path]:
    """Write all of it; either everything appears in the folder or nothing.

    Args:
        case: whose results are written.
        folder: made if it is not there.
        scene: whether the whole scene is written as well, as ``case.mrb``.

    Returns:
        the files.

    Raises:
        InputError: there is nothing to write, or the folder cannot be written.
    """
    from MR2USProLib.outputs import staged

    contents = exportable(case)
    if not contents:
        raise InputError(_("This case has no results yet: reconstruct or register first."))
    with staged(folder) as staging:
        for name, (node, write) in contents.items():
            write(node, staging / name)
        if scene and not slicer.util.saveScene(str(staging / SCENE)):
            raise InputError(_("The scene could not be saved: free some space or choose another folder."))
    return [folder / name for name in (*contents, *([SCENE] if scene else []))]


def _carried(case: Case) -> Iterator[Any]:
    for target in targetsOf(case):
        copy = carriedFrom(target)
        if copy is not None:
            yield copy


def _writeVolume(node: Any, path: Path) -> None:
    from MR2USProLib.mrml import volume_of

    volume_of(node).write(path)


def _writeDisplacement(node: Any, path: Path) -> None:
    from MR2USProLib.mrml import displacement_of

    displacement_of(node).write(path)


def _writeText(node: Any, path: Path) -> None:
    path.write_text(node.GetText(), "utf-8")
