"""The guided exam from the first click to the last, with the real worker, over a simulated exam of known truth."""

import csv
import os
import pathlib

import numpy as np
import pytest
import SimpleITK as sitk

from MR2USProLib.volume import Volume

SECONDS = 300
CASE, EXAM, STITCH, FILL, ALIGN, REGISTER, REVIEW, TARGETS, EXPORT = range(9)


class Guide:
    """The panel, as somebody uses it who also takes pictures."""

    def __init__(self, app, folder):
        self.app, self.widget = app, app.openModule("MR2USPro")
        self._folder, self._taken = pathlib.Path(os.environ.get("MR2US_PICTURES") or folder), 0

    @property
    def case(self):
        from MR2USProPanels.case import currentCase

        return currentCase()

    @property
    def runners(self):
        logic = self.widget.logic
        return [logic.runner, logic.reconstructLogic.runner, logic.registerLogic.runner]

    def section(self, which):
        return self.widget.sections[which]

    def ui(self, which):
        return vars(self.section(which))["ui"]

    def button(self, which):
        return vars(self.section(which).row)["ui"].runButton

    def title(self, which):
        return self.widget.buttons[which].text

    def open(self):
        return [which for which in range(EXAM, EXPORT + 1) if not self.widget.buttons[which].collapsed]

    def comes_to(self, *steps):
        """The panel opens these steps, and no others, before long."""
        self.app.waitUntil(lambda: self.open() == list(steps), 10)

    def press(self, which):
        assert self.button(which).enabled, self.button(which).text
        self.button(which).click()
        self.wait()

    def wait(self):
        self.app.waitUntil(lambda: not any(runner.busy for runner in self.runners), SECONDS)
        self.app.process(0.1)

    def look(self, name):
        self._folder.mkdir(exist_ok=True)
        self.app.windowPicture(self.widget, self._folder / f"exam-{self._taken:02d}-{name}.png")
        self._taken += 1


@pytest.fixture
def guide(slicerApp, tmp_path):
    return Guide(slicerApp, tmp_path / "pictures")


SHORT = {"frames": 30, "level": "easy", "fill": "linear", "translation": "none"}
FULL = {"frames": 100, "level": "medium", "fill": "dip", "translation": "acmt"}


@pytest.fixture(scope="module", params=[SHORT, pytest.param(FULL, marks=pytest.mark.slow)], ids=["short", "full"])
def how(request):
    return request.param


@pytest.fixture(scope="module")
def simulated(how, tmp_path_factory):
    """An exam on disk, as the button of the panel makes it."""
    from MR2USProLib.commands.simulate import run

    folder = tmp_path_factory.mktemp("exam") / "results"
    run(out=folder, frames=how["frames"], level=how["level"], seed=3)
    return folder


