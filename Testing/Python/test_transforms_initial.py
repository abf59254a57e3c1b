"""Initial alignment against poses that are known."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from MR2USProLib.errors import InputError
from MR2USProLib.registration.initial import from_landmarks, initial_transform, named_file
from MR2USProLib.registration.transforms import map_points, write_transform
from MR2USProLib.volume import Grid, Volume
from oblique_pair import rotation

HEADER = "moving_x,moving_y,moving_z,fixed_x,fixed_y,fixed_z\n"


def blob(grid, centre_mm):
    distance = np.linalg.norm(grid.points() - np.asarray(centre_mm), axis=-1)
    return Volume(100 + 500 * np.exp(-((distance / 4) ** 2)), grid)


@pytest.fixture
def pair():
    moving = Grid((20, 40, 40), (1, 1, 2), (5, 6, 7), rotation(0.2, 0.1, -0.3))
    fixed = Grid((40, 40, 40), (1, 1, 1), (-50, 0, 10), rotation(-0.1, 0.3, 0.1) @ np.diag([1, 1, -1]))
    moving_mm, fixed_mm = moving.to_world([18, 22, 10]), fixed.to_world([15, 20, 24])
    return blob(moving, moving_mm), blob(fixed, fixed_mm), moving_mm, fixed_mm


def test_none_leaves_the_pose_of_the_headers(pair):
    point = np.array([1.0, 2.0, 3.0])
    np.testing.assert_array_equal(map_points(point, initial_transform("none", *pair[:2])), point)


def test_centers_puts_centre_on_centre(pair):
    moving, fixed, *_ = pair
    found = map_points(fixed.grid.centre_mm, initial_transform("centers", moving, fixed))
    np.testing.assert_allclose(found, moving.grid.centre_mm)


def test_centers_takes_the_regions_centre_where_there_is_one(pair):
    moving, fixed, *_ = pair
    region = fixed.grid.cropped_to(fixed.grid.to_world([2, 3, 4]), fixed.grid.to_world([10, 12, 14]))
    found = map_points(region.centre_mm, initial_transform("centers", moving, fixed, region))
    np.testing.assert_allclose(found, moving.grid.centre_mm)


def test_moments_puts_bright_on_bright(pair):
    moving, fixed, moving_mm, fixed_mm = pair
    found = map_points(fixed_mm, initial_transform("moments", moving, fixed))
    assert np.linalg.norm(found - moving_mm) < 0.3
    centred = map_points(fixed_mm, initial_transform("centers", moving, fixed))
    assert np.linalg.norm(centred - moving_mm) > 3


def test_moments_of_a_flat_image_are_refused(pair):
    moving, fixed, *_ = pair
    with pytest.raises(InputError, match="fixed image has one value"):
        initial_transform("moments", moving, Volume(np.full_like(fixed.array, 7), fixed.grid))


def write_landmarks(path, moving, fixed):
    rows = [",".join(map(str, [*m, *f])) for m, f in zip(moving, fixed, strict=True)]
    path.write_text(HEADER + "\n".join(rows) + "\n")
    return f"landmarks:{path}"


@pytest.mark.parametrize("count", [3, 4, 9])
def test_landmarks_give_the_rigid_pose_exactly(tmp_path, pair, count):
    fixed = np.random.default_rng(count).uniform(-30, 30, (count, 3))
    turn = rotation(0.7, -0.5, 1.2)
    moving = fixed @ turn.T + [10, -20, 30]
    found = initial_transform(write_landmarks(tmp_path / "points.csv", moving, fixed), *pair[:2])
    np.testing.assert_allclose(map_points(fixed, found), moving, atol=1e-9)
    np.testing.assert_allclose(map_points([1, 2, 3], found), turn @ [1, 2, 3] + [10, -20, 30], atol=1e-9)


def test_landmarks_never_mirror():
    """Of a mirrored set the best rigid fit is still a rotation."""
    fixed = np.random.default_rng(0).uniform(-30, 30, (8, 3))
    found = from_landmarks(fixed * [1, 1, -1], fixed)
    matrix = np.array(found.Downcast().GetMatrix()).reshape(3, 3)
    assert np.linalg.det(matrix) == pytest.approx(1)


@pytest.mark.parametrize("count", [1, 2])
def test_few_landmarks_give_a_translation(tmp_path, pair, count):
    fixed = np.array([[0.0, 0, 0], [10, 0, 0]])[:count]
    moving = np.array([[1.0, 2, 3], [1, 12, 3]])[:count]
    found = initial_transform(write_landmarks(tmp_path / "points.csv", moving, fixed), *pair[:2])
    shift = moving.mean(axis=0) - fixed.mean(axis=0)
    np.testing.assert_allclose(map_points([5, 5, 5], found), shift + 5)


def test_landmarks_on_one_line_give_a_translation():
    fixed = np.arange(4)[:, None] * np.array([1.0, 2.0, 3.0])
    found = from_landmarks(fixed @ rotation(0.5, 0, 0).T, fixed)
    centre = fixed.mean(axis=0)
    np.testing.assert_allclose(map_points(centre + 1, found) - map_points(centre, found), [1, 1, 1])


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (None, "does not exist"),
        ("moving_x,moving_y\n1,2\n", "lacks the column moving_z"),
        ("", "lacks the column"),
        (HEADER, "no complete pair"),
        (HEADER + "1,2,3,4,5\n", "no complete pair"),
        (HEADER + "1,2,3,4,5,six\n", "no number"),
        (HEADER + "1,2,3,4,5,nan\n", "no complete pair"),
    ],
)
def test_bad_landmark_files_are_refused(tmp_path, pair, text, complaint):
    path = tmp_path / "points.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=complaint):
        initial_transform(f"landmarks:{path}", *pair[:2])


def test_a_transform_file_is_taken_as_it_is(tmp_path, pair):
    euler = sitk.Euler3DTransform()
    euler.SetRotation(0.1, 0.2, 0.3)
    write_transform(tmp_path / "pose.tfm", euler)
    found = initial_transform(str(tmp_path / "pose.tfm"), *pair[:2])
    np.testing.assert_allclose(map_points([1, 2, 3], found), euler.TransformPoint((1.0, 2.0, 3.0)))


@pytest.mark.parametrize("kind", ["somehow", "pose.xyz"])
def test_an_unknown_kind_is_refused(pair, kind):
    with pytest.raises(InputError, match="is no initial alignment"):
        initial_transform(kind, *pair[:2])
    with pytest.raises(InputError, match="is no initial alignment"):  # before any image is read, as labels need none
        named_file(kind)


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("centers", ("centers", None)),
        ("landmarks:Doe.csv", ("landmarks", Path("Doe.csv"))),
        ("Doe/start.TFM", ("transform", Path("Doe/start.TFM"))),
    ],
)
def test_what_is_told_of_a_start_does_not_name_its_file(kind, told):
    assert named_file(kind) == told
