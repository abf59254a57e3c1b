"""The course of the probe as a chart: position over frame, with the frames that deserve a look as points."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import slicer
import vtk
from slicer.i18n import tr as _

COURSE, SUSPECTS, POINTS = PARTS = ("Course", "Suspects", "Points")
"""Roles by which the chart refers to its two series, and to the table of the second."""


def suspectsNode(suspects: Iterable[Mapping[str, Any]], name: str, node: Any = None) -> Any:
    """A table of the frames that deserve a look, as the engine's ``stitch`` lists them."""
    if node is None or not slicer.mrmlScene.IsNodePresent(node):
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", name)
    _fill(node, ("frame", "position_mm", "status", "reason"), list(suspects))
    return node


def chartNode(positions: Any, suspects: Sequence[Mapping[str, Any]], name: str, node: Any = None) -> Any:
    """A chart of the table of positions, and of the frames among them that deserve a look."""
    if node is None or not slicer.mrmlScene.IsNodePresent(node):
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotChartNode", name)
    course = _series(node.GetNodeReference(COURSE), positions, _("All frames"), (0.35, 0.7, 1.0))
    course.SetLineStyle(course.LineStyleSolid)
    course.SetMarkerStyle(course.MarkerStyleNone)
    table = node.GetNodeReference(POINTS)
    if table is None:
        table = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", _("Points of the chart"))
        table.SetHideFromEditors(True)
    # A single point is listed twice: VTK reports an error whenever it draws a series of one.
    _fill(table, ("frame", "position_mm"), [*suspects, *suspects] if len(suspects) == 1 else suspects)
    points = _series(node.GetNodeReference(SUSPECTS), table, _("Look at these"), (1.0, 0.55, 0.1))
    points.SetLineStyle(points.LineStyleNone)
    points.SetMarkerStyle(points.MarkerStyleCircle)
    points.SetMarkerSize(9)
    node.SetNodeReferenceID(COURSE, course.GetID())
    node.SetNodeReferenceID(SUSPECTS, points.GetID())
    node.SetNodeReferenceID(POINTS, table.GetID())
    node.RemoveAllPlotSeriesNodeIDs()
    node.AddAndObservePlotSeriesNodeID(course.GetID())
    if suspects:
        node.AddAndObservePlotSeriesNodeID(points.GetID())
    node.SetTitle(_("Position of the probe (orange: frames that deserve a look)"))
    node.SetLegendVisibility(False)  # it would cover the end of the course
    node.SetXAxisTitle(_("Frame"))
    node.SetYAxisTitle(_("mm toward the feet"))
    return node


def _fill(table: Any, titles: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    kinds = {"frame": vtk.vtkIntArray, "position_mm": vtk.vtkDoubleArray}
    table.RemoveAllColumns()
    for title in titles:
        column = kinds.get(title, vtk.vtkStringArray)()
        column.SetName(title)
        for row in rows:
            column.InsertNextValue(row[title])
        table.AddColumn(column)


def _series(node: Any, table: Any, name: str, color: tuple[float, float, float]) -> Any:
    if node is None:
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", name)
    node.SetAndObserveTableNodeID(table.GetID())
    node.SetPlotType(node.PlotTypeScatter)
    node.SetXColumnName("frame")
    node.SetYColumnName("position_mm")
    node.SetColor(*color)
    return node
