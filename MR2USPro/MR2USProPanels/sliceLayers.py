"""What the slice views show: two volumes over each other; the slices are turned, moved and zoomed only to fit one."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import slicer

from .sliceViews import PRESETS

Layers = dict[str, tuple[str | None, str | None, float]]
"""Ids of background and foreground and the foreground's opacity, by the id of the view's composite node."""


def compositeNodes() -> list[Any]:
    """What tells each slice view what to show."""
    return list(slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"))


def show(background: Any, foreground: Any = None, opacity: float | None = None) -> None:
    """Show volumes in all slice views; the slices stay where they are.

    Args:
        background: volume node.
        foreground: volume node laid over it, or None.
        opacity: of the foreground, in [0, 1]; as it is where it is not given.
    """
    for composite in compositeNodes():
        composite.SetBackgroundVolumeID(background.GetID() if background is not None else None)
        composite.SetForegroundVolumeID(foreground.GetID() if foreground is not None else None)
        if opacity is not None:
            composite.SetForegroundOpacity(opacity)


def setOpacity(opacity: float) -> None:
    """Opacity of the foreground in all slice views, in [0, 1]."""
    for composite in compositeNodes():
        composite.SetForegroundOpacity(opacity)


def layers() -> Layers:
    """What the views show now, for :func:`restore`."""
    return {
        composite.GetID(): (
            composite.GetBackgroundVolumeID(),
            composite.GetForegroundVolumeID(),
            composite.GetForegroundOpacity(),
        )
        for composite in compositeNodes()
    }


def restore(before: Layers, instead: Any) -> None:
    """Show again what :func:`layers` found, as far as it is still there, in views that show a volume in its place."""
    for composite in compositeNodes():
        if composite.GetForegroundVolumeID() != instead.GetID():
            continue  # the user has chosen something else meanwhile
        background, foreground, opacity = before.get(composite.GetID(), (None, None, 0.0))
        composite.SetBackgroundVolumeID(_present(background))
        composite.SetForegroundVolumeID(_present(foreground))
        composite.SetForegroundOpacity(opacity)


def _present(nodeId: str | None) -> str | None:
    return nodeId if nodeId and slicer.mrmlScene.GetNodeByID(nodeId) else None


def fit(volume: Any, unless: Collection[Any] = ()) -> bool:
    """Orient the slices as is usual in Slicer, and let a volume fill them, whatever else is shown.

    Args:
        volume: volume node.
        unless: volumes; slices in whose background one of them lies stay as they are.

    Returns:
        whether there were other slices.
    """
    kept = {node.GetID() for node in unless if node is not None}
    fitted = False
    for logic in slicer.app.applicationLogic().GetSliceLogics():
        if logic.GetSliceCompositeNode().GetBackgroundVolumeID() in kept:
            continue
        node = logic.GetSliceNode()
        node.SetOrientation(PRESETS.get(node.GetLayoutName(), node.GetOrientation()))
        logic.FitSliceToVolume(volume, *node.GetDimensions()[:2])
        fitted = True
    return fitted


def jumpTo(ras: Any) -> None:
    """Move all slices to a point, RAS mm, so that it lies in their middle."""
    kind = slicer.vtkMRMLSliceNode
    kind.JumpAllSlices(slicer.mrmlScene, *(float(x) for x in ras), kind.CenteredJumpSlice)


def linked() -> bool:
    """Whether the slice views change together."""
    return all(composite.GetLinkedControl() for composite in compositeNodes())


def link(linked: bool) -> None:
    """Let the slice views change together, or each for itself."""
    for composite in compositeNodes():
        composite.SetLinkedControl(linked)
