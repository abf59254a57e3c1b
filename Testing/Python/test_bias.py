"""The bias field of an MR is found where it is known, and nothing is made of images that have none to find."""

import numpy as np
import pytest

from MR2USProLib.bias import without_bias
from MR2USProLib.phantom.anatomy import Anatomy
from MR2USProLib.phantom.mr import signal
from MR2USProLib.volume import Grid, Volume

GRID = Grid((16, 40, 40), (1.8, 1.8, 3.0), (-35.0, -35.0, -22.0))


@pytest.fixture(scope="module")
def tissue():
    """T2 signal of an invented patient about the gland's middle, without noise or bias."""
    points = GRID.points().reshape(-1, 3)
    return signal(Anatomy(np.random.default_rng(1)).sample(points)).reshape(GRID.shape)


def bowl():
    k, j, i = (np.linspace(-1, 1, n) for n in GRID.shape)
    return np.exp(0.05 * k[:, None, None] + 0.2 * j[:, None] ** 2 - 0.15 * j[:, None] + 0.25 * i**2 + 0.1 * i)


def spread(field, valid):
    logarithm = np.log(field[valid])
    return logarithm.std()


def test_most_of_a_known_bias_goes_and_an_image_without_one_changes_little(tissue):
    valid = tissue > np.percentile(tissue, 5)
    biased = Volume((tissue * bowl()).astype(np.float32), GRID)
    left = without_bias(biased, valid).array / tissue
    assert spread(left, valid) < 0.6 * spread(bowl(), valid)
    harm = without_bias(Volume(tissue.astype(np.float32), GRID), valid).array / tissue
    assert spread(harm, valid) < 0.6 * spread(bowl(), valid)
    assert without_bias(biased, valid).array[valid].mean() == pytest.approx(biased.array[valid].mean(), rel=1e-4)


@pytest.mark.parametrize("shape", [(3, 20, 20), (8, 20, 20)])
def test_what_has_no_contrast_or_no_size_is_left_alone(shape):
    plain = Volume(np.full(shape, 7.0, np.float32), Grid(shape, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)))
    assert np.array_equal(without_bias(plain, np.ones(shape, bool)).array, plain.array)
