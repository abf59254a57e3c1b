"""Where what was drawn or marked lies in an image, whatever transforms it and the image are under."""

from __future__ import annotations

from typing import Any

import slicer
import vtk


def toImage(mark: Any, volume: Any, pose: Any = None) -> vtk.vtkAbstractTransform:
    """From the own coordinates of a mark to those of a volume's image, RAS mm, by where both lie in the world.

    The start is left out: the MR, with what is drawn on it, is put under it only to be shown.

    Args:
        mark: markups or segmentation node.
        volume: volume node.
        pose: the start's transform node; None where none of the two is under it.

    Returns:
        a vtkTransform where it is linear.
    """
    whole = vtk.vtkGeneralTransform()
    whole.PostMultiply()
    whole.Concatenate(_toWorld(mark, pose))
    whole.Concatenate(_toWorld(volume, pose).GetInverse())
    linear = vtk.vtkTransform()
    return linear if slicer.vtkMRMLTransformNode.IsGeneralTransformLinear(whole, linear) else whole


def _toWorld(node: Any, pose: Any) -> vtk.vtkGeneralTransform:
    """From a node's own coordinates to the world, up to the start if it is under that."""
    parent = above = node.GetParentTransformNode()
    while above is not None and above is not pose:
        above = above.GetParentTransformNode()
    transform = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(parent, above, transform)
    return transform
