"""Nodes leave the scene with what belongs to them alone."""

from __future__ import annotations

from typing import Any

import slicer


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
