"""The nodes that the steps of a reconstruction leave in the scene, and how they are made of a job's files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from slicer import (
    vtkMRMLLabelMapVolumeNode,
    vtkMRMLMarkupsROINode,
    vtkMRMLModelNode,
    vtkMRMLPlotChartNode,
    vtkMRMLScalarVolumeNode,
    vtkMRMLTableNode,
)

from MR2USProLib.jobs.run import Run

from .jobFiles import labelFromFile, volumeFromFile
from .outlines import planesNode
from .positionsChart import chartNode, suspectsNode
from .sceneNodes import removeNodes
from .viewBoxes import LEFT, RIGHT, boxNode, halfOf


class Inspection(NamedTuple):
    """What an exam's files hold, before they are read.

    Attributes:
        picture: the first picture of the video, or of the sagittal file.
        transversePicture: that of the transverse file; None for a video.
        sagittalBox, transverseBox: where the views lie in the picture; None where each view has a file of its own.
        results: figures, as MR2USProLib.commands.inspect tells them.
    """

    picture: vtkMRMLScalarVolumeNode | None = None
    transversePicture: vtkMRMLScalarVolumeNode | None = None
    sagittalBox: vtkMRMLMarkupsROINode | None = None
    transverseBox: vtkMRMLMarkupsROINode | None = None
    results: Mapping[str, Any] = {}


def loadInspection(run: Run, old: Inspection) -> Inspection:
    """What a job ``inspect`` left, in the nodes of an earlier one; boxes lie where it found the views, or in halves."""
    results = run.results
    if run.file("picture.nrrd").is_file():
        picture = volumeFromFile(run.file("picture.nrrd"), "Exam picture", old.picture)
        boxes = [
            boxNode(picture, region or halfOf(results["size_px"], half), name, node)
            for region, half, name, node in (
                (results["sagittal_roi"], RIGHT, "Sagittal view", old.sagittalBox),
                (results["transverse_roi"], LEFT, "Transverse view", old.transverseBox),
            )
        ]
        removeNodes(old.transversePicture)
        return Inspection(picture, None, boxes[0], boxes[1], results)
    removeNodes(old.sagittalBox, old.transverseBox)
    return Inspection(
        volumeFromFile(run.file("sagittal.nrrd"), "Sagittal picture", old.picture),
        volumeFromFile(run.file("transverse.nrrd"), "Transverse picture", old.transversePicture),
        results=results,
    )


class Frames(NamedTuple):
    """Both views of an exam as volumes whose slice k is frame k."""

    sagittal: vtkMRMLScalarVolumeNode | None = None
    transverse: vtkMRMLScalarVolumeNode | None = None


def loadFrames(run: Run, old: Frames) -> Frames:
    """What a job ``read`` left, in the nodes of an earlier one; its notes are the sagittal frames' description."""
    sagittal = volumeFromFile(run.file("sagittal.nrrd"), "Sagittal frames", old.sagittal)
    transverse = volumeFromFile(run.file("transverse.nrrd"), "Transverse frames", old.transverse)
    sagittal.SetDescription(" ".join(run.results["notes"]))
    return Frames(sagittal, transverse)


class Stitching(NamedTuple):
    """Where the frames lie.

    Attributes:
        positions: a row for each frame: ``frame``, ``position_mm``, ``offset_x_px``, ``offset_y_px``, ``matches``,
            ``inliers``, ``confidence``, ``status``.
        map: the sagittal frames as one picture, in the sagittal plane of the TRUS volume.
        suspects: frames that deserve a look: ``frame``, ``position_mm``, ``status``, ``reason``.
        chart: position over frame.
        results: figures, as MR2USProLib.commands.stitch tells them; ``verdict`` among them.
    """

    positions: vtkMRMLTableNode | None = None
    map: vtkMRMLScalarVolumeNode | None = None
    suspects: vtkMRMLTableNode | None = None
    chart: vtkMRMLPlotChartNode | None = None
    results: Mapping[str, Any] = {}


def loadStitching(run: Run, old: Stitching) -> Stitching:
    """What a job ``stitch`` left, in the nodes of an earlier one."""
    from MR2USProLib.mrml import table_node

    positions = table_node(run.file("positions.csv"), "Positions", old.positions)
    suspects = suspectsNode(run.results["suspects"], "Suspect frames", old.suspects)
    return Stitching(
        positions,
        volumeFromFile(run.file("sagittal_map.nrrd"), "Sagittal map", old.map),
        suspects,
        chartNode(positions, run.results["suspects"], "Course of the probe", old.chart),
        run.results,
    )


class Filled(NamedTuple):
    """A TRUS volume.

    Attributes:
        trus: without gaps.
        sparse: the frames alone, 0 where nothing was measured.
        measured: 1 where frames lie.
        outlines: the frames that were used, as lines.
        results: figures, as MR2USProLib.commands.fill tells them.
    """

    trus: vtkMRMLScalarVolumeNode | None = None
    sparse: vtkMRMLScalarVolumeNode | None = None
    measured: vtkMRMLLabelMapVolumeNode | None = None
    outlines: vtkMRMLModelNode | None = None
    results: Mapping[str, Any] = {}


def loadFilled(run: Run, old: Filled) -> Filled:
    """What a job ``fill`` left, in the nodes of an earlier one."""
    return Filled(
        volumeFromFile(run.file("trus.nrrd"), "TRUS", old.trus),
        volumeFromFile(run.file("trus_sparse.nrrd"), "TRUS sparse", old.sparse),
        labelFromFile(run.file("trus_measured.nrrd"), "TRUS measured", old.measured),
        planesNode(run.results["frame_planes"], "Frame planes", old.outlines),
        run.results,
    )
