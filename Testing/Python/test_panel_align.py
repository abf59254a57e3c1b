"""Where the MR starts, as the section Align computes and shows it, for a pair whose truth is known."""

import numpy as np

from MR2USProLib.registration import transforms
from oblique_pair import initial
from register_panel import FLIP, shown, views


def matrix_of(node):
    import slicer

    return slicer.util.arrayFromTransformMatrix(node)


def test_the_mr_lies_at_the_start_while_it_is_aligned(registerPanel, pairCase, knownPair, slicerApp):
    mr, us, _ = knownPair
    align = registerPanel.align
    registerPanel.start_from("centers")
    shift = matrix_of(pairCase.pose)[:3, 3]
    np.testing.assert_allclose(shift, (us.grid.centre_mm - mr.grid.centre_mm) * FLIP, atol=1e-6)
    assert pairCase.mr.GetTransformNodeID() == pairCase.pose.GetID()
    assert shown((pairCase.trus.GetID(), pairCase.mr.GetID(), 0.5))
    assert "100 %" in align.overlapLabel.text
    assert not registerPanel.section("Align").done()
    align.useButton.click()
    slicerApp.process(0.05)
    assert registerPanel.section("Align").done()
    assert (align.useButton.text, align.useButton.enabled) == ("This start is used", False)
    registerPanel.picture("centers")
    align.showStartCheckBox.click()
    slicerApp.process(0.05)
    assert pairCase.mr.GetTransformNodeID() is None


def test_a_poor_start_is_called_poor(registerPanel, pairCase, slicerApp):
    import slicer

    away = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Away")
    matrix = np.eye(4)
    matrix[0, 3] = 70.0
    slicer.util.updateTransformMatrixFromArray(away, matrix)
    align = registerPanel.align
    registerPanel.start_from("transform")
    assert registerPanel.run.text == "Choose a transform"
    align.transformSelector.setCurrentNode(away)
    slicerApp.process(0.05)
    np.testing.assert_allclose(matrix_of(pairCase.pose), matrix)
    assert "too little" in align.overlapLabel.text
    matrix[0, 3] = 0.0  # the start follows the transform
    slicer.util.updateTransformMatrixFromArray(away, matrix)
    slicerApp.process(0.05)
    np.testing.assert_allclose(matrix_of(pairCase.pose), matrix)
    assert "too little" not in align.overlapLabel.text
    registerPanel.picture("transform")


def test_boxes_lay_their_centers_on_each_other(registerPanel, pairCase, slicerApp):
    align = registerPanel.align
    registerPanel.start_from("boxes")
    assert registerPanel.run.text == "Place both boxes"
    align.placeBoxesButton.click()
    slicerApp.process(0.05)
    pairCase.mrBox.SetCenter(*(np.array(pairCase.mrBox.GetCenter()) + [5, -3, 2]))
    pairCase.trusBox.SetCenter(*(np.array(pairCase.trusBox.GetCenter()) + [-1, 2, 4]))
    slicerApp.process(0.05)
    expected = np.array(pairCase.trusBox.GetCenter()) - np.array(pairCase.mrBox.GetCenter())
    np.testing.assert_allclose(matrix_of(pairCase.pose)[:3, 3], expected, atol=1e-6)
    assert "the box in the TRUS" in align.overlapLabel.text
    there = [0.0, 0.0, 0.0]
    pairCase.mrBox.GetCenterWorld(there)  # the box goes with the MR
    np.testing.assert_allclose(there, pairCase.trusBox.GetCenter(), atol=1e-6)
    registerPanel.picture("boxes")


def test_the_mr_stands_still_while_its_box_is_dragged(registerPanel, pairCase, slicerApp):
    registerPanel.start_from("boxes")
    registerPanel.align.placeBoxesButton.click()
    slicerApp.process(0.05)
    before = matrix_of(pairCase.pose)
    pairCase.mrBox.InvokeEvent(pairCase.mrBox.PointStartInteractionEvent)
    pairCase.mrBox.SetCenter(*(np.array(pairCase.mrBox.GetCenter()) + [5, 0, 0]))
    slicerApp.process(0.05)
    np.testing.assert_allclose(matrix_of(pairCase.pose), before)
    pairCase.mrBox.InvokeEvent(pairCase.mrBox.PointEndInteractionEvent)
    slicerApp.process(0.05)
    np.testing.assert_allclose(matrix_of(pairCase.pose)[:3, 3], before[:3, 3] - [5, 0, 0], atol=1e-6)