def test_the_whole_exam(guide, how, simulated, slicerApp, tmp_path):
    import slicer

    guide.look("empty")
    guide.comes_to(EXAM)
    assert [guide.title(n)[:2] for n in range(EXAM, EXPORT + 1)] == [f"{n}." for n in range(1, 9)]
    assert guide.ui(EXPORT).exportButton.text == "Nothing to export yet"

    # Load: the sample's files, then both views become stacks of frames.
    guide.widget.logic._loadSimulated(simulated).putInto(guide.case)
    guide.widget._onCaseChosen()
    assert guide.runners[1].busy
    guide.wait()
    guide.look("loaded")
    guide.press(EXAM)
    assert guide.case.sagittalFrames.GetImageData().GetDimensions()[2] == how["frames"]
    assert "\N{CHECK MARK}" in guide.title(EXAM)
    guide.comes_to(STITCH)

    # Reconstruct and check.
    guide.press(STITCH)
    guide.comes_to(STITCH, FILL)
    guide.ui(STITCH).showMapButton.click()
    guide.look("stitched")
    guide.case.excluded = [7]
    slicerApp.process(0.1)
    assert "1 excluded" in guide.button(STITCH).text
    guide.press(STITCH)
    assert statuses(guide.case)[7] == "rejected"
    guide.case.fillMethod = how["fill"]
    guide.press(FILL)
    guide.comes_to(ALIGN)
    guide.look("filled")
    assert guide.case.start == "boxes"  # the headers know nothing of where a reconstructed TRUS lies
    guide.case.start = "none"
    slicerApp.process(0.1)
    assert "The headers know nothing of where a reconstructed TRUS lies" in guide.ui(ALIGN).overlapLabel.text
    truth = Volume.read(simulated / "us_label.nrrd")
    trus = slicer.util.arrayFromVolume(guide.case.trus)
    assert trus.shape[0] > 20
    assert np.count_nonzero(trus) > 0.2 * trus.size

    # Align by the centers, register, cancel, and register again.
    guide.case.start = "centers"
    slicerApp.process(0.2)
    guide.look("aligned")
    guide.case.translation, guide.case.preset = how["translation"], "fast"
    slicerApp.process(0.1)
    guide.button(REGISTER).click()
    slicerApp.process(0.5)
    slicerApp.waitUntil(lambda: guide.runners[2].current.fraction > 0, 60)
    assert guide.button(REGISTER).text == "Cancel"
    guide.button(REGISTER).click()
    slicerApp.waitUntil(lambda: not guide.runners[2].busy, 2)
    slicerApp.process(0.1)
    assert guide.case.warped is None
    guide.press(REGISTER)
    assert guide.case.warped is not None, guide.button(REGISTER).text
    assert "\N{CHECK MARK}" in guide.title(REGISTER)
    guide.comes_to(REGISTER, REVIEW)
    guide.look("registered")
    assert (guide.case.translatedMr is not None) == (how["translation"] != "none")
    for mode in ("checkerboard", "curtain", "deformation", "overlay"):
        guide.case.review = mode
        slicerApp.process(0.3)
        guide.look(mode)

    # Targets, carried where the truth has them within the error of so short a fit.
    target = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "Lesion")
    with (simulated / "landmarks.csv").open(newline="") as file:
        landmark = next(csv.DictReader(file))
    target.AddControlPointWorld(
        *(float(landmark[f"moving_{axis}"]) * sign for axis, sign in zip("xyz", (-1, -1, 1), strict=True))
    )
    slicerApp.process(0.1)
    guide.ui(TARGETS).targetsSelector.check(target)
    slicerApp.process(0.1)
    guide.ui(TARGETS).carryButton.click()
    slicerApp.process(0.1)
    guide.look("carried")

    # Export, and compare what was written with what the scene shows.
    guide.ui(EXPORT).exportPathEdit.currentPath = str(tmp_path / "out")
    guide.ui(EXPORT).sceneCheckBox.checked = True
    slicerApp.process(0.1)
    guide.ui(EXPORT).exportButton.click()
    slicerApp.process(0.1)
    guide.look("exported")
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"trus.nrrd", "mr_on_trus.nrrd", "mr_to_trus.h5", "positions.csv", "metrics.csv", "case.mrb"} <= written
    assert {"report.html", "targets.csv", "target_1_on_trus.mrk.json"} <= written
    warped = sitk.ReadImage(str(tmp_path / "out" / "mr_on_trus.nrrd"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(warped), slicer.util.arrayFromVolume(guide.case.warped))
    transform = sitk.ReadTransform(str(tmp_path / "out" / "mr_to_trus.h5"))
    mr = Volume.read(simulated / "mr.nrrd").to_sitk()
    again = sitk.GetArrayFromImage(sitk.Resample(mr, warped, transform, sitk.sitkLinear, 0.0))
    inside = sitk.GetArrayFromImage(sitk.Resample(truth.to_sitk(), warped, sitk.Transform(3, sitk.sitkIdentity), 1)) > 0
    shown = sitk.GetArrayFromImage(warped)
    assert np.abs(again - shown)[inside].max() < 0.02 * np.ptp(shown)

    # Close, and resume from the saved scene.
    titles = [guide.title(n) for n in range(EXAM, EXPORT + 1)]
    slicerApp.clearScene()
    slicerApp.loadScene(tmp_path / "out" / "case.mrb")
    slicerApp.process(0.2)
    assert [guide.title(n) for n in range(EXAM, EXPORT + 1)] == titles
    assert guide.case.warped is not None
    assert guide.case.excluded == [7]
    assert guide.ui(CASE).caseMrSelector.currentNode().GetName() == "MR"
    assert guide.ui(CASE).caseComboBox.count == 1
    guide.look("resumed")


def test_cases_stand_side_by_side(guide, slicerApp):
    import slicer

    section = guide.ui(CASE)
    section.nameEdit.text = "Phantom A"
    section.nameEdit.editingFinished()
    guide.case.spacingMm = 0.3
    section.newCaseButton.click()
    slicerApp.process(0.1)
    assert guide.case.spacingMm == 0
    assert section.caseComboBox.itemText(0) == "Phantom A"
    section.caseComboBox.currentIndex = 0
    section.caseComboBox.activated(0)
    slicerApp.process(0.1)
    assert guide.case.spacingMm == 0.3

    guide.case.trus = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "TRUS")
    slicerApp.answers["confirm"] = False
    section.removeCaseButton.click()
    assert guide.case.spacingMm == 0.3
    slicerApp.answers["confirm"] = True
    section.removeCaseButton.click()
    slicerApp.process(0.1)
    assert guide.case.spacingMm == 0
    assert slicer.mrmlScene.GetFirstNodeByName("TRUS") is None


