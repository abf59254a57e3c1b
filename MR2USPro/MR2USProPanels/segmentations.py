"""Label maps as segmentations with named segments."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import slicer

from MR2USProLib.mrml import label_node
from MR2USProLib.volume import Volume

from .sceneNodes import removeNodes


def hiddenSegmentationNode(path: Path, names: Mapping[int, str], name: str, reference: Any = None) -> Any:
    """A segmentation node of a label map file, which is not shown until the user wants to see it.

    Args:
        path: an image of whole numbers; 0 is nothing.
        names: of the segments, by value.
        name: of the node.
        reference: the volume that the labels belong to, if it is in the scene.
    """
    labels = label_node(Volume.read(path), name)
    segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    segmentation.CreateDefaultDisplayNodes()
    segmentation.SetDisplayVisibility(False)
    if reference is not None:
        segmentation.SetReferenceImageGeometryParameterFromVolumeNode(reference)
    slicer.vtkSlicerSegmentationsModuleLogic.ImportLabelmapToSegmentationNode(labels, segmentation)
    removeNodes(labels)
    inside = segmentation.GetSegmentation()
    for n in range(inside.GetNumberOfSegments()):
        segment = inside.GetNthSegment(n)
        segment.SetName(names.get(segment.GetLabelValue(), segment.GetName()))
    return segmentation
