"""Normalisation, and the masks that keep the world outside the fan out of the translation."""

import numpy as np
import pytest
import torch

from MR2USProLib.errors import InputError
from MR2USProLib.translation.masking import eroded, masked_mean, neutral_outside, normalised, shrunk


def test_the_1st_and_99th_percentiles_become_minus_one_and_one():
    array = np.arange(1001, dtype=float).reshape(1, 13, 77)
    scaled = normalised(array, np.ones(array.shape, bool))
    # The percentiles are 10 and 990: 500 lies in the middle and 745 half way up.
    assert scaled.ravel()[[0, 10, 500, 745, 990, 1000]].tolist() == pytest.approx([-1, -1, 0, 0.5, 1, 1])
    assert scaled.dtype == np.float32


def test_what_is_not_valid_neither_counts_nor_stays():
    valid = np.zeros((2, 8, 8), bool)
    valid[:, 2:6, 2:6] = True
    array = np.where(valid, np.linspace(0, 1, 128).reshape(2, 8, 8), np.nan)
    scaled = normalised(array, valid)
    assert np.isfinite(scaled).all()
    assert scaled[~valid] == pytest.approx(scaled[valid].mean(), abs=1e-6)
    assert np.array_equal(scaled, normalised(np.where(valid, array, 1e6), valid))


@pytest.mark.parametrize(
    ("array", "valid", "words"),
    [
        (np.ones((2, 4, 4)), np.ones((2, 4, 4), bool), "constant"),
        (np.ones((2, 4, 4)), np.zeros((2, 4, 4), bool), "valid"),
        (np.full((2, 4, 4), np.inf), np.ones((2, 4, 4), bool), "finite"),
    ],
)
def test_a_picture_that_cannot_be_normalised_is_refused(array, valid, words):
    with pytest.raises(InputError, match=words):
        normalised(array, valid)


def test_the_outside_takes_the_mean_of_its_slice():
    x = torch.tensor([[1.0, 3.0], [float("inf"), float("nan")]]).reshape(1, 1, 2, 2)
    valid = torch.tensor([[True, True], [False, False]]).reshape(1, 1, 2, 2)
    assert neutral_outside(x, valid).flatten().tolist() == [1, 3, 2, 2]
    assert neutral_outside(x, torch.zeros_like(valid)).flatten().tolist() == [0, 0, 0, 0]
    assert masked_mean(x, valid).item() == 2


def test_an_eroded_mask_has_valid_neighbours_only_and_the_rim_does_not_eat():
    valid = torch.ones(1, 1, 6, 6, dtype=torch.bool)
    assert eroded(valid, 2).all()
    valid[..., 0, 0] = False
    assert (~eroded(valid, 1)).sum() == 4
    assert torch.equal(eroded(valid, 0), valid)


def test_a_cell_is_valid_where_all_its_voxels_are():
    valid = torch.ones(1, 1, 8, 8, dtype=torch.bool)
    valid[..., 3, 3] = False
    assert shrunk(valid, 2, 2).flatten().tolist() == [False, True, True, True]
