"""Segmentations of both sides as the label files against which a registration is scored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import slicer
import vtk
from numpy.typing import NDArray
from slicer.i18n import tr as _

from MR2USProLib.errors import InputError

from .lying import toImage

GLAND = ("prostate", "gland", "prostate gland")


def structuresOf(mrSegmentation: Any, trusSegmentation: Any) -> list[str]:
    """Names of the segments that both sides have: the gland first, then the landmarks, in the MR's order.

    The gland is the segment called prostate or gland; where there is none, it is the first.

    Raises:
        InputError: only one side is given, one is empty, or they do not share the gland.
    """
    if mrSegmentation is None or trusSegmentation is None:
        raise InputError(_("A score needs segmentations of both images: choose the missing one, or none."))
    inMr, inTrus = namesOf(mrSegmentation), namesOf(trusSegmentation)
    for names, node in ((inMr, mrSegmentation), (inTrus, trusSegmentation)):
        if not names:
            raise InputError(_("{name} has no segments: choose another segmentation.").format(name=node.GetName()))
    gland = glandOf(inMr)
    if gland not in inTrus:
        raise InputError(
            _("Only one of the segmentations has {name}: give the gland the same name in both.").format(name=gland)
        )
    return [gland, *(name for name in inMr if name != gland and name in inTrus)]


def glandOf(names: list[str]) -> str:
    """The name of the gland among those of segments, of which there is at least one."""
    return next((name for name in names if name.strip().lower() in GLAND), names[0])


def masksToFile(segmentation: Any, structures: list[str], reference: Any, path: Path, pose: Any = None) -> Path:
    """Masks of the structures on a volume's grid as a 4-D file, one after the other.

    Args:
        segmentation: lies on the volume where it lies in the world.
        structures: names of its segments.
        reference: the volume node.
        path: of the file.
        pose: transform node under which both may be only shown.

    Raises:
        InputError: a structure is empty.
    """
    import SimpleITK as sitk

    from MR2USProLib import mrml

    toReference = toImage(segmentation, reference, pose)
    grid = mrml.grid_of(reference)
    masks = []
    for name in structures:
        mask = _mask(segmentation, name, reference, toReference)
        if not mask.any():
            raise InputError(
                _(
                    "The segment {name} of {node} holds nothing inside its image: draw it, or delete it on both sides."
                ).format(name=name, node=segmentation.GetName())
            )
        image = sitk.GetImageFromArray(mask.astype(np.uint8))
        grid.place(image)
        masks.append(image)
    sitk.WriteImage(sitk.JoinSeries(masks), str(path), useCompression=True)
    return path


def namesOf(segmentation: Any) -> list[str]:
    """Names of its segments, in their order."""
    inside = segmentation.GetSegmentation()
    return [inside.GetNthSegment(n).GetName() for n in range(inside.GetNumberOfSegments())]


def _mask(segmentation: Any, name: str, reference: Any, toReference: vtk.vtkAbstractTransform) -> NDArray[np.bool_]:
    """Voxels (k, j, i) of a volume node that a segment covers."""
    ijkToRas = vtk.vtkMatrix4x4()
    reference.GetIJKToRASMatrix(ijkToRas)
    geometry = slicer.vtkOrientedImageData()
    geometry.SetDimensions(reference.GetImageData().GetDimensions())
    geometry.SetGeometryFromImageToWorldMatrix(ijkToRas)
    geometry.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 1)
    labels, resampled = slicer.vtkOrientedImageData(), slicer.vtkOrientedImageData()
    segmentId = segmentation.GetSegmentation().GetSegmentIdBySegmentName(name)
    segmentation.CreateBinaryLabelmapRepresentation()
    segmentation.GetBinaryLabelmapRepresentation(segmentId, labels)
    if labels.IsEmpty():
        return np.zeros(1, dtype=bool)
    slicer.vtkOrientedImageDataResample.ResampleOrientedImageToReferenceOrientedImage(
        labels, geometry, resampled, False, False, toReference
    )
    values = vtk.util.numpy_support.vtk_to_numpy(resampled.GetPointData().GetScalars())
    return np.asarray(values.reshape(resampled.GetDimensions()[::-1]) > 0)
