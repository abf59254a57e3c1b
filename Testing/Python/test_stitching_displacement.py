"""The offset that matches agree on, and its polish by correlation, on hand-made input with known answers."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from MR2USProLib.reconstruction.displacement import largest_cluster, refine
from MR2USProLib.reconstruction.features import FeatureMatcher
from MR2USProLib.reconstruction.growing_map import GrowingMap
from sliding_speckle import sweep


def test_mean_of_the_largest_cluster_ignores_outliers_and_smaller_clusters():
    rng = np.random.default_rng(0)
    square = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    right = np.tile(square, (5, 1)) + np.array([37.0, -2.5])
    zero_lock = np.tile([0.0, 0.0], (9, 1))
    wrong = rng.uniform(-300, 300, (200, 2))
    wrong = wrong[np.all(np.abs(wrong - [37.5, -2.0]) > 12, axis=1) & np.all(np.abs(wrong) > 12, axis=1)]
    found = largest_cluster(rng.permutation(np.vstack([right, zero_lock, wrong])))
    assert found is not None
    assert found.offset_px == pytest.approx([37.5, -2.0])
    assert found.inliers == 20
    assert found.runner_up == 9
    assert found.residual_px == pytest.approx(np.sqrt(0.5))


def test_no_cluster_among_scattered_matches():
    grid = np.stack(np.meshgrid(np.arange(10) * 20.0, np.arange(10) * 20.0), -1).reshape(-1, 2)
    assert largest_cluster(grid) is None
    assert largest_cluster(np.zeros((3, 2))) is None
    assert largest_cluster(np.empty((0, 2))) is None


def test_refinement_finds_a_fraction_of_a_pixel():
    s = sweep(np.array([0.0, 3.3, 7.75]), decorrelation=0.0, jitter_px=0.0, bands=False, overlay=False, shape=(80, 100))
    smooth = [gaussian_filter(f.astype(np.float32), 1.0) - f.mean() for f in s.frames]
    window, everywhere = np.pad(smooth[0], 20), np.pad(np.ones((80, 100), bool), 20)
    for t, x in ((1, 3.3), (2, 7.75)):
        offset, correlation = refine(
            smooth[t], np.ones((80, 100), bool), window, everywhere, np.array([21.0 + x, 19.2])
        )
        assert offset == pytest.approx([20 + x, 20.0], abs=0.06)
        assert correlation > 0.9


def test_refinement_stays_put_without_a_peak_in_reach():
    s = sweep(np.array([0.0, 9.0]), decorrelation=0.0, jitter_px=0.0, bands=False, overlay=False, shape=(80, 100))
    ramp = np.tile(np.linspace(-50, 50, 100, dtype=np.float32), (80, 1))
    mask = np.ones((80, 100), bool)
    start = np.array([3.25, 0.5])
    offset, _ = refine(np.abs(ramp) + s.frames[0] * 0, mask, np.pad(ramp, 10), np.pad(mask, 10), start)
    assert offset == pytest.approx(start)


@pytest.mark.parametrize("name", ["sift", "orb"])
@pytest.mark.parametrize("shrunk", [False, True])
def test_matches_of_shifted_pictures_differ_by_the_shift(name, shrunk):
    s = sweep(np.array([0.0]), decorrelation=0.0, bands=False, overlay=False, shape=(150, 240))
    picture = gaussian_filter(s.frames[0], 1.0)
    here, there = np.ascontiguousarray(picture[:, 24:224]), np.ascontiguousarray(picture[:, :200])
    matcher = FeatureMatcher(name, 400_000 if shrunk and name == "orb" else 80_000 if shrunk else 30_000)
    mask = np.ones(here.shape, bool)
    differences = matcher.differences(here, mask, there, mask)
    found = largest_cluster(differences)
    assert found is not None
    assert found.inliers > 0.7 * len(differences)
    assert found.offset_px == pytest.approx([24, 0], abs=0.2)


def test_no_key_points_give_no_matches():
    matcher, flat = FeatureMatcher("orb", 10_000), np.full((100, 100), 128, np.uint8)
    everywhere = np.ones(flat.shape, bool)
    assert matcher.differences(flat, everywhere, flat, everywhere).shape == (0, 2)


def test_map_is_the_weighted_mean_and_grows_to_all_sides():
    canvas, one = GrowingMap(), np.ones((10, 12), np.float32)
    canvas.blend(40 * one, one, np.array([0.0, 0.0]))
    canvas.blend(100 * one, 0.5 * one, np.array([0.0, 0.0]))
    mean, weight = canvas.window(0, 0, 12, 10)
    assert mean == pytest.approx(np.full((10, 12), 60.0), abs=1e-3)
    assert weight == pytest.approx(np.full((10, 12), 1.5))
    canvas.blend(10 * one, one, np.array([-30.0, -5.0]))
    canvas.blend(20 * one, one, np.array([40.0, 7.0]))
    picture, origin = canvas.whole()
    assert origin == (-30, -5)
    assert picture.shape == (22, 82)
    assert picture[0, 0] == pytest.approx(10)
    assert picture[5, 30] == pytest.approx(60, abs=1e-3)
    assert picture[21, 81] == pytest.approx(20)
    assert np.isnan(picture[0, 81])


def test_map_forgets_beyond_its_memory():
    canvas, one = GrowingMap(memory=3), np.ones((8, 8), np.float32)
    for _ in range(50):
        canvas.blend(0 * one, one, np.zeros(2))
    canvas.blend(100 * one, one, np.zeros(2))
    assert canvas.window(0, 0, 8, 8)[0] == pytest.approx(np.full((8, 8), 25.0))
