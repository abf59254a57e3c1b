"""How a deformation is drawn: as a bent grid, and its length in colors with a legend."""

from __future__ import annotations

from typing import Any

import slicer
from slicer.i18n import tr as _

COLORS = "vtkMRMLColorTableNodeIron"
GRID_MM = 5.0


def show(beyondStart: Any, magnitude: Any, *, gridLines: bool) -> float:
    """Draw a deformation in the slice views.

    Args:
        beyondStart: grid transform without the start.
        magnitude: volume of its lengths, mm.
        gridLines: whether the grid is drawn.

    Returns:
        the length that the last color stands for, mm.
    """
    most = max(float(magnitude.GetImageData().GetScalarRange()[1]), 0.1)
    display = magnitude.GetDisplayNode()
    display.SetAndObserveColorNodeID(COLORS)
    display.SetAutoWindowLevel(False)
    display.SetWindowLevelMinMax(0.0, most)
    legend = slicer.vtkSlicerColorLogic.AddDefaultColorLegendDisplayNode(magnitude)
    if legend is not None:
        legend.SetTitleText(_("mm"))
        legend.SetVisibility(True)
    if beyondStart.GetDisplayNode() is None:
        beyondStart.CreateDefaultDisplayNodes()
    grid = beyondStart.GetDisplayNode()
    grid.SetVisualizationMode(slicer.vtkMRMLTransformDisplayNode.VIS_MODE_GRID)
    grid.SetGridSpacingMm(GRID_MM)
    grid.SetVisibility(gridLines)
    grid.SetVisibility2D(gridLines)
    grid.SetVisibility3D(False)
    return most


def hide(beyondStart: Any, magnitude: Any) -> None:
    """Take the drawing away; both nodes stay."""
    if beyondStart is not None and beyondStart.GetDisplayNode() is not None:
        beyondStart.GetDisplayNode().SetVisibility(False)
        beyondStart.GetDisplayNode().SetVisibility2D(False)
    if magnitude is not None:
        legend = slicer.vtkSlicerColorLogic.GetColorLegendDisplayNode(magnitude)
        if legend is not None:
            legend.SetVisibility(False)
