"""Stitching whole sweeps of sliding speckle whose offsets are known to any fraction of a pixel."""

import csv
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, map_coordinates

from MR2USProLib.errors import Cancelled, InputError
from MR2USProLib.progress import SILENT, Progress
from MR2USProLib.reconstruction.displacement import largest_cluster
from MR2USProLib.reconstruction.features import FeatureMatcher
from MR2USProLib.reconstruction.localisation import follow
from MR2USProLib.reconstruction.mosaic import Stitching, stitch, write_positions
from MR2USProLib.reconstruction.probe_layer import ProbeLayer
from sliding_speckle import Sweep, steady, sweep

SPINE = Path(os.environ.get("MR2US_DATA", Path(__file__).parents[3] / "shared" / "data")) / "plus"
BLACK, TORN = 7, (14, 15)
SHAPE = (120, 150)


@pytest.fixture(scope="module")
def simulated() -> Sweep:
    """On, a pause, back, and on again; one frame black, two torn, the last but one frame on noise."""
    x = np.concatenate([3.4 * np.arange(12), np.full(4, 37.7), 37.7 - 2.3 * np.arange(1, 6), 26 + 4.1 * np.arange(12)])
    s = sweep(x, shape=SHAPE, decorrelation=0.15, seed=2)
    s.frames[BLACK] = 0
    s.frames[list(TORN)] = np.random.default_rng(0).integers(0, 255, (2, *SHAPE))
    s.frames[-1] = 0
    return s


@pytest.fixture(scope="module", params=["orb", "layers"])
def stitched(simulated: Sweep, request) -> Stitching:
    return stitch(simulated.frames, matcher=request.param)


def test_offsets_are_true_to_a_fraction_of_a_pixel(simulated, stitched):
    error = (stitched.offsets_px - simulated.offsets_px)[stitched.usable]
    assert np.abs(error).max() < 0.4
    assert np.abs(error[:, 0]).mean() < 0.2
    assert stitched.positions_mm(0.2) == pytest.approx(stitched.offsets_px[:, 0] * 0.2, abs=1e-4)


def test_spoilt_frames_are_flagged_and_interpolated(simulated, stitched):
    expected = ["ok"] * len(simulated.frames)
    expected[BLACK] = expected[TORN[0]] = expected[TORN[1]] = "interpolated"
    expected[-1] = "rejected"
    assert list(stitched.status) == expected
    p = stitched.offsets_px
    assert p[BLACK] == pytest.approx((p[BLACK - 1] + p[BLACK + 1]) / 2)
    assert p[TORN[0]] == pytest.approx(p[13] + (p[16] - p[13]) / 3)
    assert p[-1] == pytest.approx(p[-2])
    assert np.all(stitched.confidence[~stitched.usable] == 0)
    assert np.all((stitched.confidence[stitched.usable] > 0.2) & (stitched.confidence <= 1)[stitched.usable])
    assert np.array_equal(np.isnan(stitched.residual_px), ~stitched.usable)


def test_what_is_fixed_to_the_probe_would_hold_the_frames_in_place():
    s = sweep(6.0 * np.arange(14), shape=SHAPE, decorrelation=0.2, seed=4)
    text = np.kron(np.random.default_rng(3).integers(0, 2, (14, 30)), np.ones((4, 4), int)).astype(bool)
    s.frames[:, 60:116, 15:135][:, text] = 240
    layer = ProbeLayer.estimate(s.frames)
    blind = replace(layer, grey=np.full(SHAPE, 128, np.float32), tissue=np.ones(SHAPE, bool))
    orb = FeatureMatcher("orb", s.frames[0].size)
    locked = follow(s.frames, blind, orb, SILENT)
    assert np.abs(locked.offsets_px[locked.placed][:, 0]).max() < 1, "too easy to show that the layer matters"
    free = follow(s.frames, layer, orb, SILENT)
    assert free.placed.all()
    assert np.abs(free.offsets_px - s.offsets_px).max() < 1


def test_overlays_are_no_tissue(simulated):
    tissue = ProbeLayer.estimate(simulated.frames).tissue
    assert not tissue[6:16, 10:60:4].any()
    assert not tissue[::20, -12:-4].any()
    assert not tissue[:, 0].any()
    assert tissue[30:, 10:130].mean() > 0.95


