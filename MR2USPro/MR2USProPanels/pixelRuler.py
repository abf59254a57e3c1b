"""A line on the exam's picture whose length the user knows, from which the size of a pixel follows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import slicer
import vtk

from MR2USProLib.mrml import LPS_TO_RAS, grid_of, points_of

from .sceneNodes import removeNodes


class PixelRuler:
    """Lays a line on a picture while a button is down, and tells the size of a pixel whenever the line is dragged.

    The line is there only while it is used, and is not saved.
    """

    def __init__(self, button: Any, lengthBox: Any, onMeasured: Callable[[float], None]) -> None:
        """Tie the ruler to its widgets.

        Args:
            button: checkable; the line is shown while it is checked.
            lengthBox: spin box with the length that the line has in truth, mm.
            onMeasured: called with mm per pixel.
        """
        self._button, self._lengthBox, self._onMeasured = button, lengthBox, onMeasured
        self._picture: Any = None
        self._line: Any = None
        button.connect("toggled(bool)", self._onToggled)
        lengthBox.connect("valueChanged(double)", self._measure)

    def setPicture(self, picture: Any) -> None:
        """Measure on this picture; another one, or none, takes the line away."""
        if picture is not self._picture:
            self._button.checked = False
            self._picture = picture

    def _onToggled(self, shown: bool) -> None:
        removeNodes(self._line)
        self._line = None
        self._lengthBox.enabled = shown
        if not shown or self._picture is None:
            return
        self._line = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsLineNode", "Known length")
        self._line.SetSaveWithScene(False)
        display = self._line.GetDisplayNode()
        display.SetPropertiesLabelVisibility(False)  # it would tell a length that is not known yet
        display.SetViewNodeIDs(("vtkMRMLSliceNodeRed",))
        grid = grid_of(self._picture)
        width, height, _depth = grid.size
        for row in (0.2 * height, 0.8 * height):
            self._line.AddControlPointWorld(vtk.vtkVector3d(*(LPS_TO_RAS @ grid.to_world((width / 2, row, 0)))))
        self._line.AddObserver(slicer.vtkMRMLMarkupsNode.PointModifiedEvent, self._measure)

    def _measure(self, *_: Any) -> None:
        if self._line is None:
            return
        _labels, ends = points_of(self._line)
        if len(ends) == 2:
            pixels = float(np.linalg.norm(np.diff(grid_of(self._picture).to_index(ends)[:, :2], axis=0)))
            if pixels > 1:
                self._onMeasured(self._lengthBox.value / pixels)
