"""Bringing an MR roughly onto a TRUS volume, and how well they then lie on each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import slicer
from numpy.typing import NDArray
from slicer.i18n import tr as _

from MR2USProLib.errors import InputError

from .lying import toImage
from .pairing import checkVolumes, landmarkPairs

if TYPE_CHECKING:
    import SimpleITK as sitk


def computeStart(
    mr: Any,
    trus: Any,
    start: str = "none",
    *,
    mrBox: Any = None,
    trusBox: Any = None,
    mrLandmarks: Any = None,
    trusLandmarks: Any = None,
    transform: Any = None,
    pose: Any = None,
) -> Any:
    """A linear transform node that brings the MR roughly onto the TRUS.

    Boxes and landmarks of the MR lie in it where they lie in the world, whatever transforms they and the MR are under;
    only ``pose`` is left out, under which both may be shown.

    Args:
        mr: volume node that is to be moved.
        trus: volume node that stays.
        start: ``none`` (the images lie right already, as they are in the world), ``centers`` (of the volumes, one on
            the other), ``boxes`` (likewise of two boxes), ``landmarks`` (pairs of points: one or two shift, three or
            more turn as well) or ``transform`` (one in the scene).
        mrBox: markups ROI node around the prostate in the MR, for ``boxes``.
        trusBox: likewise in the TRUS.
        mrLandmarks: point list in the MR, for ``landmarks``.
        trusLandmarks: the same points, in the same order, in the TRUS.
        transform: linear transform node that moves the MR onto the TRUS, for ``transform``.
        pose: node to be overwritten.

    Raises:
        InputError: something that this start needs is missing.
    """
    from MR2USProLib import mrml
    from MR2USProLib.registration.initial import from_landmarks

    if start == "none":
        found = asItLies(mr, pose)
    elif start == "centers":
        checkVolumes(mr, trus)
        found = from_landmarks(mrml.grid_of(mr).centre_mm[None], mrml.grid_of(trus).centre_mm[None])
    elif start == "boxes":
        if mrBox is None or trusBox is None:
            raise InputError(_("Place a box around the prostate in both images."))
        moving, fixed = toImage(mrBox, mr, pose).TransformPoint(mrBox.GetCenter()), [0.0, 0.0, 0.0]
        trusBox.GetCenterWorld(fixed)
        found = from_landmarks(*np.array([[moving], [fixed]]) @ mrml.LPS_TO_RAS)
    elif start == "landmarks":
        found = from_landmarks(*landmarkPairs(mr, mrLandmarks, trusLandmarks, pose))
    elif transform is not None:
        found = mrml.transform_of(transform)
    else:
        raise InputError(_("Choose a transform that moves the MR onto the TRUS."))
    return mrml.linear_transform_node(found, _("Start (MR to TRUS)"), pose)


def asItLies(mr: Any, pose: Any = None) -> sitk.Transform:
    """Where the MR lies in the world without a start: TRUS to MR points, LPS mm.

    Args:
        mr: volume node.
        pose: the start's transform node, under which the MR is only shown.

    Raises:
        InputError: it is under a transform that is not linear.
    """
    import SimpleITK as sitk

    from MR2USProLib import mrml

    parent = mr.GetParentTransformNode()
    return sitk.Transform(3, sitk.sitkIdentity) if parent is None or parent is pose else mrml.transform_of(parent)


def landmarkDistances(mr: Any, mrLandmarks: Any, trusLandmarks: Any, pose: Any) -> NDArray[np.float64]:
    """How far each landmark of the MR, moved by the start, lies from its partner, mm.

    Raises:
        InputError: there are no pairs.
    """
    from MR2USProLib import mrml
    from MR2USProLib.registration.transforms import map_points

    moving, fixed = landmarkPairs(mr, mrLandmarks, trusLandmarks, pose)
    return np.asarray(np.linalg.norm(map_points(fixed, mrml.transform_of(pose)) - moving, axis=1))


def overlap(mr: Any, trus: Any, pose: Any = None, region: Any = None) -> float:
    """Share, in [0, 1], of what the TRUS shows that lies inside the MR at the start.

    Args:
        mr: volume node that is moved.
        trus: volume node that stays.
        pose: linear transform node from MR to TRUS; None where the images lie right already, as they are in the world.
        region: markups ROI node: the part of the TRUS that counts; None for all of it.

    Raises:
        InputError: a volume is empty, or the box lies outside the TRUS.
    """
    from MR2USProLib import mrml
    from MR2USProLib.registration.transforms import as_affine

    checkVolumes(mr, trus)
    grid = mrml.grid_of(trus)
    part = grid if region is None else grid.cropped_to(*mrml.box_of(region))
    points = part.resampled(shape=(24, 24, 24)).points().reshape(-1, 3)
    array = slicer.util.arrayFromVolume(trus)
    i, j, k = np.rint(grid.to_index(points)).astype(int).T
    last = np.array(array.shape) - 1
    shown = array[np.clip(k, 0, last[0]), np.clip(j, 0, last[1]), np.clip(i, 0, last[2])] > array.min()
    if not shown.any():
        return 0.0
    affine = as_affine(asItLies(mr) if pose is None else mrml.transform_of(pose))
    points = points @ np.reshape(affine.GetMatrix(), (3, 3)).T + np.array(affine.TransformPoint((0.0, 0.0, 0.0)))
    return float(mrml.grid_of(mr).contains(points)[shown].mean())
