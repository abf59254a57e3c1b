"""What the panel MR2USReconstruct lets one choose beyond the usual: a folder, LoFTR's weights, the volume's extent."""

import os
import pathlib

import cv2
import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

import untrained_loftr
from sliding_speckle import sweep
from small_exam import SAGITTAL_MM, small_exam

FRAMES = 6


@pytest.fixture
def panel(slicerApp):
    return slicerApp.openModule("MR2USReconstruct")


def of(section):
    return vars(section)["ui"]


def run(app, panel, section):
    button = vars(section.row)["ui"].runButton
    assert button.enabled, button.text
    button.click()
    app.waitUntil(lambda: not panel.logic.runner.busy, 120)
    app.process(0.05)


def put_frames_into(case, sagittal, transverse):
    from MR2USProLib.mrml import volume_node
    from MR2USProLib.volume import Grid, Volume

    for field, frames in (("sagittalFrames", sagittal), ("transverseFrames", transverse)):
        setattr(case, field, volume_node(Volume(frames, Grid(frames.shape, (SAGITTAL_MM, SAGITTAL_MM, 1.0))), field))


def test_a_folder_is_chosen_by_its_button(slicerApp, panel, tmp_path):
    section = panel.sections[0]
    for t, picture in enumerate(small_exam().sagittal[:FRAMES]):
        assert cv2.imwrite(str(tmp_path / f"{t}.png"), picture)
    slicerApp.answers["openFolder"] = ""
    of(section).videoFolderButton.click()
    assert section.case.videoFile == ""
    slicerApp.answers["openFolder"] = tmp_path
    of(section).videoFolderButton.click()
    assert section.case.videoFile == str(tmp_path)
    assert of(section).videoFolderButton.visible
    assert not of(section).sagittalFolderButton.visible
    slicerApp.waitUntil(lambda: not panel.logic.runner.busy, 60)
    slicerApp.process(0.05)
    assert "do not say how large their pixels are" in of(section).spacingNote.text


def test_loftr_runs_once_its_weights_are_given(slicerApp, panel, tmp_path):
    from MR2USProPanels.stitchSection import loftrWeights

    section, exam = panel.sections[1], small_exam()
    course = sweep(8.0 * np.arange(5), shape=(104, 136), decorrelation=0.0, jitter_px=0.0, overlay=False, seed=2)
    put_frames_into(section.case, course.frames, exam.transverse[:5])
    slicerApp.process(0.05)
    of(section).matcherBox.currentIndex = 4
    slicerApp.process(0.05)
    button = vars(section.row)["ui"].runButton
    assert (section.case.matcher, button.text, button.enabled) == ("loftr", "Choose the LoFTR weights", False)
    path = tmp_path / "loftr.ckpt"
    torch.save(untrained_loftr.tensors(gaussian_filter(course.sheet, 1).clip(0, 255)), path)
    of(section).weightsPath.currentPath = str(path)
    slicerApp.process(0.05)
    assert (loftrWeights(), button.text) == (str(path), "Stitch")
    run(slicerApp, panel, section)
    assert "frames were found on the map" in of(section).verdictLabel.text
    path.write_text("not a network")
    run(slicerApp, panel, section)
    assert "does not hold LoFTR's weights: give the LoFTR weights" in vars(section.row)["ui"].messageLabel.text
    of(section).weightsPath.currentPath = ""


def test_the_volume_fills_the_box_and_marks_what_was_measured(slicerApp, panel, tmp_path):
    import slicer

    from MR2USProLib.mrml import box_node, box_of, grid_of

    stitch, fill = panel.sections[1:3]
    case = fill.case
    exam = small_exam()
    put_frames_into(case, exam.sagittal[:FRAMES], exam.transverse[:FRAMES])
    slicerApp.process(0.05)
    of(fill).methodBox.currentIndex = 1
    of(fill).voxelBox.value = 1.0
    assert not of(fill).drawBoxButton.visible
    run(slicerApp, panel, stitch)
    run(slicerApp, panel, fill)
    of(fill).drawBoxButton.click()
    slicerApp.process(0.05)
    whole = np.array(box_of(case.trus))
    np.testing.assert_allclose(box_of(case.volumeBox), whole, atol=1e-4)
    assert not of(fill).drawBoxButton.visible
    wanted = whole + [[5, 10, 1], [-8, -12, 2]]
    box_node(*wanted, "", case.volumeBox)
    run(slicerApp, panel, fill)
    np.testing.assert_allclose(box_of(case.trus), wanted, atol=0.5)
    measured = slicer.util.arrayFromVolume(case.measured)
    assert measured.shape == slicer.util.arrayFromVolume(case.trus).shape
    assert 0 < measured.mean() < 1
    z_mm = grid_of(case.measured).to_world(np.outer(np.arange(len(measured)), (0, 0, 1)))[:, 2]
    assert not measured[z_mm > 0.6].any(), "before the first frame"
    assert measured[np.abs(z_mm).argmin()].any()

    of(fill).measuredBox.checked = True
    pictures = pathlib.Path(os.environ.get("MR2US_PICTURES") or tmp_path)
    slicerApp.windowPicture(panel, pictures / "reconstruct-measured.png")
    composites = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    assert all(node.GetLabelVolumeID() == case.measured.GetID() for node in composites)
    of(fill).showSparseButton.click()
    assert all(node.GetLabelVolumeID() == case.measured.GetID() for node in composites)
    of(fill).measuredBox.checked = False
    assert not any(node.GetLabelVolumeID() for node in composites)
