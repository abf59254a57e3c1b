"""Targets that were drawn on the MR, carried to the TRUS by a deformation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import slicer
import vtk
from numpy.typing import NDArray
from slicer.i18n import tr as _

from MR2USProLib.errors import InputError

from .case import cases
from .handPlaced import toMr
from .lying import toImage
from .registered import startOf

SOURCE = "MR2USPro.CarriedFrom"
"""Role of the reference from a carried node to the one on the MR."""
BY = "MR2USPro.CarriedBy"
"""Role of the reference from a carried node to the deformation."""
KINDS = (
    "vtkMRMLMarkupsFiducialNode",
    "vtkMRMLMarkupsLineNode",
    "vtkMRMLMarkupsCurveNode",
    "vtkMRMLMarkupsClosedCurveNode",
    "vtkMRMLMarkupsPlaneNode",
    "vtkMRMLSegmentationNode",
)


@dataclass(frozen=True)
class Target:
    """A point of a target, or the middle of one that is more than points; positions in mm RAS.

    Attributes:
        name: what it is called.
        mr: where it lies in the MR.
        trus: where the deformation puts it.
        shift: how far that is from where the start alone puts it, mm.
        uncertainty: of the deformation there, mm; NaN where it is not known.
    """

    name: str
    mr: NDArray[np.float64]
    trus: NDArray[np.float64]
    shift: float
    uncertainty: float = float("nan")


def check(node: Any, deformation: Any) -> None:
    """See that a node can be carried: it is a target, and lies in the MR of the deformation, each part by its middle.

    Raises:
        InputError: the node is no target, is empty, was itself carried, or lies outside the MR, and so was drawn on
            something else, or while the MR was somewhere else.
    """
    from MR2USProLib import mrml

    if not any(node.IsA(kind) for kind in KINDS):
        raise InputError(
            _("{name} cannot be carried: choose points, lines, curves, planes or segmentations.").format(
                name=node.GetName()
            )
        )
    if isCarried(node):
        raise InputError(
            _("{name} was carried to the TRUS already: choose what was drawn on the MR.").format(name=node.GetName())
        )
    toMr(node)  # where it was placed by hand beside the MR at its start
    if not _parts(node):
        raise InputError(_("{name} is empty: draw it on the MR first.").format(name=node.GetName()))
    mr = deformation.GetNodeReference(slicer.vtkMRMLTransformNode.GetMovingNodeReferenceRole())
    if mr is None:
        return
    for name, place in _inMr(node, deformation):
        if not mrml.grid_of(mr).contains(place @ mrml.LPS_TO_RAS):
            raise InputError(
                _("{name} lies outside the MR: drag it to its place on the MR, or leave it out.").format(name=name)
            )


def carry(node: Any, deformation: Any) -> Any:
    """A copy of a markups or segmentation node where the deformation puts it; an earlier copy is overwritten.

    The node lies in the MR where both lie in the world, whatever transforms they are under. Only the start is left out,
    under which the MR is put to be shown: what is under no transform has its places in the MR's own coordinates, unless
    a hand placed it beside the MR at the start. The node itself is hidden: seen over the TRUS, it would point to the
    wrong place.
    """
    copy = carriedFrom(node)
    if copy is None:
        copy = slicer.mrmlScene.AddNewNodeByClass(node.GetClassName())
        copy.SetName(_("{name} on TRUS").format(name=node.GetName()))
        copy.CreateDefaultDisplayNodes()
        copy.SetNodeReferenceID(SOURCE, node.GetID())
    copy.SetNodeReferenceID(BY, deformation.GetID())
    copy.SetAndObserveTransformNodeID(None)
    copy.CopyContent(node)
    if node.GetDisplayNode() is not None:
        copy.GetDisplayNode().CopyContent(node.GetDisplayNode())
        copy.GetDisplayNode().SetVisibility(True)
        node.GetDisplayNode().SetVisibility(False)  # over the TRUS it would be seen where it does not belong
    # First to the MR's own coordinates, as if it were under no transform, then to the TRUS.
    copy.ApplyTransform(_toMr(node, deformation))
    copy.SetAndObserveTransformNodeID(deformation.GetID())
    copy.HardenTransform()
    return copy


def isCarried(node: Any) -> bool:
    """Whether a node is a copy that :func:`carry` made."""
    return node.GetNodeReference(SOURCE) is not None


def carriedBy(deformation: Any) -> list[Any]:
    """The copies that :func:`carry` made by a deformation, of targets that may have gone since; none without one."""
    if deformation is None:
        return []
    nodes = [node for kind in KINDS for node in slicer.util.getNodesByClass(kind)]
    return [node for node in nodes if node.GetNodeReferenceID(BY) == deformation.GetID()]


def carriedFrom(node: Any) -> Any:
    """The copy that :func:`carry` made of a node; None where there is none."""
    for other in slicer.util.getNodesByClass(node.GetClassName()):
        if other.GetNodeReferenceID(SOURCE) == node.GetID():
            return other
    return None


def compare(node: Any, carried: Any, deformation: Any, uncertainty: Any = None) -> list[Target]:
    """Where each part of a target lies in the MR and in the TRUS: each point, each segment, or all of it at once.

    Args:
        node: the target on the MR.
        carried: what :func:`carry` made of it.
        deformation: by which it was carried.
        uncertainty: volume node of the deformation's uncertainty, mm; None where it is not known.
    """
    from MR2USProLib import mrml

    toTrus = np.linalg.inv(startOf(deformation))
    sure = None if uncertainty is None else mrml.volume_of(uncertainty)
    targets = []
    for (name, here), (_same, there) in zip(_inMr(node, deformation), _parts(carried), strict=True):
        trus = there.mean(axis=0)
        started = toTrus[:3, :3] @ here + toTrus[:3, 3]
        spread = float("nan") if sure is None else float(sure.at(trus[None] @ mrml.LPS_TO_RAS)[0])
        targets.append(Target(name, here, trus, float(np.linalg.norm(trus - started)), spread))
    return targets


def _toMr(node: Any, deformation: Any) -> vtk.vtkAbstractTransform:
    """From a node's own coordinates to those of the MR's image, or to the world where the MR is gone."""
    mr = deformation.GetNodeReference(slicer.vtkMRMLTransformNode.GetMovingNodeReferenceRole())
    if mr is None:
        transform = vtk.vtkGeneralTransform()
        slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(node.GetParentTransformNode(), None, transform)
        return transform
    parents = (mr.GetParentTransformNode(), node.GetParentTransformNode())
    # Of whatever case: one MR may belong to several.
    poses = [case.pose for case in cases() if case.pose is not None and case.pose in parents]
    return toImage(node, mr, poses[0] if poses else None)


def _inMr(node: Any, deformation: Any) -> list[tuple[str, NDArray[np.float64]]]:
    """Name and middle of each part, RAS mm, in the coordinates of the MR's image."""
    transform = _toMr(node, deformation)
    return [
        (name, np.mean([transform.TransformPoint(point) for point in points.tolist()], axis=0))
        for name, points in _parts(node)
    ]


