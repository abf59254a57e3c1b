"""Room for a chart beside the slice views, for as long as it is wanted there."""

from __future__ import annotations

from typing import Any

import slicer

from . import sliceViews


class PlotRoom:
    """Makes room for a chart, and gives it back to what was there before."""

    def __init__(self) -> None:
        self._chart: Any = None
        self._before: tuple[int, Any] | None = None

    def show(self, chart: Any) -> None:
        """Show a chart."""
        manager = slicer.app.layoutManager()
        if manager is None:  # there is none without a main window
            return
        if self._before is None:
            self._before = manager.layout, sliceViews.shownChart()
        sliceViews.arrange("FourUpPlotView")
        sliceViews.showChart(chart)
        self._chart = chart

    def giveBack(self) -> None:
        """Show what was there before, but for what somebody has chosen anew meanwhile."""
        if self._before is None:
            return
        (layout, chart), self._before = self._before, None
        if sliceViews.shownChart() is self._chart:
            sliceViews.showChart(chart if chart is not None and slicer.mrmlScene.IsNodePresent(chart) else None)
        if slicer.app.layoutManager().layout == slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpPlotView:
            sliceViews.setLayout(layout)
