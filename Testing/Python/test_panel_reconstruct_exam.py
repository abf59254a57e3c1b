"""The exam that the panel MR2USReconstruct reads: its files, what is wrong with them, and how large a pixel is."""

import numpy as np
import pytest

from reconstruct_panel import SCREEN, ReconstructPanel, button, message, of
from scanner_screen import Screen, write_video
from small_exam import SAGITTAL_MM, small_exam


@pytest.fixture
def panel(slicerApp, tmp_path):
    return ReconstructPanel(slicerApp, tmp_path)


def test_a_file_for_each_view(panel, tmp_path):
    from MR2USProLib.video.exam import write_stack

    exam = small_exam()
    write_stack(tmp_path / "sagittal.mha", exam.sagittal, (SAGITTAL_MM, SAGITTAL_MM))
    write_stack(tmp_path / "transverse.mha", exam.transverse, (0.4, 0.4))
    of(panel.exam).sourceBox.currentIndex = 1
    panel.app.process(0.05)
    assert button(panel.exam).text == "Choose a recording for each view"
    of(panel.exam).sagittalPath.currentPath = str(tmp_path / "sagittal.mha")
    assert not panel.widget.logic.runner.busy
    of(panel.exam).transversePath.currentPath = str(tmp_path / "transverse.mha")
    panel.wait()
    panel.look("two-files")
    assert of(panel.exam).spacingBox.text == "0.38 and 0.4 mm per pixel, from the file"
    assert "0.38 x 0.38 mm (sagittal) and 0.4 x 0.4 mm (transverse)" in of(panel.exam).spacingNote.text
    assert panel.case.sagittalBox is None
    panel.press(panel.exam)
    assert panel.case.transverseFrames.GetSpacing()[0] == pytest.approx(0.4)


def test_a_sequence_of_the_scene(panel):
    import slicer

    from MR2USProLib.mrml import volume_node
    from MR2USProLib.volume import Grid, Volume
    from MR2USProPanels.viewBoxes import roiOf

    assert of(panel.exam).sourceBox.count == 2
    exam = small_exam()
    sequence = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceNode", "clip")
    for t, picture in enumerate(SCREEN.pictures(exam.sagittal, exam.transverse)):
        node = volume_node(Volume(picture[None], Grid((1, *picture.shape))), "picture")
        sequence.SetDataNodeAtValue(node, str(t))
        slicer.mrmlScene.RemoveNode(node)
    panel.app.process(0.05)
    of(panel.exam).sourceBox.currentIndex = 2
    assert panel.case.source == "sequence"
    of(panel.exam).sequenceSelector.setCurrentNode(sequence)
    panel.wait()
    assert of(panel.exam).spacingBox.text == "not known"
    of(panel.exam).spacingBox.value = SAGITTAL_MM
    panel.app.process(0.05)
    panel.press(panel.exam)
    x, y, width, height = roiOf(panel.case.sagittalBox, panel.case.picture)
    first = SCREEN.pictures(exam.sagittal[:1], exam.transverse[:1])[0, y : y + height, x : x + width]
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(panel.case.sagittalFrames)[0], first)


def test_a_broken_video_says_so(panel, tmp_path):
    (tmp_path / "broken.mp4").write_bytes(b"nothing to see here" * 99)
    of(panel.exam).videoPath.currentPath = str(tmp_path / "broken.mp4")
    panel.wait()
    panel.look("broken-video")
    assert "broken.mp4 could not be decoded" in message(panel.exam)
    assert button(panel.exam).text == "Look into the exam"
    assert button(panel.exam).enabled
    assert panel.case.picture is None
    of(panel.exam).videoPath.currentPath = str(tmp_path / "gone.mp4")
    panel.app.process(0.05)
    assert button(panel.exam).text == "There is no file gone.mp4"
    assert message(panel.exam) == ""


def test_reading_again_asks_before_it_forgets_decisions(panel, examVideo):
    of(panel.exam).videoPath.currentPath = str(examVideo)
    panel.wait()
    of(panel.exam).spacingBox.value = SAGITTAL_MM
    panel.app.process(0.05)
    panel.press(panel.exam)
    panel.case.excluded, panel.case.pinned = [7], {9: 4.0}
    panel.app.process(0.05)
    with panel.app.answering(confirm=False):
        button(panel.exam).click()
    assert not panel.widget.logic.runner.busy
    assert "2 frames were excluded or pinned" in panel.app.messages[-1][1]
    assert (list(panel.case.excluded), dict(panel.case.pinned)) == ([7], {9: 4.0})
    panel.press(panel.exam)
    assert (list(panel.case.excluded), dict(panel.case.pinned)) == ([], {})


