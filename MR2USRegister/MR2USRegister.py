"""Module MR2USRegister: brings an MR onto a TRUS volume and shows how well they fit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
)

from MR2USProPanels import aligning, carrying, guiding, scoring
from MR2USProPanels.handPlaced import toMr
from MR2USProPanels.jobFiles import volumeToFile
from MR2USProPanels.jobRunner import Callbacks, JobRunner
from MR2USProPanels.lying import toImage
from MR2USProPanels.pairing import checkVolumes, landmarkPairs
from MR2USProPanels.panel import Panel
from MR2USProPanels.registered import Registered, loadRegistered
from MR2USProPanels.reviewNodes import ReviewNodes
from MR2USProPanels.section import Section


class MR2USRegister(ScriptedLoadableModule):
    """What Slicer asks about the module."""

    def __init__(self, parent: Any) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("MR to TRUS Registration")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Registration")]
        self.parent.dependencies = []
        self.parent.contributors = ["MR2USPro contributors"]
        self.parent.helpText = _(
            "Brings a prostate MR onto a transrectal ultrasound (TRUS) volume: choose both volumes, align them "
            "roughly, register, look at the result, and carry targets from the MR to the TRUS. For research use only."
        )
        self.parent.acknowledgementText = _(
            "After Ma et al., MR2US-Pro: Prostate MR to Ultrasound Image Translation and Registration Based on "
            "Diffusion Models."
        )


class MR2USRegisterWidget(Panel):
    """The module's panel: from the pair of images to targets in the TRUS."""

    def makeSections(self) -> Sequence[Section]:
        """The four steps, and what the worker runs on."""
        from MR2USProPanels.alignSection import AlignSection
        from MR2USProPanels.environmentSection import EnvironmentSection
        from MR2USProPanels.registerSection import RegisterSection
        from MR2USProPanels.reviewSection import ReviewSection
        from MR2USProPanels.targetsSection import TargetsSection

        self.logic = MR2USRegisterLogic()
        steps = [section(self.logic) for section in (AlignSection, RegisterSection, ReviewSection, TargetsSection)]
        return [*steps, EnvironmentSection()]

    def setup(self) -> None:
        """Build the panel: what comes after the registration is closed, as is what the worker runs on."""
        super().setup()
        for button in self.buttons[3:]:
            button.collapsed = True

    def cleanup(self) -> None:
        """Let go of everything, and end what is running."""
        super().cleanup()
        self.logic.cleanup()


