"""A case: one patient's MR and exam, what was chosen, and what came of it; all of it is saved with the scene."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import slicer
from slicer import (
    vtkMRMLGridTransformNode,
    vtkMRMLLabelMapVolumeNode,
    vtkMRMLLinearTransformNode,
    vtkMRMLMarkupsFiducialNode,
    vtkMRMLMarkupsROINode,
    vtkMRMLModelNode,
    vtkMRMLPlotChartNode,
    vtkMRMLScalarVolumeNode,
    vtkMRMLScriptedModuleNode,
    vtkMRMLSegmentationNode,
    vtkMRMLSequenceNode,
    vtkMRMLTableNode,
    vtkMRMLTextNode,
    vtkMRMLTransformNode,
)
from slicer.parameterNodeWrapper import Choice, Default, WithinRange, parameterNodeWrapper

from .sceneNodes import referenced, removeNodes

ATTRIBUTE = "MR2USPro.Case"
CURRENT = "MR2USPro.Current"


@parameterNodeWrapper
class Case:
    """Everything about one case that outlives the panels.

    Positions and spacings are in mm; ``spacingMm`` is 0 where the user typed none, so that the file's counts. What ends
    in ``Results`` holds the figures of a job as JSON, and so does ``inspection``.
    """

    # The exam: where it comes from, how it was cut, and both views as stacks with k = frame.
    source: Annotated[str, Choice(["video", "files", "sequence"]), Default("video")]
    videoFile: str
    sagittalFile: str
    transverseFile: str
    sequence: vtkMRMLSequenceNode
    inspection: str
    picture: vtkMRMLScalarVolumeNode
    transversePicture: vtkMRMLScalarVolumeNode
    sagittalBox: vtkMRMLMarkupsROINode
    transverseBox: vtkMRMLMarkupsROINode
    spacingMm: Annotated[float, WithinRange(0.0, 5.0), Default(0.0)]
    flipSagittal: bool
    flipTransverse: bool
    sagittalFrames: vtkMRMLScalarVolumeNode
    transverseFrames: vtkMRMLScalarVolumeNode

    # Stitching, with what the user said about single frames.
    matcher: Annotated[str, Choice(["auto", "layers", "sift", "orb", "loftr"]), Default("auto")]
    excluded: list[int]
    pinned: dict[int, float]
    map: vtkMRMLScalarVolumeNode
    positions: vtkMRMLTableNode
    suspects: vtkMRMLTableNode
    frameOutline: vtkMRMLModelNode
    chart: vtkMRMLPlotChartNode
    stitchResults: str

    # Filling.
    fillMethod: Annotated[str, Choice(["kriging", "dip", "linear", "none"]), Default("kriging")]
    voxelMm: Annotated[float, WithinRange(0.1, 3.0), Default(0.5)]
    volumeBox: vtkMRMLMarkupsROINode
    planeOffsetMm: Annotated[float, WithinRange(-100.0, 100.0), Default(0.0)]
    sparse: vtkMRMLScalarVolumeNode
    measured: vtkMRMLLabelMapVolumeNode
    outlines: vtkMRMLModelNode
    fillResults: str

    # The pair and where it starts.
    mr: vtkMRMLScalarVolumeNode
    trus: vtkMRMLScalarVolumeNode
    start: Annotated[str, Choice(["none", "centers", "boxes", "landmarks", "transform"]), Default("none")]
    mrBox: vtkMRMLMarkupsROINode
    trusBox: vtkMRMLMarkupsROINode
    mrLandmarks: vtkMRMLMarkupsFiducialNode
    trusLandmarks: vtkMRMLMarkupsFiducialNode
    startTransform: vtkMRMLTransformNode
    pose: vtkMRMLLinearTransformNode
    findGlands: Annotated[bool, Default(True)]
    showStart: Annotated[bool, Default(True)]
    usedStart: str

    # Registration and what came of it.
    translation: Annotated[str, Choice(["auto", "acmt", "pmt", "unsb", "none"]), Default("auto")]
    registration: Annotated[
        str,
        Choice(["auto", "self-similarity", "anatomy-aware", "fsdiffreg", "diffusemorph", "voxelmorph", "surfaces"]),
        Default("auto"),
    ]
    incompressible: bool
    doubleSlices: bool
    weightsFile: str
    preset: Annotated[str, Choice(["fast", "balanced", "paper"]), Default("balanced")]
    seed: Annotated[int, WithinRange(0, 999999)]
    mrGland: vtkMRMLSegmentationNode
    trusGland: vtkMRMLSegmentationNode
    mrMarks: vtkMRMLMarkupsFiducialNode
    trusMarks: vtkMRMLMarkupsFiducialNode
    mrSegmentation: vtkMRMLSegmentationNode
    trusSegmentation: vtkMRMLSegmentationNode
    before: vtkMRMLScalarVolumeNode
    warped: vtkMRMLScalarVolumeNode
    deformation: vtkMRMLGridTransformNode
    translatedMr: vtkMRMLScalarVolumeNode
    translatedUs: vtkMRMLScalarVolumeNode
    uncertainty: vtkMRMLScalarVolumeNode
    metrics: vtkMRMLTableNode
    registerResults: str
    report: vtkMRMLTextNode
    losses: vtkMRMLPlotChartNode

    # How the result is looked at. With ``showStart`` the views show the MR at the start instead.
    review: Annotated[
        str,
        Choice(["overlay", "checkerboard", "curtain", "flicker", "deformation", "translated", "uncertainty"]),
        Default("overlay"),
    ]
    showBefore: bool
    opacity: Annotated[float, WithinRange(0, 100), Default(50.0)]
    inColor: bool
    tileMm: Annotated[float, WithinRange(2, 40), Default(10.0)]
    curtainShare: Annotated[float, WithinRange(0, 100), Default(50.0)]
    curtainAxis: Annotated[str, Choice(["right-left", "front-back", "feet-head"]), Default("right-left")]
    flickerHz: Annotated[float, WithinRange(0.5, 5), Default(2.0)]
    gridLines: Annotated[bool, Default(True)]
    reviewPicture: vtkMRMLScalarVolumeNode
    beyondStart: vtkMRMLGridTransformNode
    magnitude: vtkMRMLScalarVolumeNode

    # Where what was drawn on the MR lies in the TRUS; the targets themselves are references of their own.
    targetTable: vtkMRMLTableNode


def cases() -> list[Case]:
    """All cases of the scene, oldest first."""
    nodes = slicer.util.getNodesByClass("vtkMRMLScriptedModuleNode")
    return [Case(node) for node in nodes if node.GetAttribute(ATTRIBUTE)]


def newCase(name: str = "") -> Case:
    """A new, empty case, which becomes the current one."""
    node = vtkMRMLScriptedModuleNode()
    node.SetName(name or slicer.mrmlScene.GenerateUniqueName("Case"))
    node.SetAttribute(ATTRIBUTE, "1")
    node.SetHideFromEditors(False)
    case = Case(slicer.mrmlScene.AddNode(node))
    setCurrentCase(case)
    return case


def currentCase() -> Case:
    """The case that the panels show; the scene's first one, or a new one, where none was chosen."""
    there = cases()
    chosen = [case for case in there if case.parameterNode.GetAttribute(CURRENT)]
    if chosen:
        return chosen[-1]
    if there:
        setCurrentCase(there[0])
        return there[0]
    return newCase()


