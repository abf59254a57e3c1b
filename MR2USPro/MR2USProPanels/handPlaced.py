"""Points that a hand places while an MR is shown at its start lie where they are seen, not where the MR's file says.

Whether they mark the MR or the TRUS is known only once they are chosen as the one's or the other's. Until then they
stay where they were placed, and the node notes where the MR was seen, by which :func:`toMr` makes MR points of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import slicer
import vtk
from numpy.typing import NDArray

SEEN = "MR2USPro.SeenAt"
"""Attribute of a node with its notes as JSON: of each point, by its id, where it lies and where the MR was seen; of a
segmentation likewise with its bounds."""
_ALL = "all"
_SAME_MM = 1e-3
DEFINED = slicer.vtkMRMLMarkupsNode.PositionDefined


def note(node: Any, mrToWorld: NDArray[np.float64], places: Mapping[str, list[float]] | None = None) -> None:
    """Note where the MR is seen that something was placed beside.

    Args:
        node: markups or segmentation node.
        mrToWorld: 4x4, from the MR's own points to where they are seen, RAS mm.
        places: where the points lie that were placed, RAS mm in the world, by their ids; None for all of the node.
    """
    if places is None:
        places = _defined(node) if node.IsA("vtkMRMLMarkupsNode") else {_ALL: _bounds(node)}
    noted = {name: [place, mrToWorld.tolist()] for name, place in places.items()}
    node.SetAttribute(SEEN, json.dumps(_notes(node) | noted))


def toMr(node: Any) -> None:
    """Bring what was noted to the MR's own coordinates, now that it is known to mark the MR.

    What was moved since then, by hand beside an MR that was not at its start or by a program, lies where it should.
    """
    notes = _notes(node)
    if not notes:
        return
    node.RemoveAttribute(SEEN)
    if _ALL in notes:
        place, seen = notes[_ALL]
        if _isSame(place, _bounds(node)) and node.GetParentTransformNode() is None:
            node.ApplyTransform(_inverse(seen))
        return
    now = _defined(node)
    there = {name: notes[name][1] for name in now if name in notes and _isSame(notes[name][0], now[name])}
    if not there:
        return
    first = next(iter(there.values()))
    together = len(there) == len(now) and all(seen == first for seen in there.values())
    if together and node.GetParentTransformNode() is None:
        node.ApplyTransform(_inverse(first))  # turns a plane as well
        return
    for name, seen in there.items():
        n = node.GetNthControlPointIndexByID(name)
        node.SetNthControlPointPositionWorld(n, *_inverse(seen).TransformPoint(now[name]))


class HandWatch:
    """Notes what is placed or dragged by hand anywhere in the scene while an MR is seen elsewhere than its file says.

    Args:
        mrToWorld: where the MR is seen: 4x4 from its own points, RAS mm; None where it lies as its file says.
        kinds: classes of the nodes to be followed.
        isKnown: whether a node is known to move with the MR, or was itself carried, and so needs no note.
    """

    def __init__(
        self,
        mrToWorld: Callable[[], NDArray[np.float64] | None],
        kinds: Iterable[str],
        isKnown: Callable[[Any], bool],
    ) -> None:
        self._mrToWorld, self._kinds, self._isKnown = mrToWorld, tuple(kinds), isKnown
        self._there: dict[str, dict[str, list[float]]] = {}
        scene, logic = slicer.mrmlScene, slicer.app.applicationLogic()
        interaction, selection = logic.GetInteractionNode(), logic.GetSelectionNode()
        self._observed: list[tuple[Any, int]] = [
            (scene, scene.AddObserver(scene.NodeAddedEvent, self._onNodeAdded)),
            (scene, scene.AddObserver(scene.NodeRemovedEvent, self._onNodeRemoved)),
            (interaction, interaction.AddObserver(interaction.InteractionModeChangedEvent, self._onPlacing)),
            (selection, selection.AddObserver(selection.ActivePlaceNodeIDChangedEvent, self._onPlacing)),
        ]
        for node in slicer.util.getNodesByClass("vtkMRMLMarkupsNode"):
            self._follow(node)

    def cleanup(self) -> None:
        """Stop following the scene."""
        for node, tag in self._observed:
            node.RemoveObserver(tag)
        self._observed.clear()

    def _follow(self, node: Any) -> None:
        if any(map(node.IsA, self._kinds)) and node.IsA("vtkMRMLMarkupsNode"):
            self._observed += [
                (node, node.AddObserver(node.PointPositionDefinedEvent, self._onDefined)),
                (node, node.AddObserver(node.PointStartInteractionEvent, self._look)),
                (node, node.AddObserver(node.PointEndInteractionEvent, self._onDragged)),
            ]

    @vtk.calldata_type(vtk.VTK_OBJECT)  # type: ignore[untyped-decorator]
    def _onNodeAdded(self, caller: Any, event: Any, node: Any) -> None:
        self._follow(node)

    @vtk.calldata_type(vtk.VTK_OBJECT)  # type: ignore[untyped-decorator]
    def _onNodeRemoved(self, caller: Any, event: Any, node: Any) -> None:
        self._there.pop(node.GetID(), None)
        for other, tag in self._observed:
            if other is node:
                node.RemoveObserver(tag)
        self._observed = [(other, tag) for other, tag in self._observed if other is not node]

    def _look(self, node: Any, *_: Any) -> None:
        """Remember where the points of a node lie, so as to know later which of them were placed or moved."""
        self._there[node.GetID()] = _defined(node)

    def _onPlacing(self, *_: Any) -> None:
        node = _placedNow()
        if node is not None and node.IsA("vtkMRMLMarkupsNode"):
            self._look(node)

    def _onDefined(self, node: Any, *_: Any) -> None:
        if _placedNow() is node:  # what a program or a file adds has the MR's own coordinates
            before = self._there.get(node.GetID(), {})
            self._look(node)
            self._note(node, {name: place for name, place in self._there[node.GetID()].items() if name not in before})

    def _onDragged(self, node: Any, *_: Any) -> None:
        before = self._there.get(node.GetID(), {})
        self._note(node, {name: place for name, place in _defined(node).items() if before.get(name) != place})

    def _note(self, node: Any, places: Mapping[str, list[float]]) -> None:
        mrToWorld = self._mrToWorld()
        if mrToWorld is not None and not self._isKnown(node):
            note(node, mrToWorld, places)


def _placedNow() -> Any:
    """The node whose points a click in a view places; None where a click does something else."""
    logic = slicer.app.applicationLogic()
    interaction = logic.GetInteractionNode()
    if interaction.GetCurrentInteractionMode() != interaction.Place:
        return None
    return slicer.mrmlScene.GetNodeByID(logic.GetSelectionNode().GetActivePlaceNodeID() or "")


def _notes(node: Any) -> dict[str, Any]:
    return dict(json.loads(node.GetAttribute(SEEN) or "{}"))


def _point(node: Any, n: int) -> list[float]:
    there = [0.0, 0.0, 0.0]
    node.GetNthControlPointPositionWorld(n, there)
    return there


def _defined(node: Any) -> dict[str, list[float]]:
    """Where the points lie that have a place, RAS mm in the world, by their ids."""
    defined = [n for n in range(node.GetNumberOfControlPoints()) if node.GetNthControlPointPositionStatus(n) == DEFINED]
    return {node.GetNthControlPointID(n): _point(node, n) for n in defined}


def _bounds(node: Any) -> list[float]:
    bounds = [0.0] * 6
    node.GetRASBounds(bounds)
    return bounds


def _isSame(place: list[float], now: list[float]) -> bool:
    return bool(np.abs(np.subtract(place, now)).max() < _SAME_MM)


def _inverse(seen: list[list[float]]) -> vtk.vtkTransform:
    transform = vtk.vtkTransform()
    transform.SetMatrix(np.linalg.inv(np.array(seen)).ravel().tolist())
    return transform
