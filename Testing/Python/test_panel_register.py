"""The panel MR2USRegister as a whole: how it opens and closes, what it refuses, and what it leaves to other modules."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from MR2USProLib.registration import transforms
from register_panel import FLIP, markups, shown, targets_in_mr, views

ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_opens_without_the_workers_packages():
    code = (
        "import sys; from standin import Standin; app = Standin.start(); app.openModule('MR2USRegister'); "
        "print(sorted({'torch', 'cv2', 'sklearn', 'monai', 'SimpleITK', 'requests'} & set(sys.modules)), app.errors)"
    )
    path = os.pathsep.join(str(ROOT / folder) for folder in ("MR2USPro", "Testing"))
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "[] []", done.stdout + done.stderr


def test_says_what_is_missing(registerPanel):
    run = registerPanel.run
    assert (run.text, run.enabled) == ("Choose the MR", False)
    assert registerPanel.section("Review").need() == registerPanel.section("Targets").need() == "Register first"
    registerPanel.picture("empty")


def test_images_that_cannot_be_used_are_refused_in_a_sentence(registerPanel, pairCase, slicerApp):
    import slicer

    from MR2USProLib.errors import InputError
    from MR2USProPanels import aligning

    logic = registerPanel.logic
    with pytest.raises(InputError, match="same volume"):
        logic.register(pairCase.mr, pairCase.mr)
    with pytest.raises(InputError, match="Choose the MR"):
        aligning.overlap(None, pairCase.trus)
    with pytest.raises(InputError, match="box around the prostate"):
        logic.computeStart(pairCase.mr, pairCase.trus, "boxes")
    with pytest.raises(InputError, match="same landmarks"):
        logic.computeStart(pairCase.mr, pairCase.trus, "landmarks")
    with pytest.raises(InputError, match="does not lie on the grid"):
        logic.pictures.checkerboard(pairCase.mr, pairCase.trus)
    moved = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Moved")
    pairCase.trus.SetAndObserveTransformNodeID(moved.GetID())
    slicerApp.process(0.05)
    assert registerPanel.run.text == "Harden the transform of the TRUS volume"
    with pytest.raises(InputError, match="harden"):
        logic.register(pairCase.mr, pairCase.trus)
    assert not logic.runner.busy


def test_a_result_stays_with_the_images_it_came_from(registerPanel, resultCase, knownPair, slicerApp):
    from MR2USProLib.mrml import volume_node

    trus = resultCase.trus
    registerPanel.align.trusSelector.setCurrentNode(volume_node(knownPair[1], "Another"))
    slicerApp.process(0.05)
    assert resultCase.trus is not trus
    assert shown((trus.GetID(), resultCase.warped.GetID(), 0.5))


def test_a_saved_scene_goes_on_where_it_was(registerPanel, resultCase, knownPair, slicerApp, tmp_path):
    import slicer

    _, us, there = knownPair
    registerPanel.review.tileSlider.value = 7.0
    registerPanel.look_by("checkerboard")
    verdict = registerPanel.register.verdictLabel.text
    slicerApp.saveScene(tmp_path / "case.mrb")
    slicerApp.clearScene()
    assert registerPanel.case.warped is None
    assert registerPanel.section("Review").need() == "Register first"
    slicerApp.loadScene(tmp_path / "case.mrb")
    found = registerPanel.case
    assert found.warped.GetName() == "MR on TRUS"
    assert (found.review, found.tileMm) == ("checkerboard", 7.0)
    assert registerPanel.register.verdictLabel.text == verdict
    assert {node.GetBackgroundVolumeID() for node in views()} == {found.reviewPicture.GetID()}
    board = slicer.util.arrayFromVolume(found.reviewPicture)
    assert board.shape == us.array.shape
    target = targets_in_mr(us, there)[:1]
    (carried,) = registerPanel.logic.carry([markups("One", target)], found.deformation)
    expected = transforms.inverse_points(target[0] * FLIP, there) * FLIP
    np.testing.assert_allclose(carried.GetNthControlPointPosition(0), expected, atol=0.05)


def test_closing_the_scene_leaves_an_empty_panel(registerPanel, resultCase, slicerApp):
    registerPanel.look_by("flicker")
    slicerApp.clearScene()
    slicerApp.process(0.6)
    assert registerPanel.run.text == "Choose the MR"


def test_another_module_finds_the_mr_where_its_file_puts_it(registerPanel, pairCase, slicerApp):
    registerPanel.start_from("centers")
    assert pairCase.mr.GetTransformNodeID()
    registerPanel.widget.exit()
    assert pairCase.mr.GetTransformNodeID() is None
    registerPanel.widget.enter()
    slicerApp.process(0.05)
    assert pairCase.mr.GetTransformNodeID() == pairCase.pose.GetID()
