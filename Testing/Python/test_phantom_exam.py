"""A whole simulated exam agrees with its own truth."""

import json

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.ndimage import binary_erosion, binary_fill_holes, shift

from MR2USProLib.errors import Cancelled, InputError
from MR2USProLib.phantom.exam import simulate, write_exam
from MR2USProLib.progress import Progress
from MR2USProLib.volume import Grid, Volume


@pytest.fixture(scope="module")
def exam():
    return simulate(frames=16, level="easy", seed=1)


def transformed(transform, points):
    return np.array([transform.TransformPoint(point.tolist()) for point in points])


def correlation(a, b):
    return float(np.corrcoef(a.ravel().astype(float), b.ravel().astype(float))[0, 1])


def test_shapes_and_extent(exam):
    assert exam.sagittal.shape == (16, 300, 320)
    assert exam.transverse.shape == (16, 285, 320)
    assert exam.sagittal.dtype == exam.transverse.dtype == np.uint8
    assert exam.positions_mm[0] == 0
    assert 50 <= exam.positions_mm[-1] <= 58.5
    assert exam.mr.grid.spacing_mm == (0.6, 0.6, 3.0)


def test_the_transform_takes_landmarks_to_landmarks(exam):
    assert len(exam.landmarks) >= 8
    error = np.linalg.norm(transformed(exam.transform, exam.us_points_mm) - exam.mr_points_mm, axis=1)
    assert error.max() < 0.01
    assert exam.us_label.grid.contains(exam.us_points_mm).all()
    assert exam.mr.grid.contains(exam.mr_points_mm).all()


def test_the_labels_meet_under_the_transform(exam):
    """The MR's slices are 3 mm thick, so not quite."""
    fixed = exam.us_label.array > 0
    carried = exam.mr_label.resampled(exam.us_label.grid, exam.transform, "nearest").array > 0
    assert 2 * (fixed & carried).sum() / (fixed.sum() + carried.sum()) > 0.95
    # and do not without it: centre on centre they miss by the offset and the rotation
    offset = exam.mr.grid.centre_mm - exam.us_label.grid.centre_mm
    centred = exam.mr_label.resampled(exam.us_label.grid, sitk.TranslationTransform(3, offset.tolist()), "nearest")
    missed = 2 * (fixed & (centred.array > 0)).sum() / (fixed.sum() + (centred.array > 0).sum())
    assert missed < 0.92


def test_every_structure_has_its_centre_in_both_labels(exam):
    values = set(np.unique(exam.us_label.array)) - {0, 1}
    assert values == set(np.unique(exam.mr_label.array)) - {0, 1}
    assert len(values) >= 2
    for value in values:
        us, mr = (
            label.grid.to_world(np.argwhere(label.array == value).mean(0)[::-1])
            for label in (exam.us_label, exam.mr_label)
        )
        assert np.linalg.norm(transformed(exam.transform, us[None])[0] - mr) < 1.0


def test_the_prostate_is_whole_once_its_holes_are_filled(exam):
    for label in (exam.us_label, exam.mr_label):
        assert np.array_equal(binary_fill_holes(label.array == 1), label.array > 0)


def test_the_gland_has_one_volume_in_both(exam):
    us, mr = ((v.array > 0).sum() * np.prod(v.grid.spacing_mm) / 1000 for v in (exam.us_label, exam.mr_label))
    assert 28 < us < 60
    assert mr == pytest.approx(us, rel=0.03)  # the flow keeps volumes


def test_the_sweep_and_the_mr_hold_the_whole_gland(exam):
    for array in (exam.us_label.array > 0, exam.mr_label.array > 0):
        where = np.argwhere(array)
        assert (where.min(0) > 0).all()
        assert (where.max(0) < np.array(array.shape) - 1).all()
    deformation = exam.deformation
    assert 3 <= deformation["gland_offset_with_centres_aligned_mm"] <= 8
    assert deformation["displacement_mean_mm"] == pytest.approx(2.0, abs=0.3)
    assert abs(deformation["jacobian_min"] - 1) < 0.05
    assert abs(deformation["jacobian_max"] - 1) < 0.05


