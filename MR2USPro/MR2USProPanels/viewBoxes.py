"""The boxes that mark the two views in an exam's first picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from MR2USProLib.mrml import box_node, box_of, grid_of

SAGITTAL_COLOR, TRANSVERSE_COLOR = (0.35, 0.7, 1.0), (1.0, 0.55, 0.1)
LEFT, RIGHT = 0, 1


def boxNode(picture: Any, roi: Sequence[int], name: str, node: Any = None) -> Any:
    """A box around part of a picture.

    Args:
        picture: an exam's first picture.
        roi: x, y, width, height in pixels.
        name: of a new node.
        node: to be overwritten.
    """
    x, y, width, height = roi
    corners = grid_of(picture).to_world(np.array([(x, y, -1), (x + width, y + height, 1)]) - (0.5, 0.5, 0.0))
    return box_node(corners[0], corners[1], name, node)


def roiOf(box: Any, picture: Any) -> list[int]:
    """x, y, width and height, in pixels, of the part of a picture that lies in a box; all 0 where none does."""
    if box is None or picture is None or picture.GetImageData() is None:
        return [0, 0, 0, 0]
    grid = grid_of(picture)
    edges = np.rint(grid.to_index(np.stack(box_of(box)))[:, :2] + 0.5).astype(int)
    x, y = (int(n) for n in np.clip(edges.min(axis=0), 0, grid.size[:2]))
    right, bottom = (int(n) for n in np.clip(edges.max(axis=0), 0, grid.size[:2]))
    return [x, y, right - x, bottom - y] if right > x and bottom > y else [0, 0, 0, 0]


def halfOf(sizePx: Sequence[int], half: int) -> list[int]:
    """x, y, width, height of the ``LEFT`` or ``RIGHT`` half of a picture, for the user to correct."""
    width, height = sizePx
    return [half * (width // 2) + width // 20, height // 10, width // 2 - width // 10, height - height // 5]


def showBox(box: Any, color: tuple[float, float, float]) -> None:
    """Show a box in the Red view alone, with handles to drag."""
    display = box.GetDisplayNode()
    display.SetColor(*color)
    display.SetSelectedColor(*color)
    display.SetFillOpacity(0.05)
    display.SetHandlesInteractive(True)
    display.SetTextScale(2.0)
    display.SetViewNodeIDs(("vtkMRMLSliceNodeRed",))
    display.SetVisibility(True)
