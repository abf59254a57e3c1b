"""MR2USPro: the guided exam, from a biplane video and an MR to the MR on the TRUS volume."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import qt
import slicer
import vtk
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
)

from MR2USProPanels import caseDisplay
from MR2USProPanels.case import Case, currentCase
from MR2USProPanels.exporting import export, exportable
from MR2USProPanels.jobRunner import Callbacks, JobRunner
from MR2USProPanels.panel import Panel
from MR2USProPanels.reconstructed import keepFilling, keepStitching
from MR2USProPanels.registered import keepRegistration
from MR2USProPanels.section import Section

SAMPLE_FRAMES = 100


class MR2USPro(ScriptedLoadableModule):
    """What Slicer is told about the module."""

    def __init__(self, parent: Any) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("MR2USPro")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Registration")]
        parent.dependencies = []  # the other two depend on this one, which has what all three share
        parent.contributors = ["MR2USPro contributors"]
        parent.helpText = _(
            "Brings a prostate MR onto transrectal ultrasound: reconstructs a volume from the video of a biplane probe "
            "that was moved by hand, without a tracker, and deforms the MR to match it. Follow the steps from top to "
            "bottom; each button says what it still needs. For research only."
        )
        parent.acknowledgementText = _(
            "Follows the method of the paper MR2US-Pro (Prostate MR to ultrasound image translation and registration "
            "based on diffusion models)."
        )
        slicer.app.connect("startupCompleted()", registerSampleData)


def registerSampleData() -> None:
    """Offer the simulated exam in Slicer's module Sample Data; it is made on this machine when it is asked for."""
    from SampleData import SampleDataLogic

    thumbnail = Path(__file__).parent / "Resources" / "Icons" / "MR2USPro.png"
    SampleDataLogic.registerCustomSampleDataCategory("MR2USPro", _("MR2USPro"))
    SampleDataLogic.registerCustomSampleDataSource(
        category="MR2USPro",
        sampleName="MR2USProSimulatedExam",
        uris=[],
        fileNames=[],
        nodeNames=[],
        thumbnailFileName=str(thumbnail),
        customDownloader=lambda source: _loadSimulatedExam(),
    )


def _loadSimulatedExam() -> list[Any]:
    exam = MR2USProLogic().simulateExam()
    case = MR2USProLogic.newCase(_("Simulated exam"))
    exam.putInto(case)
    return [case.mr]


@dataclass(frozen=True)
class SimulatedExam:
    """A simulated exam on disk, with the MR in the scene.

    Attributes:
        folder: holds sagittal.mha, transverse.mha, and what is known of the truth (truth.json, labels).
        mr: the MR volume node.
        mrSegmentation, trusSegmentation: structures of both images, to score a registration with.
    """

    folder: Path
    mr: vtkMRMLScalarVolumeNode
    mrSegmentation: vtkMRMLSegmentationNode
    trusSegmentation: vtkMRMLSegmentationNode

    def putInto(self, case: Case) -> None:
        """Make it the exam of a case."""
        case.source = "files"
        case.sagittalFile = str(self.folder / "sagittal.mha")
        case.transverseFile = str(self.folder / "transverse.mha")
        case.mr = self.mr
        case.mrSegmentation, case.trusSegmentation = self.mrSegmentation, self.trusSegmentation


