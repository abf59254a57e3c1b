"""From the video of a biplane probe to a TRUS volume: the panel, and the same from Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import slicer
from slicer import (
    vtkMRMLMarkupsROINode,
    vtkMRMLModelNode,
    vtkMRMLPlotChartNode,
    vtkMRMLScalarVolumeNode,
    vtkMRMLSequenceNode,
    vtkMRMLTableNode,
)
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
)

from MR2USProPanels.environmentSection import EnvironmentSection
from MR2USProPanels.examSection import ExamSection
from MR2USProPanels.fillSection import FillSection
from MR2USProPanels.jobRunner import Callbacks, JobRunner
from MR2USProPanels.outlines import planesNode
from MR2USProPanels.panel import Panel
from MR2USProPanels.positionsChart import chartNode, suspectsNode
from MR2USProPanels.section import Section
from MR2USProPanels.stitchSection import StitchSection

#
# MR2USReconstruct
#


class MR2USReconstruct(ScriptedLoadableModule):
    """The module as Slicer lists it."""

    def __init__(self, parent: Any) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("MR2US Reconstruct")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Ultrasound")]
        parent.dependencies = ["MR2USPro"]
        parent.contributors = ["MR2USPro contributors"]
        parent.helpText = _(
            "Makes a TRUS volume from the video of a biplane probe that was moved by hand, without a tracker. The "
            "sagittal frames are stitched to a map, which tells where each transverse frame belongs; what lies between "
            "the frames is filled. For research use only. Not a medical device."
        )
        parent.acknowledgementText = _(
            "The method follows X. Ma et al., MR2US-Pro: Prostate MR to Ultrasound Image Translation and Registration "
            "Based on Diffusion Models."
        )


#
# MR2USReconstructWidget
#


class MR2USReconstructWidget(Panel):
    """The panel: the exam, its stitching, the filling, and the environment, all of the current case."""

    def makeSections(self) -> list[Section]:
        """From the exam's files to the volume."""
        self.logic = MR2USReconstructLogic()
        return [ExamSection(self.logic), StitchSection(self.logic), FillSection(self.logic), EnvironmentSection()]

    def cleanup(self) -> None:
        """Let go of everything; a job under way is ended."""
        super().cleanup()
        if self.logic is not None:
            self.logic.runner.cleanup()


#
# MR2USReconstructLogic
#


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


class Frames(NamedTuple):
    """Both views of an exam as volumes whose slice k is frame k."""

    sagittal: vtkMRMLScalarVolumeNode | None = None
    transverse: vtkMRMLScalarVolumeNode | None = None


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


class Filled(NamedTuple):
    """A TRUS volume.

    Attributes:
        trus: without gaps.
        sparse: the frames alone, 0 where nothing was measured.
        outlines: the frames that were used, as lines.
        results: figures, as MR2USProLib.commands.fill tells them.
    """

    trus: vtkMRMLScalarVolumeNode | None = None
    sparse: vtkMRMLScalarVolumeNode | None = None
    outlines: vtkMRMLModelNode | None = None
    results: Mapping[str, Any] = {}


