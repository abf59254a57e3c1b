"""From the video of a biplane probe to a TRUS volume: the panel, and the same from Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import slicer
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSequenceNode, vtkMRMLTableNode
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
from MR2USProPanels.jobFiles import sequenceToFile, volumeToFile
from MR2USProPanels.jobRunner import Callbacks, JobRunner
from MR2USProPanels.panel import Panel
from MR2USProPanels.reconstructionNodes import (
    Filled,
    Frames,
    Inspection,
    Stitching,
    loadFilled,
    loadFrames,
    loadInspection,
    loadStitching,
)
from MR2USProPanels.section import Section
from MR2USProPanels.stitchSection import StitchSection


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
            self.logic.cleanup()


class MR2USReconstructLogic(ScriptedLoadableModuleLogic):
    """From the video of a biplane probe to a TRUS volume.

    Each method runs in a process of its own. Without ``callbacks`` it blocks and returns its result; with them it
    returns None at once, and ``callbacks.onDone`` gets the result. ``into`` takes an earlier result of the same method
    (or its nodes, in the same order); they are overwritten where they are still in the scene.

    All raise MR2USProLib.errors.InputError where the input is wrong or another job is under way and, blocking,
    MR2USProLib.jobs.run.JobFailed (an InputError) or MR2USProLib.errors.Cancelled; the messages of the first two say
    what to do.

    Example:
        from MR2USReconstruct import MR2USReconstructLogic

        frames, stitching, filled = MR2USReconstructLogic().reconstruct("exam.mp4", spacingMm=0.19)

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

        return self._run(
            "inspect", {}, (video, sagittal, transverse, sequence), lambda run: loadInspection(run, old), callbacks
        )

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
        flipSagittal: bool = False,
        flipTransverse: bool = False,
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
            flipSagittal: the sagittal view shows the head on the right.
            flipTransverse: the transverse view shows the patient's left on the left.
            into: an earlier result, to be replaced.
            callbacks: whom to tell.
        """
        old = Frames(*(into or ()))
        parameters = {
            "sagittal_roi": sagittalRoi,
            "transverse_roi": transverseRoi,
            "spacing_mm": spacingMm or None,
            "flip_sagittal": flipSagittal,
            "flip_transverse": flipTransverse,
        }

        return self._run(
            "read", parameters, (video, sagittal, transverse, sequence), lambda run: loadFrames(run, old), callbacks
        )

    def stitch(
        self,
        sagittalFrames: vtkMRMLScalarVolumeNode,
        *,
        matcher: str = "auto",
        loftrWeights: str | Path | None = None,
        excluded: Sequence[int] = (),
        pinned: Mapping[int, float] | None = None,
        device: str = "auto",
        into: Sequence[Any] | None = None,
        callbacks: Callbacks | None = None,
    ) -> Stitching | None:
        """Stitch the sagittal frames to a map, and find where each of them lies.

        Args:
            sagittalFrames: the sagittal view, slice k is frame k.
            matcher: what is compared: ``layers`` (grey levels), ``sift``, ``orb``, ``loftr``, or ``auto``.
            loftrWeights: file of the network for ``loftr``; with it, ``auto`` tries that as well.
            excluded: frames that are left out.
            pinned: frames whose position is known, and that position in mm; caudal positive, 0 at the first frame that
                was placed.
            device: where that network runs: ``auto``, ``cpu`` or ``cuda``.
            into: an earlier result, to be replaced.
            callbacks: whom to tell.
        """
        old = Stitching(*(into or ()))
        parameters = {
            "matcher": matcher,
            "loftr_weights": loftrWeights or None,
            "excluded": list(excluded),
            "pinned": dict(pinned or {}),
            "device": device,
        }

        return self.runner.run(
            "stitch",
            parameters,
            prepare=lambda folder: {"sagittal": volumeToFile(sagittalFrames, folder / "sagittal.nrrd")},
            load=lambda run: loadStitching(run, old),
            callbacks=callbacks,
        )

    def fill(
        self,
        transverseFrames: vtkMRMLScalarVolumeNode,
        positions: vtkMRMLTableNode,
        *,
        sagittalFrames: vtkMRMLScalarVolumeNode | None = None,
        method: str = "kriging",
        voxelMm: float | Sequence[float] | None = None,
        extentMm: Sequence[float] | None = None,
        planeOffsetMm: float = 0.0,
        seed: int = 0,
        device: str = "auto",
        into: Sequence[Any] | None = None,
        callbacks: Callbacks | None = None,
    ) -> Filled | None:
        """Put the transverse frames at their positions, and fill what lies between.

        Args:
            transverseFrames: the transverse view, slice k is frame k.
            positions: of the frames, as :meth:`stitch` gives them.
            sagittalFrames: the sagittal view that was stitched; with it the hand's wobble in depth is undone.
            method: ``kriging``, ``dip`` (deep image prior), ``linear`` or ``none``.
            voxelMm: edge of the voxels, or their edges along x, y and z; 0.5 mm where not given.
            extentMm: x0, y0, z0, x1, y1, z1 of the volume, LPS; what the frames cover where not given.
            planeOffsetMm: where on the sagittal view, from its first column on, the transverse plane crosses it.
            seed: of everything random.
            device: where networks run: ``auto``, ``cpu`` or ``cuda``.
            into: an earlier result, to be replaced.
            callbacks: whom to tell.
        """
        old = Filled(*(into or ()))
        parameters = {
            "method": method,
            "voxel_mm": voxelMm,
            "extent_mm": extentMm,
            "plane_offset_mm": planeOffsetMm,
            "seed": seed,
            "device": device,
        }
        if sagittalFrames is not None:
            parameters["sagittal_row_mm"] = sagittalFrames.GetSpacing()[1]

        def prepare(folder: Path) -> dict[str, Any]:
            from MR2USProLib.mrml import write_table

            write_table(positions, folder / "positions.csv")
            return {
                "transverse": volumeToFile(transverseFrames, folder / "transverse.nrrd"),
                "positions": folder / "positions.csv",
            }

        return self.runner.run(
            "fill", parameters, prepare=prepare, load=lambda run: loadFilled(run, old), callbacks=callbacks
        )

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
        loftrWeights: str | Path | None = None,
        method: str = "kriging",
        voxelMm: float | Sequence[float] | None = None,
        extentMm: Sequence[float] | None = None,
        planeOffsetMm: float = 0.0,
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
        stitching = self.stitch(frames.sagittal, matcher=matcher, loftrWeights=loftrWeights, device=device)
        assert stitching is not None
        filled = self.fill(
            frames.transverse,
            stitching.positions,
            sagittalFrames=frames.sagittal,
            method=method,
            voxelMm=voxelMm,
            extentMm=extentMm,
            planeOffsetMm=planeOffsetMm,
            seed=seed,
            device=device,
        )
        assert filled is not None
        return frames, stitching, filled

    def cleanup(self) -> None:
        """End the job that is under way and let go of the scene."""
        self.runner.cleanup()

    def _run(self, kind: str, parameters: Mapping[str, Any], source: Sequence[Any], load: Any, callbacks: Any) -> Any:
        """A job whose input is an exam: files as they are, a sequence written into the job's folder."""
        *files, sequence = source
        paths = {name: str(path) for name, path in zip(("video", "sagittal", "transverse"), files, strict=True) if path}
        return self.runner.run(
            kind,
            {**parameters, **paths},
            prepare=lambda folder: {"video": sequenceToFile(sequence, folder / "sequence.nrrd")} if sequence else {},
            load=load,
            callbacks=callbacks,
        )


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