class MR2USRegisterLogic(ScriptedLoadableModuleLogic):
    """Registration of an MR to a TRUS volume, from MRML nodes to MRML nodes, without any window.

    Everything is in mm and RAS. A method that makes a node takes the one to be overwritten, so that running it again
    replaces its result. :meth:`register` runs in a process of its own; everything else takes well below a second.

    Attributes:
        runner: runs the registration.
        pictures: checkerboard and curtain, to look at what came of it.
    """

    computeStart = staticmethod(aligning.computeStart)

    def __init__(self) -> None:
        ScriptedLoadableModuleLogic.__init__(self)
        self.runner = JobRunner()
        self.pictures = ReviewNodes()

    def cleanup(self) -> None:
        """End a job that is under way and let go of the scene."""
        self.pictures.cleanup()
        self.runner.cleanup()

    def register(
        self,
        mr: Any,
        trus: Any,
        pose: Any = None,
        region: Any = None,
        mrRegion: Any = None,
        *,
        translation: Literal["auto", "acmt", "pmt", "unsb", "none"] = "auto",
        registration: Literal[
            "auto", "self-similarity", "anatomy-aware", "fsdiffreg", "diffusemorph", "voxelmorph", "surfaces"
        ] = "auto",
        preset: Literal["fast", "balanced", "paper"] = "balanced",
        weights: str | Path | None = None,
        incompressible: bool = False,
        doubleSlices: bool = False,
        findGlands: bool = True,
        seed: int = 0,
        device: Literal["auto", "cpu", "cuda"] = "auto",
        mrGland: Any = None,
        trusGland: Any = None,
        mrMarks: Any = None,
        trusMarks: Any = None,
        mrSegmentation: Any = None,
        trusSegmentation: Any = None,
        into: Registered | None = None,
        callbacks: Callbacks | None = None,
    ) -> Registered | None:
        """Find the deformation between both images, in one modality where that helps, and apply it to the MR.

        All inputs are taken as they are now; what happens to them during the job changes nothing.

        Args:
            mr: volume node that is moved. What is drawn on it lies there where both lie in the world, without ``pose``.
            trus: volume node that stays.
            pose: linear transform node from MR to TRUS; None where the images lie right already, as they are in the
                world.
            region: markups ROI node around what is registered in the TRUS; None for all that it shows. Where the glands
                are recognised in it, they better the start.
            mrRegion: markups ROI node likewise around the prostate in the MR; where the start brings the other one if
                there is none.
            translation: ``acmt``, ``pmt``, ``unsb``, or ``none`` to compare the images as they are; ``auto`` translates
                for networks alone.
            registration: what finds the deformation. ``self-similarity`` (``auto`` without trained networks) goes by
                what both images show alike, and moves nothing where that is too little; of the networks anatomy-aware
                and VoxelMorph never fold; by ``surfaces`` what was drawn and marked moves the MR, in seconds.
            preset: how fine the networks work.
            weights: file of trained networks of these methods, which are then refined on this pair; without one, and
                for what it does not hold, networks are fitted to this pair alone.
            incompressible: charge the fit for changes of the volume (``self-similarity`` and ``anatomy-aware`` only).
            doubleSlices: paint a slice between every two slices of the MR first.
            findGlands: better the start by where the glands are recognised in the regions.
            seed: of everything that is random.
            device: where the networks run.
            mrGland: segmentation node whose segment "prostate" or "gland" (or else the first) guides the registration.
            trusGland: likewise in the TRUS. With both, the glands' surfaces meet.
            mrMarks: point list in the MR that guides it.
            trusMarks: the same places in the same order in the TRUS.
            mrSegmentation: for scoring only, with ``trusSegmentation``: the prostate and landmarks, by equal names.
            trusSegmentation: see there.
            into: nodes of an earlier registration, which are overwritten.
            callbacks: whom to tell; without them this blocks and returns the nodes.

        Raises:
            InputError: an input is missing or does not fit, or another job is under way.
            JobFailed: the job failed (blocking only).
            Cancelled: the job was cancelled (blocking only).
        """
        from MR2USProLib import mrml
        from MR2USProLib.registration.transforms import as_affine, write_transform

        checkVolumes(mr, trus)
        for drawn in (mrGland, mrMarks, mrSegmentation):
            if drawn is not None:
                toMr(drawn)
        start = aligning.asItLies(mr) if pose is None else mrml.transform_of(pose)
        parameters: dict[str, Any] = {
            "translation": translation,
            "registration": registration,
            "preset": preset,
            "weights": str(weights) if weights else None,
            "incompressible": incompressible,
            "double_slices": doubleSlices,
            "find_glands": findGlands,
            "seed": seed,
            "device": device,
        }
        if region is not None:
            parameters["fixed_roi"] = [float(x) for corner in mrml.box_of(region) for x in corner]
            if mrRegion is not None:
                corners = mrml.box_of(mrRegion, toImage(mrRegion, mr, pose))
                parameters["moving_roi"] = [float(x) for corner in corners for x in corner]
        marks = None if mrMarks is None and trusMarks is None else landmarkPairs(mr, mrMarks, trusMarks, pose)
        structures: list[str] = []
        if mrSegmentation is not None or trusSegmentation is not None:
            structures = scoring.structuresOf(mrSegmentation, trusSegmentation)

        def prepare(folder: Path) -> dict[str, Path]:
            files = {"initial": folder / "start.tfm"}
            write_transform(files["initial"], as_affine(start))
            sides = (
                ("moving", "mr", mr, mrGland, mrSegmentation, pose),
                ("fixed", "trus", trus, trusGland, trusSegmentation, None),
            )
            for n, (side, name, image, gland, drawn, shown) in enumerate(sides):
                files[side] = volumeToFile(image, folder / f"{name}.nrrd")
                if gland is not None:
                    files[f"{side}_mask"] = guiding.glandToFile(gland, image, folder / f"{name}_gland.nrrd", shown)
                if marks is not None:
                    files[f"{side}_points"] = guiding.pointsToFile(marks[n], folder / f"{name}_marks.csv")
                if structures:
                    files[f"{side}_label"] = scoring.masksToFile(
                        drawn, structures, image, folder / f"{name}_label.nrrd", shown
                    )
            return files

        return self.runner.run(
            "register",
            parameters,
            prepare=prepare,
            load=lambda run: loadRegistered(run, start, mr, trus, structures[1:], into or Registered()),
            callbacks=callbacks,
        )

    def carry(self, nodes: Sequence[Any], deformation: Any) -> list[Any]:
        """Copies of targets where the deformation puts them in the TRUS; copies of an earlier call are overwritten.

        Args:
            nodes: points, lines, curves, planes and segmentations drawn on the MR; what is under no transform has its
                places in the MR's own coordinates, wherever the start shows it. Points that were placed by hand while
                it was shown there are brought to these coordinates.
            deformation: of :meth:`register`.

        Raises:
            InputError: a node is empty, no target, was itself carried, or lies outside the MR.
        """
        for node in nodes:  # all of them first, so that either all are carried or none
            carrying.check(node, deformation)
        return [carrying.carry(node, deformation) for node in nodes]


