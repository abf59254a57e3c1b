"""What a case knows of its reconstruction: figures, what the user decided, and what is older than what."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Any

import slicer

from .case import Case
from .positionsChart import PARTS
from .registered import STALE
from .sceneNodes import removeNodes

MADE_WITH = "MR2USPro.Stitching"
"""Attribute of a TRUS volume that was made of frames: the identity of their stitching."""

STITCHING_NODES = ("map", "positions", "suspects", "frameOutline")


def figures(text: str) -> dict[str, Any]:
    """The figures of a job as the case keeps them; empty where there are none."""
    try:
        found = json.loads(text) if text else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def isPresent(case: Case) -> bool:
    """Whether a case is still in the scene, after a job that took a while."""
    return bool(slicer.mrmlScene.IsNodePresent(case.parameterNode))


def frameCount(case: Case) -> int:
    """Frames that were read into the scene, 0 before."""
    frames = case.sagittalFrames
    if frames is None or case.transverseFrames is None or frames.GetImageData() is None:
        return 0
    return int(frames.GetImageData().GetDimensions()[2])


def decisions(case: Case) -> dict[str, Any]:
    """What the user said about single frames, in the form in which figures keep it."""
    return {
        "excluded": sorted(case.excluded),
        "pinned": {str(frame): position for frame, position in sorted(dict(case.pinned).items())},
    }


def keepStitching(case: Case, found: Any, decided: Mapping[str, Any] | None = None) -> None:
    """Keep a stitching in the case, with an identity by which a volume tells which stitching it was made with.

    Args:
        case: the frames' case.
        found: what MR2USReconstructLogic.stitch returned.
        decided: the decisions about frames that it followed; those of now where they are not given.
    """
    with slicer.util.NodeModify(case.parameterNode):
        case.positions, case.map, case.suspects, case.chart, results = found
        decided = decisions(case) if decided is None else decided
        case.stitchResults = json.dumps({**results, "decided": decided, "identity": uuid.uuid4().hex})


def stitching(case: Case) -> dict[str, Any]:
    """Figures of the stitching; empty where there is none, or a node of it was deleted."""
    if case.positions is None or not frameCount(case):
        return {}
    return figures(case.stitchResults)


def isStitchingOutdated(case: Case) -> bool:
    """Whether the user decided something about frames since they were stitched."""
    found = stitching(case)
    return bool(found) and found.get("decided") != decisions(case)


def filledVolume(case: Case) -> Any:
    """The TRUS volume where it was made of frames; None where there is none or it was loaded."""
    trus = case.trus
    return trus if trus is not None and trus.GetAttribute(MADE_WITH) else None


def keepFilling(case: Case, filled: Any, identity: str | None = None) -> None:
    """Keep a volume in the case.

    Args:
        case: the frames' case.
        filled: what MR2USReconstructLogic.fill returned.
        identity: of the stitching that it was made with; the present one where it is not given.
    """
    filled.trus.SetAttribute(MADE_WITH, stitching(case).get("identity", "") if identity is None else identity)
    if case.deformation is not None:
        case.deformation.SetAttribute(STALE, "1")
    with slicer.util.NodeModify(case.parameterNode):
        case.trus, case.sparse, case.measured, case.outlines, results = filled
        case.fillResults = json.dumps(dict(results))
        if case.start == "none":  # a volume made of frames lies where the probe was, of which no MR's header knows
            case.start = "boxes"
    case.parameterNode.Modified()  # an identical volume changes no field, but makes a registration outdated


def isFillingOutdated(case: Case) -> bool:
    """Whether the frames were stitched or read anew since the volume was made of them."""
    trus = filledVolume(case)
    return trus is not None and trus.GetAttribute(MADE_WITH) != stitching(case).get("identity")


def forgetStitching(case: Case) -> None:
    """Remove what was found about frames that are no longer there."""
    chart = case.chart
    nodes = [getattr(case, field) for field in STITCHING_NODES]
    if chart is not None:
        nodes += [chart, *(chart.GetNodeReference(role) for role in PARTS)]
    removeNodes(*nodes)
    case.stitchResults = ""
    case.excluded = []
    case.pinned = {}


def framePlace(case: Case, frame: int) -> dict[str, Any]:
    """The row of a frame in the table of positions: numbers as such, status as text; empty where there is none."""
    node = case.positions
    if node is None or not 0 <= frame < node.GetNumberOfRows():
        return {}
    table = node.GetTable()
    place: dict[str, Any] = {}
    for column in (table.GetColumn(n) for n in range(table.GetNumberOfColumns())):
        value = column.GetVariantValue(frame)
        place[column.GetName()] = value.ToString() if value.IsString() else value.ToDouble()
    return place
