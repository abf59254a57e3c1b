"""The panel MR2USReconstruct over a simulated exam, with the real worker: its buttons, and what they leave."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from reconstruct_panel import (
    SCREEN,
    ReconstructPanel,
    background,
    button,
    message,
    nodes,
    of,
    positions,
    put_into,
    table_texts,
)
from small_exam import SAGITTAL_MM, SPOILT, small_exam

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture
def panel(slicerApp, tmp_path):
    return ReconstructPanel(slicerApp, tmp_path)


@pytest.fixture
def read(panel):
    """The panel with an exam that is in the scene already."""
    put_into(panel.case)
    panel.app.process(0.05)
    return panel


def test_from_a_video_to_a_volume(panel, examVideo, slicerApp, tmp_path):
    import slicer

    from MR2USProPanels.viewBoxes import boxNode, roiOf

    exam, stitch, fill = panel.exam, panel.stitch, panel.fill
    panel.look("empty")
    assert [button(s).text for s in (exam, stitch, fill)] == ["Choose a recording", *["Read the exam first"] * 2]
    assert not of(exam).spacingBox.visible

    # Choosing a file looks into it, which finds the views.
    of(exam).videoPath.currentPath = str(examVideo)
    assert panel.widget.logic.runner.busy
    panel.wait()
    panel.look("looked-into")
    truth = small_exam()
    boxes = SCREEN.boxes(truth.sagittal, truth.transverse)
    found = [roiOf(box, panel.case.picture) for box in (panel.case.sagittalBox, panel.case.transverseBox)]
    np.testing.assert_allclose(found, boxes, atol=3)
    assert background("Red")[0] is panel.case.picture
    assert "does not say" in of(exam).spacingNote.text
    assert of(exam).spacingBox.text == "not known"
    assert button(exam).text == "Type the pixel size first"
    assert not button(exam).enabled

    # A box that is dragged is read where it was dragged to.
    of(exam).spacingBox.value = SAGITTAL_MM
    x, y, width, height = boxes[0]
    boxNode(panel.case.picture, (x, y, width - 7, height), "", panel.case.sagittalBox)
    slicerApp.process(0.05)
    assert f"{width - 7} x {height} pixels" in of(exam).viewsNote.text
    panel.press(exam)
    panel.look("read")
    stack = slicer.util.arrayFromVolume(panel.case.sagittalFrames)
    assert stack.shape == (24, height, width - 7)
    np.testing.assert_allclose(panel.case.sagittalFrames.GetSpacing(), (SAGITTAL_MM, SAGITTAL_MM, 1.0))
    assert background("Red") == (panel.case.sagittalFrames, 0.0)
    assert background("Green") == (panel.case.transverseFrames, 0.0)
    assert not panel.case.sagittalBox.GetDisplayVisibility()

    # Stitching tells what to think of it and shows the spoilt frame.
    of(stitch).matcherBox.currentIndex = 3
    panel.press(stitch)
    panel.look("stitched")
    assert panel.case.matcher == "orb"
    used = np.arange(24) != SPOILT
    off = np.abs(positions(panel.case) - truth.positions_mm)[used]
    assert off.max() < 0.2
    assert "23 of 24 frames" in of(stitch).verdictLabel.text
    assert not of(stitch).verdictIcon.pixmap.isNull()
    assert [row[0] for row in table_texts(stitch)] == [str(SPOILT)]
    assert stitch.frame == SPOILT
    assert background("Red")[1] == background("Green")[1] == SPOILT
    assert background("Yellow")[0] is panel.case.map
    outline = np.zeros(6)
    panel.case.frameOutline.GetRASBounds(outline)
    at = positions(panel.case)[SPOILT]
    np.testing.assert_allclose(outline[4:], (-at - (width - 7.5) * SAGITTAL_MM, -at + SAGITTAL_MM / 2), atol=1e-3)
    assert outline[3] - outline[2] == pytest.approx(height * SAGITTAL_MM)
    assert outline[0] == outline[1] == 0
    assert panel.case.frameOutline.GetDisplayNode().GetViewNodeIDs() == ("vtkMRMLSliceNodeYellow",)
    chart = panel.case.chart
    assert panel.case.suspects.GetNumberOfRows() == 1
    assert [chart.GetNthPlotSeriesNode(n).GetTableNode().GetNumberOfRows() for n in range(2)] == [24, 2]
    assert slicer.app.layoutManager().layout == slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpPlotView
    slicerApp.plotPicture(chart, tmp_path / "plot.png")

    # What the user decides about frames is offered, and holds.
    before = nodes()
    of(stitch).frameSlider.value = 5
    of(stitch).excludeButton.click()
    of(stitch).frameSlider.value = 20
    of(stitch).pinBox.value = positions(panel.case)[20] + 1.5
    of(stitch).pinButton.click()
    slicerApp.process(0.05)
    panel.look("decided")
    assert button(stitch).text == "Stitch again (1 excluded, 1 pinned)"
    assert of(stitch).verdictLabel.text.startswith("Changed since it was stitched: stitch again.")
    assert button(fill).text == "Stitch again first"
    assert [row[2] for row in table_texts(stitch)] == [
        "excluded",
        "between others",
        f"pinned at {of(stitch).pinBox.value:.1f} mm",
    ]
    pinned = of(stitch).pinBox.value
    panel.press(stitch)
    assert button(stitch).text == "Stitch again"
    assert "Changed since" not in of(stitch).verdictLabel.text
    assert positions(panel.case)[20] == pytest.approx(pinned, abs=0.01)
    assert panel.case.positions.GetCellText(5, 7) == "rejected"
    assert nodes() == before

    of(fill).methodBox.currentIndex = 1
    of(fill).voxelBox.value = 1.0
    panel.press(fill)
    panel.look("filled")
    trus = panel.case.trus
    np.testing.assert_allclose(trus.GetSpacing(), 1.0)
    sweep = np.delete(positions(panel.case), [5, SPOILT])
    assert trus.GetImageData().GetDimensions()[2] == round(np.ptp(sweep)) + 1
    assert panel.case.outlines.GetPolyData().GetNumberOfLines() == 22
    assert all(background(view)[0] is trus for view in ("Red", "Green", "Yellow"))
    assert "Tested on hidden planes, the filling is off by" in of(fill).resultLabel.text
    assert "PSNR" not in of(fill).resultLabel.text
    assert "measured planes that were hidden" in of(fill).resultLabel.toolTip
    of(fill).outlinesBox.click()
    assert not panel.case.outlines.GetDisplayVisibility()
    filled = nodes()
    panel.press(fill)
    assert nodes() == filled
    assert not any("Doe" in name or "avi" in name for _kind, name in filled)
    assert panel.left == set()

    # The scene alone is enough to go on.
    slicerApp.saveScene(tmp_path / "case.mrb")
    slicerApp.clearScene()
    assert button(exam).text == "Choose a recording"
    slicerApp.loadScene(tmp_path / "case.mrb")
    slicerApp.process(0.1)
    panel.look("loaded")
    assert [button(s).text for s in (exam, stitch, fill)] == [
        "Read the exam again",
        "Stitch again",
        "Make the TRUS volume again",
    ]
    assert "22 of 23 frames" in of(stitch).verdictLabel.text
    assert "Tested on hidden planes, the filling is off by" in of(fill).resultLabel.text
    assert of(exam).spacingBox.value == SAGITTAL_MM
    assert all(section.done() for section in (exam, stitch, fill))
    of(stitch).showMapButton.click()
    panel.look("map-of-the-loaded-scene")
    chart = panel.case.chart
    assert [chart.GetNthPlotSeriesNode(n).GetTableNode().GetNumberOfRows() for n in range(2)] == [24, 2]
    for row, frame in ((0, 5), (1, SPOILT)):
        of(stitch).framesTable.selectRow(row)
        assert stitch.frame == frame
    assert background("Red") == (panel.case.sagittalFrames, float(SPOILT))

    # Decisions can be taken back; other frames make all of it old.
    of(stitch).frameSlider.value = 5
    of(stitch).excludeButton.click()
    of(stitch).frameSlider.value = 20
    of(stitch).pinButton.click()
    slicerApp.process(0.05)
    assert button(stitch).text == "Stitch again (2 taken back)"
    panel.press(exam)
    assert [button(s).text for s in (stitch, fill)] == ["Stitch", "Stitch first"]
    assert "The exam was read again since this volume was made." in of(fill).resultLabel.text
    assert panel.case.map is None


def test_cancelling_leaves_everything_as_it_was(read):
    button(read.stitch).click()
    assert of(read.stitch.row).progressBar.visible
    assert button(read.stitch).text == "Cancel"
    assert not button(read.fill).enabled
    button(read.stitch).click()
    assert button(read.stitch).text == "Cancel", "a double click only starts"
    read.look("stitching")  # which may take longer than a double click
    read.app.process(0.5)
    button(read.stitch).click()
    assert not button(read.stitch).enabled
    read.wait()
    assert button(read.stitch).text == "Stitch"
    assert button(read.stitch).enabled
    assert message(read.stitch) == "Cancelled."
    assert read.case.positions is None
    assert read.left == set()


def test_a_place_that_was_typed_stays_until_another_frame_is_looked_at(read):
    of(read.stitch).matcherBox.currentIndex = 3
    read.press(read.stitch)
    read.stitch.goTo(5)
    of(read.stitch).pinBox.value = 12.35
    of(read.fill).voxelBox.value = 0.8
    read.app.process(0.05)
    assert of(read.stitch).pinBox.value == 12.35
    read.stitch.goTo(6)
    read.stitch.goTo(5)
    assert of(read.stitch).pinBox.value == pytest.approx(positions(read.case)[5], abs=0.006)


def test_closing_the_scene_ends_the_job(read):
    button(read.stitch).click()
    read.app.process(0.3)
    read.app.clearScene()
    assert not read.widget.logic.runner.busy
    read.app.process(0.5)
    assert button(read.stitch).text == "Read the exam first"
    assert read.left == set()


def test_deleted_nodes_do_no_harm(read):
    import slicer

    of(read.stitch).matcherBox.currentIndex = 3
    read.press(read.stitch)
    slicer.mrmlScene.RemoveNode(read.case.map)
    slicer.mrmlScene.RemoveNode(read.case.frameOutline)
    slicer.mrmlScene.RemoveNode(read.case.chart)
    read.stitch.goTo(3)
    of(read.stitch).showMapButton.click()
    slicer.mrmlScene.RemoveNode(read.case.positions)
    read.app.process(0.05)
    assert button(read.stitch).text == "Stitch"
    assert button(read.fill).text == "Stitch first"
    slicer.mrmlScene.RemoveNode(read.case.transverseFrames)
    read.app.process(0.05)
    assert button(read.stitch).text == "Read the exam first"


def test_the_panel_opens_without_heavy_packages_and_without_network():
    code = """
import socket, sys
def refuse(*_): raise AssertionError("the network was asked")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
from standin import Standin
app = Standin.start()
panel = app.openModule("MR2USReconstruct")
assert len(panel.sections) == 4
print([name for name in ("torch", "cv2", "sklearn", "monai") if name in sys.modules])
"""
    paths = os.pathsep.join(str(ROOT / folder) for folder in ("MR2USPro", "Testing", "Testing/Python"))
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().splitlines()[-1] == "[]"
