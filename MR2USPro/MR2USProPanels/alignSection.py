"""The section that chooses the pair and brings the MR roughly onto the TRUS."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

from MR2USProLib.errors import InputError

from . import aligning, carrying, signs, sliceLayers, startPose
from .case import Case
from .choiceBox import ChoiceBox
from .handPlaced import HandWatch
from .reconstructed import filledVolume
from .section import Section

BOX_MM = np.array([55.0, 45.0, 45.0])
"""Size of a new box: a usual prostate and a little around it, right to left, front to back, feet to head."""
LITTLE_OVERLAP = 0.6
MR_COLOR, TRUS_COLOR = (0.95, 0.6, 0.1), (0.1, 0.7, 0.95)
"""Colors of what is placed in either image."""
ROWS = {
    "boxes": ("boxesLabel", "placeBoxesButton", "findGlandsCheckBox"),
    "landmarks": (
        "landmarksHintLabel",
        "mrLandmarksLabel",
        "mrLandmarksSelector",
        "mrPlaceWidget",
        "trusLandmarksLabel",
        "trusLandmarksSelector",
        "trusPlaceWidget",
    ),
    "transform": ("transformLabel", "transformSelector"),
}
"""Widgets that belong to one kind of start."""


class AlignSection(Section):
    """MR, TRUS, and where the MR starts; the start is shown in the slice views and follows every change at once."""

    title = _("Align")

    def __init__(self, logic: Any) -> None:
        super().__init__("Align", logic)
        texts = {
            "none": _("As in the image headers"),
            "centers": _("Centers of both volumes"),
            "boxes": _("Boxes around the prostate"),
            "landmarks": _("Landmark pairs"),
            "transform": _("Transform in the scene"),
        }
        self._start = ChoiceBox(self.ui.startComboBox, texts, self._onStart)
        self._observed: list[tuple[Any, int]] = []
        self._dragging = False
        self._shown: tuple[str, str] | None = None
        self._told = ""
        self._hand = HandWatch(lambda: startPose.seenAt(self.case), carrying.KINDS, self._isKnown)
        self.ui.useButton.connect("clicked(bool)", self._onUse)
        self.ui.placeBoxesButton.connect("clicked(bool)", self._onPlaceBoxes)
        self.ui.mrPlaceWidget.connect("activeMarkupsPlaceModeChanged(bool)", self._onPlacingMr)
        self.ui.trusPlaceWidget.connect("activeMarkupsPlaceModeChanged(bool)", self._onPlacingTrus)

    def setCase(self, case: Case | None) -> None:
        """Show another case; the MR of the old one goes back to where its file puts it."""
        if self.case is not None and not self.shows(case):
            startPose.attach(self.case, False)
        self._shown = None
        super().setCase(case)
        if case is None:
            self._observe([])

    def need(self) -> str:
        """What is missing before the start is known."""
        return startPose.need(self.case)

    def done(self) -> bool:
        """Whether the user said that this start is good enough, or registered from it."""
        return not self.need() and self.case is not None and self.case.usedStart == startPose.choice(self.case)

    def cleanup(self) -> None:
        """Let go of the case and its nodes."""
        if self.case is not None:
            startPose.attach(self.case, False)
        self._observe([])
        self._hand.cleanup()
        super().cleanup()

    def refresh(self) -> None:
        """Compute the start anew, show the MR under it, and say how well the two overlap."""
        case = self.case
        assert case is not None
        startPose.adoptTransform(case)
        startPose.bringToMr(case)
        self._observe(
            [case.mr, case.trus, case.mrBox, case.trusBox, case.mrLandmarks, case.trusLandmarks, case.startTransform]
        )
        self._start.show(case.start)
        for start, names in ROWS.items():
            for name in names:
                getattr(self.ui, name).visible = case.start == start
        for place, node in ((self.ui.mrPlaceWidget, case.mrLandmarks), (self.ui.trusPlaceWidget, case.trusLandmarks)):
            if place.currentNode() is not node:
                place.setCurrentNode(node)
        missing = startPose.pairNeed(case)
        self.ui.placeBoxesButton.enabled = not missing
        self.ui.placeBoxesButton.toolTip = (
            _("Put a box of the size of a prostate into the middle of each image, or put those that are there back.")
            if not missing
            else _("{missing} first.").format(missing=missing)
        )
        trouble = self._updatePose(case)
        self._show(case, not missing and not trouble)
        text, doubtful = (trouble, True) if trouble else self._overlapText(case)
        self.ui.overlapLabel.text = text
        self.ui.overlapLabel.visible = bool(text)
        signs.show(self.ui.overlapIcon, "check" if doubtful else "")
        self.ui.landmarksLabel.text = self._landmarksText(case)
        self.ui.landmarksLabel.visible = bool(self.ui.landmarksLabel.text)
        self.ui.useButton.text = self.need() or (_("This start is used") if self.done() else _("Use this start"))
        self.ui.useButton.enabled = not self.need() and not self.done()
        if self.need() != self._told:  # markups do not tell the case, which the other sections follow
            self._told = self.need()
            case.parameterNode.Modified()

    def _updatePose(self, case: Case) -> str:
        """Compute the start; what speaks against it, in a sentence."""
        if startPose.pairNeed(case) or self._dragging:
            return ""
        try:
            if self.need():
                startPose.updateForNow(case)
            else:
                startPose.update(case)
        except InputError as error:
            return str(error)
        return ""

    def _show(self, case: Case, possible: bool) -> None:
        shown = possible and case.showStart
        startPose.attach(case, shown)
        for mark, start in ((case.trusBox, "boxes"), (case.trusLandmarks, "landmarks")):
            if mark is not None:
                mark.SetDisplayVisibility(case.start == start)
        pair = (case.mr.GetID(), case.trus.GetID()) if shown else None
        if pair is not None and self.logic.runner.isAt(case.parameterNode):
            return  # the views show what the job has come to
        if pair is not None and pair != self._shown:
            there = any(composite.GetBackgroundVolumeID() == pair[1] for composite in sliceLayers.compositeNodes())
            sliceLayers.show(case.trus, case.mr, 0.5)
            if not there:
                sliceLayers.fit(case.trus)
        self._shown = pair

    def _overlapText(self, case: Case) -> tuple[str, bool]:
        """What to say of the overlap, and whether it speaks against the start."""
        if self.need():
            return "", False
        try:
            share = aligning.overlap(case.mr, case.trus, case.pose, startPose.regionsOf(case)[0])
        except InputError as error:
            return str(error), True
        what = _("the box in the TRUS") if startPose.regionsOf(case)[0] is not None else _("what the TRUS shows")
        text = _("The MR covers {share:.0f} % of {what}.").format(share=100 * share, what=what)
        senseless = case.start == "none" and filledVolume(case) is not None
        if senseless:
            text += " " + _(
                "The headers know nothing of where a reconstructed TRUS lies in the patient: choose another start."
            )
        if share < LITTLE_OVERLAP:
            text += " " + _("That is too little: choose another start, or the registration will fail or mislead.")
        return text, senseless or share < LITTLE_OVERLAP

    def _landmarksText(self, case: Case) -> str:
        if case.start != "landmarks" or self.need():
            return ""
        distances = aligning.landmarkDistances(case.mr, case.mrLandmarks, case.trusLandmarks, case.pose)
        if len(distances) < 3:
            text = _("{n} pairs: the MR is shifted, not turned. They end {mean:.1f} mm apart on average.")
        else:
            text = _(
                "{n} pairs: the MR is shifted and turned. They end {mean:.1f} mm apart on average, {most:.1f} at most."
            )
        return text.format(n=len(distances), mean=distances.mean(), most=distances.max())

    def _onStart(self, start: str) -> None:
        case = self.case
        assert case is not None
        with slicer.util.NodeModify(case.parameterNode):
            case.start = start
            case.showStart = True
            if start == "landmarks":
                for field, name, label, color in (
                    ("mrLandmarks", _("MR landmarks"), _("MR %d"), MR_COLOR),
                    ("trusLandmarks", _("TRUS landmarks"), _("TRUS %d"), TRUS_COLOR),
                ):
                    if getattr(case, field) is None:
                        points = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", name)
                        points.SetControlPointLabelFormat(label)
                        points.CreateDefaultDisplayNodes()
                        points.GetDisplayNode().SetSelectedColor(*color)
                        setattr(case, field, points)

    def _onUse(self, checked: bool = False) -> None:
        assert self.case is not None
        self.case.usedStart = startPose.choice(self.case)

    def _onPlaceBoxes(self, checked: bool = False) -> None:
        from MR2USProLib import mrml

        case = self.case
        assert case is not None
        for field, volume, name, color in (
            ("mrBox", case.mr, _("Prostate in the MR"), MR_COLOR),
            ("trusBox", case.trus, _("Prostate in the TRUS"), TRUS_COLOR),
        ):
            corners = mrml.grid_of(volume).corners()
            size = np.minimum(BOX_MM, 0.7 * np.ptp(corners, axis=0))
            middle = corners.mean(axis=0)
            box = mrml.box_node(middle - size / 2, middle + size / 2, name, getattr(case, field))
            box.CreateDefaultDisplayNodes()
            box.GetDisplayNode().SetSelectedColor(*color)
            box.GetDisplayNode().SetFillVisibility(False)
            box.GetDisplayNode().SetPropertiesLabelVisibility(False)  # both names would lie on each other
            setattr(case, field, box)

    def _isKnown(self, node: Any) -> bool:
        """Whether a mark moves with the MR, or was itself carried to the TRUS."""
        assert self.case is not None
        return node.GetParentTransformNode() is self.case.pose or carrying.isCarried(node)

    def _onPlacingMr(self, placing: bool) -> None:
        sliceLayers.setOpacity(1.0 if placing else 0.5)

    def _onPlacingTrus(self, placing: bool) -> None:
        sliceLayers.setOpacity(0.0 if placing else 0.5)

    def _observe(self, nodes: list[Any]) -> None:
        """Follow what the start depends on."""
        for node, tag in self._observed:
            node.RemoveObserver(tag)
        self._observed, self._dragging = [], self._dragging and bool(nodes)
        markups = slicer.vtkMRMLMarkupsNode
        for node in nodes:
            if node is None:
                continue
            events = [vtk.vtkCommand.ModifiedEvent]
            if node.IsA("vtkMRMLMarkupsNode"):
                events += [markups.PointModifiedEvent, markups.PointAddedEvent, markups.PointRemovedEvent]
            if node.IsA("vtkMRMLTransformNode"):
                events.append(slicer.vtkMRMLTransformableNode.TransformModifiedEvent)
            self._observed += [(node, node.AddObserver(event, self.changed)) for event in events]
        # What lies in the MR moves with it: while it is dragged, the MR must stand still.
        for node in nodes[2:3] + nodes[4:5]:
            if node is not None:
                self._observed += [
                    (node, node.AddObserver(markups.PointStartInteractionEvent, self._onDragStart)),
                    (node, node.AddObserver(markups.PointEndInteractionEvent, self._onDragEnd)),
                ]

    def _onDragStart(self, caller: Any, event: Any) -> None:
        self._dragging = True

    def _onDragEnd(self, caller: Any, event: Any) -> None:
        self._dragging = False
        self.changed()