def agreement(simulated: Sweep, picture: np.ndarray, origin_px) -> float:
    """Correlation of a picture (NaN: not seen) whose first pixel has this offset with the true sheet."""
    rows, columns = np.nonzero(np.isfinite(picture))
    x, y = np.asarray(origin_px) - simulated.sheet_origin_px
    truth = map_coordinates(gaussian_filter(simulated.sheet, 1), [rows + y, columns + x], order=1)
    levels = gaussian_filter(np.nan_to_num(picture, nan=128), 1)[rows, columns]
    return float(np.corrcoef(levels, truth)[0, 1])


def test_map_is_seamless_and_true(simulated, stitched):
    assert agreement(simulated, stitched.map, stitched.map_origin_px) > 0.8
    assert stitched.map.dtype == np.float32
    assert 0 <= np.nanmin(stitched.map) <= np.nanmax(stitched.map) <= 255
    assert stitched.map.shape[1] > SHAPE[1] + 0.8 * np.ptp(simulated.offsets_px[:, 0])


def test_map_shows_deep_tissue_better_than_one_frame(simulated, stitched):
    deep_map, deep_frame = stitched.map.copy(), simulated.frames[0].astype(float)
    deep_map[:70] = deep_frame[:70] = np.nan
    of_frame = agreement(simulated, deep_frame, (0, 0))
    assert agreement(simulated, deep_map, stitched.map_origin_px) > of_frame + 0.03


def test_growing_map_beats_a_chain_of_neighbours():
    s = sweep(steady(40, 2.5), shape=SHAPE, decorrelation=0.3, overlay=False, seed=5)
    layer = ProbeLayer.estimate(s.frames)
    matcher = FeatureMatcher("orb", s.frames[0].size)
    track = follow(s.frames, layer, matcher, SILENT)
    assert track.placed.all()
    pictures = []
    for frame in s.frames:
        picture = gaussian_filter(layer.removed(frame), 1.0)
        pictures.append(np.clip(128 + 42 * picture / picture[layer.tissue].std(), 0, 255).astype(np.uint8))
    chain = np.zeros((40, 2))
    for t in range(1, 40):
        found = largest_cluster(matcher.differences(pictures[t], layer.tissue, pictures[t - 1], layer.tissue))
        assert found is not None
        chain[t] = chain[t - 1] + found.offset_px
    by_map = np.abs(track.offsets_px - s.offsets_px)[:, 0].mean()
    by_chain = np.abs(chain - s.offsets_px)[:, 0].mean()
    assert by_map < 0.5 * by_chain
    assert by_map < 0.3


def test_motion_to_the_head_is_negative():
    s = sweep(-3.0 * np.arange(10), shape=SHAPE, decorrelation=0.1)
    found = stitch(s.frames, matcher="orb")
    assert np.abs(found.offsets_px - s.offsets_px).max() < 0.5
    assert found.map_origin_px[0] < -20


def test_spoilt_first_frame_is_left_out():
    s = sweep(3.0 * np.arange(12), shape=SHAPE, decorrelation=0.1)
    s.frames[0] = np.random.default_rng(1).integers(0, 255, SHAPE)
    found = stitch(s.frames, matcher="orb")
    first = int(np.argmin(np.abs(found.offsets_px[:, 0]) + 99 * ~found.usable))
    assert found.status == ("rejected", *["ok"] * 11)
    error = (found.offsets_px - (s.offsets_px - s.offsets_px[first]))[found.usable]
    assert np.abs(error).max() < 0.5


def test_auto_is_content_with_a_good_stitching(simulated):
    auto, layers = (stitch(simulated.frames, matcher=name) for name in ("auto", "layers"))
    assert auto.matcher == "layers"
    assert np.array_equal(auto.offsets_px, layers.offsets_px)


def test_auto_keeps_the_matcher_of_highest_quality(simulated, monkeypatch):
    monkeypatch.setattr("MR2USProLib.reconstruction.mosaic.GOOD_QUALITY", 1.0)
    frames = simulated.frames[:7]
    each = {name: stitch(frames, matcher=name) for name in ("layers", "sift", "orb")}
    auto = stitch(frames, matcher="auto")
    assert auto.quality == max(found.quality for found in each.values())
    assert np.array_equal(auto.offsets_px, each[auto.matcher].offsets_px)
    assert np.array_equal(auto.map, each[auto.matcher].map, equal_nan=True)


def test_same_frames_same_answer(simulated):
    first, second = (stitch(simulated.frames[:13], matcher="orb") for _ in range(2))
    assert np.array_equal(first.offsets_px, second.offsets_px)
    assert np.array_equal(first.confidence, second.confidence)
    assert np.array_equal(first.map, second.map, equal_nan=True)


