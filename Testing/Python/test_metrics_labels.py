"""Labels as files, and what a transform scores against them."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from MR2USProLib.errors import InputError
from MR2USProLib.evaluation.labels import Labels, left_out, read_labels, score
from MR2USProLib.volume import Grid, Volume

GRID = Grid((20, 22, 24), (1.0, 1.5, 2.0), (-10.0, 5.0, 30.0), np.diag([1.0, -1.0, -1.0]))
PAIRS = Path(os.environ.get("MR2US_DATA", Path(__file__).parents[3] / "shared" / "data")) / "mr-trus-pairs"


def label_map():
    array = np.zeros(GRID.shape, dtype=np.uint8)
    array[5:15, 6:16, 7:17] = 1
    array[8:11, 9:12, 10:13] = 2  # centre (k, j, i) = (9, 10, 11)
    array[12, 13, 14] = 5
    return array


def as_4d(channels, grid=GRID):
    return sitk.JoinSeries([Volume(channel.astype(np.float64), grid).to_sitk() for channel in channels])


def test_label_map(tmp_path):
    Volume(label_map(), GRID).write(tmp_path / "labels.nrrd")
    labels = read_labels(tmp_path / "labels.nrrd")
    assert labels.gland.grid == GRID
    assert labels.gland.array.dtype == bool
    assert labels.gland.array.sum() == 1000  # what the gland encloses is part of it
    assert np.array_equal(labels.map.array, label_map())
    assert labels.names == ("label 2", "label 5")
    # x = -10 + 11*1, y = 5 - 10*1.5, z = 30 - 9*2
    assert labels.landmarks_mm[0] == pytest.approx([1.0, -10.0, 12.0])
    assert labels.landmarks_mm[1] == pytest.approx([4.0, -14.5, 6.0])


def test_a_single_value_is_the_gland(tmp_path):
    Volume((255 * (label_map() > 0)).astype(np.uint8), GRID).write(tmp_path / "mask.nii.gz")
    labels = read_labels(tmp_path / "mask.nii.gz")
    assert labels.gland.array.sum() == 1000
    assert labels.landmarks_mm.shape == (0, 3)


def test_channels_with_an_empty_one(tmp_path):
    array = label_map()
    channels = [(array > 0).astype(np.uint8), (array == 2).astype(np.uint8), 0 * array, (array == 5).astype(np.uint8)]
    sitk.WriteImage(as_4d(channels), str(tmp_path / "labels.nii.gz"))
    labels = read_labels(tmp_path / "labels.nii.gz")
    assert labels.gland.grid == GRID
    assert labels.gland.array.sum() == 1000
    assert np.array_equal(labels.map.array, np.where(array == 5, 4, array))
    assert labels.names == ("channel 1", "channel 2", "channel 3")
    assert labels.landmarks_mm[0] == pytest.approx([1.0, -10.0, 12.0], abs=1e-4)
    assert np.isnan(labels.landmarks_mm[1]).all()
    assert labels.landmarks_mm[2] == pytest.approx([4.0, -14.5, 6.0], abs=1e-4)


@pytest.mark.parametrize(
    ("array", "problem"),
    [
        (np.zeros(GRID.shape, np.uint8), "no gland"),
        (np.where(label_map() == 1, 7, label_map()).astype(np.uint8), "no gland"),
        (np.random.default_rng(0).normal(size=GRID.shape).astype(np.float32), "looks like an image"),
        (label_map() * np.float32(0.5), "looks like an image"),
        (-label_map().astype(np.int16), "looks like an image"),
    ],
)
def test_what_is_no_label_map_is_refused(tmp_path, array, problem):
    Volume(array, GRID).write(tmp_path / "labels.nrrd")
    with pytest.raises(InputError, match=problem):
        read_labels(tmp_path / "labels.nrrd")


def test_other_files_are_refused(tmp_path):
    array = label_map()
    sitk.WriteImage(as_4d([0 * array, array]), str(tmp_path / "values.nii.gz"))
    with pytest.raises(InputError, match="mask of 0 and 1"):
        read_labels(tmp_path / "values.nii.gz")
    sitk.WriteImage(as_4d([0 * array, (array == 1).astype(np.uint8)]), str(tmp_path / "empty.nii.gz"))
    with pytest.raises(InputError, match="no gland"):
        read_labels(tmp_path / "empty.nii.gz")
    sitk.WriteImage(sitk.GetImageFromArray(array[0]), str(tmp_path / "flat.nrrd"))
    with pytest.raises(InputError, match="neither"):
        read_labels(tmp_path / "flat.nrrd")
    vectors = sitk.GetImageFromArray(np.stack([array, array], axis=-1), isVector=True)
    sitk.WriteImage(vectors, str(tmp_path / "vectors.nrrd"))
    with pytest.raises(InputError, match="neither"):
        read_labels(tmp_path / "vectors.nrrd")
    with pytest.raises(InputError, match="does not exist"):
        read_labels(tmp_path / "nowhere.nrrd")


def ball(grid, centre_mm, landmarks_mm):
    gland = np.linalg.norm(grid.points() - centre_mm, axis=-1) < 9
    names = tuple(f"label {n + 2}" for n in range(len(landmarks_mm)))
    return Labels(Volume(gland, grid), np.asarray(landmarks_mm), names, Volume(gland.astype(np.uint8), grid))


def known_shift():
    """A pair that differs by a shift of whole voxels, and that shift (fixed to moving)."""
    fixed_grid = Grid((30, 30, 30), (1.0, 1.0, 1.0), (-15.0, -15.0, -15.0))
    moving_grid = Grid((32, 30, 36), (1.0, 1.0, 1.0), (-10.0, -20.0, -16.0))
    shift = np.array([4.0, -3.0, 2.0])
    landmarks = np.array([[0.0, 0.0, 0.0], [3.0, -2.0, 1.0]])
    fixed = ball(fixed_grid, (0, 0, 0), landmarks)
    moving = ball(moving_grid, shift, landmarks + shift)
    return moving, fixed, sitk.TranslationTransform(3, shift.tolist())


def test_the_true_shift_scores_perfectly():
    moving, fixed, truth = known_shift()
    after = score(moving, fixed, truth)
    assert after["dsc"] == after["iou"] == 1.0
    assert after["asd_mm"] == after["hd95_mm"] == 0.0
    assert after["tre_mm"] == pytest.approx(0.0, abs=1e-9)


def test_before_the_shift_the_error_is_its_length():
    moving, fixed, truth = known_shift()
    before = score(moving, fixed, sitk.Transform(3, sitk.sitkIdentity))
    assert before["tre_points_mm"] == pytest.approx([np.sqrt(29), np.sqrt(29)])
    assert before["tre_mm"] == pytest.approx(np.sqrt(29))
    assert before["dsc"] < 0.75
    # the inverse transform goes the wrong way
    wrong = score(moving, fixed, truth.GetInverse())
    assert wrong["tre_mm"] == pytest.approx(2 * np.sqrt(29))
    assert wrong["dsc"] < before["dsc"]


def test_missing_landmarks_and_a_gland_that_left_the_image_become_null():
    moving, fixed, _ = known_shift()
    partial = replace(moving, landmarks_mm=np.array([[np.nan] * 3, moving.landmarks_mm[1]]))
    result = score(partial, fixed, sitk.TranslationTransform(3, (500.0, 0.0, 0.0)))
    assert result["dsc"] == 0.0
    assert result["asd_mm"] is None
    assert result["hd95_mm"] is None
    assert result["tre_points_mm"][0] is None
    assert result["tre_mm"] == result["tre_points_mm"][1] > 490
    json.dumps(result, allow_nan=False)


def test_a_structure_that_only_one_image_has_is_left_out():
    moving, fixed, truth = known_shift()
    whole = score(moving, fixed, truth)
    fewer = fixed.only(fixed.names[1:])
    assert left_out(moving, fewer) == [fixed.names[0]]
    partial = score(moving, fewer, truth)
    assert partial["dsc"] == whole["dsc"]
    assert partial["tre_points_mm"] == whole["tre_points_mm"][1:]


def test_structures_are_compared_by_name_and_not_by_place():
    moving, fixed, truth = known_shift()
    turned = fixed.only(fixed.names[::-1])
    assert score(moving, turned, truth) == score(moving, fixed, truth)


def test_channels_that_do_not_match_are_refused():
    moving, fixed, truth = known_shift()
    fewer = replace(moving.only(moving.names[:1]), numbered=True)
    with pytest.raises(InputError, match="do not match"):
        score(fewer, replace(fixed, numbered=True), truth)


def test_real_pair():
    if not PAIRS.is_dir():
        pytest.skip("the MR-TRUS pairs are not here (MR2US_DATA names their folder)")
    moving = read_labels(PAIRS / "moving_labels" / "obs000.nii.gz")
    fixed = read_labels(PAIRS / "fixed_labels" / "obs000.nii.gz")
    assert (moving.gland.array.sum(), fixed.gland.array.sum()) == (21125, 18387)
    assert fixed.landmarks_mm.shape == (5, 3)
    assert fixed.gland.grid.contains(fixed.landmarks_mm).all()
    centres = sitk.TranslationTransform(3, (centroid(moving) - centroid(fixed)).tolist())
    assert score(moving, fixed, centres)["dsc"] > 0.75


def centroid(labels):
    return labels.gland.grid.to_world(np.argwhere(labels.gland.array).mean(axis=0)[::-1])
