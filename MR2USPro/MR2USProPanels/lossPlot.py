"""The losses of a running job as a plot: one line for each, against how much of the stage is done.

Their sizes differ by orders of magnitude and mean nothing to each other, so each is shown relative to its first value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import slicer
import vtk
from slicer.i18n import tr as _

from .sceneNodes import removeNodes

X = "Done"
COLORS = ((0.12, 0.47, 0.71), (0.89, 0.47, 0.10), (0.17, 0.63, 0.17), (0.58, 0.40, 0.74), (0.84, 0.15, 0.16),
          (0.09, 0.75, 0.81), (0.55, 0.34, 0.29), (0.50, 0.50, 0.50))  # fmt: skip


class LossPlot:
    """A chart that grows while a job runs.

    Attributes:
        chart: the plot chart node; None before the first figures.
    """

    def __init__(self) -> None:
        self.chart: Any = None
        self._stage = ""
        self._waiting: dict[str, float] = {}
        self._first: dict[str, float] = {}
        self._table: Any = None
        self._nodes: list[Any] = []

    def add(self, stage: str, fraction: float, figures: Mapping[str, float]) -> None:
        """Add the figures of a moment; another stage than before starts the plot afresh.

        Args:
            stage: name of the stage.
            fraction: how much of it is done, in [0, 1].
            figures: losses by name; shares, which are no losses, are left out.
        """
        values = {X: 100 * fraction, **{name: v for name, v in figures.items() if not name.endswith("share")}}
        if stage != self._stage:  # one point is no line: the plot begins with the second
            self._stage, self._waiting = stage, values
            return
        if self._waiting:
            self._first = {name: max(abs(value), 1e-9) for name, value in self._waiting.items() if name != X}
            self._begin(list(self._first))
            self._append(self._waiting)
            self._waiting = {}
        self._append(values)
        self._table.GetTable().Modified()
        self._table.Modified()

    def remove(self) -> None:
        """Take the plot out of the scene."""
        removeNodes(*self._nodes, self.chart)
        self._nodes, self.chart, self._table = [], None, None

    def _append(self, values: Mapping[str, float]) -> None:
        table = self._table.GetTable()
        row = table.InsertNextBlankRow()
        for name, value in values.items():
            column = table.GetColumnByName(name)
            if column is not None:
                column.SetValue(row, value / self._first.get(name, 1.0))

    def _begin(self, names: list[str]) -> None:
        stage = self._stage
        removeNodes(*self._nodes)
        if self.chart is None:
            self.chart = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotChartNode", _("Losses"))
            self.chart.SetYAxisTitle(_("Loss, relative to the first"))
        self.chart.RemoveAllPlotSeriesNodeIDs()
        self.chart.SetXAxisTitle(_("Done (%)"))
        self.chart.SetTitle(_("Losses: {stage}").format(stage=stage))
        self._table = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", _("Losses: {stage}").format(stage=stage))
        self._nodes = [self._table]
        for name in [X, *names]:
            column = vtk.vtkDoubleArray()
            column.SetName(name)
            self._table.AddColumn(column)
        for name, color in zip(names, COLORS, strict=False):
            series = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", name)
            series.SetAndObserveTableNodeID(self._table.GetID())
            series.SetXColumnName(X)
            series.SetYColumnName(name)
            series.SetPlotType(slicer.vtkMRMLPlotSeriesNode.PlotTypeScatter)
            series.SetMarkerStyle(slicer.vtkMRMLPlotSeriesNode.MarkerStyleNone)
            series.SetLineStyle(slicer.vtkMRMLPlotSeriesNode.LineStyleSolid)
            series.SetColor(*color)
            self.chart.AddAndObservePlotSeriesNodeID(series.GetID())
            self._nodes.append(series)


def chartNodes(chart: Any) -> list[Any]:
    """A chart with its lines and their table."""
    if chart is None:
        return []
    series = [chart.GetNthPlotSeriesNode(n) for n in range(chart.GetNumberOfPlotSeriesNodes())]
    tables = {node.GetTableNode() for node in series if node is not None}
    return [chart, *(node for node in [*series, *tables] if node is not None)]
