"""The panel MR2USRegister without the worker: the start, the review and the targets of a pair whose truth is known."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk

from known_pair import leave_results, pair, truth
from MR2USProLib.jobs.run import Run
from MR2USProLib.registration import transforms
from oblique_pair import initial

ROOT = pathlib.Path(__file__).resolve().parents[2]
FLIP = np.array([-1.0, -1.0, 1.0])
PICTURES = os.environ.get("MR2US_PICTURES", "")
MODES = ["overlay", "checkerboard", "curtain", "flicker", "deformation", "translated"]


@pytest.fixture(scope="module")
def images():
    """MR and TRUS as the engine has them, and the transform between them."""
    mr, us = pair()
    return mr, us, truth()


@pytest.fixture
def panel(slicerApp):
    return slicerApp.openModule("MR2USRegister")


@pytest.fixture
def case(panel, images, slicerApp):
    """The pair in the panel, by its selectors."""
    from MR2USProLib.mrml import volume_node
    from MR2USProPanels.case import currentCase

    mr, us, _ = images
    align = widgets(panel, "Align")
    align.mrSelector.setCurrentNode(volume_node(mr, "T2"))
    align.trusSelector.setCurrentNode(volume_node(us, "TRUS volume"))
    slicerApp.process(0.05)
    return currentCase()


@pytest.fixture
def result(panel, case, images, slicerApp, tmp_path):
    """The case with what a job would have left that found the truth."""
    from MR2USProPanels.registered import Registered, keepRegistration, loadRegistered

    mr, us, there = images
    run = Run("register", {}, tmp_path / "job")
    start = transforms.as_affine(initial())
    run.results = leave_results(run.job.folder, mr, us, there, start)
    keepRegistration(case, loadRegistered(run, start, case.mr, case.trus, [], Registered()))
    slicerApp.process(0.05)
    return case


def section(panel, title):
    return next(section for section in panel.sections if section.title == title)


def widgets(panel, title):
    return vars(section(panel, title))["ui"]


def run_button(panel):
    return vars(section(panel, "Register").row)["ui"].runButton


def picture(app, panel, name):
    if PICTURES:
        app.windowPicture(panel, pathlib.Path(PICTURES) / f"register-{name}.png")


def views():
    import slicer

    nodes = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    assert len(nodes) >= 3
    return nodes


def shown(node):
    return {
        (n.GetBackgroundVolumeID(), n.GetForegroundVolumeID(), round(n.GetForegroundOpacity(), 3)) for n in views()
    } == {node}


def choose(app, combo, key, keys):
    combo.setCurrentIndex(keys.index(key))
    app.process(0.05)


def matrix_of(node):
    import slicer

    return slicer.util.arrayFromTransformMatrix(node)


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


def test_says_what_is_missing(panel, slicerApp):
    run = run_button(panel)
    assert (run.text, run.enabled) == ("Choose the MR", False)
    assert section(panel, "Review").need() == section(panel, "Targets").need() == "Register first"
    picture(slicerApp, panel, "empty")


def test_every_translation_can_be_chosen(panel, case, slicerApp):
    widget = widgets(panel, "Register").translationComboBox
    keys = ["auto", "acmt", "pmt", "unsb", "none"]
    for key in ("pmt", "unsb", "none", "acmt", "auto"):
        choose(slicerApp, widget, key, keys)
        assert case.translation == key
    choose(slicerApp, widget, "unsb", keys)
    picture(slicerApp, panel, "translation")


def test_every_registration_can_be_chosen(panel, case, slicerApp):
    form = widgets(panel, "Register")
    keys = ["self-similarity", "anatomy-aware", "fsdiffreg", "diffusemorph", "voxelmorph", "surfaces"]
    form.incompressibleBox.checked = True
    for key in reversed(keys):
        choose(slicerApp, form.registrationComboBox, key, keys)
        assert case.registration == key
        assert form.incompressibleBox.enabled == (key in ("self-similarity", "anatomy-aware"))
    assert case.incompressible
    form.doubleSlicesBox.checked = True
    slicerApp.process(0.05)
    assert case.doubleSlices
    form.weightsPath.currentPath = "/somewhere/weights.safetensors"
    slicerApp.process(0.05)
    assert case.weightsFile == "/somewhere/weights.safetensors"
    form.advancedBox.collapsed = False
    choose(slicerApp, form.registrationComboBox, "fsdiffreg", keys)
    picture(slicerApp, panel, "registration")


def test_the_mr_lies_at_the_start_while_it_is_aligned(panel, case, images, slicerApp):
    mr, us, _ = images
    align = widgets(panel, "Align")
    choose(slicerApp, align.startComboBox, "centers", ["none", "centers", "boxes", "landmarks", "transform"])
    shift = matrix_of(case.pose)[:3, 3]
    np.testing.assert_allclose(shift, (us.grid.centre_mm - mr.grid.centre_mm) * FLIP, atol=1e-6)
    assert case.mr.GetTransformNodeID() == case.pose.GetID()
    assert shown((case.trus.GetID(), case.mr.GetID(), 0.5))
    assert "100 %" in align.overlapLabel.text
    assert not section(panel, "Align").done()
    align.useButton.click()
    slicerApp.process(0.05)
    assert section(panel, "Align").done()
    assert (align.useButton.text, align.useButton.enabled) == ("This start is used", False)
    picture(slicerApp, panel, "centers")
    align.showStartCheckBox.click()
    slicerApp.process(0.05)
    assert case.mr.GetTransformNodeID() is None


def test_a_poor_start_is_called_poor(panel, case, slicerApp):
    import slicer

    away = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Away")
    matrix = np.eye(4)
    matrix[0, 3] = 70.0
    slicer.util.updateTransformMatrixFromArray(away, matrix)
    align = widgets(panel, "Align")
    choose(slicerApp, align.startComboBox, "transform", ["none", "centers", "boxes", "landmarks", "transform"])
    assert run_button(panel).text == "Choose a transform"
    align.transformSelector.setCurrentNode(away)
    slicerApp.process(0.05)
    np.testing.assert_allclose(matrix_of(case.pose), matrix)
    assert "too little" in align.overlapLabel.text
    matrix[0, 3] = 0.0  # the start follows the transform
    slicer.util.updateTransformMatrixFromArray(away, matrix)
    slicerApp.process(0.05)
    np.testing.assert_allclose(matrix_of(case.pose), matrix)
    assert "too little" not in align.overlapLabel.text
    picture(slicerApp, panel, "transform")


def test_boxes_lay_their_centers_on_each_other(panel, case, slicerApp):
    align = widgets(panel, "Align")
    choose(slicerApp, align.startComboBox, "boxes", ["none", "centers", "boxes", "landmarks", "transform"])
    assert run_button(panel).text == "Place both boxes"
    align.placeBoxesButton.click()
    slicerApp.process(0.05)
    case.mrBox.SetCenter(*(np.array(case.mrBox.GetCenter()) + [5, -3, 2]))
    case.trusBox.SetCenter(*(np.array(case.trusBox.GetCenter()) + [-1, 2, 4]))
    slicerApp.process(0.05)
    expected = np.array(case.trusBox.GetCenter()) - np.array(case.mrBox.GetCenter())
    np.testing.assert_allclose(matrix_of(case.pose)[:3, 3], expected, atol=1e-6)
    assert "the box in the TRUS" in align.overlapLabel.text
    there = [0.0, 0.0, 0.0]
    case.mrBox.GetCenterWorld(there)  # the box goes with the MR
    np.testing.assert_allclose(there, case.trusBox.GetCenter(), atol=1e-6)
    picture(slicerApp, panel, "boxes")


def test_the_mr_stands_still_while_its_box_is_dragged(panel, case, slicerApp):
    align = widgets(panel, "Align")
    choose(slicerApp, align.startComboBox, "boxes", ["none", "centers", "boxes", "landmarks", "transform"])
    align.placeBoxesButton.click()
    slicerApp.process(0.05)
    before = matrix_of(case.pose)
    case.mrBox.InvokeEvent(case.mrBox.PointStartInteractionEvent)
    case.mrBox.SetCenter(*(np.array(case.mrBox.GetCenter()) + [5, 0, 0]))
    slicerApp.process(0.05)
    np.testing.assert_allclose(matrix_of(case.pose), before)
    case.mrBox.InvokeEvent(case.mrBox.PointEndInteractionEvent)
    slicerApp.process(0.05)
    np.testing.assert_allclose(matrix_of(case.pose)[:3, 3], before[:3, 3] - [5, 0, 0], atol=1e-6)


def test_landmarks_shift_and_turn(panel, case, images, slicerApp):
    mr, us, _ = images
    align = widgets(panel, "Align")
    choose(slicerApp, align.startComboBox, "landmarks", ["none", "centers", "boxes", "landmarks", "transform"])
    # As long as nothing is marked, the MR is brought to where it can be seen.
    np.testing.assert_allclose(matrix_of(case.pose)[:3, 3], (us.grid.centre_mm - mr.grid.centre_mm) * FLIP, atol=1e-6)
    assert case.mr.GetTransformNodeID() == case.pose.GetID()
    start = transforms.as_affine(initial())
    fixed = us.grid.centre_mm + np.array([[10, 5, 3], [-8, 2, 4], [3, -9, -6], [5, 6, -8]])
    for node, points in ((case.trusLandmarks, fixed), (case.mrLandmarks, transforms.map_points(fixed, start))):
        for point in points[:2] * FLIP:
            node.AddControlPoint(*point)
    slicerApp.process(0.05)
    assert "not turned" in align.landmarksLabel.text
    np.testing.assert_allclose(matrix_of(case.pose)[:3, :3], np.eye(3))
    before = matrix_of(case.pose)
    case.trusLandmarks.AddControlPoint(*(fixed[2] * FLIP))
    slicerApp.process(0.05)
    np.testing.assert_allclose(matrix_of(case.pose), before)  # one is ahead of the other
    assert section(panel, "Register").need() == "Mark the same places in MR and TRUS (2 and 3 so far)"
    for node, points in ((case.trusLandmarks, fixed[3:]), (case.mrLandmarks, transforms.map_points(fixed[2:], start))):
        for point in points * FLIP:
            node.AddControlPoint(*point)
    slicerApp.process(0.05)
    assert "0.0 mm apart" in align.landmarksLabel.text
    lps = np.diag([*FLIP, 1.0]) @ np.linalg.inv(matrix_of(case.pose)) @ np.diag([*FLIP, 1.0])
    np.testing.assert_allclose(lps[:3, :3].ravel(), start.GetMatrix(), atol=1e-6)
    assert run_button(panel).text == "Register"
    picture(slicerApp, panel, "landmarks")


def test_a_transform_above_the_mr_becomes_the_start(panel, case, slicerApp):
    import slicer

    own = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Own")
    slicer.util.updateTransformMatrixFromArray(
        own, np.array([[1, 0, 0, 3], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    )
    case.mr.SetAndObserveTransformNodeID(own.GetID())
    slicerApp.process(0.05)
    assert (case.start, case.startTransform.GetName()) == ("transform", "Own")
    assert matrix_of(case.pose)[0, 3] == 3.0


def test_images_that_cannot_be_used_are_refused_in_a_sentence(panel, case, slicerApp):
    import slicer

    from MR2USProLib.errors import InputError
    from MR2USProPanels import aligning

    logic = panel.logic
    with pytest.raises(InputError, match="same volume"):
        logic.register(case.mr, case.mr)
    with pytest.raises(InputError, match="Choose the MR"):
        aligning.overlap(None, case.trus)
    with pytest.raises(InputError, match="box around the prostate"):
        logic.computeStart(case.mr, case.trus, "boxes")
    with pytest.raises(InputError, match="same landmarks"):
        logic.computeStart(case.mr, case.trus, "landmarks")
    with pytest.raises(InputError, match="does not lie on the grid"):
        logic.pictures.checkerboard(case.mr, case.trus)
    moved = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Moved")
    case.trus.SetAndObserveTransformNodeID(moved.GetID())
    slicerApp.process(0.05)
    assert run_button(panel).text == "Harden the transform of the TRUS volume"
    with pytest.raises(InputError, match="harden"):
        logic.register(case.mr, case.trus)
    assert not logic.runner.busy


def test_nodes_are_what_the_files_say(result, images):
    import slicer

    mr, us, there = images
    resampled = sitk.GetArrayFromImage(
        sitk.Resample(mr.to_sitk(), us.grid.to_sitk(), there, sitk.sitkLinear, float(mr.array.min()))
    )
    found = slicer.util.arrayFromVolume(result.warped)
    assert np.abs(found - resampled).max() < 0.01 * np.ptp(mr.array)
    moving = slicer.vtkMRMLTransformNode.GetMovingNodeReferenceRole()
    assert result.deformation.GetNodeReference(moving) is result.mr
    assert result.metrics.GetNumberOfRows() > 5
    # The deformation, put above the MR itself, warps it as the result is warped.
    import vtk

    toMr = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(None, result.deformation, toMr)
    points = us.grid.points()[4:-4:6, 4:-4:8, 4:-4:8].reshape(-1, 3)
    theirs = np.array([toMr.TransformPoint(point) for point in (points * FLIP).tolist()]) * FLIP
    np.testing.assert_allclose(theirs, transforms.map_points(points, there), atol=0.05)


def test_a_doubtful_deformation_can_be_let_go_of(panel, result, images, slicerApp):
    import json

    import slicer

    mr, us, _ = images
    form = widgets(panel, "Register")
    assert not form.undeformButton.visible
    figures = json.loads(result.registerResults)
    quality = {"doubtful": True, "doubts": ["The deformation parts the glands as they are seen in their boxes."]}
    result.registerResults = json.dumps({**figures, "quality": quality})
    slicerApp.process(0.05)
    assert form.undeformButton.visible
    assert "This result is doubtful. The deformation parts the glands" in form.verdictLabel.text
    picture(slicerApp, panel, "doubtful")

    form.undeformButton.click()
    slicerApp.process(0.05)
    start = transforms.as_affine(initial())
    expected = transforms.warp(mr, us.grid, start).array
    np.testing.assert_allclose(slicer.util.arrayFromVolume(result.warped), expected, atol=1e-3)
    import vtk

    toMr = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(None, result.deformation, toMr)
    points = us.grid.points()[4:-4:6, 4:-4:8, 4:-4:8].reshape(-1, 3)
    theirs = np.array([toMr.TransformPoint(point) for point in (points * FLIP).tolist()]) * FLIP
    np.testing.assert_allclose(theirs, transforms.map_points(points, start), atol=0.05)
    assert "kept undeformed" in form.verdictLabel.text
    assert not form.undeformButton.visible
    picture(slicerApp, panel, "undeformed")


def test_the_uncertainty_comes_and_goes_with_its_registration(panel, result, images, slicerApp, tmp_path):
    import slicer

    from MR2USProLib.volume import Volume
    from MR2USProPanels.registered import keepRegistration, loadRegistered, registrationOf

    mr, us, there = images
    assert result.uncertainty is None
    for n, known in enumerate((True, False)):
        run = Run("register", {}, tmp_path / f"job {n}")
        run.results = leave_results(run.job.folder, mr, us, there, transforms.as_affine(initial()))
        if known:
            region = us.grid.resampled(shape=(8, 10, 12))
            Volume(np.full(region.shape, 0.25, np.float32), region).write(run.file("uncertainty.nrrd"))
            run.results["uncertainty"] = {"mean_mm": 0.25, "p95_mm": 0.5}
        start = transforms.as_affine(initial())
        keepRegistration(result, loadRegistered(run, start, result.mr, result.trus, [], registrationOf(result)))
        slicerApp.process(0.05)
        assert (result.uncertainty is not None) == known
        if known:
            assert np.all(slicer.util.arrayFromVolume(result.uncertainty) == 0.25)
            table = widgets(panel, "Register").figuresTable
            rows = [table.item(n, 0).text() for n in range(table.rowCount)]
            assert "Uncertainty of the shift in the gland, mean" in rows
    assert slicer.mrmlScene.GetFirstNodeByName("Uncertainty (mm)") is None


def test_says_in_words_what_came_of_it(panel, result, slicerApp):
    register = widgets(panel, "Register")
    assert "does not fold" in register.verdictLabel.text
    assert "only your eye" in register.verdictLabel.text
    texts = [register.figuresTable.item(row, 0).text() for row in range(register.figuresTable.rowCount)]
    assert "Shift beyond the start, mean" in texts
    assert result.mr.GetTransformNodeID() is None  # the MR is back where its file puts it
    register.figuresBox.collapsed = False
    picture(slicerApp, panel, "result")
    register.figuresBox.collapsed = True


def test_a_result_that_is_worse_than_the_start_is_called_so(slicerApp):
    from MR2USProPanels.registerWords import rows, verdict

    def metrics(dsc, tre, folded=0.0):
        sides = [{"dsc": d, "iou": None, "asd_mm": None, "hd95_mm": None, "tre_mm": t, "tre_points_mm": [t]}
                 for d, t in zip(dsc, tre, strict=True)]  # fmt: skip
        return {
            "before": sides[0],
            "after": sides[1],
            "structures": ["cyst"],
            "deformation": {
                "mean_mm": 1.0,
                "p95_mm": 2.0,
                "max_mm": 3.0,
                "folding": {"fraction": folded, "least_determinant": 0.5, "sd_log_determinant": 0.1},
                "harmonic_energy": {"voxel_sum": 1.0, "voxel_mean": 0.1, "mm": 1.0},
            },
            "translation": {"reasons": ["The losses went blind."], "edges_mr": 1, "edges_us": 1, "gap_before": 1,
                            "gap_after": 1},
            "valid_share_of_region": 0.9,
        }  # fmt: skip

    better = " ".join(verdict(metrics((0.7, 0.9), (5.0, 2.0))))
    assert "0.70 before, 0.90 after, better" in better
    assert "do not" not in better
    for dsc, tre in (((0.9, 0.7), (2.0, 2.0)), ((0.9, 0.9), (2.0, 5.0))):
        assert "do not use it" in verdict(metrics(dsc, tre))[0]
    assert "folds in 0.10 %" in verdict(metrics((0.9, 0.9), (2.0, None), folded=0.001))[0]
    assert "The losses went blind." in better
    assert rows(metrics((0.7, 0.9), (5.0, 2.0)))[5] == ("Landmark cyst", "5.00", "2.00", "mm")


@pytest.mark.parametrize("mode", MODES)
def test_ways_of_looking(panel, result, slicerApp, mode):
    import slicer

    review = widgets(panel, "Review")
    choose(slicerApp, review.reviewComboBox, mode, MODES)
    picture(slicerApp, panel, mode)
    backgrounds = {node.GetBackgroundVolumeID() for node in views()}
    foregrounds = {node.GetForegroundVolumeID() for node in views()}
    expected = {
        "overlay": (result.trus, result.warped),
        "checkerboard": (result.reviewPicture, None),
        "curtain": (result.reviewPicture, None),
        "flicker": (result.trus, result.warped),
        "deformation": (result.trus, result.magnitude),
        "translated": (result.translatedUs, result.translatedMr),
    }[mode]
    assert backgrounds == {expected[0].GetID()}
    assert foregrounds == {expected[1].GetID() if expected[1] is not None else None}
    # Leaving a way of looking leaves nothing of it behind.
    choose(slicerApp, review.reviewComboBox, "overlay", MODES)
    assert shown((result.trus.GetID(), result.warped.GetID(), 0.5))
    slicerApp.process(0.6)
    assert shown((result.trus.GetID(), result.warped.GetID(), 0.5))
    if mode == "deformation":
        assert not result.beyondStart.GetDisplayNode().GetVisibility2D()
        assert not slicer.vtkSlicerColorLogic.GetColorLegendDisplayNode(result.magnitude).GetVisibility()


def test_flicker_changes_between_the_images(panel, result, slicerApp):
    review = widgets(panel, "Review")
    review.flickerSlider.value = 5.0
    choose(slicerApp, review.reviewComboBox, "flicker", MODES)
    seen = set()
    for _ in range(8):
        slicerApp.process(0.1)
        seen |= {node.GetForegroundOpacity() for node in views()}
    assert seen == {0.0, 1.0}


@pytest.mark.parametrize("tile", [6.0, 12.0])
def test_tiles_have_the_stated_size_and_alternate(panel, result, slicerApp, tile):
    import slicer

    review = widgets(panel, "Review")
    review.tileSlider.value = tile
    choose(slicerApp, review.reviewComboBox, "checkerboard", MODES)
    asShown = panel.logic.pictures.asShown
    mr, us = asShown(result.warped), asShown(result.trus)
    board = slicer.util.arrayFromVolume(result.reviewPicture)
    k, j, i = np.indices(board.shape)
    spacing = result.trus.GetSpacing()
    cells = [((index + 0.5) * step // tile).astype(int) for index, step in zip((i, j, k), spacing, strict=True)]
    odd = sum(cells) % 2 == 1
    np.testing.assert_array_equal(board, np.where(odd, us, mr))
    assert 0.3 < odd.mean() < 0.7
    assert np.mean(mr != us) > 0.5


def test_the_curtain_hangs_where_the_slider_is(panel, result, slicerApp):
    import slicer

    review = widgets(panel, "Review")
    choose(slicerApp, review.reviewComboBox, "curtain", MODES)
    asShown = panel.logic.pictures.asShown
    mr, us = asShown(result.warped), asShown(result.trus)
    for axis, array, reverse in (("right-left", 2, False), ("front-back", 1, True), ("feet-head", 0, True)):
        choose(slicerApp, review.curtainAxisComboBox, axis, ["right-left", "front-back", "feet-head"])
        review.curtainSlider.value = 25.0
        slicerApp.process(0.05)
        found = np.moveaxis(slicer.util.arrayFromVolume(result.reviewPicture), array, 0)
        first, second = np.moveaxis(mr, array, 0), np.moveaxis(us, array, 0)
        if reverse:
            found, first, second = found[::-1], first[::-1], second[::-1]
        edge = len(found) // 4
        np.testing.assert_array_equal(found[:edge], first[:edge])
        np.testing.assert_array_equal(found[edge:], second[edge:])


def test_before_and_after_keep_position_and_zoom(panel, result, slicerApp):
    import slicer

    nodes = slicer.util.getNodesByClass("vtkMRMLSliceNode")
    for n, node in enumerate(nodes):
        node.SetSliceOffset(node.GetSliceOffset() + 3 + n)
        width, height, depth = node.GetFieldOfView()
        node.SetFieldOfView(width / 2, height / 2, depth)
    picture(slicerApp, panel, "closer")  # the views take their size when they are first drawn
    before = [(node.GetSliceOffset(), node.GetFieldOfView()) for node in nodes]
    review = widgets(panel, "Review")
    review.beforeButton.click()
    slicerApp.process(0.05)
    assert shown((result.trus.GetID(), result.before.GetID(), 0.5))
    picture(slicerApp, panel, "before")
    review.afterButton.click()
    slicerApp.process(0.05)
    assert shown((result.trus.GetID(), result.warped.GetID(), 0.5))
    assert [(node.GetSliceOffset(), node.GetFieldOfView()) for node in nodes] == before


def test_the_deformation_is_shown_without_the_start(panel, result, images, slicerApp):
    import slicer

    _, us, there = images
    choose(slicerApp, widgets(panel, "Review").reviewComboBox, "deformation", MODES)
    points = us.grid.points()
    start = transforms.as_affine(initial())
    full = points + transforms.displacement_on(us.grid, there).array
    back = transforms.map_points(full, start.GetInverse())
    lengths = slicer.util.arrayFromVolume(result.magnitude)
    np.testing.assert_allclose(lengths, np.linalg.norm(back - points, axis=-1), atol=1e-3)
    assert f"{lengths.max():.1f} mm" in widgets(panel, "Review").rangeLabel.text
    assert 2.0 < lengths.max() < 4.0


def targets_on(mr, there, us):
    """Points in the MR, RAS mm, whose counterparts lie inside the TRUS."""
    fixed = us.grid.centre_mm + np.array([[0, 0, 0], [9, 4, 3], [-8, 5, -6]])
    return transforms.map_points(fixed, there) * FLIP


def test_targets_land_where_the_engine_puts_them(panel, result, images, slicerApp):
    import slicer

    mr, us, there = images
    points = targets_on(mr, there, us)
    lesions = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "Lesions")
    curve = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsCurveNode", "Urethra")
    plane = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsPlaneNode", "Cut")
    for n, point in enumerate(points):
        lesions.AddControlPoint(*point)
        lesions.SetNthControlPointLabel(n, f"L{n + 1}")
        curve.AddControlPoint(*point)
    plane.SetOrigin(*points[0])
    plane.SetNormal(0, 0, 1)
    plane.SetSize(20, 20)
    slicerApp.process(0.05)
    targets = widgets(panel, "Targets")
    assert targets.carryButton.text == "Check what is to be carried"
    for node in (lesions, curve, plane):
        targets.targetsSelector.check(node)
    slicerApp.process(0.05)
    targets.carryButton.click()
    slicerApp.process(0.05)
    expected = transforms.inverse_points(points * FLIP, there) * FLIP
    for name in ("Lesions on TRUS", "Urethra on TRUS"):
        found = slicer.util.arrayFromMarkupsControlPoints(slicer.util.getNode(name))
        np.testing.assert_allclose(found, expected, atol=0.05)
    origin = slicer.util.getNode("Cut on TRUS").GetOrigin()
    np.testing.assert_allclose(origin, expected[0], atol=0.3)
    table = targets.targetsTable
    assert [table.item(row, 0).text() for row in range(table.rowCount)] == ["L1", "L2", "L3", "Urethra", "Cut"]
    assert table.item(0, 2).text() == ", ".join(f"{x:.1f}" for x in expected[0])
    start = transforms.as_affine(initial())
    moved = np.linalg.norm(transforms.map_points(points * FLIP, start.GetInverse()) * FLIP - expected, axis=1)
    assert [table.item(row, 3).text() for row in range(3)] == [f"{x:.1f}" for x in moved]
    assert not lesions.GetDisplayVisibility()
    assert slicer.util.getNode("Lesions on TRUS").GetDisplayVisibility()
    for button in panel.buttons:
        button.collapsed = button.text != "Targets"
    picture(slicerApp, panel, "targets")
    panel.buttons[0].collapsed = panel.buttons[1].collapsed = panel.buttons[2].collapsed = False

    table.cellClicked(1, 0)
    for node in slicer.util.getNodesByClass("vtkMRMLSliceNode"):
        toRas = slicer.util.arrayFromVTKMatrix(node.GetSliceToRAS())
        np.testing.assert_allclose(toRas[:3, 3], expected[1], atol=0.1)

    # Again: copies are replaced, not added.
    count = slicer.mrmlScene.GetNumberOfNodes()
    lesions.SetNthControlPointPosition(0, *points[1])
    targets.carryButton.click()
    slicerApp.process(0.05)
    assert slicer.mrmlScene.GetNumberOfNodes() == count
    found = slicer.util.arrayFromMarkupsControlPoints(slicer.util.getNode("Lesions on TRUS"))
    np.testing.assert_allclose(found[0], expected[1], atol=0.05)


def test_segmentations_are_carried(panel, result, images, slicerApp):
    import slicer

    from MR2USProLib.mrml import label_node
    from MR2USProLib.volume import Volume

    mr, us, there = images
    centre = targets_on(mr, there, us)[1] * FLIP
    ball = Volume((np.linalg.norm(mr.grid.points() - centre, axis=-1) < 6).astype(np.uint8), mr.grid)
    labels = label_node(ball, "ball")
    segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Lesion")
    segmentation.CreateDefaultDisplayNodes()
    slicer.vtkSlicerSegmentationsModuleLogic.ImportLabelmapToSegmentationNode(labels, segmentation)
    slicer.mrmlScene.RemoveNode(labels)
    (carried,) = panel.logic.carry([segmentation], result.deformation)
    from MR2USProPanels.carrying import compare

    (found,) = compare(segmentation, carried, result.deformation)
    warped = ball.resampled(us.grid, there, "nearest").array > 0
    expected = us.grid.to_world(np.argwhere(warped).mean(axis=0)[::-1]) * FLIP
    np.testing.assert_allclose(found.trus, expected, atol=0.7)
    np.testing.assert_allclose(found.mr, centre * FLIP, atol=0.7)


def test_targets_go_with_the_mr_when_it_is_moved(panel, result, images):
    """A point placed on the MR while it lay at the start is the same place of the MR."""
    import slicer

    mr, us, there = images
    (point,) = targets_on(mr, there, us)[1:2]
    expected = transforms.inverse_points(point * FLIP, there) * FLIP
    result.mr.SetAndObserveTransformNodeID(result.pose.GetID())
    slicer.util.updateTransformMatrixFromArray(
        result.pose, np.array([[1, 0, 0, 9], [0, 1, 0, 5], [0, 0, 1, 2], [0, 0, 0, 1.0]])
    )
    target = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "Seen")
    target.AddControlPoint(*(point + [9, 5, 2]))
    (carried,) = panel.logic.carry([target], result.deformation)
    np.testing.assert_allclose(carried.GetNthControlPointPosition(0), expected, atol=0.05)


def test_a_saved_scene_goes_on_where_it_was(panel, result, images, slicerApp, tmp_path):
    import slicer

    from MR2USProPanels.case import currentCase

    review = widgets(panel, "Review")
    review.tileSlider.value = 7.0
    choose(slicerApp, review.reviewComboBox, "checkerboard", MODES)
    verdict = widgets(panel, "Register").verdictLabel.text
    slicerApp.saveScene(tmp_path / "case.mrb")
    slicerApp.clearScene()
    assert currentCase().warped is None
    assert section(panel, "Review").need() == "Register first"
    slicerApp.loadScene(tmp_path / "case.mrb")
    found = currentCase()
    assert found.warped.GetName() == "MR on TRUS"
    assert (found.review, found.tileMm) == ("checkerboard", 7.0)
    assert widgets(panel, "Register").verdictLabel.text == verdict
    assert {node.GetBackgroundVolumeID() for node in views()} == {found.reviewPicture.GetID()}
    board = slicer.util.arrayFromVolume(found.reviewPicture)
    assert board.shape == images[1].array.shape
    (carried,) = panel.logic.carry([_point(targets_on(*_order(images))[0])], found.deformation)
    expected = transforms.inverse_points(targets_on(*_order(images))[0] * FLIP, images[2]) * FLIP
    np.testing.assert_allclose(carried.GetNthControlPointPosition(0), expected, atol=0.05)


def _order(images):
    mr, us, there = images
    return mr, there, us


def _point(ras):
    import slicer

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "One")
    node.AddControlPoint(*ras)
    return node


def test_closing_the_scene_leaves_an_empty_panel(panel, result, slicerApp):
    choose(slicerApp, widgets(panel, "Review").reviewComboBox, "flicker", MODES)
    slicerApp.clearScene()
    slicerApp.process(0.6)
    assert run_button(panel).text == "Choose the MR"


def test_one_image_is_shown_alone_while_places_are_marked_in_it(panel, case, slicerApp):
    align = widgets(panel, "Align")
    choose(slicerApp, align.startComboBox, "landmarks", ["none", "centers", "boxes", "landmarks", "transform"])
    for place, opacity in ((align.mrPlaceWidget, 1.0), (align.trusPlaceWidget, 0.0)):
        place.setPlaceModeEnabled(True)
        slicerApp.process(0.05)
        assert {node.GetForegroundOpacity() for node in views()} == {opacity}
        place.setPlaceModeEnabled(False)
        slicerApp.process(0.05)
        assert {node.GetForegroundOpacity() for node in views()} == {0.5}


def test_a_result_stays_with_the_images_it_came_from(panel, result, images, slicerApp):
    from MR2USProLib.mrml import volume_node

    trus = result.trus
    widgets(panel, "Align").trusSelector.setCurrentNode(volume_node(images[1], "Another"))
    slicerApp.process(0.05)
    assert result.trus is not trus
    assert shown((trus.GetID(), result.warped.GetID(), 0.5))


def test_another_module_finds_the_mr_where_its_file_puts_it(panel, case, slicerApp):
    align = widgets(panel, "Align")
    choose(slicerApp, align.startComboBox, "centers", ["none", "centers", "boxes", "landmarks", "transform"])
    assert case.mr.GetTransformNodeID()
    panel.exit()
    assert case.mr.GetTransformNodeID() is None
    panel.enter()
    slicerApp.process(0.05)
    assert case.mr.GetTransformNodeID() == case.pose.GetID()