def setCurrentCase(case: Case) -> None:
    """Choose the case that the panels show."""
    for other in cases():
        if other.parameterNode is not case.parameterNode:
            other.parameterNode.RemoveAttribute(CURRENT)
    case.parameterNode.SetAttribute(CURRENT, "1")


def removeCase(case: Case) -> None:
    """Remove a case with all of its nodes from the scene, but for those that another case uses too."""
    from .carrying import carriedBy

    others = {
        node.GetID() for other in cases() if other.parameterNode is not case.parameterNode for node in nodesOf(other)
    }
    own = [node for node in nodesOf(case) if node.GetID() not in others]
    removeNodes(*carriedBy(case.deformation), *own, case.parameterNode)


def nodesOf(case: Case) -> list[Any]:
    """Every node that a case refers to, once; charts with their lines and tables."""
    return list({node.GetID(): node for node in _referred(case.parameterNode)}.values())


def _referred(node: Any) -> Iterator[Any]:
    for role in (node.GetNthNodeReferenceRole(n) for n in range(node.GetNumberOfNodeReferenceRoles())):
        for referred in referenced(node, role):
            yield referred
            if referred.IsA("vtkMRMLPlotChartNode") or referred.IsA("vtkMRMLPlotSeriesNode"):
                yield from _referred(referred)