def _parts(node: Any) -> list[tuple[str, NDArray[np.float64]]]:
    """Name and own coordinates (points, 3), RAS mm, of each part."""
    if node.IsA("vtkMRMLSegmentationNode"):
        return _segments(node)
    points = slicer.util.arrayFromMarkupsControlPoints(node)
    if node.IsA("vtkMRMLMarkupsFiducialNode"):
        return [(node.GetNthControlPointLabel(n), point[None]) for n, point in enumerate(points)]
    return [(node.GetName(), points)] if len(points) else []


def _segments(node: Any) -> list[tuple[str, NDArray[np.float64]]]:
    """Each segment that is not empty, by its centroid."""
    node.CreateBinaryLabelmapRepresentation()
    found = []
    for segmentId in node.GetSegmentation().GetSegmentIDs():
        image = slicer.vtkOrientedImageData()
        node.GetBinaryLabelmapRepresentation(segmentId, image)
        if image.IsEmpty():
            continue
        values = vtk.util.numpy_support.vtk_to_numpy(image.GetPointData().GetScalars())
        inside = np.argwhere(values.reshape(image.GetDimensions()[::-1]) > 0)[:, ::-1] + np.array(
            image.GetExtent()[::2]
        )
        if not len(inside):
            continue
        matrix = vtk.vtkMatrix4x4()
        image.GetImageToWorldMatrix(matrix)
        affine = slicer.util.arrayFromVTKMatrix(matrix)
        centroid = affine[:3, :3] @ inside.mean(axis=0) + affine[:3, 3]
        found.append((node.GetSegmentation().GetSegment(segmentId).GetName(), centroid[None]))
    return found
