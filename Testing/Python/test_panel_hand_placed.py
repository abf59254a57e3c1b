"""What a hand places beside the MR at its start lands where it was seen, on the MR or on the TRUS."""

import numpy as np
import pytest

from MR2USProLib.registration import transforms
from register_panel import FLIP, markups, targets_in_mr


@pytest.fixture
def place(knownPair):
    """A place in the MR, RAS mm, and where the known deformation puts it in the TRUS."""
    _, us, there = knownPair
    point = targets_in_mr(us, there)[1]
    return point, transforms.inverse_points(point * FLIP, there) * FLIP


@pytest.fixture
def started(registerPanel, resultCase, place):
    """A registered case whose MR is seen at a start far from where its file puts it."""
    registerPanel.start_from("centers")
    assert np.linalg.norm(seen(resultCase, place[0]) - place[0]) > 5
    return resultCase


def seen(case, point):
    """Where a place of the MR is seen, RAS mm."""
    import slicer

    return (slicer.util.arrayFromTransformMatrix(case.pose) @ [*point, 1])[:3]


def points_of(node, world=False):
    import slicer

    return slicer.util.arrayFromMarkupsControlPoints(node, world=world)


@pytest.mark.parametrize("hidden_before", [True, False])
def test_a_new_list_becomes_part_of_the_mr_once_it_is_checked(registerPanel, started, place, slicerApp, hidden_before):
    point, expected = place
    lesion = markups("Lesion", [])
    registerPanel.place_by_hand(lesion, seen(started, point))
    assert lesion.GetTransformNodeID() is None  # it may as well mark the TRUS
    started.showStart = not hidden_before
    slicerApp.process(0.05)
    registerPanel.targets.targetsSelector.check(lesion)
    slicerApp.process(0.05)
    for show in (True, False):
        started.showStart = show
        slicerApp.process(0.05)
        assert (lesion.GetParentTransformNode() is started.pose) == show
        np.testing.assert_allclose(points_of(lesion)[0], point, atol=1e-4)
        np.testing.assert_allclose(registerPanel.carried(lesion)[0], expected, atol=0.05)


def test_a_point_that_is_added_to_an_older_list_joins_the_others(registerPanel, started, place, slicerApp):
    point, expected = place
    started.showStart = False
    slicerApp.process(0.05)
    older = markups("Older", [point])
    slicerApp.process(0.05)
    started.showStart = True
    slicerApp.process(0.05)
    registerPanel.place_by_hand(older, seen(started, point))
    np.testing.assert_allclose(registerPanel.carried(older), [expected, expected], atol=0.05)


def test_a_point_that_is_dragged_lies_where_it_was_let_go(registerPanel, started, place, slicerApp):
    point, expected = place
    lesions = markups("Lesions", [point + [30, 0, 0], point])
    slicerApp.process(0.05)
    registerPanel.drag(lesions, 0, seen(started, point))
    np.testing.assert_allclose(registerPanel.carried(lesions), [expected, expected], atol=0.05)


def test_what_is_moved_beside_the_mr_where_its_file_puts_it_is_taken_from_there(
    registerPanel, started, place, slicerApp
):
    point, expected = place
    lesion = markups("Lesion", [])
    registerPanel.place_by_hand(lesion, seen(started, point + [4, 0, 0]))
    started.showStart = False
    slicerApp.process(0.05)
    registerPanel.drag(lesion, 0, point)
    np.testing.assert_allclose(registerPanel.carried(lesion)[0], expected, atol=0.05)


def test_the_mr_may_be_moved_between_two_points(registerPanel, started, place, slicerApp):
    point, expected = place
    lesions = markups("Lesions", [])
    registerPanel.place_by_hand(lesions, seen(started, point))
    first = seen(started, point)
    registerPanel.start_from("none")
    assert np.linalg.norm(seen(started, point) - first) > 5
    registerPanel.place_by_hand(lesions, seen(started, point))
    np.testing.assert_allclose(registerPanel.carried(lesions), [expected, expected], atol=0.05)


def test_a_plane_is_turned_with_its_origin(registerPanel, started, place, slicerApp):
    import slicer

    own = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Own")
    turn = np.array([[0, -1, 0, 3], [1, 0, 0, 5], [0, 0, 1, 2], [0, 0, 0, 1.0]])
    slicer.util.updateTransformMatrixFromArray(own, turn)
    started.start, started.startTransform = "transform", own
    slicerApp.process(0.05)
    plane = markups("Cut", [], "Plane")
    registerPanel.place_by_hand(plane, seen(started, place[0]))
    plane.SetNormalWorld(0, 1, 0)
    started.mrMarks = None
    registerPanel.targets.targetsSelector.check(plane)
    slicerApp.process(0.05)
    np.testing.assert_allclose(plane.GetOrigin(), place[0], atol=1e-4)
    np.testing.assert_allclose(plane.GetNormal(), [1, 0, 0], atol=1e-6)
    np.testing.assert_allclose(plane.GetNormalWorld(), [0, 1, 0], atol=1e-6)


