"""Targets that were drawn on the MR land in the TRUS where the known deformation puts them."""

import numpy as np
import pytest

from MR2USProLib import mrml
from MR2USProLib.registration import transforms
from MR2USProLib.volume import Volume
from oblique_pair import initial
from register_panel import FLIP, keep_result, markups, segmentation, targets_in_mr


def test_targets_land_where_the_engine_puts_them(registerPanel, resultCase, knownPair, slicerApp):
    import slicer

    _, us, there = knownPair
    points = targets_in_mr(us, there)
    lesions, curve = markups("Lesions", points), markups("Urethra", points, "Curve")
    plane = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsPlaneNode", "Cut")
    for n in range(len(points)):
        lesions.SetNthControlPointLabel(n, f"L{n + 1}")
    plane.SetOrigin(*points[0])
    plane.SetNormal(0, 0, 1)
    plane.SetSize(20, 20)
    slicerApp.process(0.05)
    targets = registerPanel.targets
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
    assert table.item(0, 1).text() == ", ".join(f"{x:.1f}" for x in expected[0])
    assert table.item(0, 1).toolTip() == "L1: " + ", ".join(f"{x:.1f}" for x in points[0]) + " in the MR"
    start = transforms.as_affine(initial())
    moved = np.linalg.norm(transforms.map_points(points * FLIP, start.GetInverse()) * FLIP - expected, axis=1)
    assert [table.item(row, 2).text() for row in range(3)] == [f"{x:.1f}" for x in moved]
    assert not lesions.GetDisplayVisibility()
    assert slicer.util.getNode("Lesions on TRUS").GetDisplayVisibility()
    for button in registerPanel.widget.buttons:
        button.collapsed = button.text != "Targets"
    registerPanel.picture("targets")
    for button in registerPanel.widget.buttons[:3]:
        button.collapsed = False

    table.cellClicked(1, 0)
    for node in slicer.util.getNodesByClass("vtkMRMLSliceNode"):
        toRas = slicer.util.arrayFromVTKMatrix(node.GetSliceToRAS())
        np.testing.assert_allclose(toRas[:3, 3], expected[1], atol=0.1)

    # What was carried is not carried once more.
    copy = slicer.util.getNode("Lesions on TRUS")
    targets.targetsSelector.check(copy)
    slicerApp.process(0.05)
    assert (targets.carryButton.text, targets.carryButton.enabled) == ("Uncheck what was carried already", False)
    targets.targetsSelector.uncheck(copy)
    slicerApp.process(0.05)

    # Again: copies are replaced, not added.
    count = slicer.mrmlScene.GetNumberOfNodes()
    lesions.SetNthControlPointPosition(0, *points[1])
    targets.carryButton.click()
    slicerApp.process(0.05)
    assert slicer.mrmlScene.GetNumberOfNodes() == count
    found = slicer.util.arrayFromMarkupsControlPoints(slicer.util.getNode("Lesions on TRUS"))
    np.testing.assert_allclose(found[0], expected[1], atol=0.05)


def test_the_uncertainty_of_each_target_is_told_where_it_is_known(
    registerPanel, resultCase, knownPair, slicerApp, tmp_path
):
    """It rises from right to left, and is known around the last target alone."""
    import slicer

    _, us, there = knownPair
    points = targets_in_mr(us, there)
    targets = registerPanel.targets
    targets.targetsSelector.check(markups("Lesions", points))
    slicerApp.process(0.05)
    targets.carryButton.click()
    slicerApp.process(0.05)
    assert targets.targetsTable.isColumnHidden(3)
    assert slicer.util.getNode("Targets").GetNumberOfColumns() == 8

    expected = transforms.inverse_points(points * FLIP, there)
    region = us.grid.cropped_to(expected[2] - 3, expected[2] + 3)
    assert region.contains(expected).tolist() == [False, False, True]
    ramp = Volume((region.points()[..., 0] + 50).astype(np.float32), region)
    keep_result(resultCase, knownPair, tmp_path)
    resultCase.uncertainty = mrml.volume_node(ramp, "Uncertainty (mm)")
    targets.carryButton.click()
    slicerApp.process(0.05)
    assert not targets.targetsTable.isColumnHidden(3)
    told = [targets.targetsTable.item(row, 3).text() for row in range(3)]
    assert told == ["", "", f"{expected[2, 0] + 50:.1f}"]


