import numpy as np
import pytest
import SimpleITK as sitk

from MR2USProLib.errors import InputError
from MR2USProLib.volume import Grid, Volume

TURN = np.array([[0.8, 0.0, 0.6], [0.6, 0.0, -0.8], [0.0, 1.0, 0.0]])  # a rotation: columns i, j, k


def oblique() -> Grid:
    return Grid((4, 5, 6), (0.5, 1.0, 3.0), (10.0, -20.0, 30.0), TURN)


def test_index_to_world_by_hand():
    # Two steps along i (0.5 mm), one along k (3 mm): origin + 1.0 * (0.8, 0.6, 0) + 3.0 * (0.6, -0.8, 0).
    np.testing.assert_allclose(oblique().to_world([2, 0, 1]), [12.6, -21.8, 30.0])


def test_world_and_index_are_inverse_and_agree_with_itk():
    grid = oblique()
    index = np.array([[0.0, 0, 0], [5, 4, 3], [1.5, 2.25, 0.75]])
    np.testing.assert_allclose(grid.to_index(grid.to_world(index)), index, atol=1e-12)
    image = grid.to_sitk()
    for each in index:
        np.testing.assert_allclose(grid.to_world(each), image.TransformContinuousIndexToPhysicalPoint(each.tolist()))


def test_points_has_the_arrays_order():
    grid = oblique()
    np.testing.assert_allclose(grid.points()[3, 1, 5], grid.to_world([5, 1, 3]))


def test_displacements_in_voxels_and_mm_are_inverse():
    grid = oblique()
    one_voxel_along_k = np.array([0.0, 0.0, 1.0])
    np.testing.assert_allclose(grid.voxels_to_mm(one_voxel_along_k), [1.8, -2.4, 0.0])
    np.testing.assert_allclose(grid.mm_to_voxels([1.8, -2.4, 0.0]), one_voxel_along_k, atol=1e-12)


def test_cropped_grid_keeps_the_voxels_where_they_are():
    grid = Grid((20, 20, 20), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    cropped = grid.cropped_to([2.6, 4.0, 5.0], [7.4, 9.0, 11.0])
    assert cropped.shape == (7, 6, 5)
    np.testing.assert_allclose(cropped.origin_mm, [3, 4, 5])


def test_a_box_outside_is_refused_with_a_sentence():
    with pytest.raises(InputError, match="lies outside the image"):
        oblique().cropped_to([500, 500, 500], [510, 510, 510])


@pytest.mark.parametrize("shape", [(8, 10, 12), (2, 3, 5)])
def test_resampling_keeps_the_box_from_edge_to_edge(shape):
    grid = oblique()
    other = grid.resampled(shape=shape)
    np.testing.assert_allclose(other.corners(), grid.corners(), atol=1e-9)
    np.testing.assert_allclose(other.centre_mm, grid.centre_mm)


def test_resampling_to_a_spacing_obeys_it():
    other = oblique().resampled(spacing_mm=(1.0, 1.0, 1.0))
    assert other.spacing_mm == (1.0, 1.0, 1.0)
    assert other.size == (3, 5, 12)


@pytest.mark.parametrize(
    "direction",
    [np.eye(3), np.diag([1.0, -1, -1]), np.diag([-1.0, 1, 1]), TURN, TURN[:, [2, 0, 1]] * [1, -1, 1]],
    ids=["axial", "trus", "left-handed", "coronal", "left-handed oblique"],
)
def test_reoriented_shows_the_same_anatomy_with_axes_nearest_to_lps(direction):
    rng = np.random.default_rng(0)
    volume = Volume(rng.random((4, 5, 6)).astype(np.float32), Grid((4, 5, 6), (0.5, 1.0, 3.0), (1, 2, 3), direction))
    grid = volume.grid.reoriented()
    assert np.linalg.det(grid.direction) == pytest.approx(1.0)
    assert np.all(np.abs(np.diag(grid.direction)) == np.abs(grid.direction).max(axis=0))
    assert np.all(np.diag(grid.direction) > 0)
    same = volume.resampled(grid, interpolation="nearest")
    assert sorted(same.array.ravel()) == sorted(volume.array.ravel())
    back = same.resampled(volume.grid, interpolation="nearest")
    np.testing.assert_array_equal(back.array, volume.array)


def test_reading_and_writing_keep_values_and_geometry(tmp_path):
    volume = Volume(np.arange(120, dtype=np.int16).reshape(4, 5, 6), oblique())
    for name in ("a.nrrd", "a.mha", "a.nii.gz"):
        volume.write(tmp_path / name)
        again = Volume.read(tmp_path / name)
        np.testing.assert_array_equal(again.array, volume.array)
        assert again.grid == volume.grid


def test_vectors_are_read_with_their_components_last(tmp_path):
    field = np.arange(4 * 5 * 6 * 3, dtype=np.float32).reshape(4, 5, 6, 3)
    Volume(field, oblique()).write(tmp_path / "field.nrrd")
    np.testing.assert_array_equal(Volume.read(tmp_path / "field.nrrd").array, field)


def test_resampling_takes_the_transform_from_the_new_grid_to_the_volume():
    volume = Volume(np.zeros((9, 9, 9), np.float32), Grid((9, 9, 9)))
    volume.array[4, 4, 4] = 1.0
    shifted = volume.resampled(volume.grid, sitk.TranslationTransform(3, (2.0, 0.0, 0.0)))
    assert shifted.array[4, 4, 2] == 1.0


def test_values_at_points_are_linear_between_voxels_and_unknown_outside():
    grid = Grid((4, 5, 6), spacing_mm=(2, 1, 3), origin_mm=(7, -3, 2))
    ramp = Volume((grid.points() @ [0.5, -2.0, 1.0]).astype(np.float32), grid)
    inside = np.array([[8.1, -2.3, 9.7], [7.0, 1.0, 2.0]])
    np.testing.assert_allclose(ramp.at(inside), inside @ [0.5, -2.0, 1.0], atol=1e-5)
    assert np.isnan(ramp.at([[6.9, 0, 5], [8, 0, 5 + 9]])).all()


def test_smoothing_for_a_coarser_grid_keeps_the_mean_and_takes_the_detail():
    rng = np.random.default_rng(1)
    volume = Volume(rng.normal(100, 10, (24, 24, 24)).astype(np.float32), Grid((24, 24, 24), (0.5, 0.5, 0.5)))
    smooth = volume.smoothed_for(volume.grid.resampled(spacing_mm=(2.0, 2.0, 2.0)))
    assert smooth.array.mean() == pytest.approx(volume.array.mean(), abs=0.5)
    assert smooth.array.std() < 2.5
    assert volume.smoothed_for(volume.grid) is volume


def test_foreground_is_what_the_constant_background_surrounds():
    array = np.zeros((12, 20, 20), np.uint8)
    array[2:10, 4:16, 4:16] = 90
    array[5, 8, 8] = 0  # a black voxel inside is no background
    shown = Volume(array, Grid(array.shape)).foreground()
    expected = array > 0
    expected[5, 8, 8] = True
    assert np.mean(shown == expected) > 0.99
    assert shown[5, 8, 8]
    full = Volume(np.full((5, 5, 5), 7, np.uint8) + np.indices((5, 5, 5))[0].astype(np.uint8), Grid((5, 5, 5)))
    assert full.foreground()[2].all()


@pytest.mark.parametrize(
    ("name", "content"), [("missing.nrrd", None), ("text.nrrd", b"hello"), ("cut.mha", b"ObjectType")]
)
def test_what_is_no_image_is_refused_with_a_sentence(tmp_path, name, content):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=r"\.$"):
        Volume.read(tmp_path / name)


