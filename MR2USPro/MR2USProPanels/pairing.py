"""What makes a pair: an MR and a TRUS volume, and the same places marked in both."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
from numpy.typing import NDArray
from slicer.i18n import tr as _

from MR2USProLib.errors import InputError

from .lying import toImage


def checkVolumes(mr: Any, trus: Any) -> None:
    """See that both volumes are there and can be used.

    Raises:
        InputError: they cannot.
    """
    for node, what in ((mr, _("MR")), (trus, _("TRUS volume"))):
        if node is None:
            raise InputError(_("Choose the {what}.").format(what=what))
        if isEmpty(node):
            raise InputError(_("The volume {name} is empty: choose another one.").format(name=node.GetName()))
    if mr is trus:
        raise InputError(_("MR and TRUS are the same volume: choose two."))
    if trus.GetParentTransformNode() is not None:
        raise InputError(
            _("The TRUS volume {name} is under a transform: harden it in the Data module first.").format(
                name=trus.GetName()
            )
        )
    parent = mr.GetParentTransformNode()
    if parent is not None and not parent.IsTransformToWorldLinear():
        raise InputError(
            _("The MR {name} is under a transform that is not linear: harden it in the Data module first.").format(
                name=mr.GetName()
            )
        )


def isEmpty(volume: Any) -> bool:
    """Whether a volume node holds no image, or none that could be registered."""
    return volume.GetImageData() is None or volume.GetImageData().GetNumberOfPoints() < 8


def marked(mrPoints: Any, trusPoints: Any) -> list[int]:
    """How many places are marked in the MR and in the TRUS; none where there is no list."""
    return [0 if node is None else node.GetNumberOfDefinedControlPoints() for node in (mrPoints, trusPoints)]


def pointsNeed(mrPoints: Any, trusPoints: Any) -> str:
    """What is missing before two lists of points make pairs, in a few words; empty where nothing is."""
    counts = marked(mrPoints, trusPoints)
    if counts[0] and counts[0] == counts[1]:
        return ""
    return _("Mark the same places in both ({mr} and {trus} so far)").format(mr=counts[0], trus=counts[1])


def landmarkPairs(
    mr: Any, mrLandmarks: Any, trusLandmarks: Any, pose: Any = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points of both lists, (pairs, 3) LPS mm: the MR's in the coordinates of its image, the TRUS's in the world.

    Args:
        mr: the volume node.
        mrLandmarks: points in it.
        trusLandmarks: the same places in the TRUS.
        pose: transform node under which the MR is only shown.

    Raises:
        InputError: a list is missing, empty, or shorter than the other.
    """
    from MR2USProLib import mrml

    if mrLandmarks is None or trusLandmarks is None:
        raise InputError(_("Place the same landmarks in both images, in the same order."))
    defined = slicer.vtkMRMLMarkupsNode.PositionDefined
    toMr = toImage(mrLandmarks, mr, pose)
    moving = [
        toMr.TransformPoint(mrLandmarks.GetNthControlPointPosition(n))
        for n in range(mrLandmarks.GetNumberOfControlPoints())
        if mrLandmarks.GetNthControlPointPositionStatus(n) == defined
    ]
    _labels, fixed = mrml.points_of(trusLandmarks)
    if not moving or len(moving) != len(fixed):
        raise InputError(
            _("Place the same landmarks in both images: {mr} lie in the MR and {trus} in the TRUS.").format(
                mr=len(moving), trus=len(fixed)
            )
        )
    return np.array([list(point) for point in moving]) @ mrml.LPS_TO_RAS, fixed
