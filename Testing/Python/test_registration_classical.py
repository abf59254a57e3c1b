"""The registrations without a network: what they undo, where they look, and that they stop when told."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from MR2USProLib.errors import Cancelled
from MR2USProLib.progress import Progress
from MR2USProLib.registration.classical import register_classically
from MR2USProLib.registration.demons import register_by_demons
from MR2USProLib.volume import Grid, Volume

GRID = Grid((24, 32, 36), (1.5, 1.5, 2.0), (10, -20, 5), np.diag([-1.0, -1.0, 1.0]))
SHIFT_MM = np.array([3.0, -2.0, 2.5])


def blobs(points_mm):
    """A smooth picture with structure everywhere, at points (..., 3)."""
    x, y, z = np.moveaxis(points_mm - GRID.centre_mm, -1, 0)
    gland = 1 / (1 + np.exp(2 * (np.sqrt((x / 14) ** 2 + (y / 11) ** 2 + (z / 12) ** 2) - 1) * 4))
    return (gland + 0.4 * np.sin(x / 5) * np.cos(y / 6) * np.sin(z / 7 + 1)).astype(np.float32)


def pair():
    """A moving picture whose anatomy lies SHIFT_MM further than the fixed one's."""
    return Volume(blobs(GRID.points() - SHIFT_MM), GRID), Volume(blobs(GRID.points()), GRID)


def error_mm(displacement):
    """How far a field is from the true shift, on average over the middle."""
    inner = displacement.array[6:-6, 8:-8, 8:-8]
    return float(np.linalg.norm(inner - SHIFT_MM, axis=-1).mean())


def test_demons_undo_most_of_a_shift_of_two_like_pictures():
    moving, fixed = pair()
    field = register_by_demons(moving, fixed, np.ones(GRID.shape, bool))
    assert error_mm(field) < 1.0
    # Up to the rim: a field that ends before it would fold there.
    assert np.linalg.norm(field.array, axis=-1).min() > 0.5


def test_demons_stay_on_their_leash_where_two_pictures_have_nothing_in_common():
    rng = np.random.default_rng(0)
    every = np.ones(GRID.shape, bool)
    one, other = (Volume(gaussian_filter(rng.normal(size=GRID.shape), 3).astype(np.float32), GRID) for _ in "ab")
    field = register_by_demons(one, other, every).array
    assert np.linalg.norm(field, axis=-1).max() < 4.0
    slopes = np.gradient(field, *reversed(GRID.spacing_mm), axis=(0, 1, 2))
    assert max(np.abs(slope).max() for slope in slopes) < 0.25


def test_demons_are_pulled_by_nothing_outside_the_valid_part():
    moving, fixed = pair()
    valid = np.ones(GRID.shape, bool)
    valid[:, :, :6] = False
    spoilt = fixed.array.copy()
    spoilt[:, :, :6] = 50
    first = register_by_demons(moving, fixed, valid)
    second = register_by_demons(moving, Volume(spoilt, GRID), valid)
    np.testing.assert_array_equal(first.array, second.array)


def test_simpleitk_undoes_a_shift_where_brightness_is_turned_round():
    moving, fixed = pair()
    turned = Volume(np.exp(-2 * gaussian_filter(fixed.array, 0.5)), GRID)
    assert error_mm(register_classically(moving, turned, np.ones(GRID.shape, bool))) < 1.0


def test_simpleitk_finds_the_same_again_by_the_same_seed():
    coarse = GRID.resampled(shape=(12, 16, 18))
    images = [image.resampled(coarse) for image in pair()]
    valid = np.ones(coarse.shape, bool)
    one, again, other = (register_classically(*images, valid, seed=seed).array for seed in (0, 0, 1))
    np.testing.assert_allclose(again, one, atol=1e-3)
    assert np.abs(other - one).max() > 1e-2


def test_simpleitk_gives_a_field_even_where_the_pictures_have_nothing_in_common():
    rng = np.random.default_rng(0)
    moving, fixed = (Volume(gaussian_filter(rng.normal(size=GRID.shape), 2).astype(np.float32), GRID) for _ in "ab")
    valid = np.zeros(GRID.shape, bool)
    valid[:3] = True
    assert np.isfinite(register_classically(moving, fixed, valid).array).all()


@pytest.mark.parametrize("method", [register_by_demons, register_classically])
def test_both_stop_when_told(method):
    asked = []

    def told():
        asked.append(None)
        return len(asked) > 4

    with pytest.raises(Cancelled):
        method(*pair(), np.ones(GRID.shape, bool), progress=Progress(cancelled=told))
    assert len(asked) < 8


def test_simpleitk_stops_when_told_amid_the_spline(capfd):
    asked = []

    def listener(stage, done, message):
        if done > 0.35:
            asked.append(done)
            raise Cancelled

    with pytest.raises(Cancelled):
        register_classically(*pair(), np.ones(GRID.shape, bool), progress=Progress(listener))
    assert len(asked) == 1
    assert not capfd.readouterr().err


def test_simpleitk_compares_nothing_outside_the_valid_part():
    moving, fixed = pair()
    valid = np.ones(GRID.shape, bool)
    valid[:, :, :8] = False
    spoilt = fixed.array.copy()
    spoilt[:, :, :8] = np.random.default_rng(0).uniform(-1, 1, spoilt[:, :, :8].shape)
    field = register_classically(moving, Volume(spoilt, GRID), valid)
    assert np.linalg.norm(field.array[6:-6, 8:-8, 12:-8] - SHIFT_MM, axis=-1).mean() < 1.0


def test_simpleitk_moves_nowhere_by_a_picture_of_one_grey_level():
    """As a translation that collapsed may be: an evaluation of many pairs must not end by it."""
    _, fixed = pair()
    flat = Volume(np.zeros(GRID.shape, np.float32), GRID)
    assert not register_classically(flat, fixed, np.ones(GRID.shape, bool)).array.any()
