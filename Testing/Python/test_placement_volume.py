"""Transverse frames in the TRUS world: where a voxel comes to lie, and which voxels hold data."""

import numpy as np
import pytest

from MR2USProLib.errors import InputError
from MR2USProLib.reconstruction.placement import fan_mask, place

ROWS, COLUMNS = 80, 101
SPACING = (0.25, 0.3)
ALL = np.ones(5, dtype=bool)


def fan() -> np.ndarray:
    y, x = np.mgrid[0:ROWS, 0:COLUMNS]
    radius, angle = np.hypot(y + 20, x - 50), np.arctan2(x - 50, y + 20)
    return (radius > 22) & (radius < 95) & (np.abs(angle) < 0.6)


def flat_frames(levels: list[int]) -> np.ndarray:
    return np.stack([np.where(fan(), level, 0) for level in levels]).astype(np.uint8)


def test_bright_dot_comes_to_lie_at_its_world_point():
    frames, row, column, t = flat_frames([40] * 5), 45, 62, 3
    y, x = np.mgrid[0:ROWS, 0:COLUMNS]
    frames[t] = np.clip(frames[t] + 180 * np.exp(-((y - row) ** 2 + (x - column) ** 2) / 18), 0, 255) * fan()
    positions = np.array([0.0, 2.0, 4.5, 7.0, 9.0]) - 3.0
    placement = place(frames, SPACING, positions, usable=ALL, voxel_mm=0.5)
    array = np.clip(placement.volume.array - 45, 0, None)
    k, j, i = (float((array * index).sum() / array.sum()) for index in np.indices(array.shape))
    expected = [(column - (COLUMNS - 1) / 2) * SPACING[1], -row * SPACING[0], -positions[t]]
    assert placement.volume.grid.to_world([i, j, k]) == pytest.approx(expected, abs=0.06)


def test_grid_is_the_agreed_world():
    placement = place(flat_frames([50] * 5), SPACING, np.array([5.0, 3.0, -2.0, 0.0, 1.0]), usable=ALL, voxel_mm=0.5)
    grid = placement.volume.grid
    assert grid.spacing_mm == (0.5, 0.5, 0.5)
    assert np.array_equal(grid.direction, np.diag([1.0, -1.0, -1.0]))
    assert grid.origin_mm[2] == 2.0
    assert grid.shape[0] == 15
    assert grid.to_world([(grid.shape[2] - 1) / 2, 0, 14])[[0, 2]] == pytest.approx([0.0, -5.0])
    assert placement.volume.array.dtype == np.float32


def test_default_voxels_are_half_a_millimetre():
    assert place(flat_frames([50] * 5), SPACING, np.arange(5.0), usable=ALL).volume.grid.spacing_mm == (0.5, 0.5, 0.5)


def test_measured_voxels_are_those_of_the_frames_planes_inside_the_fan():
    positions = np.array([0.0, 0.9, 2.0, 6.0, 4.0])
    usable = np.array([True, True, True, True, False])
    placement = place(flat_frames([10, 20, 30, 40, 50]), SPACING, positions, usable=usable, voxel_mm=0.5)
    planes = placement.measured.any(axis=(1, 2))
    assert np.flatnonzero(planes).tolist() == [0, 2, 4, 12]
    for k, level in ((0, 10), (2, 20), (4, 30), (12, 40)):
        assert np.array_equal(placement.measured[k], placement.fan)
        assert placement.volume.array[k][placement.fan] == pytest.approx(level, abs=1e-3)
    assert np.all(placement.volume.array[~placement.measured] == 0)
    area = placement.fan.sum() * 0.25
    assert area == pytest.approx(fan().sum() * SPACING[0] * SPACING[1], rel=0.03)


def test_frames_that_share_a_plane_are_averaged_by_nearness():
    positions = np.array([0.0, 5.0, 5.2, 10.0, 10.0])
    placement = place(flat_frames([10, 100, 200, 60, 80]), SPACING, positions, usable=ALL, voxel_mm=1.0)
    inside = placement.fan
    assert placement.volume.array[5][inside] == pytest.approx((100 + 0.8 * 200) / 1.8, abs=1e-2)
    assert placement.volume.array[10][inside] == pytest.approx(70, abs=1e-2)


def test_resampling_averages_what_a_coarse_voxel_covers():
    rng = np.random.default_rng(0)
    frames = np.where(fan(), rng.integers(60, 141, (5, ROWS, COLUMNS)), 0).astype(np.uint8)
    placement = place(frames, SPACING, np.arange(5.0), usable=ALL, voxel_mm=1.0)
    values = placement.volume.array[placement.measured]
    assert values.mean() == pytest.approx(100, abs=1)
    assert values.std() < 0.5 * 23.4


def test_fan_is_whole_without_text_beside_it():
    frames = flat_frames([80, 80])
    frames[:, 40:50, 45:55] = 0
    frames[:, 2:8, 2:12] = 255
    frames[0, 70, 2] = 2
    found = fan_mask(frames)
    assert np.mean(found != fan()) < 0.01
    assert found[45, 50]
    assert not found[5, 5]


@pytest.mark.parametrize(
    ("frames", "positions", "usable", "words"),
    [
        (np.zeros((5, ROWS, COLUMNS), np.uint8), np.arange(5.0), ALL, "black"),
        (flat_frames([9] * 5), np.full(5, 2.0), ALL, "covers only"),
        (flat_frames([9] * 5), np.arange(5.0), np.array([True, False, False, False, False]), "two frames"),
        (flat_frames([9] * 5), np.arange(5.0) * 1e6, ALL, "too large"),
    ],
)
def test_what_cannot_be_placed_is_refused(frames, positions, usable, words):
    with pytest.raises(InputError, match=words):
        place(frames, SPACING, positions, usable=usable)