def test_what_was_placed_is_known_after_the_scene_was_saved(registerPanel, started, place, slicerApp, tmp_path):
    import slicer

    point, expected = place
    registerPanel.place_by_hand(markups("Lesion", []), seen(started, point))
    slicerApp.saveScene(tmp_path / "case.mrb")
    slicerApp.clearScene()
    slicerApp.loadScene(tmp_path / "case.mrb")
    slicerApp.process(0.1)
    lesion = slicer.util.getNode("Lesion")
    np.testing.assert_allclose(registerPanel.carried(lesion)[0], expected, atol=0.05)
    registerPanel.place_by_hand(lesion, seen(registerPanel.case, point))  # and the loaded list is followed
    np.testing.assert_allclose(registerPanel.carried(lesion), [expected, expected], atol=0.05)


def test_what_comes_from_a_file_or_a_program_has_the_coordinates_of_the_mr(registerPanel, started, place, slicerApp):
    point, expected = place
    loaded = markups("Loaded", [point])
    slicerApp.process(0.05)
    assert loaded.GetTransformNodeID() is None
    np.testing.assert_allclose(registerPanel.carried(loaded)[0], expected, atol=0.05)


@pytest.mark.parametrize("role", ["trusMarks", "", "trusMarks and target"])
def test_what_marks_the_trus_stays_where_it_is_seen_wherever_the_mr_goes(registerPanel, started, slicerApp, role):
    marks = markups("Marks", [])
    registerPanel.place_by_hand(marks, [1, 2, 3])
    if role:
        started.trusMarks = marks
    if "target" in role:
        registerPanel.targets.targetsSelector.check(marks)
    for show in (True, False, True):
        started.showStart = show
        slicerApp.process(0.05)
        assert marks.GetTransformNodeID() is None
        np.testing.assert_allclose(points_of(marks)[0], [1, 2, 3], atol=1e-4)


def test_a_mark_of_the_trus_that_was_checked_as_a_target_by_mistake_is_where_it_was_when_unchecked(
    registerPanel, started, slicerApp
):
    marks = markups("Marks", [])
    registerPanel.place_by_hand(marks, [1, 2, 3])
    selector = registerPanel.targets.targetsSelector
    for change in (selector.check, selector.uncheck):
        change(marks)
        slicerApp.process(0.05)
        np.testing.assert_allclose(points_of(marks, world=True)[0], [1, 2, 3], atol=1e-4)
    assert marks.GetTransformNodeID() is None
    started.showStart = False
    slicerApp.process(0.05)
    np.testing.assert_allclose(points_of(marks)[0], [1, 2, 3], atol=1e-4)


def test_a_target_that_is_unchecked_and_checked_again_lands_at_the_same_place(registerPanel, started, place, slicerApp):
    point, expected = place
    lesions = markups("Lesions", [point])
    slicerApp.process(0.05)
    selector = registerPanel.targets.targetsSelector
    for change in (selector.check, selector.uncheck, selector.check):
        change(lesions)
        slicerApp.process(0.05)
    np.testing.assert_allclose(points_of(lesions)[0], point, atol=1e-4)
    np.testing.assert_allclose(registerPanel.carried(lesions)[0], expected, atol=0.05)


def test_an_mr_that_is_replaced_goes_back_to_where_its_file_puts_it(registerPanel, started, slicerApp):
    import slicer

    old = started.mr
    started.mr = slicer.modules.volumes.logic().CloneVolume(old, "Other MR")
    slicerApp.process(0.05)
    assert old.GetTransformNodeID() is None
    assert started.mr.GetParentTransformNode() is started.pose


def test_marks_of_one_mr_go_with_the_case_that_is_shown(registerPanel, started, place, slicerApp):
    from MR2USProPanels.case import newCase, setCurrentCase

    point, expected = place
    lesion = markups("Lesion", [])
    registerPanel.place_by_hand(lesion, seen(started, point))
    registerPanel.targets.targetsSelector.check(lesion)
    slicerApp.process(0.05)
    other = newCase("Other")
    other.mr, other.trus = started.mr, started.trus  # the same MR, at a start of its own
    registerPanel.widget.showCurrentCase()
    slicerApp.process(0.05)
    assert lesion.GetTransformNodeID() is None
    assert other.mr.GetParentTransformNode() is other.pose
    setCurrentCase(started)
    registerPanel.widget.showCurrentCase()
    slicerApp.process(0.05)
    assert lesion.GetParentTransformNode() is started.pose
    np.testing.assert_allclose(registerPanel.carried(lesion)[0], expected, atol=0.05)


def test_marks_that_guide_are_brought_to_the_mr_from_the_console_too(registerPanel, started, place):
    from MR2USProPanels import handPlaced

    marks = markups("Marks", [])
    registerPanel.place_by_hand(marks, seen(started, place[0]))
    assert marks.GetAttribute(handPlaced.SEEN)
    handPlaced.toMr(marks)
    np.testing.assert_allclose(points_of(marks)[0], place[0], atol=1e-4)
    assert not marks.GetAttribute(handPlaced.SEEN)