def test_what_is_missing_is_said(panel, examVideo):
    of(panel.exam).videoPath.currentPath = str(examVideo.with_name("lost.avi"))
    panel.app.process(0.05)
    assert button(panel.exam).text == "There is no file lost.avi"
    assert not panel.widget.logic.runner.busy
    of(panel.exam).videoPath.currentPath = str(examVideo)
    panel.wait()
    of(panel.exam).spacingBox.value = 0.2
    panel.case.sagittalBox.SetCenter(500, 500, 0)
    panel.app.process(0.05)
    assert button(panel.exam).text == "Show the boxes, and drag them onto the two views"
    assert "not on the picture" in of(panel.exam).viewsNote.text
    import slicer

    slicer.mrmlScene.RemoveNode(panel.case.sagittalBox)
    of(panel.exam).showBoxesButton.click()
    panel.app.process(0.05)
    assert button(panel.exam).text == "Read the exam"
    before = panel.exam._regions()
    of(panel.exam).exchangeButton.click()
    assert panel.exam._regions() == before[::-1]


def test_the_exam_that_was_chosen_last_counts(panel, examVideo, tmp_path):
    exam = small_exam()
    screen = Screen((10, 10), (170, 10), size=(320, 150), extras=frozenset())
    other = write_video(tmp_path / "other.avi", screen.pictures(exam.sagittal, exam.transverse), "MJPG")
    of(panel.exam).videoPath.currentPath = str(other)
    assert panel.widget.logic.runner.busy
    of(panel.exam).videoPath.currentPath = str(examVideo)
    panel.wait()
    panel.wait()
    assert panel.case.picture.GetImageData().GetDimensions()[:2] == SCREEN.size
    of(panel.exam).spacingBox.value = 0.2
    of(panel.exam).videoPath.currentPath = str(other)
    panel.wait()
    assert panel.case.picture.GetImageData().GetDimensions()[:2] == screen.size
    assert panel.case.spacingMm == 0  # what was typed for one exam says nothing about the next


def test_a_known_length_gives_the_pixel_size(panel, examVideo):
    import slicer

    of(panel.exam).videoPath.currentPath = str(examVideo)
    panel.wait()
    before = slicer.mrmlScene.GetNumberOfNodes()
    of(panel.exam).measureButton.click()
    (line,) = slicer.util.getNodesByClass("vtkMRMLMarkupsLineNode")
    line.SetNthControlPointPositionWorld(0, -20.0, -30.0, 0.0)  # RAS; a pixel is 1 mm as long as nobody knows better
    line.SetNthControlPointPositionWorld(1, -80.0, -110.0, 0.0)
    of(panel.exam).lengthBox.value = 38.0
    panel.app.process(0.05)
    panel.look("measured")
    assert panel.case.spacingMm == pytest.approx(0.38)
    assert of(panel.exam).spacingBox.value == pytest.approx(0.38)
    assert button(panel.exam).text == "Read the exam"
    of(panel.exam).measureButton.click()
    assert slicer.mrmlScene.GetNumberOfNodes() == before
    of(panel.exam).measureButton.click()
    panel.app.clearScene()
    assert not of(panel.exam).measureButton.checked


def test_views_that_were_not_found_must_be_marked(panel, tmp_path):
    from MR2USProPanels.viewBoxes import boxNode

    still = np.tile(np.arange(200, dtype=np.uint8), (12, 150, 1))
    of(panel.exam).videoPath.currentPath = str(write_video(tmp_path / "still.avi", still, "MJPG"))
    panel.wait()
    of(panel.exam).spacingBox.value = 0.2
    panel.app.process(0.05)
    panel.look("no-views")
    assert button(panel.exam).text == "Drag the boxes onto the two views"
    boxNode(panel.case.picture, (3, 4, 60, 70), "", panel.case.sagittalBox)
    panel.app.process(0.05)
    assert button(panel.exam).text == "Read the exam"