class MR2USProWidget(Panel):
    """The guided exam."""

    def makeSections(self) -> Sequence[Section]:
        """The case, the seven steps, and what the worker runs on."""
        from MR2USProPanels.alignSection import AlignSection
        from MR2USProPanels.caseSection import CaseSection
        from MR2USProPanels.environmentSection import EnvironmentSection
        from MR2USProPanels.examSection import ExamSection
        from MR2USProPanels.exportSection import ExportSection
        from MR2USProPanels.fillSection import FillSection
        from MR2USProPanels.registerSection import RegisterSection
        from MR2USProPanels.reviewSection import ReviewSection
        from MR2USProPanels.stitchSection import StitchSection
        from MR2USProPanels.targetsSection import TargetsSection

        self.logic = MR2USProLogic()
        reconstruct, register = self.logic.reconstructLogic, self.logic.registerLogic
        self.caseSection = CaseSection(self.logic)
        self.caseSection.onCaseChosen = self._onCaseChosen
        self.steps: list[Any] = [
            ExamSection(reconstruct),
            StitchSection(reconstruct),
            FillSection(reconstruct),
            AlignSection(register),
            RegisterSection(register),
            ReviewSection(register),
            TargetsSection(register),
            ExportSection(self.logic),
        ]
        return [self.caseSection, *self.steps, EnvironmentSection()]

    def setup(self) -> None:
        """Build the panel: only the case and the first step are open."""
        super().setup()
        self._chosenMeanwhile = False
        self._done: list[bool] = []
        self._caseNode: Any = None
        self._following = qt.QTimer()
        self._following.setSingleShot(True)
        self._following.connect("timeout()", self._follow)
        for button in self.buttons[2:]:
            button.collapsed = True

    def enter(self) -> None:
        """Show the current case, and begin with one that came meanwhile."""
        super().enter()
        if self._chosenMeanwhile:
            self._chosenMeanwhile = False
            self._onCaseChosen()

    def cleanup(self) -> None:
        """Let go of everything, and end what is running."""
        self._following.stop()
        super().cleanup()
        self.logic.cleanup()

    def _show(self, case: Case | None) -> None:
        self.removeObservers(self._onCaseModified)
        super()._show(case)
        if case is not None:
            if case.parameterNode is not self._caseNode:  # else the module was left, and its steps stay open and closed
                self._caseNode, self._done = case.parameterNode, []
            self.addObserver(case.parameterNode, vtk.vtkCommand.ModifiedEvent, self._onCaseModified)
            self._follow()

    def _onCaseChosen(self) -> None:
        if not self._entered:  # a sample came while another module has the views
            self._chosenMeanwhile = True
            return
        case = currentCase()
        caseDisplay.showOnly(case)
        self.showCurrentCase()
        caseDisplay.showImages(case)
        self.steps[0].lookInto()

    def _onCaseModified(self, caller: Any, event: Any) -> None:
        self._following.start(0)

    def _follow(self) -> None:
        """Tick off the steps that are done, and open the next one when one has just been finished.

        A step whose result is to be checked stays open beside the next one.
        """
        done = [step.done() for step in self.steps]
        buttons = self.buttons[1:-1]
        for n, (step, button) in enumerate(zip(self.steps, buttons, strict=True)):
            button.text = f"{n + 1}. {step.title}" + ("  \N{CHECK MARK}" if done[n] else "")
        if self._done != done:
            finished = [n for n, is_done in enumerate(done) if is_done and not (self._done and self._done[n])]
            if finished or not self._done:
                # Not after the last step of all: what follows may have to be done anew.
                after = max(finished, default=-1) + 1
                upcoming = next((n for n in range(after, len(done)) if not done[n]), len(done) - 1)
                self._open({upcoming, *(n for n in finished if self.steps[n].isChecked and n == upcoming - 1)})
        self._done = done

    def _open(self, steps: Set[int]) -> None:
        for n, button in enumerate(self.buttons[1:-1]):
            button.collapsed = n not in steps