def test_segmentations_are_carried(registerPanel, resultCase, knownPair):
    from MR2USProPanels.carrying import compare

    mr, us, there = knownPair
    centre = targets_in_mr(us, there)[1] * FLIP
    ball = Volume((np.linalg.norm(mr.grid.points() - centre, axis=-1) < 6).astype(np.uint8), mr.grid)
    lesion = segmentation(ball, ["lesion"], "Lesion")
    (carried,) = registerPanel.logic.carry([lesion], resultCase.deformation)
    (found,) = compare(lesion, carried, resultCase.deformation)
    warped = ball.resampled(us.grid, there, "nearest").array > 0
    expected = us.grid.to_world(np.argwhere(warped).mean(axis=0)[::-1]) * FLIP
    np.testing.assert_allclose(found.trus, expected, atol=0.7)
    np.testing.assert_allclose(found.mr, centre * FLIP, atol=0.7)


def test_showing_the_start_again_carries_targets_to_the_same_place(registerPanel, resultCase, knownPair, slicerApp):
    _, us, there = knownPair
    point = targets_in_mr(us, there)[1]
    expected = transforms.inverse_points(point * FLIP, there) * FLIP
    chosen, other = markups("Chosen", [point]), markups("Other", [point])
    slicerApp.process(0.05)
    registerPanel.targets.targetsSelector.check(chosen)
    registerPanel.start_from("centers")
    slicerApp.process(0.05)
    assert resultCase.mr.GetParentTransformNode() is resultCase.pose
    assert chosen.GetParentTransformNode() is resultCase.pose  # and so is seen on the MR
    for node in (chosen, other):
        np.testing.assert_allclose(registerPanel.carried(node)[0], expected, atol=0.05)


def test_targets_are_carried_from_where_they_lie_on_an_mr_that_the_user_moved(registerPanel, resultCase, knownPair):
    """By a transform of his own, which is not the start, or hardened."""
    import slicer

    _, us, there = knownPair
    point = targets_in_mr(us, there)[1]
    expected = transforms.inverse_points(point * FLIP, there) * FLIP
    own = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Own")
    slicer.util.updateTransformMatrixFromArray(
        own, np.array([[1, 0, 0, 9], [0, 1, 0, 5], [0, 0, 1, 2], [0, 0, 0, 1.0]])
    )
    resultCase.mr.SetAndObserveTransformNodeID(own.GetID())
    seen, below = markups("Seen", [point + [9, 5, 2]]), markups("Below", [point])
    below.SetAndObserveTransformNodeID(own.GetID())
    for node in (seen, below):
        np.testing.assert_allclose(registerPanel.carried(node)[0], expected, atol=0.05)


def test_a_target_outside_the_mr_is_refused_and_nothing_is_carried(registerPanel, resultCase, knownPair, slicerApp):
    import slicer

    _, us, there = knownPair
    points = targets_in_mr(us, there)
    inside, outside = markups("Inside", points), markups("Outside", [points[0] + [0, 0, 200]])
    outside.SetNthControlPointLabel(0, "Lesion")
    slicerApp.process(0.05)
    for node in (inside, outside):
        registerPanel.targets.targetsSelector.check(node)
    slicerApp.process(0.05)
    registerPanel.targets.carryButton.click()
    slicerApp.process(0.05)
    assert [text for _level, text in slicerApp.messages] == [
        "Lesion lies outside the MR: drag it to its place on the MR, or leave it out."
    ]
    assert resultCase.targetTable is None
    assert not slicer.mrmlScene.GetFirstNodeByName("Inside on TRUS")


