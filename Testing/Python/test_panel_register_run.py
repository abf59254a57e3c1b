"""The panel MR2USRegister with the real worker: running, cancelling, failing, and what a whole run leaves."""

import os
import pathlib
import time

import numpy as np
import pytest

from known_pair import gland, pair, truth
from MR2USProLib.jobs.run import State
from MR2USProLib.registration import transforms
from MR2USProLib.volume import Volume
from oblique_pair import initial
from test_panel_register import run_button, section, views, widgets

FLIP = np.diag([-1.0, -1.0, 1.0, 1.0])
PICTURES = os.environ.get("MR2US_PICTURES", "")


@pytest.fixture
def panel(slicerApp):
    return slicerApp.openModule("MR2USRegister")


@pytest.fixture
def case(panel, slicerApp):
    """The pair with its true pose as the start, to be registered as fast as it goes."""
    import slicer

    from MR2USProLib.mrml import volume_node
    from MR2USProPanels.case import currentCase

    mr, us = pair()
    found = currentCase()
    found.mr, found.trus = volume_node(mr, "T2"), volume_node(us, "TRUS volume")
    start = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Pose")
    affine = transforms.as_affine(initial())
    toMr = np.eye(4)
    toMr[:3, :3] = np.reshape(affine.GetMatrix(), (3, 3))
    toMr[:3, 3] = affine.TransformPoint((0.0, 0.0, 0.0))
    slicer.util.updateTransformMatrixFromArray(start, FLIP @ np.linalg.inv(toMr) @ FLIP)
    found.start, found.startTransform = "transform", start
    found.translation, found.registration, found.preset = "none", "anatomy-aware", "fast"
    slicerApp.process(0.1)
    return found


def nodes():
    import slicer

    # Slice displays and the like come and go with the views.
    return {
        node.GetID()
        for node in slicer.util.getNodesByClass("vtkMRMLStorableNode")
        + slicer.util.getNodesByClass("vtkMRMLPlotChartNode")
    }


def picture(app, panel, name):
    if PICTURES:
        app.windowPicture(panel, pathlib.Path(PICTURES) / f"register-{name}.png")


def segmentation(mask, names, name, reference):
    """A segmentation of a label map."""
    import slicer

    from MR2USProLib.mrml import label_node

    labels = label_node(mask, "labels")
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(reference)
    slicer.vtkSlicerSegmentationsModuleLogic.ImportLabelmapToSegmentationNode(labels, node)
    slicer.mrmlScene.RemoveNode(labels)
    for n, text in enumerate(names):
        node.GetSegmentation().GetNthSegment(n).SetName(text)
    return node


def test_cancel_leaves_nothing_and_the_next_run_starts(panel, case, slicerApp):
    before, layers = nodes(), [node.GetForegroundVolumeID() for node in views()]
    runner = panel.logic.runner
    run_button(panel).click()
    assert runner.busy
    assert run_button(panel).text == "Cancel"
    case.mr.SetName("renamed meanwhile")
    case.preset = "paper"
    slicerApp.waitUntil(lambda: widgets(panel, "Register").lossesButton.checked and len(nodes()) > len(before), 60)
    picture(slicerApp, panel, "running")
    assert runner.current.job.parameters["preset"] == "fast"
    assert "under way" in widgets(panel, "Review").whatLabel.text
    run_button(panel).click()
    start = time.monotonic()
    slicerApp.waitUntil(lambda: not runner.busy, 4)
    assert time.monotonic() - start < 2.5
    slicerApp.process(0.2)
    assert run_button(panel).text == "Register"
    assert nodes() == before
    assert [node.GetForegroundVolumeID() for node in views()] == layers
    assert not runner.current.job.folder.exists()
    assert not widgets(panel, "Register").lossesButton.checked
    picture(slicerApp, panel, "cancelled")

    run_button(panel).click()
    assert runner.busy
    slicerApp.clearScene()  # quietly: nobody is asked, nothing is said
    slicerApp.process(0.3)
    assert not runner.busy
    assert run_button(panel).text == "Choose the MR"
    assert not slicerApp.messages


def test_a_start_that_misses_is_refused_in_a_sentence(panel, case, slicerApp):
    import slicer

    matrix = np.eye(4)
    matrix[0, 3] = 500.0
    slicer.util.updateTransformMatrixFromArray(case.startTransform, matrix)
    slicerApp.process(0.1)
    before = nodes()
    run_button(panel).click()
    slicerApp.waitUntil(lambda: not panel.logic.runner.busy, 60)
    slicerApp.process(0.1)
    message = vars(section(panel, "Register").row)["ui"].messageLabel
    assert message.visible
    assert "overlap in only 0%" in message.text
    assert "--" not in message.text
    assert run_button(panel).text == "Register"
    assert nodes() == before
    picture(slicerApp, panel, "refused")