class MR2USProLogic(ScriptedLoadableModuleLogic):
    """Whole exams, for scripts and for the panel.

    Example::

        from MR2USPro import MR2USProLogic

        logic = MR2USProLogic()
        exam = logic.simulateExam()
        files = {"sagittal": exam.folder / "sagittal.mha", "transverse": exam.folder / "transverse.mha"}
        case = logic.runExam(exam.mr, **files)
        logic.export(case, "results")

    Attributes:
        reconstructLogic, registerLogic: the two halves.
        runner: runs this logic's own jobs.
    """

    def __init__(self) -> None:
        ScriptedLoadableModuleLogic.__init__(self)
        from MR2USReconstruct import MR2USReconstructLogic
        from MR2USRegister import MR2USRegisterLogic

        self.reconstructLogic = MR2USReconstructLogic()
        self.registerLogic = MR2USRegisterLogic()
        self.runner = JobRunner()

    def cleanup(self) -> None:
        """End what is running."""
        self.runner.cleanup()
        self.reconstructLogic.cleanup()
        self.registerLogic.cleanup()

    @staticmethod
    def newCase(name: str = "") -> Case:
        """A new, empty case, which becomes the current one of all panels."""
        from MR2USProPanels.case import newCase

        return newCase(name)

    def simulateExam(
        self, frames: int = SAMPLE_FRAMES, level: str = "medium", seed: int = 0, callbacks: Callbacks | None = None
    ) -> Any:
        """Simulate an exam with known truth, in Slicer's cache folder, and load its MR.

        Args:
            frames: of the sweep, at least 24.
            level: easy, medium or hard.
            seed: the same seed gives the same exam.
            callbacks: whom to tell; without them this blocks.

        Returns:
            the exam; None with callbacks, whose ``onDone`` gets it.

        Raises:
            JobFailed: it could not be made (without callbacks).
        """
        cache = Path(slicer.mrmlScene.GetCacheManager().GetRemoteCacheDirectory() or slicer.app.temporaryPath)
        folder = cache / f"MR2USPro-exam-{level}-{frames}-{seed}"

        def load(run: Any) -> SimulatedExam:
            shutil.rmtree(folder, ignore_errors=True)
            folder.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(str(run.job.results), str(folder))
            return self._loadSimulated(folder)

        parameters = {"frames": frames, "level": level, "seed": seed}
        return self.runner.run("simulate", parameters, load=load, callbacks=callbacks)

    @staticmethod
    def _loadSimulated(folder: Path) -> SimulatedExam:
        from MR2USProLib.mrml import volume_node
        from MR2USProLib.volume import Volume
        from MR2USProPanels.segmentations import hiddenSegmentationNode

        labels = json.loads((folder / "truth.json").read_text("utf-8"))["labels"]
        names = {int(value): name for value, name in labels.items()}
        mr = volume_node(Volume.read(folder / "mr.nrrd"), "MR")
        return SimulatedExam(
            folder,
            mr,
            hiddenSegmentationNode(folder / "mr_label.nrrd", names, "MR structures", mr),
            hiddenSegmentationNode(folder / "us_label.nrrd", names, "TRUS structures"),
        )

    def runExam(
        self,
        mr: vtkMRMLScalarVolumeNode,
        *,
        video: str | Path | None = None,
        sagittal: str | Path | None = None,
        transverse: str | Path | None = None,
        spacingMm: float | None = None,
        start: str = "centers",
        preset: str = "balanced",
        name: str = "",
    ) -> Case:
        """Everything at once, in a new case: read, stitch, fill, start, register. Blocks until it is done.

        Args:
            mr: the MR volume node.
            video: a video or image stack that shows both views.
            sagittal: a video or image stack of the sagittal view; with ``transverse``, instead of ``video``.
            transverse: the same of the transverse view.
            spacingMm: size of a pixel in both views, where the files do not say it or say it wrong.
            start: ``none`` (the pose in the headers) or ``centers``.
            preset: ``fast``, ``balanced`` or ``paper``.
            name: of the case.

        Raises:
            InputError: what was given cannot be used.
            JobFailed: a step failed; what the earlier ones found stays in the case.
        """
        case = self.newCase(name)
        case.mr, case.start, case.preset = mr, start, preset
        reconstruct, register = self.reconstructLogic, self.registerLogic
        frames = reconstruct.readExam(video, sagittal=sagittal, transverse=transverse, spacingMm=spacingMm)
        case.sagittalFrames, case.transverseFrames = frames
        stitching = reconstruct.stitch(frames.sagittal)
        keepStitching(case, stitching)
        keepFilling(case, reconstruct.fill(frames.transverse, stitching.positions, sagittalFrames=frames.sagittal))
        case.pose = register.computeStart(mr, case.trus, start)
        keepRegistration(case, register.register(mr, case.trus, pose=case.pose, preset=preset))
        return case

    @staticmethod
    def exportable(case: Case) -> list[str]:
        """Names of the files that :meth:`export` would write."""
        return list(exportable(case))

    @staticmethod
    def export(case: Case, folder: str | Path, scene: bool = False) -> list[Path]:
        """Write what came of a case as files; see MR2USProPanels.exporting.export."""
        return export(case, Path(folder), scene)


class MR2USProTest(ScriptedLoadableModuleTest):
    """A short run through the panel's modules inside Slicer."""

    def setUp(self) -> None:
        """Start from an empty scene."""
        slicer.mrmlScene.Clear()

    def runTest(self) -> None:
        """Run all tests."""
        self.setUp()
        self.test_CasesAreKept()

    def test_CasesAreKept(self) -> None:
        """Two cases stand side by side in one scene."""
        from MR2USProPanels.case import cases

        first = MR2USProLogic.newCase("first")
        second = MR2USProLogic.newCase("second")
        first.spacingMm = 0.25
        self.assertEqual([case.spacingMm for case in cases()], [0.25, 0.0])
        self.assertIsNotNone(second.parameterNode)
        self.delayDisplay("Test passed")
