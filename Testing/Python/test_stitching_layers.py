"""The default way of stitching, under all that makes ultrasound hard, and how large it says that its error is."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, map_coordinates

from MR2USProLib.reconstruction.alignment import voted
from MR2USProLib.reconstruction.growing_map import GrowingMap
from MR2USProLib.reconstruction.joint import position_error_px, together
from MR2USProLib.reconstruction.mosaic import Stitching, stitch
from sliding_speckle import Sweep, steady, sweep

SHAPE, N = (110, 150), 30
BLURRED, BLACK = (6, 19), (0, 12)


def hand(pause: bool = False, back: bool = False) -> np.ndarray:
    pace = 2.6 + 0.8 * np.sin(np.arange(N) / 4)
    if pause:
        pace[10:17] = 0
    if back:
        pace[14:20] *= -0.8
    return np.cumsum(pace)


def gain_drifts(frames: np.ndarray) -> np.ndarray:
    return frames + 14 * np.sin(np.arange(N) / 6)[:, None, None]


def shadow_passes(frames: np.ndarray) -> np.ndarray:
    """Contact is lost over some columns for a while, and nothing shows below."""
    columns = np.arange(SHAPE[1])
    centre = 30 + 3.0 * np.arange(N)
    dark = np.exp(-0.5 * ((columns - centre[:, None]) / 9) ** 2)
    dark[:8] = dark[-8:] = 0
    return frames - 60 * dark[:, None, :]


def nothing_is_seen_through_a_shadow(frames: np.ndarray) -> np.ndarray:
    """A shadow from the skin to the deepest row passes, three times as fast as tissue and the other way."""
    centre = -60 + 9.0 * np.arange(N)
    dark = np.exp(-0.5 * ((np.arange(SHAPE[1]) - centre[:, None]) / 20) ** 2)
    return frames - 150 * dark[:, None, :]


def spoilt(frames: np.ndarray) -> np.ndarray:
    frames = frames.copy()
    frames[list(BLACK)] = 3
    for t in BLURRED:
        frames[t] = gaussian_filter(frames[t], 6)
    return frames


def untouched(frames: np.ndarray) -> np.ndarray:
    return frames


HARDSHIPS: dict[str, tuple[dict, dict, Callable[[np.ndarray], np.ndarray]]] = {
    "bands and overlays": ({}, {}, untouched),
    "decorrelation": ({}, {"decorrelation": 0.4}, untouched),
    "gain": ({}, {}, gain_drifts),
    "shadow": ({}, {}, shadow_passes),
    "a shadow that hides all": ({}, {}, nothing_is_seen_through_a_shadow),
    "spoilt frames": ({}, {}, spoilt),
    "a pause": ({"pause": True}, {}, untouched),
    "a reversal": ({"back": True}, {}, untouched),
    "wobble": ({}, {"jitter_px": 0.9}, untouched),
    "all at once": ({"pause": True, "back": True}, {"decorrelation": 0.3, "jitter_px": 0.7}, spoilt),
}


def errors(found: Stitching, truth: Sweep) -> np.ndarray:
    """Along the probe, of the frames that are ok, but for one that all share."""
    error = (found.offsets_px - truth.offsets_px)[found.usable, 0]
    return np.asarray(error - np.median(error))


@pytest.mark.parametrize("hardship", HARDSHIPS)
def test_positions_withstand(hardship):
    moves, looks, happens = HARDSHIPS[hardship]
    truth = sweep(hand(**moves), shape=SHAPE, seed=7, **({"decorrelation": 0.15} | looks))
    found = stitch(np.clip(happens(truth.frames.astype(float)), 0, 255).astype(np.uint8), matcher="layers")
    bad = list(BLACK + BLURRED) if happens is spoilt else []
    assert not found.usable[bad].any()
    assert found.usable.sum() >= N - len(bad) - 1
    assert np.abs(errors(found, truth)).mean() < 0.15
    assert np.abs(errors(found, truth)).max() < 0.6


def test_what_is_fixed_to_the_probe_and_brighter_than_tissue_does_not_hold_the_frames():
    truth = sweep(steady(N, 3.0), shape=SHAPE, decorrelation=0.15, seed=3)
    text = np.kron(np.random.default_rng(3).integers(0, 2, (12, 28)), np.ones((4, 4), int)).astype(bool)
    truth.frames[:, 50:98, 20:132][:, text] = 240
    found = stitch(truth.frames, matcher="layers")
    assert np.abs(errors(found, truth)).max() < 0.6


@pytest.mark.parametrize("decorrelation", [0.05, 0.2, 0.4])
def test_the_error_that_is_told_is_the_true_one(decorrelation):
    told, true = [], []
    for seed in range(3):
        truth = sweep(hand(), shape=SHAPE, decorrelation=decorrelation, seed=seed)
        found = stitch(truth.frames, matcher="layers")
        told.append(found.position_error_px)
        true.append(np.abs(errors(found, truth)).mean())
    assert 0.7 < np.mean(told) / np.mean(true) < 1.5


def test_an_error_that_neighbours_share_is_found_by_all_together():
    """Each frame's own step, towards the mean of the others, is tiny; together they undo a stretch at once."""
    x = 2.0 * np.arange(60)
    stretched = np.column_stack([1.01 * x, np.zeros(60)])
    overlap = np.clip(100 - np.abs(stretched[:, None, 0] - stretched[:, 0]), 0, None) * ~np.eye(60, dtype=bool)
    relative = (stretched[:, 0] - x)[:, None] - (stretched[:, 0] - x)
    steps = np.column_stack([-(overlap * relative).sum(axis=1) / overlap.sum(axis=1), np.zeros(60)])
    moved = stretched + together(steps, stretched[:, 0], 100)
    assert np.abs(steps).max() < 0.7 * np.ptp(stretched[:, 0] - x)
    assert np.ptp(moved[:, 0] - x) < 1e-3
    assert np.abs(moved[:, 1]).max() < 1e-9


