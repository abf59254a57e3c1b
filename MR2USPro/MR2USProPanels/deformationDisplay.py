"""How far a deformation moves what it moves, and how that is drawn: a bent grid, and lengths in colors."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _

from .registered import startOf

COLORS = "vtkMRMLColorTableNodeWarm1"
"""From yellow to red."""
GRID_MM = 5.0


def beyondStartOf(deformation: Any, node: Any = None) -> Any:
    """A grid transform node with the deformation alone: r with start(p + r) = p + u(p).

    Args:
        deformation: that of a registration; its displacement u goes from TRUS to MR points, the start included.
        node: to be overwritten.
    """
    from MR2USProLib import mrml
    from MR2USProLib.volume import Volume

    whole = mrml.displacement_of(deformation)
    flip = np.diag([-1.0, -1.0, 1.0, 1.0])
    back = np.linalg.inv(flip @ startOf(deformation) @ flip)
    points = whole.grid.points()
    rest = np.asarray((points + whole.array) @ back[:3, :3].T + back[:3, 3] - points)
    return mrml.grid_transform_node(Volume(rest, whole.grid), _("MR to TRUS, beyond the start"), node)


def magnitudeOf(beyondStart: Any, node: Any = None) -> Any:
    """A volume node with the length of a grid transform's displacements, mm; a given node is overwritten."""
    from MR2USProLib import mrml
    from MR2USProLib.volume import Volume

    field = mrml.displacement_of(beyondStart)
    lengths = np.linalg.norm(field.array, axis=-1).astype(np.float32)
    return mrml.volume_node(Volume(lengths, field.grid), _("Deformation (mm)"), node)


def colored(lengths: Any) -> float:
    """Show a volume of lengths, mm, in colors with a legend; gives the length that the last color stands for, mm."""
    most = max(float(lengths.GetImageData().GetScalarRange()[1]), 0.1)
    display = lengths.GetDisplayNode()
    display.SetAndObserveColorNodeID(COLORS)
    display.SetAutoWindowLevel(False)
    display.SetWindowLevelMinMax(0.0, most)
    legend = slicer.vtkSlicerColorLogic.AddDefaultColorLegendDisplayNode(lengths)
    if legend is not None:
        legend.SetTitleText(_("mm"))
        legend.SetVisibility(True)
    return most


def show(beyondStart: Any, magnitude: Any, *, gridLines: bool) -> float:
    """Draw a deformation in the slice views.

    Args:
        beyondStart: grid transform without the start.
        magnitude: volume of its lengths, mm.
        gridLines: whether the grid is drawn.

    Returns:
        the length that the last color stands for, mm.
    """
    most = colored(magnitude)
    if beyondStart.GetDisplayNode() is None:
        beyondStart.CreateDefaultDisplayNodes()
    grid = beyondStart.GetDisplayNode()
    grid.SetVisualizationMode(slicer.vtkMRMLTransformDisplayNode.VIS_MODE_GRID)
    grid.SetGridSpacingMm(GRID_MM)
    grid.SetVisibility(gridLines)
    grid.SetVisibility2D(gridLines)
    grid.SetVisibility3D(False)
    return most


def hide(beyondStart: Any, *lengths: Any) -> None:
    """Take away what is drawn of a grid transform and of volumes of lengths; the nodes stay."""
    if beyondStart is not None and beyondStart.GetDisplayNode() is not None:
        beyondStart.GetDisplayNode().SetVisibility(False)
        beyondStart.GetDisplayNode().SetVisibility2D(False)
    for volume in lengths:
        legend = None if volume is None else slicer.vtkSlicerColorLogic.GetColorLegendDisplayNode(volume)
        if legend is not None:
            legend.SetVisibility(False)