class MR2USReconstructLogic(ScriptedLoadableModuleLogic):
    """From the video of a biplane probe to a TRUS volume.

    Each method runs in a process of its own. Without ``callbacks`` it blocks and returns its result; with them it
    returns None at once, and ``callbacks.onDone`` gets the result. ``into`` takes an earlier result of the same method
    (or its nodes, in the same order); they are overwritten where they are still in the scene.

    All raise MR2USProLib.errors.InputError where the input is wrong or another job is under way and, blocking,
    MR2USProLib.jobs.run.JobFailed (an InputError) or MR2USProLib.errors.Cancelled; the messages of the first two say
    what to do.

    Example:
        frames, stitching, filled = slicer.modules.mr2usreconstruct.widgetRepresentation().self().logic.reconstruct(
            sagittal="sagittal.mha", transverse="transverse.mha")

    Attributes:
        runner: runs the jobs, one at a time.
    """

    def __init__(self, runner: JobRunner | None = None) -> None:
        ScriptedLoadableModuleLogic.__init__(self)
        self.runner = runner or JobRunner()

    def inspectExam(
        self,
        video: str | Path | None = None,
        *,
        sagittal: str | Path | None = None,
        transverse: str | Path | None = None,
        sequence: vtkMRMLSequenceNode | None = None,
        into: Sequence[Any] | None = None,
        callbacks: Callbacks | None = None,
    ) -> Inspection | None:
        """Show the first picture of an exam and look for the two views in it.

        Args:
            video: a video or image stack that shows both views.
            sagittal: a video or image stack of the sagittal view; with ``transverse``, instead of ``video``.
            transverse: the same of the transverse view.
            sequence: a loaded sequence of pictures that show both views, instead of files.
            into: an earlier result, to be replaced.
            callbacks: whom to tell.
        """
        old = Inspection(*(into or ()))

        def load(run: Any) -> Inspection:
            results = run.results
            if (run.file("picture.nrrd")).is_file():
                picture = _volumeNode(run.file("picture.nrrd"), "Exam picture", old.picture)
                boxes = [
                    self.boxNode(picture, region or self.halfOf(results["size_px"], place), name, node)
                    for region, place, name, node in (
                        (results["sagittal_roi"], 1, "Sagittal view", old.sagittalBox),
                        (results["transverse_roi"], 0, "Transverse view", old.transverseBox),
                    )
                ]
                self._remove(old.transversePicture)
                return Inspection(picture, None, boxes[0], boxes[1], results)
            self._remove(old.sagittalBox, old.transverseBox)
            return Inspection(
                _volumeNode(run.file("sagittal.nrrd"), "Sagittal picture", old.picture),
                _volumeNode(run.file("transverse.nrrd"), "Transverse picture", old.transversePicture),
                results=results,
            )

        return self._run("inspect", {}, (video, sagittal, transverse, sequence), load, callbacks)

    def readExam(
        self,
        video: str | Path | None = None,
        *,
        sagittal: str | Path | None = None,
        transverse: str | Path | None = None,
        sequence: vtkMRMLSequenceNode | None = None,
        sagittalRoi: Sequence[int] | None = None,
        transverseRoi: Sequence[int] | None = None,
        spacingMm: float | None = None,
        into: Sequence[Any] | None = None,
        callbacks: Callbacks | None = None,
    ) -> Frames | None:
        """Read an exam: both views as stacks of frames, which are saved with the scene.

        Args:
            video: a video or image stack that shows both views.
            sagittal: a video or image stack of the sagittal view; with ``transverse``, instead of ``video``.
            transverse: the same of the transverse view.
            sequence: a loaded sequence of pictures that show both views, instead of files.
            sagittalRoi: where the sagittal view lies in its pictures: x, y, width, height in pixels. Looked for in a
                video, the whole picture of a file of its own, where it is not given.
            transverseRoi: the same of the transverse view.
            spacingMm: size of a pixel in both views; overrules what the files say, needed where they do not.
            into: an earlier result, to be replaced.
            callbacks: whom to tell.
        """
        old = Frames(*(into or ()))
        parameters = {"sagittal_roi": sagittalRoi, "transverse_roi": transverseRoi, "spacing_mm": spacingMm or None}

        def load(run: Any) -> Frames:
            return Frames(
                _volumeNode(run.file("sagittal.nrrd"), "Sagittal frames", old.sagittal),
                _volumeNode(run.file("transverse.nrrd"), "Transverse frames", old.transverse),
            )

        return self._run("read", parameters, (video, sagittal, transverse, sequence), load, callbacks)

    def stitch(
        self,
        sagittalFrames: vtkMRMLScalarVolumeNode,
        *,
        matcher: str = "auto",
        excluded: Sequence[int] = (),
        pinned: Mapping[int, float] | None = None,
        into: Sequence[Any] | None = None,
        callbacks: Callbacks | None = None,
    ) -> Stitching | None:
        """Stitch the sagittal frames to a map, and find where each of them lies.

        Args:
            sagittalFrames: the sagittal view, slice k is frame k.
            matcher: features to stitch with: ``auto``, ``sift`` or ``orb``.
            excluded: frames that are left out.
            pinned: frames whose position is known, and that position in mm; caudal positive, 0 at the first frame that
                was placed.
            into: an earlier result, to be replaced.
            callbacks: whom to tell.
        """
        old = Stitching(*(into or ()))
        parameters = {"matcher": matcher, "excluded": list(excluded), "pinned": dict(pinned or {})}

        def load(run: Any) -> Stitching:
            from MR2USProLib.mrml import table_node

            positions = table_node(run.file("positions.csv"), "Positions", old.positions)
            suspects = suspectsNode(run.results["suspects"], "Suspect frames", old.suspects)
            return Stitching(
                positions,
                _volumeNode(run.file("sagittal_map.nrrd"), "Sagittal map", old.map),
                suspects,
                chartNode(positions, suspects, "Course of the probe", old.chart),
                run.results,
            )

        return self.runner.run(
            "stitch",
            parameters,
            prepare=lambda folder: {"sagittal": _written(sagittalFrames, folder / "sagittal.nrrd")},
            load=load,
            callbacks=callbacks,
        )

    def fill(
        self,
        transverseFrames: vtkMRMLScalarVolumeNode,
        positions: vtkMRMLTableNode,
        *,
        method: str = "dip",
        voxelMm: float | None = None,
        seed: int = 0,
        device: str = "auto",
        into: Sequence[Any] | None = None,
        callbacks: Callbacks | None = None,
    ) -> Filled | None:
        """Put the transverse frames at their positions, and fill what lies between.

        Args:
            transverseFrames: the transverse view, slice k is frame k.
            positions: of the frames, as :meth:`stitch` gives them.
            method: ``dip`` (deep image prior), ``linear`` or ``none``.
            voxelMm: edge of the voxels, 0.5 mm where not given.
            seed: of everything random.
            device: where networks run: ``auto``, ``cpu`` or ``cuda``.
            into: an earlier result, to be replaced.
            callbacks: whom to tell.
        """
        old = Filled(*(into or ()))
        parameters = {"method": method, "voxel_mm": voxelMm, "seed": seed, "device": device}

        def prepare(folder: Path) -> dict[str, Any]:
            from MR2USProLib.mrml import write_table

            write_table(positions, folder / "positions.csv")
            return {
                "transverse": _written(transverseFrames, folder / "transverse.nrrd"),
                "positions": folder / "positions.csv",
            }

        def load(run: Any) -> Filled:
            return Filled(
                _volumeNode(run.file("trus.nrrd"), "TRUS", old.trus),
                _volumeNode(run.file("trus_sparse.nrrd"), "TRUS sparse", old.sparse),
                planesNode(run.results["frame_planes"], "Frame planes", old.outlines),
                run.results,
            )

        return self.runner.run("fill", parameters, prepare=prepare, load=load, callbacks=callbacks)

    def reconstruct(
        self,
        video: str | Path | None = None,
        *,
        sagittal: str | Path | None = None,
        transverse: str | Path | None = None,
        sequence: vtkMRMLSequenceNode | None = None,
        sagittalRoi: Sequence[int] | None = None,
        transverseRoi: Sequence[int] | None = None,
        spacingMm: float | None = None,
        matcher: str = "auto",
        method: str = "dip",
        voxelMm: float | None = None,
        seed: int = 0,
        device: str = "auto",
    ) -> tuple[Frames, Stitching, Filled]:
        """All steps one after the other, blocking; the arguments are those of the steps."""
        frames = self.readExam(
            video,
            sagittal=sagittal,
            transverse=transverse,
            sequence=sequence,
            sagittalRoi=sagittalRoi,
            transverseRoi=transverseRoi,
            spacingMm=spacingMm,
        )
        assert frames is not None
        stitching = self.stitch(frames.sagittal, matcher=matcher)
        assert stitching is not None
        filled = self.fill(
            frames.transverse, stitching.positions, method=method, voxelMm=voxelMm, seed=seed, device=device
        )
        assert filled is not None
        return frames, stitching, filled

    @staticmethod
    def boxNode(
        picture: vtkMRMLScalarVolumeNode, roi: Sequence[int], name: str, node: vtkMRMLMarkupsROINode | None = None
    ) -> vtkMRMLMarkupsROINode:
        """A box around part of a picture.

        Args:
            picture: an exam's first picture.
            roi: x, y, width, height in pixels.
            name: of a new node.
            node: to be overwritten.
        """
        import numpy as np

        from MR2USProLib.mrml import box_node, grid_of

        x, y, width, height = roi
        corners = grid_of(picture).to_world(np.array([(x, y, -1), (x + width, y + height, 1)]) - (0.5, 0.5, 0.0))
        return box_node(corners[0], corners[1], name, node)

    @staticmethod
    def roiOf(box: vtkMRMLMarkupsROINode, picture: vtkMRMLScalarVolumeNode) -> list[int]:
        """x, y, width and height, in pixels, of the part of a picture that lies in a box; all 0 where none does."""
        import numpy as np

        from MR2USProLib.mrml import box_of, grid_of

        grid = grid_of(picture)
        edges = np.rint(grid.to_index(np.stack(box_of(box)))[:, :2] + 0.5).astype(int)
        x, y = (int(n) for n in np.clip(edges.min(axis=0), 0, grid.size[:2]))
        right, bottom = (int(n) for n in np.clip(edges.max(axis=0), 0, grid.size[:2]))
        return [x, y, right - x, bottom - y] if right > x and bottom > y else [0, 0, 0, 0]

    @staticmethod
    def halfOf(sizePx: Sequence[int], half: int) -> list[int]:
        """x, y, width, height of the left (0) or right (1) half of a picture, for the user to correct."""
        width, height = sizePx
        return [half * (width // 2) + width // 20, height // 10, width // 2 - width // 10, height - height // 5]

    def _run(self, kind: str, parameters: Mapping[str, Any], source: Sequence[Any], load: Any, callbacks: Any) -> Any:
        """A job whose input is an exam: files as they are, a sequence written into the job's folder."""
        *files, sequence = source
        paths = {name: str(path) for name, path in zip(("video", "sagittal", "transverse"), files, strict=True) if path}
        return self.runner.run(
            kind,
            {**parameters, **paths},
            prepare=lambda folder: {"video": _writtenSequence(sequence, folder / "sequence.nrrd")} if sequence else {},
            load=load,
            callbacks=callbacks,
        )

    @staticmethod
    def _remove(*nodes: Any) -> None:
        for node in nodes:
            if node is not None and slicer.mrmlScene.IsNodePresent(node):
                slicer.mrmlScene.RemoveNode(node)


def _volumeNode(path: Path, name: str, node: Any) -> Any:
    from MR2USProLib.mrml import volume_node
    from MR2USProLib.volume import Volume, read_image

    return volume_node(Volume.of(read_image(path)), name, node)


def _written(frames: Any, path: Path) -> Path:
    """A stack of frames as a file. Not compressed: the worker reads it once, and the user waits."""
    import SimpleITK as sitk

    from MR2USProLib.mrml import volume_of

    sitk.WriteImage(volume_of(frames).to_sitk(), str(path))
    return path


def _writtenSequence(sequence: Any, path: Path) -> Path:
    import numpy as np
    import SimpleITK as sitk

    from MR2USProLib.mrml import frames_of, grid_of
    from MR2USProLib.volume import Grid, Volume

    frames = frames_of(sequence)
    column, row, _depth = grid_of(sequence.GetNthDataNode(0)).spacing_mm
    grid = Grid(frames.shape[:3], (column, row, 1.0), (0.0, 0.0, 0.0), np.eye(3))
    sitk.WriteImage(Volume(frames, grid).to_sitk(), str(path))
    return path


#
# MR2USReconstructTest
#


class MR2USReconstructTest(ScriptedLoadableModuleTest):
    """A simulated exam is read, stitched and filled, and the frames lie where the simulation put them."""

    def setUp(self) -> None:
        """Start with an empty scene."""
        slicer.mrmlScene.Clear()

    def test_reconstruct(self) -> None:
        """Positions of a short simulated sweep agree with the truth."""
        import json
        import shutil

        import numpy as np

        self.delayDisplay("Simulating an exam")
        logic = MR2USReconstructLogic()
        folder = Path(slicer.util.tempDirectory())

        def keep(run: Any) -> None:
            shutil.copytree(run.job.results, folder, dirs_exist_ok=True)

        logic.runner.run("simulate", {"frames": 24, "level": "easy"}, load=keep)
        truth = json.loads((folder / "truth.json").read_text())
        self.delayDisplay("Reconstructing it")
        files = {"sagittal": folder / "sagittal.mha", "transverse": folder / "transverse.mha"}
        _frames, stitching, filled = logic.reconstruct(**files, method="linear")
        found = slicer.util.arrayFromTableColumn(stitching.positions, "position_mm")
        assert np.abs(found - truth["positions_mm"]).max() < 0.5
        assert slicer.util.arrayFromVolume(filled.trus).mean() > 1
        shutil.rmtree(folder)
        self.delayDisplay("Test passed")
