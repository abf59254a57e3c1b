"""The panel MR2USRegister with the real worker: running, cancelling, failing, and what a whole run leaves."""

import pathlib
import time

import numpy as np
import pytest

from known_pair import gland
from MR2USProLib.jobs.run import State
from MR2USProLib.registration import transforms
from MR2USProLib.volume import Volume
from register_panel import FLIP, PICTURES, markups, segmentation, views


def nodes():
    import slicer

    # Slice displays and the like come and go with the views.
    return {
        node.GetID()
        for node in slicer.util.getNodesByClass("vtkMRMLStorableNode")
        + slicer.util.getNodesByClass("vtkMRMLPlotChartNode")
    }


def test_cancel_leaves_nothing_and_the_next_run_starts(registerPanel, posedCase, slicerApp):
    before, layers = nodes(), [node.GetForegroundVolumeID() for node in views()]
    runner = registerPanel.logic.runner
    registerPanel.run.click()
    assert runner.busy
    assert registerPanel.run.text == "Cancel"
    posedCase.mr.SetName("renamed meanwhile")
    posedCase.preset = "paper"
    slicerApp.waitUntil(lambda: registerPanel.register.lossesButton.checked and len(nodes()) > len(before), 60)
    registerPanel.picture("running")
    assert runner.current.job.parameters["preset"] == "fast"
    assert "under way" in registerPanel.review.whatLabel.text
    registerPanel.run.click()
    start = time.monotonic()
    slicerApp.waitUntil(lambda: not runner.busy, 4)
    assert time.monotonic() - start < 2.5
    slicerApp.process(0.2)
    assert registerPanel.run.text == "Register"
    assert nodes() == before
    assert [node.GetForegroundVolumeID() for node in views()] == layers
    assert not runner.current.job.folder.exists()
    assert not registerPanel.register.lossesButton.checked
    registerPanel.picture("cancelled")

    registerPanel.run.click()
    assert runner.busy
    slicerApp.clearScene()  # quietly: nobody is asked, nothing is said
    slicerApp.process(0.3)
    assert not runner.busy
    assert registerPanel.run.text == "Choose the MR"
    assert not slicerApp.messages


def test_a_start_that_misses_is_refused_in_a_sentence(registerPanel, posedCase, slicerApp):
    import slicer

    matrix = np.eye(4)
    matrix[0, 3] = 500.0
    slicer.util.updateTransformMatrixFromArray(posedCase.startTransform, matrix)
    slicerApp.process(0.1)
    before = nodes()
    registerPanel.run.click()
    slicerApp.waitUntil(lambda: not registerPanel.logic.runner.busy, 60)
    slicerApp.process(0.1)
    message = registerPanel.row.messageLabel
    assert message.visible
    assert "overlap in only 0 %" in message.text
    assert "--" not in message.text
    assert registerPanel.run.text == "Register"
    assert nodes() == before
    registerPanel.picture("refused")


def test_segmentations_that_do_not_match_are_refused(registerPanel, posedCase, knownPair, slicerApp):
    mr, us, _ = knownPair
    inside = Volume(gland(mr.grid, mr.grid.centre_mm).astype(np.uint8), mr.grid)
    posedCase.mrSegmentation = segmentation(inside, ["prostate"], "MR drawn", posedCase.mr)
    slicerApp.process(0.1)
    assert registerPanel.run.text == "Choose the other segmentation, or none"
    posedCase.trusSegmentation = segmentation(
        Volume(np.ones(us.grid.shape, np.uint8), us.grid), ["cyst"], "TRUS drawn", posedCase.trus
    )
    slicerApp.process(0.1)
    assert registerPanel.run.text == "The segmentations do not match"
    assert "has prostate" in registerPanel.run.toolTip
    assert not registerPanel.run.enabled