def test_offsets_without_noise_are_true_to_a_tenth_of_a_pixel():
    """The median of so short a sweep holds tissue; were it not estimated anew, it would bias the offsets."""
    s = sweep(3.0 * np.arange(14), shape=SHAPE, decorrelation=0.0, bands=False, overlay=False, seed=2)
    found = stitch(s.frames, matcher="orb")
    assert np.abs(found.offsets_px - s.offsets_px).mean() < 0.1
    assert np.abs(found.offsets_px - s.offsets_px).max() < 0.25


def test_cancelling_ends_the_work():
    s = sweep(3.0 * np.arange(5), shape=SHAPE)
    seen: list[float] = []
    progress = Progress(lambda stage, fraction, message: seen.append(fraction), lambda: len(seen) > 2)
    with pytest.raises(Cancelled):
        stitch(s.frames, matcher="orb", progress=progress)


def test_table_of_positions(stitched, tmp_path):
    write_positions(tmp_path / "positions.csv", stitched, 0.25)
    with (tmp_path / "positions.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert ",".join(rows[0]) == "frame,position_mm,offset_x_px,offset_y_px,matches,inliers,confidence,status"
    assert [int(row[0]) for row in rows[1:]] == list(range(len(stitched.status)))
    assert [float(row[1]) for row in rows[1:]] == pytest.approx(stitched.offsets_px[:, 0] * 0.25, abs=1e-3)
    assert [float(row[3]) for row in rows[1:]] == pytest.approx(stitched.offsets_px[:, 1], abs=1e-3)
    assert [int(row[5]) for row in rows[1:]] == list(stitched.inliers)
    assert tuple(row[7] for row in rows[1:]) == stitched.status


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        (np.zeros((8, *SHAPE), np.uint8), "black"),
        (np.tile(np.random.default_rng(0).integers(0, 255, SHAPE, dtype=np.uint8), (8, 1, 1)), "do not change"),
        (np.random.default_rng(0).integers(0, 255, (12, *SHAPE), dtype=np.uint8), "could not be matched"),
        (np.random.default_rng(0).integers(0, 255, (1, *SHAPE), dtype=np.uint8), "two sagittal frames"),
        (np.random.default_rng(0).integers(0, 255, (4, 20, 150), dtype=np.uint8), "too small"),
    ],
)
def test_hopeless_sweeps_are_refused(frames, words):
    with pytest.raises(InputError, match=words):
        stitch(frames, matcher="orb")


@pytest.mark.parametrize("matcher", ["sift", "orb"])
def test_real_speckle(matcher):
    """Windows cut from one real frame at known sub-pixel places, with a band fixed to the probe and fresh noise."""
    path = SPINE / "SpinePhantomFreehand.igs.mha"
    if not path.exists():
        pytest.skip("the spine phantom's frames are not here (MR2US_DATA names their folder)")
    import SimpleITK as sitk

    picture = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))[5, 20:240, 190:630].astype(float)
    rng, x = np.random.default_rng(0), 2 + 7.3 * np.arange(16) + 3 * np.sin(np.arange(16) / 4)
    rows, columns = np.mgrid[0:220, 0:180].astype(float)
    frames = []
    for place in x:
        frame = map_coordinates(picture, [rows, columns + place], order=3)
        noise = gaussian_filter(rng.normal(size=frame.shape), 1.2)
        frame += 0.3 * frame.std() / noise.std() * noise
        frame[8:14] = 220
        frame[60:64] += 60
        frames.append(np.clip(frame, 0, 255).astype(np.uint8))
    found = stitch(np.stack(frames), matcher=matcher)
    error = found.offsets_px[found.usable] - np.column_stack([x - x[0], 0 * x])[found.usable]
    assert found.usable.mean() > 0.9
    assert np.abs(error[:, 0]).mean() < 0.3
    assert np.abs(error).max() < 1


@pytest.mark.slow
@pytest.mark.parametrize("level", ["easy", "medium", "hard"])
def test_simulated_exam(level):
    from MR2USProLib.phantom.exam import simulate

    exam = simulate(frames=120, level=level, seed=1)
    found = stitch(exam.sagittal)
    first = int(np.argmax(found.usable))
    error = found.positions_mm(exam.sagittal_spacing_mm[1]) - (exam.positions_mm - exam.positions_mm[first])
    assert np.abs(error).mean() < 0.3
    assert not found.usable[list(exam.spoilt)].any()
    assert found.usable.mean() > 0.9
