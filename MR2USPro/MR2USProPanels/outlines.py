"""Outlines of ultrasound frames in space, as one model of closed lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import slicer
import vtk
from numpy.typing import NDArray

from MR2USProLib.mrml import LPS_TO_RAS, grid_of

TRANSVERSE_COLOR = (0.35, 0.7, 1.0)
FRAME_COLOR = (1.0, 0.85, 0.2)


def planesNode(planes: Mapping[str, Any], name: str, node: Any = None) -> Any:
    """The transverse frames at their places, as the engine's ``fill`` describes them in ``frame_planes``.

    Args:
        planes: the outer corner of the frames, their size, and z of each, LPS mm.
        name: of a new node.
        node: to be overwritten.
    """
    left, near = planes["x0_mm"], planes["y0_mm"]
    right, far = left + planes["width_mm"], near - planes["height_mm"]
    rim = np.array([(left, near), (right, near), (right, far), (left, far)])
    z = np.asarray(planes["z_mm"], dtype=float)
    corners = np.concatenate(
        [np.broadcast_to(rim, (len(z), 4, 2)), np.broadcast_to(z[:, None, None], (len(z), 4, 1))], axis=2
    )
    return _node(corners, name, node, TRANSVERSE_COLOR)


def onMapNode(sagittalFrames: Any, offsetPx: tuple[float, float], name: str, node: Any = None) -> Any:
    """The outline of one sagittal frame on the map, which stands in the plane x = 0.

    Args:
        sagittalFrames: the volume whose slices are the frames.
        offsetPx: (x, y) of the frame on the map, as in the table of positions.
        name: of a new node.
        node: to be overwritten.
    """
    grid = grid_of(sagittalFrames)
    (width, height, _), (columnMm, rowMm, _) = grid.size, grid.spacing_mm
    x, y = offsetPx
    # Edges of the pixels, not their centers. On the map columns run to the feet, and rows away from the probe.
    z = [-(x - 0.5) * columnMm, -(x - 0.5 + width) * columnMm]
    depth = [-(y - 0.5) * rowMm, -(y - 0.5 + height) * rowMm]
    corners = np.array([(0, depth[0], z[0]), (0, depth[0], z[1]), (0, depth[1], z[1]), (0, depth[1], z[0])])
    return _node(corners[None], name, node, FRAME_COLOR, inSlices=True)


def _node(
    corners: NDArray[np.float64], name: str, node: Any, color: tuple[float, float, float], inSlices: bool = False
) -> Any:
    """A model of rectangles (n, 4, 3), LPS mm."""
    points, lines = vtk.vtkPoints(), vtk.vtkCellArray()
    for rectangle in corners @ LPS_TO_RAS.T:
        first = points.GetNumberOfPoints()
        for corner in rectangle:
            points.InsertNextPoint(*corner)
        lines.InsertNextCell(5)
        for step in range(5):
            lines.InsertCellPoint(first + step % 4)
    outline = vtk.vtkPolyData()
    outline.SetPoints(points)
    outline.SetLines(lines)
    if node is None or not slicer.mrmlScene.IsNodePresent(node):
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLModelNode", name)
    node.SetAndObservePolyData(outline)
    if node.GetDisplayNode() is None:
        node.CreateDefaultDisplayNodes()
        display = node.GetDisplayNode()
        display.SetColor(*color)
        display.SetLighting(False)
        display.SetVisibility3D(not inSlices)
        display.SetVisibility2D(inSlices)
        if inSlices:
            # Lines that lie in the slice have no intersection with it that could be drawn.
            display.SetSliceDisplayModeToProjection()
            display.SetSliceIntersectionThickness(2)
            display.SetViewNodeIDs(("vtkMRMLSliceNodeYellow",))  # a projection would show in views across it, too
    return node
