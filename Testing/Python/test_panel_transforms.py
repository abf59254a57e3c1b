"""What is drawn or marked lies where it is seen, whatever transforms it and its image are under."""

import numpy as np
import pytest
import SimpleITK as sitk

from MR2USProLib.errors import InputError
from MR2USProLib.registration import transforms
from MR2USProLib.volume import Grid, Volume
from oblique_pair import rotation
from register_panel import FLIP, markups, segmentation


@pytest.fixture
def mr(slicerApp):
    """A volume node of 30 mm."""
    from MR2USProLib.mrml import volume_node

    array = np.random.default_rng(0).integers(1, 200, (20, 20, 20)).astype(np.uint8)
    return volume_node(Volume(array, Grid((20, 20, 20), (1.5, 1.5, 1.5), (-8, 4, -20), rotation(0.1, 0.2, -0.3))), "MR")


@pytest.fixture
def trus(slicerApp):
    from MR2USProLib.mrml import volume_node

    return volume_node(Volume(np.arange(512, dtype=np.uint8).reshape(8, 8, 8), Grid((8, 8, 8), (4, 4, 4))), "TRUS")


def moving_by(angles, shift_mm, name):
    """A linear transform node, RAS mm."""
    import slicer

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", name)
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation(*angles), shift_mm
    slicer.util.updateTransformMatrixFromArray(node, matrix)
    return node, matrix


def matrix_of(node):
    import slicer

    return slicer.util.arrayFromTransformMatrix(node)


def bend(grid):
    """Displacements of up to 5 mm, from the world to what lies under them."""
    field = np.zeros((*grid.shape, 3))
    field[..., 0] = 5 * np.sin(grid.points()[..., 2] / 8)
    return Volume(field, grid)


def moved(matrix, points):
    return points @ matrix[:3, :3].T + matrix[:3, 3]


PLACES = np.array([[3.0, -12, 5], [-9, -20, 2], [1, -16, -9]])
"""In the MR, RAS mm."""


def test_landmarks_and_boxes_are_taken_from_the_world(mr, trus):
    from MR2USProLib.mrml import box_node, box_of
    from MR2USProPanels.aligning import computeStart
    from MR2USProPanels.lying import toImage
    from MR2USProPanels.pairing import landmarkPairs

    above, matrix = moving_by((0.3, -0.2, 0.5), (9, -4, 20), "Above")
    own = moved(np.linalg.inv(matrix), PLACES)
    points = markups("MR points", own)
    points.SetAndObserveTransformNodeID(above.GetID())
    there = markups("TRUS points", PLACES + 1)
    moving, fixed = landmarkPairs(mr, points, there)
    np.testing.assert_allclose(moving, PLACES * FLIP, atol=1e-6)
    np.testing.assert_allclose(fixed, (PLACES + 1) * FLIP, atol=1e-6)

    pose, shown = moving_by((0, 0.4, 0), (5, 50, -7), "Pose")
    mr.SetAndObserveTransformNodeID(pose.GetID())  # only shown there
    np.testing.assert_allclose(landmarkPairs(mr, points, there, pose)[0], PLACES * FLIP, atol=1e-6)
    # Without that the MR lies there, and the points somewhere else in it.
    elsewhere = moved(np.linalg.inv(shown), PLACES) * FLIP
    np.testing.assert_allclose(landmarkPairs(mr, points, there)[0], elsewhere, atol=1e-6)
    points.SetAndObserveTransformNodeID(pose.GetID())
    np.testing.assert_allclose(landmarkPairs(mr, points, there, pose)[0], own * FLIP, atol=1e-6)
    above.SetAndObserveTransformNodeID(pose.GetID())  # a transform of one's own under the start
    points.SetAndObserveTransformNodeID(above.GetID())
    np.testing.assert_allclose(landmarkPairs(mr, points, there, pose)[0], PLACES * FLIP, atol=1e-6)
    above.SetAndObserveTransformNodeID(None)

    middle = np.array([3.0, 10.0, -4.0])
    box = box_node(middle - 8, middle + 8, "Box")
    box.SetAndObserveTransformNodeID(above.GetID())
    center = moved(matrix, middle * FLIP)
    low, high = box_of(box, toImage(box, mr, pose))
    np.testing.assert_allclose((low + high) / 2, center * FLIP, atol=1e-5)
    np.testing.assert_allclose(high - low, np.abs(matrix[:3, :3]).sum(axis=1) * 16, atol=1e-5)
    on_trus = box_node(middle - 8, middle + 8, "Box in the TRUS")
    start = computeStart(mr, trus, "boxes", mrBox=box, trusBox=on_trus, pose=pose)
    np.testing.assert_allclose(moved(matrix_of(start), center), middle * FLIP, atol=1e-5)