def test_the_table_of_targets_stays_open_in_the_guide_after_carrying(resultCase, knownPair, slicerApp):
    _, us, there = knownPair
    guide = slicerApp.openModule("MR2USPro")
    lesions = markups("Lesions", targets_in_mr(us, there))
    slicerApp.process(0.1)
    targets = next(vars(section)["ui"] for section in guide.sections if section.title == "Targets")
    targets.targetsSelector.check(lesions)
    slicerApp.process(0.1)
    targets.carryButton.click()
    slicerApp.process(0.1)
    opened = [button.text[3:] for button in guide.buttons[1:-1] if not button.collapsed]
    assert opened == ["Targets  \N{CHECK MARK}", "Export"]


@pytest.fixture
def carried(registerPanel, resultCase, knownPair, slicerApp):
    """Lesions that were checked and carried, and their copies on the TRUS."""
    import slicer

    _, us, there = knownPair
    lesions = markups("Lesions", targets_in_mr(us, there))
    slicerApp.process(0.05)
    registerPanel.targets.targetsSelector.check(lesions)
    slicerApp.process(0.05)
    registerPanel.targets.carryButton.click()
    slicerApp.process(0.05)
    copy = slicer.util.getNode("Lesions on TRUS")
    assert copy.GetDisplayVisibility()
    return lesions, copy


def test_carried_targets_are_hidden_while_they_follow_an_earlier_deformation(
    registerPanel, resultCase, carried, slicerApp
):
    from MR2USProPanels.undeforming import undeform

    _, copy = carried
    undeform(resultCase)
    slicerApp.process(0.05)
    assert not copy.GetDisplayVisibility()
    assert "hidden until carried again" in registerPanel.targets.carriedLabel.text
    registerPanel.targets.carryButton.click()
    slicerApp.process(0.05)
    assert copy.GetDisplayVisibility()
    assert not registerPanel.targets.carriedLabel.visible


def test_carried_targets_are_hidden_though_their_originals_are_not_checked_any_more(
    registerPanel, resultCase, carried, slicerApp
):
    from MR2USProPanels.undeforming import undeform

    lesions, copy = carried
    registerPanel.targets.targetsSelector.uncheck(lesions)
    slicerApp.process(0.05)
    assert copy.GetDisplayVisibility()
    undeform(resultCase)
    slicerApp.process(0.05)
    assert not copy.GetDisplayVisibility()


def test_carried_targets_are_hidden_over_another_trus_volume(registerPanel, resultCase, carried, slicerApp):
    import slicer

    resultCase.trus = slicer.modules.volumes.logic().CloneVolume(resultCase.trus, "Other TRUS")
    slicerApp.process(0.05)
    assert not carried[1].GetDisplayVisibility()
    assert "hidden until carried again" in registerPanel.targets.carriedLabel.text


def test_targets_under_a_transform_of_their_own_are_carried_from_where_they_are_seen(
    registerPanel, resultCase, knownPair
):
    import slicer

    from MR2USProPanels.carrying import compare

    _, us, there = knownPair
    points = targets_in_mr(us, there)
    expected = transforms.inverse_points(points * FLIP, there) * FLIP
    above = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Above")
    matrix = np.array([[0, -1, 0, 9], [1, 0, 0, 5], [0, 0, 1, 2], [0, 0, 0, 1.0]])
    slicer.util.updateTransformMatrixFromArray(above, matrix)
    own = (points - matrix[:3, 3]) @ matrix[:3, :3]
    plane = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsPlaneNode", "Cut")
    plane.SetOrigin(*own[0])
    plane.SetNormal(0, 0, 1)
    plane.SetSize(20, 20)
    drawn = [markups("Lesions", own), markups("Urethra", own, "Curve"), plane]
    for node in drawn:
        node.SetAndObserveTransformNodeID(above.GetID())
    lesions, curve, cut = registerPanel.logic.carry(drawn, resultCase.deformation)
    for carried in (lesions, curve):
        np.testing.assert_allclose(slicer.util.arrayFromMarkupsControlPoints(carried), expected, atol=0.05)
    np.testing.assert_allclose(cut.GetOrigin(), expected[0], atol=0.3)
    found = compare(drawn[0], lesions, resultCase.deformation)
    np.testing.assert_allclose([target.mr for target in found], points, atol=1e-3)
    assert drawn[0].GetParentTransformNode() is above
