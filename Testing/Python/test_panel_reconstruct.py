"""The panel MR2USReconstruct over a simulated exam, with the real worker: its buttons, and what they leave."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from scanner_screen import Screen, write_video
from small_exam import SAGITTAL_MM, SPOILT, small_exam

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCREEN = Screen((180, 30), (15, 30), size=(350, 180), extras=frozenset({"ruler"}))
SECONDS = 120


class Panel:
    """The panel with its sections by name, as somebody uses it who also takes pictures."""

    def __init__(self, app, folder):
        self.app, self.widget = app, app.openModule("MR2USReconstruct")
        self.exam, self.stitch, self.fill, _environment = self.widget.sections
        self._folder, self._taken = pathlib.Path(os.environ.get("MR2US_PICTURES") or folder), 0

    @property
    def case(self):
        return self.exam.case

    def press(self, section):
        assert button(section).enabled, button(section).text
        button(section).click()
        self.wait()

    def wait(self):
        self.app.waitUntil(lambda: not self.widget.logic.runner.busy, SECONDS)
        self.app.process(0.05)

    def look(self, name):
        self.app.process(0.05)
        self._folder.mkdir(exist_ok=True)
        self.app.windowPicture(self.widget, self._folder / f"reconstruct-{self._taken:02d}-{name}.png")
        self._taken += 1


@pytest.fixture
def panel(slicerApp, tmp_path):
    return Panel(slicerApp, tmp_path)


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    exam = small_exam()
    path = tmp_path_factory.mktemp("video") / "Doe^John.avi"
    return write_video(path, SCREEN.pictures(exam.sagittal, exam.transverse), "MJPG")


@pytest.fixture
def read(panel):
    """The panel with an exam that is in the scene already."""
    put_into(panel.case)
    panel.app.process(0.05)
    return panel


def put_into(case):
    from MR2USProLib.mrml import volume_node
    from MR2USProLib.volume import Grid, Volume

    exam = small_exam()
    frames = [
        volume_node(Volume(stack, Grid(stack.shape, (SAGITTAL_MM, SAGITTAL_MM, 1.0))), name)
        for stack, name in ((exam.sagittal, "Sagittal frames"), (exam.transverse, "Transverse frames"))
    ]
    case.sagittalFrames, case.transverseFrames = frames


def of(section):
    """Widgets of a section, by name."""
    return vars(section)["ui"]


def button(section):
    return of(section.row).runButton


def message(section):
    label = of(section.row).messageLabel
    return label.text if label.visible else ""


def background(view):
    import slicer

    logic = slicer.app.applicationLogic().GetSliceLogicByLayoutName(view)
    return logic.GetBackgroundLayer().GetVolumeNode(), logic.GetSliceOffset()


def nodes():
    """Class and name of everything in the scene but the views' own nodes."""
    import slicer

    scene = [slicer.mrmlScene.GetNthNode(n) for n in range(slicer.mrmlScene.GetNumberOfNodes())]
    return sorted((node.GetClassName(), node.GetName()) for node in scene if not node.GetHideFromEditors())


def job_folders():
    """What jobs of this panel have left; other panels' failed ones stay for their own users."""
    import slicer

    kinds = ("inspect", "read", "stitch", "fill")
    return [path.name for kind in kinds for path in pathlib.Path(slicer.app.temporaryPath).glob(f"MR2USPro-{kind}-*")]


def table_texts(section):
    table = of(section).framesTable
    return [tuple(table.item(row, column).text() for column in range(4)) for row in range(table.rowCount)]


def positions(case):
    import slicer

    return np.array(slicer.util.arrayFromTableColumn(case.positions, "position_mm"))


def test_from_a_video_to_a_volume(panel, video, slicerApp, tmp_path):
    import slicer

    from MR2USProPanels.viewBoxes import boxNode, roiOf

    exam, stitch, fill = panel.exam, panel.stitch, panel.fill
    panel.look("empty")
    assert [button(s).text for s in (exam, stitch, fill)] == ["Choose a video", *["Read the exam first"] * 2]
    assert not of(exam).spacingBox.visible

    # Choosing a file looks into it, which finds the views.
    of(exam).videoPath.currentPath = str(video)
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
    assert button(fill).text == "Stitch again first"
    assert [row[2] for row in table_texts(stitch)] == [
        "excluded",
        "between others",
        f"pinned at {of(stitch).pinBox.value:.1f} mm",
    ]
    pinned = of(stitch).pinBox.value
    panel.press(stitch)
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
    assert "linear interpolation reaches" in of(fill).resultLabel.text
    of(fill).outlinesBox.click()
    assert not panel.case.outlines.GetDisplayVisibility()
    filled = nodes()
    panel.press(fill)
    assert nodes() == filled
    assert not any("Doe" in name or "avi" in name for _kind, name in filled)
    assert job_folders() == []

    # The scene alone is enough to go on.
    slicerApp.saveScene(tmp_path / "case.mrb")
    slicerApp.clearScene()
    assert button(exam).text == "Choose a video"
    slicerApp.loadScene(tmp_path / "case.mrb")
    slicerApp.process(0.1)
    panel.look("loaded")
    assert [button(s).text for s in (exam, stitch, fill)] == [
        "Read the exam again",
        "Stitch again (1 excluded, 1 pinned)",
        "Make the TRUS volume again",
    ]
    assert "22 of 23 frames" in of(stitch).verdictLabel.text
    assert "linear interpolation reaches" in of(fill).resultLabel.text
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
    assert button(stitch).text == "Stitch again"
    panel.press(exam)
    assert [button(s).text for s in (stitch, fill)] == ["Stitch", "Stitch first"]
    assert "older than the stitching" in of(fill).resultLabel.text
    assert panel.case.map is None