@pytest.mark.parametrize("bent", [False, True])
def test_segmentations_are_taken_from_the_world(mr, tmp_path, bent):
    from MR2USProLib.mrml import grid_of, grid_transform_node, transform_of
    from MR2USProPanels.guiding import glandToFile

    grid = grid_of(mr)
    above = grid_transform_node(bend(grid), "Bent") if bent else moving_by((0.2, 0.1, -0.3), (4, -3, 5), "Above")[0]
    ball = Volume((np.linalg.norm(grid.points() - grid.centre_mm, axis=-1) < 9).astype(np.uint8), grid)
    drawn = segmentation(ball, ["prostate"], "Drawn")
    drawn.SetAndObserveTransformNodeID(above.GetID())
    found = sitk.GetArrayFromImage(sitk.ReadImage(str(glandToFile(drawn, mr, tmp_path / "gland.nrrd"))))[0]
    if bent:
        world_to_own = transforms.composite(sitk.Transform(3, sitk.sitkIdentity), bend(grid), grid)
    else:
        world_to_own = transform_of(above)
    expected = ball.resampled(grid, world_to_own, "nearest").array
    overlap = 2 * (found & expected).sum() / (found.sum() + expected.sum())
    assert overlap > 0.98
    assert 2 * (ball.array & expected).sum() / (ball.array.sum() + expected.sum()) < 0.95


def test_a_volume_under_a_linear_transform_starts_there_and_under_another_is_refused(registerPanel, mr, trus):
    from MR2USProLib.mrml import grid_of, grid_transform_node
    from MR2USProPanels.aligning import asItLies, computeStart, overlap

    above, matrix = moving_by((0.2, 0, 0), (40, -30, 20), "Above")
    mr.SetAndObserveTransformNodeID(above.GetID())
    np.testing.assert_allclose(matrix_of(computeStart(mr, trus)), matrix, atol=1e-9)
    place = np.array([[3.0, 4.0, 5.0]])
    found = transforms.map_points(place, asItLies(mr)) * FLIP
    np.testing.assert_allclose(moved(matrix, found), place * FLIP, atol=1e-9)
    mr.SetAndObserveTransformNodeID(None)
    assert overlap(mr, trus) > 0.1
    away, _ = moving_by((0, 0, 0), (0, 0, 300), "Away")
    mr.SetAndObserveTransformNodeID(away.GetID())
    assert overlap(mr, trus) == 0
    mr.SetAndObserveTransformNodeID(grid_transform_node(bend(grid_of(mr)), "Bent").GetID())
    with pytest.raises(InputError, match="The MR MR is under a transform that is not linear: harden it"):
        registerPanel.logic.register(mr, trus)


def test_what_is_drawn_goes_with_an_mr_whose_transform_becomes_the_start(registerPanel, pairCase, slicerApp):
    above, _ = moving_by((0, 0, 0.1), (6, 0, 0), "Above")
    pairCase.mrMarks = markups("Marks", PLACES)
    pairCase.mr.SetAndObserveTransformNodeID(above.GetID())
    pairCase.mrMarks.SetAndObserveTransformNodeID(above.GetID())
    slicerApp.process(0.05)
    assert (pairCase.start, pairCase.startTransform) == ("transform", above)
    registerPanel.start_from("centers")
    for node in (pairCase.mr, pairCase.mrMarks):
        assert node.GetParentTransformNode() is pairCase.pose
