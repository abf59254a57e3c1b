"""The in-plane shift at which textures are compared, and the gap that is measured there."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from MR2USProLib.translation.collapse import gap
from MR2USProLib.translation.offset import Offset

SHIFT = (2, -3)
FIELD = gaussian_filter(np.random.default_rng(0).normal(size=(3, 40, 44)), (0, 2, 2)).astype(np.float32)
MR = FIELD[:, 4:36, 4:40]
US = FIELD[:, 4 - SHIFT[0] : 36 - SHIFT[0], 4 - SHIFT[1] : 40 - SHIFT[1]]
"""US at x + SHIFT is MR at x."""


def stacks():
    return [torch.from_numpy(np.ascontiguousarray(x))[:, None] for x in (MR, US, np.ones(MR.shape, bool))]


@pytest.mark.parametrize("flipped", [[], [2], [3], [0, 2, 3]])
def test_the_shift_between_two_pictures_is_found_however_they_are_mirrored(flipped):
    offset = Offset(5)
    mr, us, valid = (x.flip(flipped) for x in stacks())
    offset.update(mr, us, valid, flipped)
    assert offset.best == SHIFT
    matched_mr, matched_us, both = offset.matched(mr, us, valid, flipped)
    assert matched_mr.shape[-2:] == (32 - 2, 36 - 3)
    assert torch.equal(matched_mr, matched_us)
    assert both.all()


@pytest.mark.parametrize("flipped", [[], [2], [0, 3], [2, 3]])
def test_the_shift_is_found_when_rows_and_columns_were_exchanged(flipped):
    offset = Offset(5)
    mr, us, valid = (x.transpose(2, 3).flip(flipped) for x in stacks())
    offset.update(mr, us, valid, flipped, transposed=True)
    assert offset.best == SHIFT
    matched_mr, matched_us, _ = offset.matched(mr, us, valid, flipped, transposed=True)
    assert torch.equal(matched_mr, matched_us)
    # What was learned is what it goes on from.
    assert Offset(5, offset.difference).best == SHIFT


def test_without_reach_nothing_is_shifted():
    offset = Offset(0)
    mr, us, valid = stacks()
    offset.update(mr, us, valid)
    assert offset.best == (0, 0)
    assert torch.equal(offset.matched(mr, us, valid)[0], mr)


def test_a_best_shift_at_the_rim_of_the_reach_is_none():
    offset = Offset(3)
    offset.update(*stacks())
    assert offset.best == (0, 0)


def test_where_nothing_speaks_for_a_shift_there_is_none():
    offset = Offset(4)
    flat = torch.full((2, 1, 24, 24), 0.3)
    offset.update(flat, flat + 0.5, torch.ones(2, 1, 24, 24, dtype=torch.bool))
    assert offset.best == (0, 0)


def test_the_gap_is_measured_at_the_shift():
    valid = np.ones(MR.shape, bool)
    assert gap(MR, US, valid, SHIFT) == pytest.approx(0.0, abs=1e-6)
    assert gap(MR, US, valid) > 0.5
    assert gap(MR, US, valid, (-SHIFT[0], -SHIFT[1])) > 0.5
