"""What an exam may come from, as the panel takes it, and exams that are shown the other way round."""

import cv2
import numpy as np

from small_exam import small_exam


def test_any_picture_stands_for_its_folder_and_flips_reach_the_frames(slicerApp, tmp_path):
    import slicer

    exam = small_exam()
    for view, stack in (("sagittal", exam.sagittal), ("transverse", exam.transverse)):
        (tmp_path / view).mkdir()
        for t, picture in enumerate(stack):
            assert cv2.imwrite(str(tmp_path / view / f"{t}.png"), picture[:, ::-1])
    panel = slicerApp.openModule("MR2USReconstruct")
    section = panel.sections[0]
    widgets, case = vars(section)["ui"], section.case
    case.source = "files"
    widgets.sagittalPath.currentPath = str(tmp_path / "sagittal" / "3.png")
    widgets.transversePath.currentPath = str(tmp_path / "transverse")
    assert case.sagittalFile == str(tmp_path / "sagittal")
    slicerApp.waitUntil(lambda: not panel.logic.runner.busy, 60)
    slicerApp.process(0.05)
    widgets.spacingBox.value = 0.3
    assert widgets.flipSagittalBox.visible
    widgets.flipSagittalBox.checked = True
    slicerApp.process(0.05)
    assert case.flipSagittal
    vars(section.row)["ui"].runButton.click()
    slicerApp.waitUntil(lambda: not panel.logic.runner.busy, 60)
    slicerApp.process(0.05)
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(case.sagittalFrames), exam.sagittal)
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(case.transverseFrames), exam.transverse[:, :, ::-1])
    assert "head is taken to be on the right" in widgets.framesLabel.text
