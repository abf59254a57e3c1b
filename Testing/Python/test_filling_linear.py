import numpy as np
import pytest

from MR2USProLib.errors import Cancelled, InputError
from MR2USProLib.progress import Progress
from MR2USProLib.reconstruction.filling import FillingCheck, bracket, fill_linear, fill_volume, planes_to_hide, psnr_db


def stack(planes, shape=(12, 5, 6)):
    measured = np.zeros(shape, bool)
    measured[list(planes)] = True
    return measured


def ramp(shape=(12, 5, 6)):
    k, j, i = np.meshgrid(*(np.arange(n, dtype=np.float32) for n in shape), indexing="ij")
    return 10 * k + j + 2 * i


def test_a_ramp_along_the_sweep_comes_back_exactly():
    truth, measured = ramp(), stack([0, 1, 4, 9, 11])
    filled = fill_linear(np.where(measured, truth, 200).astype(np.float32), measured, np.ones((5, 6), bool))
    np.testing.assert_allclose(filled, truth, atol=1e-4)
    np.testing.assert_array_equal(filled[measured], truth[measured])


def test_beyond_the_ends_the_nearest_plane_stands():
    truth, measured = ramp(), stack([3, 5])
    filled = fill_linear(truth, measured, np.ones((5, 6), bool))
    for k in range(3):
        np.testing.assert_array_equal(filled[k], truth[3])
    for k in range(6, 12):
        np.testing.assert_array_equal(filled[k], truth[5])
    np.testing.assert_allclose(filled[4], truth[4])


def test_one_plane_fills_the_fan_and_nothing_else():
    inside = np.ones((5, 6), bool)
    inside[:, :2] = False
    truth = ramp()
    filled = fill_linear(truth, stack([6]), inside)
    assert not filled[:, :, :2].any()
    np.testing.assert_array_equal(filled[:, inside], np.repeat(truth[6][None, inside], 12, axis=0))


def test_each_column_has_its_own_gap():
    truth, measured = ramp(), stack([2, 4, 8])
    measured[4, 3, 3] = False
    filled = fill_linear(np.where(measured, truth, 0).astype(np.float32), measured, np.ones((5, 6), bool))
    assert filled[4, 3, 3] == pytest.approx(truth[4, 3, 3])
    measured[4] = measured[8] = False
    values = truth.copy()
    values[2, 3, 3] = 77
    measured[2] = False
    measured[2, 3, 3] = True  # the only voxel: every column takes it
    assert np.all(fill_linear(values, measured, np.ones((5, 6), bool)) == 77)


def test_a_large_volume_is_filled_piece_by_piece_and_can_be_stopped_between_any_two():
    shape = (9, 350, 200)
    truth, measured = ramp(shape), stack([1, 4, 8], shape)
    measured[:, 345:] = False  # these columns take what the last measured row has, from another piece
    told = []
    inside = np.ones(shape[1:], bool)
    filled = fill_linear(
        truth, measured, inside, progress=Progress(lambda stage, fraction, text: told.append(fraction))
    )
    np.testing.assert_allclose(filled[1:, :345], truth[1:, :345], atol=1e-3)
    np.testing.assert_array_equal(filled[:, 345:], np.repeat(filled[:, 344:345], 5, axis=1))
    assert told == sorted(told)
    assert sum(0 < fraction < 0.9 for fraction in told) >= 3
    for last in range(len(told)):
        asked = iter(range(len(told) + 1))
        with pytest.raises(Cancelled):
            fill_linear(
                truth, measured, inside, progress=Progress(cancelled=lambda left=asked, stop=last: next(left) >= stop)
            )


def test_nothing_missing_changes_nothing():
    truth, inside = ramp(), np.ones((5, 6), bool)
    for method in ("kriging", "dip", "linear", "none"):
        filled, check = fill_volume(truth, np.ones(truth.shape, bool), inside, method=method)
        np.testing.assert_array_equal(filled, truth)
        assert check is None


def test_without_filling_the_gaps_stay_empty():
    truth, measured = ramp() + 1, stack([0, 5])
    filled, check = fill_volume(truth, measured, np.ones((5, 6), bool), method="none")
    assert check is None
    np.testing.assert_array_equal(filled, truth * measured)


def test_an_empty_stack_is_refused():
    with pytest.raises(InputError, match="No transverse frame lies inside"):
        fill_linear(ramp(), stack([]), np.ones((5, 6), bool))


def test_measured_outside_the_fan_counts_for_nothing():
    inside = np.zeros((5, 6), bool)
    with pytest.raises(InputError, match="No transverse frame"):
        fill_linear(ramp(), stack([1]), inside)


def test_the_known_slices_around():
    before, after = bracket(stack([2, 5], (7, 1, 1)))
    assert before.ravel().tolist() == [-1, -1, 2, 2, 2, 5, 5]
    assert after.ravel().tolist() == [2, 2, 2, 5, 5, 5, 7]


def test_linear_is_scored_on_hidden_planes():
    truth, measured = np.square(ramp((30, 5, 6)) / 30).astype(np.float32), stack(range(0, 30, 2), (30, 5, 6))
    filled, check = fill_volume(truth, measured, np.ones((5, 6), bool), method="linear", seed=3)
    assert check is not None
    assert (check.method, check.psnr_db) == ("linear", check.psnr_linear_db)
    assert set(check.hidden) <= set(range(2, 28, 2))
    # Linear interpolation over 4 planes of a parabola (k/3)^2: off by (2/3)^2 wherever it is hidden.
    assert check.psnr_linear_db == pytest.approx(20 * np.log10(255 * 9 / 4), abs=1e-3)
    assert (check.gap_scored, check.gap_filled) == (4, 2)
    np.testing.assert_array_equal(filled[measured], truth[measured])


def test_hidden_planes_are_few_inner_and_seeded():
    measured = stack(range(0, 100, 2), (100, 2, 2))
    hidden = planes_to_hide(measured, 0)
    assert 4 <= len(hidden) <= 5
    assert not {0, 98} & set(hidden)
    assert planes_to_hide(measured, 0) == hidden
    assert len({planes_to_hide(measured, seed) for seed in range(10)}) > 1
    assert planes_to_hide(stack([3]), 0) == ()


def test_psnr_by_hand():
    zeros = np.zeros((1, 2, 2), np.float32)
    assert psnr_db(zeros + 25.5, zeros, np.ones((1, 2, 2), bool)) == pytest.approx(20.0, abs=1e-5)


def test_the_verdict_in_plain_words():
    check = FillingCheck((4, 9), 20.61, "dip", 21.37, 3.8, 2.6)
    assert check.better == "dip"
    assert check.sentence == (
        "On 2 measured planes hidden from both, the deep image prior reaches 21.4 dB and linear interpolation 20.6 dB "
        "(PSNR): the deep image prior is the better one. The gaps span 3.8 planes there and 2.6 where it counts."
    )
    assert FillingCheck((4,), 20.0, "kriging", 19.0, 4, 2).better == "linear"
    assert "neither is clearly better" in FillingCheck((4,), 20.0, "dip", 20.05, 4, 2).sentence
    assert "1 measured plane hidden" in FillingCheck((4,), 20.0, "linear", 20.0, 4, 2).sentence
