"""Which image each slice view shows, where, and how the views are arranged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import qt
import slicer

PRESETS = {"Red": "Axial", "Green": "Coronal", "Yellow": "Sagittal"}
"""How Slicer orients its three views."""

LABEL_OPACITY = 0.3

leaving: list[Callable[[], None]] = []
"""Called when a view begins to show another volume alone: what was drawn over the last one goes."""


def showInView(view: str, volume: Any, *, orientation: str = "", offsetMm: float | None = None) -> None:
    """Show a volume alone in a slice view; zoom and offset stay as they are where it was there already.

    Args:
        view: Red, Green or Yellow.
        volume: goes to the background; None empties the view.
        orientation: Axial, Coronal or Sagittal; that of the view in Slicer where it is not given.
        offsetMm: where to cut, along the normal of that orientation.
    """
    logic = slicer.app.applicationLogic().GetSliceLogicByLayoutName(view)
    if logic is None:  # the layout has no such view
        return
    composite, node = logic.GetSliceCompositeNode(), logic.GetSliceNode()
    volumeId = volume.GetID() if volume is not None else None
    orientation = orientation or PRESETS[view]
    new = composite.GetBackgroundVolumeID() != volumeId or node.GetOrientation() != orientation
    composite.SetBackgroundVolumeID(volumeId)
    composite.SetForegroundVolumeID(None)
    composite.SetLabelVolumeID(None)
    if new:
        for takeAway in leaving:
            takeAway()
        node.SetOrientation(orientation)
        logic.FitSliceToBackground()
    if offsetMm is not None:
        logic.SetSliceOffset(offsetMm)


def showInAll(volume: Any) -> None:
    """Show a volume in the three slice views, each oriented as is usual in Slicer."""
    for view in PRESETS:
        showInView(view, volume)


def overlay(label: Any) -> None:
    """Lay a label map over what the slice views show, or take it away where it is None."""
    for view in PRESETS:
        logic = slicer.app.applicationLogic().GetSliceLogicByLayoutName(view)
        if logic is not None:
            composite = logic.GetSliceCompositeNode()
            composite.SetLabelVolumeID(label.GetID() if label is not None else None)
            composite.SetLabelOpacity(LABEL_OPACITY)


def arrange(layout: str) -> None:
    """Choose an arrangement of the views.

    Args:
        layout: name of a layout of vtkMRMLLayoutNode without its first part, such as ``FourUpView``.
    """
    setLayout(getattr(slicer.vtkMRMLLayoutNode, f"SlicerLayout{layout}"))


def setLayout(layout: int) -> None:
    """Choose an arrangement of the views by its number."""
    manager = slicer.app.layoutManager()
    if manager is not None and manager.layout != layout:  # there is no manager without a main window
        before = _sizes()
        manager.setLayout(layout)
        qt.QTimer.singleShot(0, lambda: _fitAgain(before))


def _sizes() -> dict[str, tuple[int, int]]:
    """Width and height of each slice view, in pixels."""
    logics = {view: slicer.app.applicationLogic().GetSliceLogicByLayoutName(view) for view in PRESETS}
    return {view: logic.GetSliceNode().GetDimensions()[:2] for view, logic in logics.items() if logic is not None}


def _fitAgain(before: Mapping[str, tuple[int, int]]) -> None:
    """Fit the images to the views, which have their new sizes only now; the slices stay.

    Who zoomed in sees the same in a view that kept its size. What lies over an image may have come meanwhile, and reach
    far beyond it.
    """
    for view, size in _sizes().items():
        logic = slicer.app.applicationLogic().GetSliceLogicByLayoutName(view)
        volume = logic.GetBackgroundLayer().GetVolumeNode()
        if volume is not None and size != before.get(view):
            offset = logic.GetSliceOffset()
            logic.FitSliceToVolume(volume, *size)
            logic.SetSliceOffset(offset)


def shownChart() -> Any:
    """The chart that the plot views show; None where there is none."""
    views = slicer.util.getNodesByClass("vtkMRMLPlotViewNode")
    return views[0].GetPlotChartNode() if views else None


def closePlot() -> None:
    """Show the 3-D view again, where there is nothing to be plotted."""
    manager = slicer.app.layoutManager()
    if manager is not None and manager.layout == slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpPlotView:
        arrange("FourUpView")


def showChart(chart: Any) -> None:
    """Show a chart in the plot views, if the layout has one."""
    for view in slicer.util.getNodesByClass("vtkMRMLPlotViewNode"):
        view.SetPlotChartNodeID(chart.GetID() if chart is not None else None)
