"""Joining, writing and applying transforms, against truth known in closed form."""

import numpy as np
import pytest
import SimpleITK as sitk

from MR2USProLib.errors import InputError
from MR2USProLib.evaluation.metrics import folding
from MR2USProLib.registration import transforms
from MR2USProLib.volume import Grid, Volume
from oblique_pair import deformation, fixed_grid, initial, mirrored_slices, mr_around, mr_values, rotation, working_grid


@pytest.fixture(scope="module")
def grids():
    fixed = fixed_grid()
    return fixed, working_grid(fixed)


@pytest.fixture(scope="module")
def joined(grids):
    fixed, region = grids
    return transforms.composite(initial(), deformation(region), fixed)


def test_a_point_moves_by_the_field_and_then_by_the_initial_transform(grids, joined):
    _, region = grids
    field = deformation(region)
    points = region.points()[::3, ::3, ::3]
    moved = points + field.array[::3, ::3, ::3]
    expected = transforms.map_points(moved, initial())
    np.testing.assert_allclose(transforms.map_points(points, joined), expected, atol=1e-6)


def test_the_fields_own_voxels_are_kept(grids):
    """With no initial transform the total displacement on the working grid is the field that was given."""
    fixed, region = grids
    field = deformation(region)
    joined = transforms.composite(sitk.Transform(3, sitk.sitkIdentity), field, fixed)
    np.testing.assert_allclose(transforms.displacement_on(region, joined).array, field.array, atol=1e-6)


def test_outside_the_region_the_field_goes_on_with_its_edge(grids):
    fixed, region = grids
    field = deformation(region)
    joined = transforms.composite(sitk.Transform(3, sitk.sitkIdentity), field, fixed)
    total = transforms.displacement_on(fixed, joined)
    last = np.asarray(region.size) - 1
    index = np.clip(np.rint(region.to_index(fixed.points())), 0, last).astype(int)
    corners = np.all((region.to_index(fixed.points()) < -1) | (region.to_index(fixed.points()) > last + 1), axis=-1)
    nearest = field.array[index[..., 2], index[..., 1], index[..., 0]]
    assert corners.sum() > 1000
    np.testing.assert_allclose(total.array[corners], nearest[corners], atol=0.05)
    assert folding(total).least_determinant > 0
    steps = [np.abs(np.diff(total.array, axis=axis)).max() for axis in range(3)]
    assert max(steps) < 1.0  # no jump anywhere, with neighbours about 1 mm apart


def test_a_small_region_of_a_large_image_makes_no_giant(grids):
    """Its fine grid goes on over the whole image: 60 million knots here, were there no end."""
    _, region = grids
    fine = Grid((48, 96, 96), (0.2, 0.2, 0.4), region.origin_mm, region.direction)
    field = deformation(fine)
    spacing_mm = 0.5
    around = np.asarray(fine.centre_mm) - fine.direction @ np.full(3, 50.0 - spacing_mm / 2)
    fixed = Grid((200, 200, 200), 3 * (spacing_mm,), tuple(around), fine.direction)
    joined = transforms.composite(sitk.Transform(3, sitk.sitkIdentity), field, fixed)
    assert sum(joined.GetNthTransform(n).GetNumberOfParameters() for n in range(2)) < 3.1 * transforms.MOST_KNOTS
    found = transforms.displacement_on(fine, joined).array[2:-2, 2:-2, 2:-2]
    off = np.abs(found - field.array[2:-2, 2:-2, 2:-2])
    assert off.mean() < 0.02  # of 3 mm
    assert off.max() < 0.2


def test_a_known_pose_and_field_warp_the_mr_as_the_formula_does(grids, joined):
    """The warped image is the MR's formula at the mapped points, up to the MR's own voxels where it is smooth."""
    fixed, _ = grids
    centre = transforms.map_points(fixed.centre_mm, joined)
    moving = mr_around(centre)
    warped = transforms.warp(moving, fixed, joined)
    expected = mr_values(transforms.map_points(fixed.points()[::3, ::3, ::3], joined), centre)
    error = np.abs(warped.array[::3, ::3, ::3] - expected)
    assert np.median(error) < 10  # of some 700
    assert np.mean(error < 60) > 0.8


def test_a_left_handed_mr_gives_the_same_anatomy(grids, joined):
    fixed, _ = grids
    moving = mr_around(transforms.map_points(fixed.centre_mm, joined))
    mirrored = mirrored_slices(moving)
    assert np.linalg.det(mirrored.grid.direction) < 0
    one, other = (transforms.warp(image, fixed, joined).array for image in (moving, mirrored))
    np.testing.assert_allclose(other, one, atol=1e-6)


def test_a_left_handed_field_gives_the_same_transform(grids):
    fixed, region = grids
    field = deformation(region)
    mirrored = mirrored_slices(field)
    points = region.points()[::4, ::4, ::4]
    one, other = (transforms.map_points(points, transforms.composite(initial(), u, fixed)) for u in (field, mirrored))
    np.testing.assert_allclose(other, one, atol=1e-6)
    assert folding(mirrored).least_determinant == pytest.approx(folding(field).least_determinant, abs=1e-6)


def test_written_and_read_it_is_the_same(tmp_path, grids, joined):
    transforms.write_transform(tmp_path / "transform.h5", joined)
    again = transforms.read_transform(tmp_path / "transform.h5")
    points = grids[0].points()[::7, ::7, ::7]
    np.testing.assert_array_equal(transforms.map_points(points, again), transforms.map_points(points, joined))