def test_a_file_for_each_view(panel, tmp_path):
    from MR2USProLib.video.exam import write_stack

    exam = small_exam()
    write_stack(tmp_path / "sagittal.mha", exam.sagittal, (SAGITTAL_MM, SAGITTAL_MM))
    write_stack(tmp_path / "transverse.mha", exam.transverse, (0.4, 0.4))
    of(panel.exam).sourceBox.currentIndex = 1
    panel.app.process(0.05)
    assert button(panel.exam).text == "Choose a file for each view"
    of(panel.exam).sagittalPath.currentPath = str(tmp_path / "sagittal.mha")
    assert not panel.widget.logic.runner.busy
    of(panel.exam).transversePath.currentPath = str(tmp_path / "transverse.mha")
    panel.wait()
    panel.look("two-files")
    assert of(panel.exam).spacingBox.text == "0.38 mm per pixel, from the file"
    assert "0.38 x 0.38 mm and 0.4 x 0.4 mm" in of(panel.exam).spacingNote.text
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


def test_cancelling_leaves_everything_as_it_was(read):
    button(read.stitch).click()
    assert of(read.stitch.row).progressBar.visible
    read.look("stitching")
    assert button(read.stitch).text == "Cancel"
    assert not button(read.fill).enabled
    button(read.stitch).click()
    assert not button(read.stitch).enabled
    read.wait()
    assert button(read.stitch).text == "Stitch"
    assert button(read.stitch).enabled
    assert message(read.stitch) == "Cancelled."
    assert read.case.positions is None
    assert job_folders() == []


def test_closing_the_scene_ends_the_job(read):
    button(read.stitch).click()
    read.app.process(0.3)
    read.app.clearScene()
    assert not read.widget.logic.runner.busy
    read.app.process(0.5)
    assert button(read.stitch).text == "Read the exam first"
    assert job_folders() == []


def test_a_broken_video_says_so(panel, tmp_path):
    (tmp_path / "broken.mp4").write_bytes(b"nothing to see here" * 99)
    of(panel.exam).videoPath.currentPath = str(tmp_path / "broken.mp4")
    panel.wait()
    panel.look("broken-video")
    assert "broken.mp4 could not be decoded" in message(panel.exam)
    assert button(panel.exam).text == "Look into the exam"
    assert button(panel.exam).enabled
    assert panel.case.picture is None


def test_what_is_missing_is_said(panel, video):
    of(panel.exam).videoPath.currentPath = str(video.with_name("lost.avi"))
    panel.app.process(0.05)
    assert button(panel.exam).text == "There is no file lost.avi"
    assert not panel.widget.logic.runner.busy
    of(panel.exam).videoPath.currentPath = str(video)
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


def test_the_exam_that_was_chosen_last_counts(panel, video, tmp_path):
    exam = small_exam()
    screen = Screen((10, 10), (170, 10), size=(320, 150), extras=frozenset())
    other = write_video(tmp_path / "other.avi", screen.pictures(exam.sagittal, exam.transverse), "MJPG")
    of(panel.exam).videoPath.currentPath = str(other)
    assert panel.widget.logic.runner.busy
    of(panel.exam).videoPath.currentPath = str(video)
    panel.wait()
    panel.wait()
    assert panel.case.picture.GetImageData().GetDimensions()[:2] == SCREEN.size
    of(panel.exam).spacingBox.value = 0.2
    of(panel.exam).videoPath.currentPath = str(other)
    panel.wait()
    assert panel.case.picture.GetImageData().GetDimensions()[:2] == screen.size
    assert panel.case.spacingMm == 0  # what was typed for one exam says nothing about the next


def test_a_known_length_gives_the_pixel_size(panel, video):
    import slicer

    of(panel.exam).videoPath.currentPath = str(video)
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
