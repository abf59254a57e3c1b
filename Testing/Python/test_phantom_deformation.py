"""The simulated deformation keeps volumes, is what ITK makes of it, and can be undone."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from MR2USProLib.phantom.deformation import Flow, random_pose

HALF_MM = np.array([25.0, 16.0, 22.0])


def inside_gland(count=3000, seed=0):
    points = np.random.default_rng(seed).uniform(-1, 1, (count, 3))
    return points[(points**2).sum(1) < 1] * HALF_MM


@pytest.fixture(scope="module")
def pose():
    placed = random_pose(inside_gland(), HALF_MM, 3.5, (4.0, 7.5), np.random.default_rng(3))
    return placed.shifted((1.0, -27.0, -28.0), (12.0, -34.0, 56.0))


def curl_of_potential(flow, point, h=1e-4):
    """Curl by central differences of the potentials as the formula states them."""

    def potential(p):
        r = p - flow.centres
        gauss = np.exp(-(r**2).sum(1) / (2 * flow.sigmas**2))[:, None]
        return (gauss * (flow.swirls + np.cross(flow.jets, r))).sum(0)

    step = np.eye(3) * h
    d = np.array([(potential(point + s) - potential(point - s)) / (2 * h) for s in step])  # d[i, j]: dA_j / dx_i
    return np.array([d[1, 2] - d[2, 1], d[2, 0] - d[0, 2], d[0, 1] - d[1, 0]])


def test_the_velocity_is_the_curl_of_its_potentials():
    flow = Flow.random(np.random.default_rng(0), HALF_MM)
    points = np.random.default_rng(1).uniform(-35, 35, (20, 3))
    expected = np.array([curl_of_potential(flow, point) for point in points])
    np.testing.assert_allclose(flow.velocity(points), expected, atol=1e-6)


def test_a_jet_pushes_along_its_axis_at_its_centre():
    """At r = 0 the curl of g (jet x r) is twice the jet."""
    flow = Flow(np.zeros((1, 3)), np.array([15.0]), np.zeros((1, 3)), np.array([[0.0, 1.0, 0.0]]))
    np.testing.assert_allclose(flow.velocity(np.zeros((1, 3))), [[0, 2, 0]], atol=1e-12)


def test_volumes_are_kept_within_five_percent(pose):
    jacobian = pose.jacobian()
    assert np.abs(jacobian - 1).max() < 0.05
    # and between the field's grid points, by differences of the transform itself
    points = np.add(inside_gland(seed=5)[:200], (1.0, -27.0, -28.0))
    h = 0.25
    columns = [(pose.to_mr(points + s) - pose.to_mr(points - s)) / (2 * h) for s in np.eye(3) * h]
    assert np.abs(np.linalg.det(np.stack(columns, -1)) - 1).max() < 0.05


def test_displacement_and_rotation_are_as_asked(pose):
    inside = inside_gland()
    moved = (inside @ pose.rotation + pose.centre_mm) - pose.to_trus(inside)
    lengths = np.linalg.norm(moved - moved.mean(0), axis=1)
    assert lengths.mean() == pytest.approx(3.5, abs=0.4)
    assert lengths.max() < 9
    assert 4 <= np.rad2deg(Rotation.from_matrix(pose.rotation).magnitude()) <= 7.5


def test_the_gland_stays_in_place_on_the_average(pose):
    """The common translation belongs to the pose: the gland's centre of mass goes where the pose says."""
    centre = pose.to_trus(inside_gland()).mean(0)
    np.testing.assert_allclose(centre, [1.0, -27.0, -28.0], atol=0.5)


def test_to_trus_undoes_to_anatomy(pose):
    points = inside_gland(seed=7)
    np.testing.assert_allclose(pose.to_anatomy(pose.to_trus(points)), points, atol=1e-5)


def test_itk_applies_the_same_map(pose):
    transform = pose.to_sitk()
    points = np.random.default_rng(2).uniform((-30, -55, -55), (30, 0, 0), (100, 3))
    ours = pose.to_mr(points)
    theirs = np.array([transform.TransformPoint(point.tolist()) for point in points])
    np.testing.assert_allclose(ours, theirs, atol=1e-3)


def test_the_field_keeps_volumes_on_and_between_the_points_where_the_flow_was_worked_out():
    pose = random_pose(inside_gland(500), HALF_MM, 5.0, (6, 10), np.random.default_rng(8))
    jacobian = pose.jacobian()
    assert np.abs(jacobian[1::2, 1::2, 1::2] - 1).max() < 0.02
    assert np.abs(jacobian[::2, ::2, ::2] - 1).max() < 0.02


def test_outside_its_field_the_map_goes_on_without_a_jump(pose):
    rim = pose.field[:, :, [0, -1]]
    assert np.abs(rim).max() < 0.5


def test_the_same_seed_gives_the_same_pose():
    first, second, other = (
        random_pose(inside_gland(200), HALF_MM, 2.0, (3, 5), np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert np.array_equal(first.field, second.field)
    assert np.array_equal(first.rotation, second.rotation)
    assert not np.allclose(first.rotation, other.rotation)