def test_simpleitk_alone_reads_it_and_warps_alike(tmp_path, grids, joined):
    fixed, _ = grids
    moving = mr_around(transforms.map_points(fixed.centre_mm, joined))
    transforms.write_transform(tmp_path / "transform.h5", joined)
    image = sitk.Resample(
        moving.to_sitk(), fixed.to_sitk(), sitk.ReadTransform(str(tmp_path / "transform.h5")), sitk.sitkLinear,
        float(moving.array.min()),
    )  # fmt: skip
    np.testing.assert_allclose(sitk.GetArrayFromImage(image), transforms.warp(moving, fixed, joined).array, atol=1e-6)


def test_a_composite_that_was_read_can_be_the_start_of_another(tmp_path, grids, joined):
    """An earlier result as initial alignment: one flat list of transforms, which ITK can write."""
    fixed, region = grids
    twice = transforms.composite(joined, deformation(region, 2.0, seed=1), fixed)
    transforms.write_transform(tmp_path / "twice.h5", twice)
    points = region.points()[5:-5:5, 5:-5:5, 5:-5:5]
    first = transforms.map_points(
        points, transforms.composite(sitk.Transform(3, sitk.sitkIdentity), deformation(region, 2.0, seed=1), fixed)
    )
    expected = transforms.map_points(first, joined)
    np.testing.assert_allclose(
        transforms.map_points(points, transforms.read_transform(tmp_path / "twice.h5")), expected, atol=1e-6
    )


@pytest.mark.parametrize("content", [None, b"", b"no transform"])
@pytest.mark.parametrize("suffix", [".h5", ".tfm"])
def test_what_is_no_transform_is_refused(tmp_path, content, suffix):
    path = tmp_path / f"file{suffix}"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match="file"):
        transforms.read_transform(path)


def test_a_transform_of_the_plane_is_refused(tmp_path):
    sitk.WriteTransform(sitk.Euler2DTransform(), str(tmp_path / "flat.tfm"))
    with pytest.raises(InputError, match="2 coordinates"):
        transforms.read_transform(tmp_path / "flat.tfm")


def test_a_transform_that_breaks_off_is_told_in_our_words_alone(tmp_path, capfd):
    path = tmp_path / "cut.h5"
    transforms.write_transform(path, sitk.AffineTransform(3))
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(InputError, match="could not be read as a transform"):
        transforms.read_transform(path)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("matrix", "shift", "says"),
    [
        ((1, 0, 0, 0, 1, 0, 0, 0, 1), (np.nan, 0, 0), "no numbers"),
        ((1, 0, 0, 0, np.nan, 0, 0, 0, 1), (0, 0, 0), "no numbers"),
        ((1, 0, 0, 0, 1, 0, 1, 1, 0), (0, 0, 0), "flattens the image"),
    ],
)
def test_a_transform_that_leads_nowhere_is_refused(tmp_path, matrix, shift, says):
    affine = sitk.AffineTransform(3)
    affine.SetParameters([float(value) for value in (*matrix, *shift)])
    transforms.write_transform(tmp_path / "bad.h5", affine)
    with pytest.raises(InputError, match=says):
        transforms.read_transform(tmp_path / "bad.h5")


def test_every_linear_transform_that_was_read_has_an_inverse(tmp_path):
    """ITK cannot invert some of its own classes, which 3D Slicer's BRAINSFit writes."""
    skewed = sitk.ScaleSkewVersor3DTransform()
    skewed.SetTranslation((1.0, 2.0, 3.0))
    transforms.write_transform(tmp_path / "skewed.tfm", skewed)
    found = transforms.read_transform(tmp_path / "skewed.tfm")
    assert found.TransformPoint((0.0, 0.0, 0.0)) == (1.0, 2.0, 3.0)
    assert found.GetInverse().TransformPoint((1.0, 2.0, 3.0)) == (0.0, 0.0, 0.0)


def test_displacement_of_a_translation_is_that_translation():
    grid = Grid((3, 4, 5), (1, 2, 3), (9, 8, 7), rotation(0.1, 0.2, 0.3))
    found = transforms.displacement_on(grid, sitk.TranslationTransform(3, (1.0, -2.0, 3.0)))
    np.testing.assert_allclose(found.array, np.broadcast_to([1, -2, 3], (3, 4, 5, 3)), atol=1e-6)


def test_warping_keeps_the_kind_of_number_and_fills_the_outside():
    grid = Grid((4, 4, 4))
    image = Volume((10 + np.arange(64)).reshape(grid.shape).astype(np.uint8), grid)
    half = sitk.TranslationTransform(3, (0.5, 0.0, 0.0))
    warped = transforms.warp(image, grid, half)
    assert warped.array.dtype == np.uint8
    assert warped.array[0, 0].tolist() == [10, 12, 12, 10]  # 10.5, 11.5, 12.5 to even; then outside: the minimum
    label = transforms.warp(image, grid, sitk.TranslationTransform(3, (2.0, 0.0, 0.0)), label=True)
    assert label.array[0, 0].tolist() == [12, 13, 0, 0]


def test_a_stack_of_labels_is_warped_map_by_map():
    grid = Grid((4, 5, 6))
    stack = (np.random.default_rng(0).random((4, 5, 6, 3)) > 0.5).astype(np.uint8)
    shift = sitk.TranslationTransform(3, (1.0, 2.0, 0.0))
    warped = transforms.warp(Volume(stack, grid), grid, shift, label=True).array
    for channel in range(3):
        alone = transforms.warp(Volume(stack[..., channel], grid), grid, shift, label=True).array
        np.testing.assert_array_equal(warped[..., channel], alone)
    np.testing.assert_array_equal(warped[:, :3, :5], stack[:, 2:, 1:])