def test_landmarks_shift_and_turn(registerPanel, pairCase, knownPair, slicerApp):
    mr, us, _ = knownPair
    align = registerPanel.align
    registerPanel.start_from("landmarks")
    # As long as nothing is marked, the MR is brought to where it can be seen.
    np.testing.assert_allclose(
        matrix_of(pairCase.pose)[:3, 3], (us.grid.centre_mm - mr.grid.centre_mm) * FLIP, atol=1e-6
    )
    assert pairCase.mr.GetTransformNodeID() == pairCase.pose.GetID()
    start = transforms.as_affine(initial())
    fixed = us.grid.centre_mm + np.array([[10, 5, 3], [-8, 2, 4], [3, -9, -6], [5, 6, -8]])
    for node, points in ((pairCase.trusLandmarks, fixed), (pairCase.mrLandmarks, transforms.map_points(fixed, start))):
        for point in points[:2] * FLIP:
            node.AddControlPoint(*point)
    slicerApp.process(0.05)
    assert "not turned" in align.landmarksLabel.text
    np.testing.assert_allclose(matrix_of(pairCase.pose)[:3, :3], np.eye(3))
    before = matrix_of(pairCase.pose)
    pairCase.trusLandmarks.AddControlPoint(*(fixed[2] * FLIP))
    slicerApp.process(0.05)
    np.testing.assert_allclose(matrix_of(pairCase.pose), before)  # one is ahead of the other
    assert registerPanel.section("Register").need() == "Mark the same places in both (2 and 3 so far)"
    for node, points in (
        (pairCase.trusLandmarks, fixed[3:]),
        (pairCase.mrLandmarks, transforms.map_points(fixed[2:], start)),
    ):
        for point in points * FLIP:
            node.AddControlPoint(*point)
    slicerApp.process(0.05)
    assert "0.0 mm apart" in align.landmarksLabel.text
    lps = np.diag([*FLIP, 1.0]) @ np.linalg.inv(matrix_of(pairCase.pose)) @ np.diag([*FLIP, 1.0])
    np.testing.assert_allclose(lps[:3, :3].ravel(), start.GetMatrix(), atol=1e-6)
    assert registerPanel.run.text == "Register"
    registerPanel.picture("landmarks")


def test_one_image_is_shown_alone_while_places_are_marked_in_it(registerPanel, pairCase, slicerApp):
    align = registerPanel.align
    registerPanel.start_from("landmarks")
    for place, opacity in ((align.mrPlaceWidget, 1.0), (align.trusPlaceWidget, 0.0)):
        place.setPlaceModeEnabled(True)
        slicerApp.process(0.05)
        assert {node.GetForegroundOpacity() for node in views()} == {opacity}
        place.setPlaceModeEnabled(False)
        slicerApp.process(0.05)
        assert {node.GetForegroundOpacity() for node in views()} == {0.5}


def test_a_transform_above_the_mr_becomes_the_start(registerPanel, pairCase, slicerApp):
    import slicer

    own = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Own")
    slicer.util.updateTransformMatrixFromArray(
        own, np.array([[1, 0, 0, 3], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    )
    pairCase.mr.SetAndObserveTransformNodeID(own.GetID())
    slicerApp.process(0.05)
    assert (pairCase.start, pairCase.startTransform.GetName()) == ("transform", "Own")
    assert matrix_of(pairCase.pose)[0, 3] == 3.0


def test_boxes_and_landmarks_are_seen_only_where_they_mean_something(registerPanel, pairCase, slicerApp):
    registerPanel.start_from("boxes")
    registerPanel.align.placeBoxesButton.click()
    registerPanel.start_from("landmarks")
    seen = {
        "boxes": (True, True, False, False),
        "landmarks": (False, False, True, True),
        "centers": (False, False, False, False),
    }

    def visible():
        slicerApp.process(0.05)
        marks = (pairCase.mrBox, pairCase.trusBox, pairCase.mrLandmarks, pairCase.trusLandmarks)
        return tuple(bool(mark.GetDisplayVisibility()) for mark in marks)

    for start, expected in seen.items():
        registerPanel.start_from(start)
        assert visible() == expected
    registerPanel.start_from("boxes")
    pairCase.showStart = False  # the MR is back where its file puts it, and the views show a result
    assert visible() == (False, True, False, False)


def test_a_start_that_is_called_senseless_or_poor_has_a_warning_beside_it(
    registerPanel, pairCase, slicerApp, monkeypatch
):
    align = registerPanel.align
    registerPanel.start_from("centers")
    assert not align.overlapIcon.visible
    monkeypatch.setattr("MR2USProPanels.alignSection.filledVolume", lambda case: case.trus)
    registerPanel.start_from("none")
    assert "choose another start" in align.overlapLabel.text
    assert align.overlapIcon.visible