def test_sagittal_frames_agree_at_their_true_positions_and_nowhere_else(exam):
    step = np.diff(exam.positions_mm) / exam.sagittal_spacing_mm[1]
    for n in (2, 5, 9):
        whole = int(np.floor(step[n]))
        first, second = (exam.sagittal[k, 60:].astype(np.float32) for k in (n, n + 1))
        moved = shift(first, (0, -(step[n] - whole)), order=3, mode="nearest")[:, whole:]
        width = moved.shape[1] - 4
        assert correlation(moved[:, 2:width], second[:, 2:width]) > 0.85
        assert correlation(first[:, 2:width], second[:, 2:width]) < 0.65  # what is left is the organs' outlines


def test_the_views_show_the_same_tissue_where_they_cross(exam):
    """Column 0 of the sagittal frame and the middle of the transverse one, over 3 mm of depth and all frames."""
    depth = np.arange(8.0, 54.0, 0.5)
    rows = [
        np.round(depth / spacing[0]).astype(int) for spacing in (exam.sagittal_spacing_mm, exam.transverse_spacing_mm)
    ]
    sagittal = exam.sagittal[:, rows[0], :6].mean(-1)
    transverse = exam.transverse[:, rows[1], 155:165].mean(-1)
    box = np.ones(7) / 7
    smooth = [np.array([np.convolve(line, box, "valid") for line in view]) for view in (sagittal, transverse)]
    assert correlation(*smooth) > 0.75


def shown(exam, mask, frames=range(16)):
    """Grey levels of the transverse frames where a mask on the TRUS grid is set."""
    grey = []
    for n in frames:
        row, column = np.mgrid[: exam.transverse.shape[1], : exam.transverse.shape[2]]
        x = (column - (exam.transverse.shape[2] - 1) / 2) * exam.transverse_spacing_mm[1]
        y = -row * exam.transverse_spacing_mm[0]
        world = np.stack([x, y, np.full(x.shape, -exam.positions_mm[n])], -1)
        index = np.round(exam.us_label.grid.to_index(world)).astype(int)
        inside = np.all((index >= 0) & (index < exam.us_label.grid.size), axis=-1) & (exam.transverse[n] > 0)
        i, j, k = index[inside].T
        grey.append(exam.transverse[n][inside][mask[k, j, i]])
    return np.concatenate(grey)


def test_the_transverse_frames_show_the_labels(exam):
    zones = exam.us_zones.array
    peripheral, transition, bladder, lesion = (
        shown(exam, binary_erosion(zones == value, iterations=steps, border_value=1)).astype(float)
        for value, steps in ((1, 2), (2, 2), (7, 8), (5, 2))  # 4 mm into the bladder: off its wall
    )
    assert min(map(len, (peripheral, transition, bladder, lesion))) > 300
    assert bladder.mean() < 0.25 * peripheral.mean()
    assert transition.mean() < peripheral.mean() - 12
    assert lesion.mean() < peripheral.mean() - 12


def test_the_mr_shows_its_labels(exam):
    zones = exam.mr_zones.array
    means = {value: exam.mr.array[binary_erosion(zones == value, np.ones((1, 3, 3)))].mean() for value in (1, 2, 5, 7)}
    assert means[7] > means[1] > means[2] > means[5]
    assert (exam.mr.array >= 0).all()


def test_what_is_written_is_what_was_simulated(exam, tmp_path):
    files = write_exam(exam, tmp_path / "exam")
    assert {f.name for f in files} == {
        "sagittal.mha", "transverse.mha", "mr.nrrd", "mr_label.nrrd", "us_label.nrrd", "mr_zones.nrrd", "us_zones.nrrd",
        "truth_transform.h5", "landmarks.csv", "truth.json",
    }  # fmt: skip
    folder = tmp_path / "exam"
    stack = Volume.read(folder / "sagittal.mha")
    assert np.array_equal(stack.array, exam.sagittal)
    assert stack.grid.spacing_mm[:2] == pytest.approx((0.19, 0.19))
    assert Volume.read(folder / "mr.nrrd").grid == exam.mr.grid
    transform = sitk.ReadTransform(str(folder / "truth_transform.h5"))
    np.testing.assert_allclose(transformed(transform, exam.us_points_mm), exam.mr_points_mm, atol=0.01)
    truth = json.loads((folder / "truth.json").read_text())
    np.testing.assert_allclose(truth["positions_mm"], exam.positions_mm, atol=1e-4)
    assert truth["labels"]["1"] == "prostate"
    assert all((folder / name).exists() for name in truth["files"].values())
    rows = (folder / "landmarks.csv").read_text().splitlines()
    assert rows[0] == "name,moving_x,moving_y,moving_z,fixed_x,fixed_y,fixed_z"
    assert len(rows) == 1 + len(exam.landmarks)