def test_an_image_that_breaks_off_is_told_in_our_words_alone(tmp_path, capfd):
    array = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)
    sitk.WriteImage(sitk.GetImageFromArray(array), str(tmp_path / "cut.mha"))
    whole = (tmp_path / "cut.mha").read_bytes()
    (tmp_path / "cut.mha").write_bytes(whole[:-100])
    with pytest.raises(InputError, match="could not be read as an image"):
        Volume.read(tmp_path / "cut.mha")
    assert capfd.readouterr().err == ""


def test_a_flat_picture_is_no_volume(tmp_path):
    sitk.WriteImage(sitk.Image([8, 8], sitk.sitkUInt8), str(tmp_path / "flat.png"))
    with pytest.raises(InputError, match="three axes"):
        Volume.read(tmp_path / "flat.png")


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("kind", [np.int16, np.float64])
def test_a_nifti_file_that_breaks_off_is_refused(tmp_path, name, kind):
    array = np.random.default_rng(0).integers(0, 2000, (9, 20, 30)).astype(kind)
    Volume(array, Grid(array.shape)).write(tmp_path / name)
    np.testing.assert_array_equal(Volume.read(tmp_path / name).array, array)
    whole = (tmp_path / name).read_bytes()
    for share in (0.98, 0.5):
        (tmp_path / name).write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(InputError, match="give a complete"):
            Volume.read(tmp_path / name)


def test_one_moment_of_a_series_is_a_volume(tmp_path):
    image = sitk.GetImageFromArray(np.arange(24, dtype=np.int16).reshape(1, 2, 3, 4), isVector=False)
    image.SetSpacing((0.5, 0.6, 0.7, 1.0))
    image.SetOrigin((1.0, 2.0, 3.0, 0.0))
    image.SetDirection(np.diag([-1.0, -1.0, 1.0, 1.0]).ravel().tolist())
    sitk.WriteImage(image, str(tmp_path / "one.nrrd"))
    volume = Volume.read(tmp_path / "one.nrrd")
    np.testing.assert_array_equal(volume.array.ravel(), np.arange(24))
    assert volume.grid == Grid((2, 3, 4), (0.5, 0.6, 0.7), (1.0, 2.0, 3.0), np.diag([-1.0, -1.0, 1.0]))


def test_a_folder_is_no_image(tmp_path, capfd):
    with pytest.raises(InputError, match="is a folder: give an image file"):
        Volume.read(tmp_path)
    assert not capfd.readouterr().err
