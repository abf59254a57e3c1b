"""Boxes around the gland: where they lie, how a hand draws them, and the start that they give."""

import numpy as np
import pytest

from MR2USProLib.errors import InputError
from MR2USProLib.registration.boxes import JITTER_MM, MARGIN_MM, Box, centred, drawn_boxes
from MR2USProLib.volume import Grid, Volume


def mask(grid, low, high):
    """A block of voxels, both corners (i, j, k) included."""
    array = np.zeros(grid.shape, np.uint8)
    array[low[2] : high[2] + 1, low[1] : high[1] + 1, low[0] : high[0] + 1] = 1
    return Volume(array, grid)


FLIPPED = Grid((20, 30, 40), (0.5, 1.0, 2.0), (100, -10, 5), np.diag([-1.0, 1.0, 1.0]))


def test_the_box_ends_at_the_voxels_outer_edges_in_the_world():
    box = Box.around(mask(FLIPPED, (4, 6, 2), (9, 7, 5)))
    np.testing.assert_allclose(box.low_mm, [100 - 9.5 * 0.5, -10 + 5.5, 5 + 1.5 * 2])
    np.testing.assert_allclose(box.high_mm, [100 - 3.5 * 0.5, -10 + 7.5, 5 + 5.5 * 2])
    assert box.region_mm == (*box.low_mm, *box.high_mm)


def test_an_empty_mask_has_no_box():
    with pytest.raises(InputError, match="empty mask"):
        Box.around(mask(FLIPPED, (1, 1, 1), (0, 0, 0)))


def test_a_hand_draws_too_large_and_a_bit_off():
    box, rng = Box(np.array([0.0, 1, 2]), np.array([30.0, 31, 32])), np.random.default_rng(0)
    drawn = [box.drawn(rng) for _ in range(2000)]
    for found, true in (
        (np.array([d.low_mm for d in drawn]), box.low_mm - MARGIN_MM),
        (np.array([d.high_mm for d in drawn]), box.high_mm + MARGIN_MM),
    ):
        np.testing.assert_allclose(found.mean(axis=0), true, atol=0.2)
        np.testing.assert_allclose(found.std(axis=0), JITTER_MM, atol=0.15)
        assert np.abs(np.corrcoef(found.T)[np.triu_indices(3, 1)]).max() < 0.1


def test_the_drawing_depends_on_seed_and_case_alone():
    glands = mask(FLIPPED, (4, 6, 2), (9, 7, 5)), mask(FLIPPED, (5, 8, 3), (9, 9, 9))
    first, again, other, reseeded = (
        drawn_boxes(*glands, name, seed)[1].region_mm for name, seed in (("a", 0), ("a", 0), ("b", 0), ("a", 1))
    )
    assert first == again
    assert first != other != reseeded


def test_the_start_lays_one_middle_on_the_other():
    moving, fixed = Box(np.array([0.0, 0, 0]), np.array([10.0, 20, 30])), Box(np.full(3, -4.0), np.full(3, 4.0))
    np.testing.assert_allclose(centred(moving, fixed).TransformPoint((0.0, 0.0, 0.0)), (5, 10, 15))