class MR2USRegisterTest(ScriptedLoadableModuleTest):
    """What can be seen in a few seconds inside Slicer: the start, the pictures and carried targets on a known pair."""

    def setUp(self) -> None:
        """Begin with an empty scene."""
        slicer.mrmlScene.Clear()

    def runTest(self) -> None:
        """Run everything."""
        self.setUp()
        self.test_startPicturesAndTargets()

    def test_startPicturesAndTargets(self) -> None:
        """A ball that lies 20 mm further left in the MR is brought back, tiled, and carried."""
        import vtk

        from MR2USProLib import mrml
        from MR2USProLib.volume import Grid, Volume

        grid = Grid((40, 40, 40))
        radius = np.linalg.norm(grid.points() - grid.centre_mm, axis=-1)
        trus = mrml.volume_node(Volume((radius < 12) * 200.0, grid), "TRUS")
        mr = mrml.volume_node(Volume((radius < 12) * 900.0, Grid((40, 40, 40), origin_mm=(20, 0, 0))), "MR")
        logic = MR2USRegisterLogic()
        try:
            pose = logic.computeStart(mr, trus, "centers")
            matrix = vtk.vtkMatrix4x4()
            pose.GetMatrixTransformToParent(matrix)
            self.assertAlmostEqual(matrix.GetElement(0, 3), 20.0)  # 20 mm to the right, which is +20 in RAS
            self.assertEqual(aligning.overlap(mr, trus, pose), 1.0)

            board = logic.pictures.checkerboard(trus, mrml.volume_node(mrml.volume_of(trus), "copy"), 10.0)
            self.assertEqual(slicer.util.arrayFromVolume(board).shape, (40, 40, 40))

            field = np.zeros((40, 40, 40, 3))
            field[..., 0] = 20.0
            deformation = mrml.grid_transform_node(Volume(field, grid), "MR to TRUS")
            target = mrml.points_node([[35.0, 20.0, 20.0]], "Target")
            (carried,) = logic.carry([target], deformation)
            np.testing.assert_allclose(carried.GetNthControlPointPosition(0), [-15.0, -20.0, 20.0], atol=0.01)
        finally:
            logic.cleanup()
        self.delayDisplay(_("The start, the pictures and the targets are right."))
