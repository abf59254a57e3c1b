"""The course of the probe as a chart: position over frame, with the frames that deserve a look as points."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import slicer
import vtk
from slicer.i18n import tr as _

COURSE, SUSPECTS = "Course", "Suspects"
"""Roles by which the chart refers to its two series."""


def suspectsNode(suspects: Iterable[Mapping[str, Any]], name: str, node: Any = None) -> Any:
    """A table of the frames that deserve a look, as the engine's ``stitch`` lists them."""
    if node is None or not slicer.mrmlScene.IsNodePresent(node):
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", name)
    node.RemoveAllColumns()
    for title, column in (
        ("frame", vtk.vtkIntArray()),
        ("position_mm", vtk.vtkDoubleArray()),
        ("status", vtk.vtkStringArray()),
        ("reason", vtk.vtkStringArray()),
    ):
        column.SetName(title)
        for suspect in suspects:
            column.InsertNextValue(suspect[title])
        node.AddColumn(column)
    return node


def chartNode(positions: Any, suspects: Any, name: str, node: Any = None) -> Any:
    """A chart of two table nodes with the columns ``frame`` and ``position_mm``."""
    if node is None or not slicer.mrmlScene.IsNodePresent(node):
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotChartNode", name)
    course = _series(node.GetNodeReference(COURSE), positions, _("All frames"), (0.35, 0.7, 1.0))
    course.SetLineStyle(course.LineStyleSolid)
    course.SetMarkerStyle(course.MarkerStyleNone)
    points = _series(node.GetNodeReference(SUSPECTS), suspects, _("Look at these"), (1.0, 0.55, 0.1))
    points.SetLineStyle(points.LineStyleNone)
    points.SetMarkerStyle(points.MarkerStyleCircle)
    points.SetMarkerSize(9)
    node.SetNodeReferenceID(COURSE, course.GetID())
    node.SetNodeReferenceID(SUSPECTS, points.GetID())
    node.RemoveAllPlotSeriesNodeIDs()
    node.AddAndObservePlotSeriesNodeID(course.GetID())
    if suspects.GetNumberOfRows() > 0:
        node.AddAndObservePlotSeriesNodeID(points.GetID())
    node.SetTitle(_("Position of the probe (orange: frames that deserve a look)"))
    node.SetLegendVisibility(False)  # it would cover the end of the course
    node.SetXAxisTitle(_("Frame"))
    node.SetYAxisTitle(_("mm toward the feet"))
    return node


def _series(node: Any, table: Any, name: str, color: tuple[float, float, float]) -> Any:
    if node is None:
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", name)
    node.SetAndObserveTableNodeID(table.GetID())
    node.SetPlotType(node.PlotTypeScatter)
    node.SetXColumnName("frame")
    node.SetYColumnName("position_mm")
    node.SetColor(*color)
    return node