def test_frames_that_hang_together_by_nothing_are_not_thrown_apart():
    """Two stretches of a sweep that do not overlap: the steps of each settle it, and say nothing of the other."""
    x = np.concatenate([2.0 * np.arange(20), 500 + 2.0 * np.arange(20)])
    steps = np.column_stack([np.where(x < 250, 0.1, -0.1), np.zeros(40)])
    moved = together(steps, x, 100)
    assert np.abs(moved[:, 0] - steps[:, 0]).max() < 0.1
    barely = together(steps, np.where(x < 250, x, x - 363), 100)
    assert np.abs(barely).max() <= 16


def test_the_error_of_positions_is_what_chance_makes_of_what_parts_of_the_frames_say():
    """Parts that err the same in all frames, and parts that err in each frame anew."""
    rng, x, sizes = np.random.default_rng(0), 3.0 * np.arange(40), np.linspace(0.05, 0.2, 40)
    for pulls in (sizes[:, None] * rng.normal(size=(40, 12)), np.diag(sizes)):
        parts = pulls.shape[1]
        drawn = [pulls @ rng.normal(size=parts) * np.sqrt(parts / (parts - 1)) for _ in range(400)]
        errors = [together(np.column_stack([steps] * 2), x, 60)[:, 0] for steps in drawn]
        size = np.mean([np.abs(error - error.mean()).mean() for error in errors])
        assert position_error_px(x, pulls, 60) == pytest.approx(size, rel=0.06)
        assert position_error_px(x, 2 * pulls, 60) == pytest.approx(2 * position_error_px(x, pulls, 60))


def test_columns_of_a_frame_pull_it_against_each_other():
    """Where one half of a frame lies a little further than the other, the halves pull by half of that each."""
    rows, columns = np.mgrid[0:90, 0:160].astype(np.float32)
    speckle = gaussian_filter(np.random.default_rng(0).normal(size=(90, 260)), 2).astype(np.float32) * 400
    bent = columns + np.where(columns < 80, -0.2, 0.2) + 40
    picture = map_coordinates(speckle, [rows, bent], order=3).astype(np.float32)
    other, weight = speckle[:, 40:200], np.ones((90, 160), np.float32)
    growing = GrowingMap()
    growing.blend(np.ascontiguousarray(other), weight, np.zeros(2))
    growing.blend(picture, weight, np.zeros(2))
    fit = voted(picture, weight, growing, np.zeros(2))
    assert fit.pulls is not None
    assert fit.pulls.shape == (8,)
    assert fit.pulls.sum() == pytest.approx(0, abs=0.01)
    assert fit.offset[0] == pytest.approx(0, abs=0.05)
    assert fit.pulls[:4].sum() == pytest.approx(-0.1, abs=0.03)
    assert fit.pulls[4:].sum() == pytest.approx(0.1, abs=0.03)


def test_the_map_moves_pictures_by_exact_fractions():
    rows, columns = np.mgrid[0:40, 0:50].astype(np.float32)
    canvas = GrowingMap()
    canvas.blend(np.sin(columns / 5) + np.cos(rows / 4), np.ones((40, 50), np.float32), np.array([3.37, -1.81]))
    picture, (left, top) = canvas.whole()
    rows, columns = np.mgrid[0 : picture.shape[0], 0 : picture.shape[1]].astype(np.float64)
    truth = np.sin((columns + left - 3.37) / 5) + np.cos((rows + top + 1.81) / 4)
    assert np.abs(picture - truth)[3:-3, 3:-3].max() < 2e-3
