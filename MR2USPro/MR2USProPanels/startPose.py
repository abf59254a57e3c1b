"""Where the MR of a case starts: the transform that brings it onto the TRUS, and showing the MR under it."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
from numpy.typing import NDArray
from slicer.i18n import tr as _

from MR2USProLib.errors import InputError

from . import handPlaced
from .aligning import computeStart
from .carrying import KINDS
from .case import Case
from .pairing import isEmpty, marked, pointsNeed
from .sceneNodes import referenced
from .targetsSection import targetsOf

MOVED = "movedWithMr"
"""Role of the references from a case to its MR and to what is drawn on it, while they are under the start."""


def pairNeed(case: Case | None) -> str:
    """What is missing before there is a pair of images, in a few words; empty where nothing is."""
    if case is None or case.mr is None:
        return _("Choose the MR")
    if case.trus is None:
        return _("Choose the TRUS volume")
    if case.mr is case.trus:
        return _("Choose two different volumes")
    if isEmpty(case.mr):
        return _("Choose an MR that is not empty")
    if isEmpty(case.trus):
        return _("Choose a TRUS volume that is not empty")
    if case.trus.GetParentTransformNode() is not None:
        return _("Harden the transform of the TRUS volume")
    parent = case.mr.GetParentTransformNode()
    if parent is not None and not parent.IsTransformToWorldLinear():
        return _("Harden the transform of the MR")
    return ""


def need(case: Case | None) -> str:
    """What is missing before a start can be computed, in a few words; empty where nothing is."""
    missing = pairNeed(case)
    if missing or case is None:
        return missing
    if case.start == "boxes" and (case.mrBox is None or case.trusBox is None):
        return _("Place both boxes")
    if case.start == "landmarks":
        return pointsNeed(case.mrLandmarks, case.trusLandmarks)
    if case.start == "transform" and case.startTransform is None:
        return _("Choose a transform")
    return ""


def update(case: Case) -> Any:
    """Bring the start's transform node in line with the case, and return it.

    Raises:
        InputError: something is missing or does not fit.
    """
    missing = need(case)
    if missing:
        raise InputError(missing + ".")
    return _compute(case, case.start)


def updateForNow(case: Case) -> None:
    """While the user has placed nothing yet, bring the MR to where it can be seen: centers on each other.

    Where landmarks have been placed but one list is ahead of the other, the MR stays where it is.

    Raises:
        InputError: the pair cannot be used.
    """
    if case.start != "landmarks" or 0 in marked(case.mrLandmarks, case.trusLandmarks):
        _compute(case, "centers")


def _compute(case: Case, start: str) -> Any:
    pose = computeStart(
        case.mr,
        case.trus,
        start,
        mrBox=case.mrBox,
        trusBox=case.trusBox,
        mrLandmarks=case.mrLandmarks,
        trusLandmarks=case.trusLandmarks,
        transform=case.startTransform,
        pose=case.pose,
    )
    if case.pose is None or case.pose.GetID() != pose.GetID():
        case.pose = pose
    return pose


def choice(case: Case) -> str:
    """Pair and kind of start, which is another text when any of them is changed; see ``Case.usedStart``."""
    return f"{case.mr.GetID()} {case.trus.GetID()} {case.start}"


def regionsOf(case: Case) -> tuple[Any, Any]:
    """The boxes around the prostate: the one in the TRUS, which is registered, and the one in the MR; None for all."""
    return (case.trusBox, case.mrBox) if case.start == "boxes" else (None, None)


def attach(case: Case, shown: bool) -> None:
    """Put the MR, with all that the case knows to be drawn on it, under the start, or take it away from it.

    What is under another transform is left alone. What marks the prostate or landmarks in the MR would lie at a wrong
    place of the TRUS, and is seen only while the MR is at the start that it makes.
    """
    for mark, start in ((case.mrBox, "boxes"), (case.mrLandmarks, "landmarks")):
        if mark is not None:
            mark.SetDisplayVisibility(shown and case.start == start)
    pose = case.pose
    if pose is None:
        return
    onMr = _onMr(case)
    for node in onMr:
        parent = node.GetTransformNodeID()
        if shown and parent is None:
            node.SetAndObserveTransformNodeID(pose.GetID())
        elif not shown and parent == pose.GetID():
            node.SetAndObserveTransformNodeID(None)
    for node in referenced(case.parameterNode, MOVED):
        if node not in onMr and node.GetTransformNodeID() == pose.GetID():
            _release(node, pose, shown)
    _remember(case, [node for node in onMr if node.GetTransformNodeID() == pose.GetID()])


def seenAt(case: Case | None) -> NDArray[np.float64] | None:
    """Where the start shows the MR: 4x4 from its own points, RAS mm; None while it lies as its file says."""
    if case is None or case.mr is None or case.pose is None or case.mr.GetParentTransformNode() is not case.pose:
        return None
    return np.asarray(slicer.util.arrayFromTransformMatrix(case.pose, toWorld=True))


def bringToMr(case: Case) -> None:
    """What was placed by hand beside the MR at its start, and then chosen as drawn on the MR, becomes part of it."""
    for node in _onMr(case):
        handPlaced.toMr(node)


def _release(node: Any, pose: Any, shown: bool) -> None:
    """Take from under the start what is no longer chosen as drawn on the MR: a mark stays where it is seen."""
    if shown and any(map(node.IsA, KINDS)):
        seen = slicer.util.arrayFromTransformMatrix(pose, toWorld=True)
        node.HardenTransform()
        handPlaced.note(node, seen)
    else:
        node.SetAndObserveTransformNodeID(None)


def _remember(case: Case, moved: list[Any]) -> None:
    """Keep what is under the start now, so that it can be taken away again once it is no longer chosen."""
    if [node.GetID() for node in moved] != [node.GetID() for node in referenced(case.parameterNode, MOVED)]:
        with slicer.util.NodeModify(case.parameterNode):
            case.parameterNode.RemoveNodeReferenceIDs(MOVED)
            for node in moved:
                case.parameterNode.AddNodeReferenceID(MOVED, node.GetID())


def adoptTransform(case: Case) -> None:
    """Take a linear transform that the MR is under already as the start, instead of stacking another one on it.

    What was drawn on the MR and is under the same transform goes with the MR.
    """
    if case.mr is None:
        return
    parent = case.mr.GetParentTransformNode()
    if parent is not None and parent is not case.pose and parent.IsTransformToWorldLinear():
        case.startTransform = parent
        case.start = "transform"
    if case.start == "transform" and case.startTransform is not case.pose:
        for node in _onMr(case):
            if node.GetTransformNodeID() and node.GetParentTransformNode() is case.startTransform:
                node.SetAndObserveTransformNodeID(None)


def _onMr(case: Case) -> list[Any]:
    """The MR, and all that the case knows to be drawn on it."""
    nodes = (case.mr, case.mrBox, case.mrLandmarks, case.mrGland, case.mrMarks, case.mrSegmentation, *targetsOf(case))
    onTrus = (case.trusBox, case.trusLandmarks, case.trusGland, case.trusMarks, case.trusSegmentation)
    return list({node.GetID(): node for node in nodes if node is not None and node not in onTrus}.values())