def test_the_mr_is_loaded_from_a_file(guide, simulated, slicerApp, tmp_path):
    with slicerApp.answering(openFile=str(simulated / "mr.nrrd")):
        guide.ui(CASE).loadMrButton.click()
    slicerApp.process(0.1)
    assert guide.case.mr.GetImageData().GetDimensions() == Volume.read(simulated / "mr.nrrd").grid.size
    assert guide.ui(CASE).caseMrSelector.currentNode() is guide.case.mr
    loaded = guide.case.mr
    with slicerApp.answering(openFile=""):
        guide.ui(CASE).loadMrButton.click()
    assert guide.case.mr is loaded


def test_slicers_own_pair_goes_on_at_the_alignment(guide, slicerApp, monkeypatch):
    """The download itself is Slicer's affair; what comes of it is put into the case."""
    import SampleData
    import slicer

    names = ["MRProstate", "USProstate"]
    made = [slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name) for name in names]
    asked = []
    monkeypatch.setattr(SampleData, "downloadSamples", lambda name: asked.append(name) or made, raising=False)
    guide.ui(CASE).prostatePairButton.click()
    slicerApp.process(0.1)
    assert asked == ["MRUSProstate"]
    assert [guide.case.mr.GetName(), guide.case.trus.GetName()] == names
    assert not guide.ui(CASE).sampleBox.visible


def test_no_sample_is_offered_where_a_recording_was_chosen(guide, slicerApp, tmp_path):
    assert guide.ui(CASE).sampleBox.visible
    guide.case.videoFile = str(tmp_path / "gone.mp4")
    slicerApp.process(0.1)
    assert not guide.ui(CASE).sampleBox.visible


def test_the_sample_is_simulated_in_the_background_and_can_be_cancelled(guide, slicerApp):
    button = guide.button(CASE)
    assert button.text == "Simulated exam"
    button.click()
    slicerApp.process(0.5)
    assert button.text == "Cancel"
    guide.look("simulating")
    button.click()
    slicerApp.waitUntil(lambda: not guide.runners[0].busy, 2)
    slicerApp.process(0.1)
    assert button.text == "Simulated exam"
    assert guide.case.mr is None


def test_opening_loads_nothing_heavy(slicerApp):
    import subprocess
    import sys

    code = """
import sys
from standin import Standin
app = Standin.start()
before = set(sys.modules)
app.openModule("MR2USPro")
print(sorted({"torch", "cv2", "monai", "sklearn"} & set(sys.modules)), app.errors)
"""
    root = pathlib.Path(__file__).resolve().parents[2]
    paths = [root / "Testing", root / "MR2USPro", root / "MR2USReconstruct", root / "MR2USRegister"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] []"


def statuses(case):
    table = case.positions.GetTable()
    return [table.GetValueByName(row, "status").ToString() for row in range(table.GetNumberOfRows())]
