"""Frames that the user leaves out, and frames whose place the user knows."""

import numpy as np
import pytest

from MR2USProLib import pipeline
from MR2USProLib.errors import InputError
from MR2USProLib.reconstruction.mosaic import Stitching, read_positions, stitch, write_positions
from MR2USProLib.reconstruction.pins import pinned
from sliding_speckle import Sweep, sweep

SHAPE = (100, 140)
LEFT_OUT = frozenset({4, 5, 11})
COLUMN_MM = 0.19


@pytest.fixture(scope="module")
def simulated() -> Sweep:
    return sweep(3.0 * np.arange(18) + 2 * np.sin(np.arange(18) / 3), shape=SHAPE, decorrelation=0.1, seed=5)


@pytest.fixture(scope="module")
def free(simulated) -> Stitching:
    return stitch(simulated.frames, matcher="orb")


@pytest.fixture(scope="module")
def without(simulated) -> Stitching:
    return stitch(simulated.frames, matcher="orb", excluded=LEFT_OUT)


def test_no_pins_change_nothing(simulated, free):
    found = np.array([0.0, 1.5, 2.0, 7.0])
    assert pinned(found, {}) is found
    again = stitch(simulated.frames, matcher="orb", pinned_px={9: float(free.offsets_px[9, 0])})
    np.testing.assert_array_equal(again.offsets_px, free.offsets_px)
    np.testing.assert_array_equal(again.map, free.map)


def test_the_difference_is_spread_from_pin_to_pin():
    found = np.array([0.0, 10.0, 20.0, 33.0, 40.0, 50.0, 60.0])
    moved = pinned(found, {2: 26.0, 5: 47.0})
    np.testing.assert_allclose(moved - found, [0, 3, 6, 3, 0, -3, -3])
    assert moved[2] == 26.0
    assert moved[5] == 47.0
    np.testing.assert_allclose(pinned(found, {0: 5.0}) - found, 5.0)
    np.testing.assert_allclose(pinned(found, {0: 4.0, 4: 40.0})[:5], [4, 13, 22, 34, 40])


def test_pinned_frames_lie_exactly_where_the_user_said(simulated, free, tmp_path):
    pins = {6: 3.3333, 12: 9.8765, 17: 10.0}
    held = pipeline.stitch(simulated.frames, COLUMN_MM, matcher="orb", pinned_mm=pins)
    write_positions(tmp_path / "positions.csv", held, COLUMN_MM)
    positions, usable = read_positions(tmp_path / "positions.csv")
    assert {t: positions[t] for t in pins} == pins
    moved = positions - free.positions_mm(COLUMN_MM)
    assert moved[0] == 0
    np.testing.assert_allclose(np.diff(moved[:7]), moved[6] / 6, atol=2e-4)
    np.testing.assert_allclose(np.diff(moved[6:13]), (moved[12] - moved[6]) / 6, atol=2e-4)
    np.testing.assert_array_equal(held.offsets_px[:, 1], free.offsets_px[:, 1])
    assert held.status == free.status
    assert usable.all()


def test_the_map_is_drawn_where_the_pins_put_the_frames(simulated, free):
    aside = stitch(simulated.frames, matcher="orb", pinned_px={0: 25.0})
    np.testing.assert_allclose(aside.offsets_px[:, 0] - free.offsets_px[:, 0], 25.0)
    assert aside.map_origin_px == (free.map_origin_px[0] + 25, free.map_origin_px[1])
    np.testing.assert_allclose(aside.map, free.map, atol=0.5)
    longer = stitch(simulated.frames, matcher="orb", pinned_px={17: float(free.offsets_px[17, 0]) + 40})
    assert longer.map.shape[1] == pytest.approx(free.map.shape[1] + 40, abs=1)


def test_excluded_frames_are_not_looked_at(simulated, without):
    poisoned = simulated.frames.copy()
    poisoned[4], poisoned[5], poisoned[11] = 255, np.random.default_rng(0).integers(0, 255, SHAPE), poisoned[0]
    other = stitch(poisoned, matcher="orb", excluded=LEFT_OUT)
    for name in ("offsets_px", "matches", "inliers", "confidence", "residual_px", "map"):
        np.testing.assert_array_equal(getattr(other, name), getattr(without, name), err_msg=name)
    assert (other.status, other.quality) == (without.status, without.quality)


def test_excluded_frames_are_rejected_and_lie_between_their_neighbours(simulated, without):
    assert [t for t, status in enumerate(without.status) if status == "rejected"] == sorted(LEFT_OUT)
    assert without.status.count("ok") == 15
    out = sorted(LEFT_OUT)
    assert np.all(without.confidence[out] == 0)
    assert np.all(without.matches[out] == 0)
    p = without.offsets_px
    np.testing.assert_allclose(p[4], p[3] + (p[6] - p[3]) / 3)
    np.testing.assert_allclose(p[11], (p[10] + p[12]) / 2)
    assert np.abs(p - simulated.offsets_px)[without.usable].max() < 0.5


def test_many_excluded_frames_after_the_first_do_not_make_it_give_up(simulated):
    found = stitch(simulated.frames, matcher="orb", excluded=frozenset(range(1, 8)))
    assert found.status == ("ok", *["rejected"] * 7, *["ok"] * 10)
    assert np.abs(found.offsets_px - simulated.offsets_px)[found.usable].max() < 0.5


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ({"excluded": {3, 18}}, "frame 18 .*from 0 to 17"),
        ({"excluded": {-1}}, "frame -1"),
        ({"pinned_mm": {40: 1.0}}, "frame 40 .--pin"),
        ({"pinned_mm": {4: float("nan")}}, "no position"),
        ({"excluded": set(range(1, 18))}, "All but 1"),
    ],
)
def test_frames_that_are_not_there_are_refused(simulated, choice, words):
    with pytest.raises(InputError, match=words):
        pipeline.stitch(simulated.frames, COLUMN_MM, matcher="orb", **choice)


@pytest.mark.parametrize(
    "content",
    [
        None,
        "",
        "a,b\n1,2\n",
        "frame,position_mm,status\n0,here,ok\n",
        "frame,position_mm,status\n0,1,ok\n2,3,ok\n",
        'frame,position_mm,status\n0,"' + 200_000 * "1",
    ],
    ids=["missing", "empty", "another", "words", "a frame lacks", "no end"],
)
def test_what_is_no_table_of_positions_is_refused(tmp_path, content):
    if content is not None:
        (tmp_path / "positions.csv").write_text(content)
    with pytest.raises(InputError, match=r"positions\.csv"):
        read_positions(tmp_path / "positions.csv")