@pytest.fixture(scope="module")
def small_t2():
    """A bright ellipsoid with a dark centre in grey surroundings, in a tilted grid far from the origin."""
    angle = np.deg2rad(12)
    tilt = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    grid = Grid((26, 60, 70), (1.2, 1.2, 3.0), (100.0, -60.0, 20.0), tilt)
    radius = np.sqrt((((grid.points() - grid.centre_mm) / (23, 15, 20)) ** 2).sum(-1))
    image = np.where(radius < 1, 600, 250) - np.where(radius < 0.5, 350, 0)
    return Volume(image.astype(np.int16), grid), Volume((radius < 1).astype(np.uint8), grid)


@pytest.fixture(scope="module")
def t2_exam(small_t2):
    return simulate(frames=6, level="medium", seed=5, mr=small_t2[0], mr_label=small_t2[1])


def test_a_given_t2_becomes_the_tissue(t2_exam, small_t2):
    assert t2_exam.mr is small_t2[0]
    assert t2_exam.us_zones is None
    error = np.linalg.norm(transformed(t2_exam.transform, t2_exam.us_points_mm) - t2_exam.mr_points_mm, axis=1)
    assert error.max() < 0.01
    world = t2_exam.us_label.grid.points()[t2_exam.us_label.array == 1]
    assert np.ptp(world[:, 2]) < t2_exam.positions_mm[-1]  # the sweep covers it
    radius = np.sqrt((((t2_exam.mr_points_mm - small_t2[0].grid.centre_mm) / (23, 15, 20)) ** 2).sum(-1))
    assert radius.max() < 1.1
    # bright in T2, bright in ultrasound: the rim against the dark core, in the frame nearest the gland's middle
    rim = Volume((small_t2[0].array == 600).astype(np.uint8), small_t2[0].grid)
    core = Volume((small_t2[1].array.astype(bool) & (small_t2[0].array == 250)).astype(np.uint8), small_t2[0].grid)
    masks = [
        binary_erosion(v.resampled(t2_exam.us_label.grid, t2_exam.transform, "nearest").array > 0, iterations=2)
        for v in (rim, core)
    ]
    bright, dark = (shown(t2_exam, mask, range(6)).mean() for mask in masks)
    assert bright > dark + 8


def test_the_same_seed_gives_the_same_exam_and_another_another(t2_exam, small_t2):
    again = simulate(frames=6, level="medium", seed=5, mr=small_t2[0], mr_label=small_t2[1])
    assert np.array_equal(again.sagittal, t2_exam.sagittal)
    assert np.array_equal(again.transverse, t2_exam.transverse)
    assert np.array_equal(again.positions_mm, t2_exam.positions_mm)
    assert np.array_equal(again.us_points_mm, t2_exam.us_points_mm)
    other = simulate(frames=6, level="medium", seed=6, mr=small_t2[0])
    assert other.us_label is None
    assert not np.allclose(other.positions_mm, t2_exam.positions_mm)
    assert correlation(other.sagittal[0], t2_exam.sagittal[0]) < 0.7


def test_bad_input_is_refused_in_a_sentence(small_t2):
    mr, label = small_t2
    with pytest.raises(InputError, match="at least 2"):
        simulate(frames=1)
    with pytest.raises(InputError, match="easy, medium, hard"):
        simulate(level="severe")
    with pytest.raises(InputError, match="too small for a sweep"):
        flat = Grid((8, 60, 70), mr.grid.spacing_mm, mr.grid.origin_mm, mr.grid.direction)
        simulate(mr=Volume(mr.array[:8], flat))
    for empty in (np.where(mr.array > 99, np.nan, mr.array), np.ones_like(mr.array)):
        with pytest.raises(InputError, match="give one that shows tissue"):
            simulate(mr=Volume(empty, mr.grid))
    with pytest.raises(InputError, match="value 1"):
        simulate(mr=mr, mr_label=Volume(label.array * 3, label.grid))
    with pytest.raises(InputError, match="give the MR too"):
        simulate(mr_label=label)


def test_it_can_be_cancelled():
    told = []

    def listen(stage, fraction, message):
        told.append(fraction)

    with pytest.raises(Cancelled):
        simulate(frames=4, progress=Progress(listen, lambda: len(told) > 3))
    assert len(told) == 4