def test_the_box_in_the_trus_is_what_is_registered(registerPanel, posedCase, knownPair, slicerApp):
    posedCase.start = "boxes"
    slicerApp.process(0.1)
    registerPanel.align.placeBoxesButton.click()
    slicerApp.process(0.1)
    posedCase.trusBox.SetSize(20, 24, 30)
    registerPanel.run.click()
    job = registerPanel.logic.runner.current.job
    center = np.array(posedCase.trusBox.GetCenter()) * FLIP
    np.testing.assert_allclose(job.parameters["fixed_roi"], [*(center - [10, 12, 15]), *(center + [10, 12, 15])])
    start = transforms.read_transform(job.parameters["initial"])
    there = np.array(posedCase.mrBox.GetCenter()) * FLIP
    half = np.array(posedCase.mrBox.GetSize()) / 2
    np.testing.assert_allclose(job.parameters["moving_roi"], [*(there - half), *(there + half)])
    np.testing.assert_allclose(start.TransformPoint(center.tolist()), there, atol=1e-6)
    assert Volume.read(job.parameters["moving"]).grid == knownPair[0].grid
    slicerApp.clearScene()
    assert not registerPanel.logic.runner.busy


@pytest.mark.slow
def test_a_whole_run(registerPanel, posedCase, knownPair, slicerApp):
    import SimpleITK as sitk
    import slicer

    mr, us, there = knownPair
    drawn = gland(mr.grid, mr.grid.centre_mm).astype(np.uint8)
    drawn[np.linalg.norm(mr.grid.points() - mr.grid.centre_mm, axis=-1) < 4] = 2
    drawn = Volume(drawn, mr.grid)
    names = ["prostate", "cyst"]
    posedCase.mrSegmentation = segmentation(drawn, names, "MR drawn", posedCase.mr)
    posedCase.trusSegmentation = segmentation(
        drawn.resampled(us.grid, there, "nearest"), names, "TRUS drawn", posedCase.trus
    )
    slicerApp.process(0.1)
    runner, files = registerPanel.logic.runner, {}
    seen = set()
    registerPanel.run.click()
    folder = runner.current.job.folder

    def over():
        seen.update(node.GetName() for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode"))
        seen.update(node.GetName() for node in slicer.util.getNodesByClass("vtkMRMLPlotChartNode"))
        if runner.current.fraction > 0.8 and "picture" not in seen:
            seen.add("picture")
            registerPanel.picture("running")
            if PICTURES:
                chart = slicer.util.getNode("Losses")
                slicerApp.plotPicture(chart, pathlib.Path(PICTURES) / "register-losses.png")
        if (folder / "manifest.json").exists() and not files:
            files["transform"] = transforms.read_transform(folder / "results" / "transform.h5")
        return not runner.busy

    slicerApp.waitUntil(over, 900)
    slicerApp.process(0.3)
    assert runner.current.state is State.DONE, runner.current.message + "\n".join(runner.current.log)
    assert {"Preview", "Losses"} <= seen
    assert slicer.mrmlScene.GetFirstNodeByName("Preview") is None
    assert not folder.exists()
    registerPanel.picture("done")

    warped = slicer.util.arrayFromVolume(posedCase.warped)
    expected = sitk.GetArrayFromImage(
        sitk.Resample(mr.to_sitk(), us.grid.to_sitk(), files["transform"], sitk.sitkLinear, float(mr.array.min()))
    )
    assert np.abs(warped - expected).max() < 0.01 * np.ptp(mr.array)
    text = registerPanel.register.verdictLabel.text
    assert "Overlap of the glands (DSC)" in text
    assert "Distance of the landmarks (TRE)" in text
    table = registerPanel.register.figuresTable
    rows = {table.item(n, 0).text(): n for n in range(table.rowCount)}
    assert table.item(rows["Landmark cyst"], 3).text() == "mm"
    assert posedCase.losses.GetNumberOfPlotSeriesNodes() == 4
    point = transforms.map_points(us.grid.centre_mm, files["transform"])
    lesion = markups("Lesion", [point * FLIP])
    (carried,) = registerPanel.logic.carry([lesion], posedCase.deformation)
    inverse = transforms.inverse_points(point, files["transform"]) * FLIP
    np.testing.assert_allclose(carried.GetNthControlPointPosition(0), inverse, atol=0.05)

    ids, count = [posedCase.warped.GetID(), posedCase.deformation.GetID()], len(nodes())
    registerPanel.run.click()
    slicerApp.waitUntil(lambda: not runner.busy, 900)
    slicerApp.process(0.3)
    assert [posedCase.warped.GetID(), posedCase.deformation.GetID()] == ids
    assert len(nodes()) == count
