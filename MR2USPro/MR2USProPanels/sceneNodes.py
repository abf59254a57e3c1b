"""What nodes refer to, and how they leave the scene with what belongs to them alone."""

from __future__ import annotations

from typing import Any

import slicer


def referenced(node: Any, role: str) -> list[Any]:
    """The nodes that another one refers to in a role, but for those that are gone."""
    found = (node.GetNthNodeReference(role, n) for n in range(node.GetNumberOfNodeReferences(role)))
    return [other for other in found if other is not None]


def imageTime(volume: Any) -> int:
    """A number that is another one after the image of a volume was changed or exchanged."""
    image = volume.GetImageData()
    return 0 if image is None else int(image.GetMTime())


def removeNodes(*nodes: Any) -> None:
    """Remove nodes that are still in the scene, with how they are displayed and stored; None is passed over."""
    for node in nodes:
        if node is None or not slicer.mrmlScene.IsNodePresent(node):
            continue
        own: list[Any] = []
        if node.IsA("vtkMRMLDisplayableNode"):
            own += [node.GetNthDisplayNode(n) for n in range(node.GetNumberOfDisplayNodes())]
        if node.IsA("vtkMRMLStorableNode"):
            own += [node.GetNthStorageNode(n) for n in range(node.GetNumberOfStorageNodes())]
        slicer.mrmlScene.RemoveNode(node)
        for part in own:
            if part is not None and slicer.mrmlScene.IsNodePresent(part):
                slicer.mrmlScene.RemoveNode(part)