def test_segmentations_that_do_not_match_are_refused(panel, case, slicerApp):
    mr, us = pair()
    inside = Volume(gland(mr.grid, mr.grid.centre_mm).astype(np.uint8), mr.grid)
    case.mrSegmentation = segmentation(inside, ["prostate"], "MR drawn", case.mr)
    slicerApp.process(0.1)
    assert run_button(panel).text == "Choose the other segmentation, or none"
    case.trusSegmentation = segmentation(
        Volume(np.ones(us.grid.shape, np.uint8), us.grid), ["cyst"], "TRUS drawn", case.trus
    )
    slicerApp.process(0.1)
    assert run_button(panel).text == "The segmentations do not match"
    assert "has prostate" in run_button(panel).toolTip
    assert not run_button(panel).enabled


def test_the_box_in_the_trus_is_what_is_registered(panel, case, slicerApp):
    case.start = "boxes"
    slicerApp.process(0.1)
    widgets(panel, "Align").placeBoxesButton.click()
    slicerApp.process(0.1)
    case.trusBox.SetSize(20, 24, 30)
    run_button(panel).click()
    job = panel.logic.runner.current.job
    center = np.array(case.trusBox.GetCenter()) * [-1, -1, 1]
    np.testing.assert_allclose(job.parameters["fixed_roi"], [*(center - [10, 12, 15]), *(center + [10, 12, 15])])
    start = transforms.read_transform(job.parameters["initial"])
    there = np.array(case.mrBox.GetCenter()) * [-1, -1, 1]
    half = np.array(case.mrBox.GetSize()) / 2
    np.testing.assert_allclose(job.parameters["moving_roi"], [*(there - half), *(there + half)])
    np.testing.assert_allclose(start.TransformPoint(center.tolist()), there, atol=1e-6)
    assert Volume.read(job.parameters["moving"]).grid == pair()[0].grid
    slicerApp.clearScene()
    assert not panel.logic.runner.busy


@pytest.mark.slow
def test_a_whole_run(panel, case, slicerApp):
    import SimpleITK as sitk
    import slicer

    mr, us = pair()
    there = truth()
    drawn = gland(mr.grid, mr.grid.centre_mm).astype(np.uint8)
    drawn[np.linalg.norm(mr.grid.points() - mr.grid.centre_mm, axis=-1) < 4] = 2
    drawn = Volume(drawn, mr.grid)
    names = ["prostate", "cyst"]
    case.mrSegmentation = segmentation(drawn, names, "MR drawn", case.mr)
    case.trusSegmentation = segmentation(drawn.resampled(us.grid, there, "nearest"), names, "TRUS drawn", case.trus)
    slicerApp.process(0.1)
    runner, files = panel.logic.runner, {}
    seen = set()
    run_button(panel).click()
    folder = runner.current.job.folder

    def over():
        seen.update(node.GetName() for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode"))
        seen.update(node.GetName() for node in slicer.util.getNodesByClass("vtkMRMLPlotChartNode"))
        if runner.current.fraction > 0.8 and "picture" not in seen:
            seen.add("picture")
            picture(slicerApp, panel, "running")
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
    picture(slicerApp, panel, "done")

    warped = slicer.util.arrayFromVolume(case.warped)
    expected = sitk.GetArrayFromImage(
        sitk.Resample(mr.to_sitk(), us.grid.to_sitk(), files["transform"], sitk.sitkLinear, float(mr.array.min()))
    )
    assert np.abs(warped - expected).max() < 0.01 * np.ptp(mr.array)
    text = widgets(panel, "Register").verdictLabel.text
    assert "Overlap of the glands (DSC)" in text
    assert "Distance of the landmarks (TRE)" in text
    table = widgets(panel, "Register").figuresTable
    rows = {table.item(n, 0).text(): n for n in range(table.rowCount)}
    assert table.item(rows["Landmark cyst"], 3).text() == "mm"
    assert case.losses.GetNumberOfPlotSeriesNodes() == 4
    point = transforms.map_points(us.grid.centre_mm, files["transform"])
    target = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "Lesion")
    target.AddControlPoint(*(point * [-1, -1, 1]))
    (carried,) = panel.logic.carry([target], case.deformation)
    inverse = transforms.inverse_points(point, files["transform"]) * [-1, -1, 1]
    np.testing.assert_allclose(carried.GetNthControlPointPosition(0), inverse, atol=0.05)

    ids, count = [case.warped.GetID(), case.deformation.GetID()], len(nodes())
    run_button(panel).click()
    slicerApp.waitUntil(lambda: not runner.busy, 900)
    slicerApp.process(0.3)
    assert [case.warped.GetID(), case.deformation.GetID()] == ids
    assert len(nodes()) == count
