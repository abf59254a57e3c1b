"""Kriging against fields whose covariance along the sweep is known."""

import numpy as np
import pytest
from scipy.interpolate import PchipInterpolator

from MR2USProLib.errors import InputError
from MR2USProLib.reconstruction.filling import fill_linear, fill_volume, psnr_db
from MR2USProLib.reconstruction.kriging import fill_kriging, fitted

SHAPE, FAN = (41, 30, 32), np.ones((30, 32), bool)
FAN[:, :3] = False
KNOWN = np.arange(0, 41, 2)
RANGE, SPREAD = 2.0, 30.0


def covariance(at, other, reach=RANGE):
    lag = np.abs(np.subtract.outer(at, other)) / reach
    return SPREAD**2 * (1 + lag) * np.exp(-lag)


def field(at, seed=0, reach=RANGE):
    """Columns that know nothing of each other, of a Matern process sampled at some places along k."""
    root = np.linalg.cholesky(covariance(at, at, reach) + 1e-6 * np.eye(len(at)))
    noise = np.random.default_rng(seed).standard_normal((len(at), *SHAPE[1:]))
    return (128 + np.tensordot(root, noise, axes=1)).astype(np.float32)


def stack(known):
    measured = np.zeros(SHAPE, bool)
    measured[known] = True
    return measured & FAN


def missing(measured):
    return ~measured & FAN


def test_a_known_process_comes_back_as_well_as_theory_allows():
    truth, measured = field(np.arange(41.0)), stack(KNOWN)
    error = fill_kriging(np.where(measured, truth, 0), measured, FAN)[20 + 1] - truth[21]
    cross = covariance(np.array([21.0]), KNOWN.astype(float))[0]
    rest = SPREAD**2 - cross @ np.linalg.solve(covariance(KNOWN.astype(float), KNOWN.astype(float)), cross)
    assert np.square(error[FAN]).mean() == pytest.approx(rest, rel=0.15)


def test_it_beats_interpolation():
    truth, measured = field(np.arange(41.0)), stack(KNOWN)
    where = missing(measured)
    filled = fill_kriging(truth, measured, FAN)
    linear = fill_linear(truth, measured, FAN)
    pchip = PchipInterpolator(KNOWN, truth[KNOWN], axis=0)(np.arange(41))
    assert psnr_db(filled, truth, where) > psnr_db(linear, truth, where) + 0.7
    assert psnr_db(filled, truth, where) > psnr_db(pchip, truth, where) + 0.3


def test_noise_is_averaged_away():
    still = np.full(SHAPE, 120, np.float32) + 20 * np.sin(np.arange(32, dtype=np.float32) / 5)
    noisy = still + np.random.default_rng(1).normal(0, 10, SHAPE).astype(np.float32)
    measured = stack(KNOWN)
    where = missing(measured)
    errors = [np.square(fill(noisy, measured, FAN) - still)[where].mean() for fill in (fill_kriging, fill_linear)]
    assert errors[0] < 0.6 * errors[1]  # six slices instead of two


def test_where_the_frames_really_were_counts():
    at = np.arange(41.0)
    at[KNOWN] += np.random.default_rng(2).uniform(-0.45, 0.45, len(KNOWN))
    truth, measured = field(at), stack(KNOWN)
    where = missing(measured)
    for fill in (fill_kriging, fill_linear):
        aware, unaware = (psnr_db(fill(truth, measured, FAN, places), truth, where) for places in (at, None))
        assert aware > unaware + 0.4, fill
    # Slices without frames have no place of their own.
    only = np.where(np.isin(np.arange(41), KNOWN), at, np.nan)
    np.testing.assert_array_equal(fill_kriging(truth, measured, FAN, only), fill_kriging(truth, measured, FAN, at))


def test_the_covariance_of_the_process_is_found():
    places = np.arange(41.0)
    nugget, reach = fitted(field(places, seed=4, reach=1.5), np.arange(41), places, FAN)
    assert reach == pytest.approx(1.5, rel=0.3)
    assert nugget < 0.01
    noise = np.random.default_rng(6).normal(0, 0.5 * SPREAD, SHAPE)
    nugget, reach = fitted((field(places, seed=4, reach=3) + noise).astype(np.float32), np.arange(41), places, FAN)
    assert 0.05 < nugget < 0.35  # a fifth of the variance is noise


def test_slices_at_one_place_do_not_weigh_each_other_up():
    at = np.arange(41.0)
    at[[20, 21]] = 20.499, 20.5
    measured = stack([*range(0, 19, 2), 20, 21, *range(24, 41, 2)])
    truth = field(np.arange(41.0))
    truth[21] = truth[20] + np.random.default_rng(5).normal(0, 4, SHAPE[1:])
    filled = fill_kriging(truth, measured, FAN, at)
    assert psnr_db(filled, truth, missing(measured)) > psnr_db(
        fill_linear(truth, measured, FAN), truth, missing(measured)
    )


def test_what_was_measured_stays_and_nothing_lies_outside():
    truth, measured = field(np.arange(41.0)).clip(0, 255), stack(KNOWN[2:-3])
    measured[8, 4:9, 10:20] = False
    filled = fill_kriging(truth, measured, FAN)
    np.testing.assert_array_equal(filled[measured], truth[measured])
    assert not filled[:, ~FAN].any()
    assert filled.min() >= 0
    assert filled.max() <= 255
    for k, nearest in ((0, 4), (3, 4), (40, 34)):  # beyond the ends the nearest slice stands
        np.testing.assert_array_equal(filled[k][FAN], truth[nearest][FAN])
    whole = fill_kriging(truth, stack(KNOWN[2:-3]), FAN)
    assert np.abs(filled[8, 4:9, 10:20] - whole[8, 4:9, 10:20]).mean() < SPREAD


@pytest.mark.parametrize("known", [[5], [5, 9], [0, 20, 40]])
def test_few_slices_are_enough(known):
    filled = fill_kriging(np.full(SHAPE, 77, np.float32), stack(known), FAN)
    np.testing.assert_allclose(filled[:, FAN], 77, atol=1e-3)


def test_nothing_measured_is_refused():
    with pytest.raises(InputError, match="No transverse frame"):
        fill_kriging(field(np.arange(41.0)), stack([]), FAN)


def test_the_score_is_of_planes_that_were_not_seen():
    truth, measured = field(np.arange(41.0)), stack(KNOWN)
    filled, check = fill_volume(truth, measured, FAN, method="kriging", seed=3)
    seen = measured.copy()
    seen[list(check.hidden)] = False
    hidden = measured & ~seen
    spoilt = np.where(seen, truth, 255).astype(np.float32)
    assert check.psnr_db == pytest.approx(psnr_db(fill_kriging(spoilt, seen, FAN), truth, hidden))
    assert check.psnr_linear_db == pytest.approx(psnr_db(fill_linear(spoilt, seen, FAN), truth, hidden))
    assert check.better == "kriging"
    assert "kriging is the better one" in check.sentence
    np.testing.assert_array_equal(filled, fill_kriging(truth, measured, FAN))
