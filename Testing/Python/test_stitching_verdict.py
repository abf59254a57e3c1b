"""What is said of a stitching: nothing bad of good ones, and what is wrong with broken ones."""

import numpy as np
import pytest

from MR2USProLib.errors import InputError
from MR2USProLib.reconstruction.mosaic import Stitching, stitch
from MR2USProLib.reconstruction.verdict import judged, suspects
from phantom_exam import phantom_exam
from sliding_speckle import steady, sweep

N = 40


def stitching(positions_mm, failed=(), confidence=0.9, inliers=150, residual_px=1.5, error_px=0.1) -> Stitching:
    """A stitching of frames at 0.2 mm per pixel that says this of itself."""
    n = len(positions_mm)
    good = ~np.isin(np.arange(n), failed)
    offsets = np.column_stack([np.asarray(positions_mm) / 0.2, np.zeros(n)])
    return Stitching(
        offsets,
        np.full(n, 300),
        np.where(good, inliers, 0),
        np.where(good, confidence, 0.0),
        tuple("ok" if g else "interpolated" for g in good),
        np.where(good, residual_px, np.nan),
        np.zeros((4, 4), np.float32),
        (0, 0),
        "orb",
        0.9,
        error_px,
    )


def uneven(n: int = N, extent_mm: float = 45.0) -> np.ndarray:
    """A hand that slows down, stops and slips back a little."""
    pace = 1 + 0.5 * np.sin(np.linspace(0, 12, n))
    pace[n // 2 : n // 2 + 4], pace[n // 4] = 0, -0.5
    path = np.cumsum(pace)
    return extent_mm * (path - path[0]) / np.ptp(path)


def test_a_sweep_with_pauses_is_good_and_has_no_suspects():
    found = stitching(uneven())
    assert suspects(found, 0.2) == []
    assert judged(found, 0.2).level == "good"
    assert "40 of 40 frames" in judged(found, 0.2).text


def test_a_frame_off_its_course_is_a_suspect_and_its_neighbours_are_not():
    positions = uneven()
    positions[22] += 6
    found = stitching(positions)
    (only,) = suspects(found, 0.2)
    assert only.frame == 22
    assert only.position_mm == pytest.approx(positions[22], abs=1e-3)
    assert "jumps" in only.reason
    verdict = judged(found, 0.2)
    assert verdict.level == "check"
    assert "frame 22" in verdict.text
    assert suspects(stitching(positions, failed=[22]), 0.2, excluded={22}) == []
    assert judged(stitching(positions, failed=[22]), 0.2, excluded={22}).level == "good"


@pytest.mark.parametrize(
    ("doubt", "words"),
    [
        ({"failed": [7]}, "could not be matched"),
        ({"confidence": np.where(np.arange(N) == 7, 0.2, 0.9)}, "little like the map"),
        ({"inliers": np.where(np.arange(N) == 7, 7, 150)}, "Only 7 of its 300"),
        ({"residual_px": np.where(np.arange(N) == 7, 6.0, 1.5)}, "scatter by 6.0"),
    ],
)
def test_doubtful_frames_are_suspects_for_a_reason(doubt, words):
    (only,) = suspects(stitching(uneven(), **doubt), 0.2)
    assert only.frame == 7
    assert words in only.reason


@pytest.mark.parametrize(
    ("found", "level", "words"),
    [
        (stitching(0.02 * uneven()), "bad", "moved by only"),
        (stitching(uneven(extent_mm=12)), "check", "shorter than a prostate"),
        (stitching(np.random.default_rng(0).permutation(uneven())), "bad", "order"),
        (stitching(uneven(), failed=range(0, 40, 4)), "bad", "Only 30 of 40"),
        (stitching(uneven(), failed=range(0, 40, 10)), "check", "4 frames could not be used"),
        (stitching(uneven(), confidence=0.2), "bad", "little like the map"),
        (stitching(uneven(), error_px=4.0), "check", "err by about 0.80 mm"),
        (stitching(np.where(np.arange(N) < 20, 0.0, 12.0) + uneven()), "check", "gap of"),
    ],
)
def test_the_verdict_names_what_is_wrong(found, level, words):
    verdict = judged(found, 0.2)
    assert verdict.level == level, verdict
    assert words in verdict.text


def test_a_real_stitching_of_a_steady_sweep_is_good_and_of_a_still_probe_is_not():
    moving = sweep(steady(20, 7.0), shape=(120, 150), decorrelation=0.1)
    assert judged(stitch(moving.frames, matcher="orb"), 0.2).level == "good"
    still = sweep(1.5 * np.sin(np.arange(20) / 2), shape=(120, 150), decorrelation=0.1)
    try:
        verdict = judged(stitch(still.frames, matcher="orb"), 0.2)
    except InputError:
        return  # nothing moves but noise: refused outright
    assert verdict.level == "bad"
    assert "moved by only" in verdict.text


def test_frames_in_the_wrong_order_are_not_good():
    exam = phantom_exam()
    frames = exam.sagittal[:, 20:180]
    assert judged(stitch(frames, matcher="orb"), 0.19).level == "good"
    shuffled = frames[np.random.default_rng(3).permutation(len(frames))]
    try:
        verdict = judged(stitch(shuffled, matcher="orb"), 0.19)
    except InputError as error:
        assert "could not be matched" in str(error)  # noqa: PT017
    else:
        assert verdict.level == "bad"


@pytest.mark.slow
@pytest.mark.parametrize("level", ["easy", "medium", "hard"])
def test_simulated_exams_are_judged_by_how_well_they_went(level):
    from MR2USProLib.phantom.exam import simulate

    exam = simulate(frames=60, level=level, seed=1)
    found = stitch(exam.sagittal, matcher="orb")
    assert judged(found, 0.19).level == "good"
    named = {suspect.frame for suspect in suspects(found, 0.19)}
    assert set(exam.spoilt) <= named
    assert len(named) <= 6
    shuffled = exam.sagittal[np.random.default_rng(0).permutation(60)]
    assert judged(stitch(shuffled, matcher="orb"), 0.19).level == "bad"
