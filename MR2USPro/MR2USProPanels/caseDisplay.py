"""What the views show when another case is chosen: its images and drawings, and none of another patient's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from . import sliceLayers
from .carrying import carriedBy
from .case import Case, cases, nodesOf
from .sliceViews import closePlot, showChart, showInAll, showInView

HIDDEN = "MR2USPro.HiddenWithCase"
"""Attribute of what is drawn for a case that is not the current one, and was seen before."""
DRAWN = ("vtkMRMLMarkupsNode", "vtkMRMLModelNode", "vtkMRMLSegmentationNode")


def showOnly(case: Case) -> None:
    """Empty the views but for the case's own chart, and hide what is drawn for others until they are chosen again."""
    sliceLayers.show(None)
    showChart(case.chart)
    own = {node.GetID() for node in _drawn(case)}
    for node in (node for other in cases() for node in _drawn(other)):
        if node.GetID() in own:
            if node.GetAttribute(HIDDEN):
                node.RemoveAttribute(HIDDEN)
                node.SetDisplayVisibility(True)
        elif node.GetDisplayVisibility():
            node.SetAttribute(HIDDEN, "1")
            node.SetDisplayVisibility(False)
    if case.frameOutline is not None:
        case.frameOutline.SetDisplayVisibility(False)  # it belongs on the map, which is not what is shown first


def showImages(case: Case) -> None:
    """Show how far the case has come, where no section has shown anything of it."""
    if case.chart is None:
        closePlot()
    if any(composite.GetBackgroundVolumeID() for composite in sliceLayers.compositeNodes()):
        return
    if case.trus is not None:
        showInAll(case.trus)
    elif case.sagittalFrames is not None:
        showInView("Red", case.sagittalFrames, orientation="Axial")
        showInView("Green", case.transverseFrames, orientation="Axial")
    elif case.picture is not None:
        showInView("Red", case.picture, orientation="Axial")
        showInView("Green", case.transversePicture, orientation="Axial")
    elif case.mr is not None:
        showInAll(case.mr)


def _drawn(case: Case) -> Iterator[Any]:
    for node in (*nodesOf(case), *carriedBy(case.deformation)):
        if any(node.IsA(kind) for kind in DRAWN):
            yield node
