"""Finding the two views on simulated screens, where it is known to the pixel what they show."""

import numpy as np
import pytest

from MR2USProLib.video.exam import read_exam, write_stack
from MR2USProLib.video.frames import glance, open_recording
from MR2USProLib.video.views import find_views
from phantom_exam import phantom_exam
from scanner_screen import Screen, write_video

STILL_LIFE = frozenset({"text", "ruler", "logo", "frame"})
TRANSVERSE_LEFT = Screen(transverse_at=(60, 100), sagittal_at=(412, 110), extras=STILL_LIFE)
SAGITTAL_LEFT = Screen(sagittal_at=(60, 100), transverse_at=(402, 80), extras=STILL_LIFE)
TRANSVERSE_ABOVE = Screen(transverse_at=(300, 30), sagittal_at=(310, 350), extras=STILL_LIFE)
SAGITTAL_ABOVE = Screen(sagittal_at=(300, 60), transverse_at=(310, 390), extras=STILL_LIFE)
SCREENS = {
    "side by side": TRANSVERSE_LEFT,
    "side by side, exchanged": SAGITTAL_LEFT,
    "stacked": TRANSVERSE_ABOVE,
    "stacked, exchanged": SAGITTAL_ABOVE,
    "three pixels apart": Screen(transverse_at=(60, 100), sagittal_at=(383, 100), extras=frozenset({"text"})),
    "stacked, four pixels apart": Screen(transverse_at=(60, 100), sagittal_at=(60, 389), extras=frozenset({"text"})),
    "a clock and a curve that run": Screen(
        transverse_at=(60, 100), sagittal_at=(412, 110), extras=STILL_LIFE | {"clock", "trace", "depth"}
    ),
    "stacked, above a curve that runs": Screen(
        sagittal_at=(300, 60), transverse_at=(310, 390), extras=STILL_LIFE | {"trace"}
    ),
    "on grey, small": Screen(
        sagittal_at=(60, 100), transverse_at=(402, 80), background=30, zoom=0.7, extras=STILL_LIFE
    ),
    "in full HD": Screen(
        (960, 160), (120, 150), size=(1920, 1080), zoom=2.0, extras=STILL_LIFE | {"clock"}
    ),
}  # fmt: skip


def off_px(found, true) -> int:
    """The largest distance between edges of two boxes."""
    edges = [np.array([x, y, x + width, y + height]) for x, y, width, height in (found, true)]
    return int(np.abs(edges[0] - edges[1]).max())


@pytest.mark.parametrize("name", SCREENS)
def test_views_are_found_where_they_are(name):
    exam, screen = phantom_exam(), SCREENS[name]
    views = find_views(screen.pictures(exam.sagittal[::2], exam.transverse[::2]))
    sagittal, transverse = screen.boxes(exam.sagittal, exam.transverse)
    assert views.confidence == "high", views
    assert off_px(views.sagittal, sagittal) <= 2, views
    assert off_px(views.transverse, transverse) <= 2, views


@pytest.mark.parametrize("name", ["side by side", "stacked, exchanged", "on grey, small"])
def test_compression_does_not_move_them(name, tmp_path):
    exam, screen = phantom_exam(), SCREENS[name]
    recording = open_recording(write_video(tmp_path / "exam.mp4", screen.pictures(exam.sagittal, exam.transverse)))
    seen = glance(recording)
    views = find_views(seen.pictures)
    assert seen.count == 24
    assert recording.spacing_mm is None
    sagittal, transverse = screen.boxes(exam.sagittal, exam.transverse)
    assert views.confidence == "high"
    assert off_px(views.sagittal, sagittal) <= 3, views
    assert off_px(views.transverse, transverse) <= 3, views


def test_black_and_torn_pictures_do_not_disturb():
    exam = phantom_exam()
    pictures = TRANSVERSE_LEFT.pictures(exam.sagittal[::2], exam.transverse[::2])
    pictures[0] = 0
    pictures[7] = np.random.default_rng(0).integers(0, 255, pictures[7].shape)
    views = find_views(pictures)
    sagittal, transverse = TRANSVERSE_LEFT.boxes(exam.sagittal, exam.transverse)
    assert off_px(views.sagittal, sagittal) <= 2
    assert off_px(views.transverse, transverse) <= 2


def rectangles():
    """Both views without the fan's corners and what stands still under the probe's face."""
    exam = phantom_exam()
    return exam.sagittal[:, 30:], exam.transverse[:, 40:240, 60:260]


@pytest.mark.parametrize("screen", [TRANSVERSE_LEFT, SAGITTAL_LEFT, SAGITTAL_ABOVE])
def test_two_rectangles_are_told_apart_by_how_tissue_moves_in_them(screen):
    sagittal, transverse = rectangles()
    views = find_views(screen.pictures(sagittal, transverse))
    boxes = screen.boxes(sagittal, transverse)
    assert views.confidence == "high"
    assert "slides" in views.note
    assert off_px(views.sagittal, boxes[0]) <= 2
    assert off_px(views.transverse, boxes[1]) <= 2


@pytest.mark.parametrize("both", ["slide", "do not slide"])
def test_two_alike_are_told_apart_by_habit_and_that_is_said(both):
    frames = rectangles()[both == "do not slide"]
    views = find_views(TRANSVERSE_LEFT.pictures(frames, frames[::-1]))
    right, left = TRANSVERSE_LEFT.boxes(frames, frames)
    assert views.confidence == "low"
    assert off_px(views.transverse, left) <= 2
    assert off_px(views.sagittal, right) <= 2
    assert "Exchange" in views.note


@pytest.mark.parametrize("what", ["one view", "nothing that moves", "one picture", "touching views"])
def test_what_holds_no_two_views_is_not_guessed_at(what):
    exam = phantom_exam()
    pictures = TRANSVERSE_LEFT.pictures(exam.sagittal[:6], exam.transverse[:6])
    if what == "one view":
        pictures = pictures[:, :, :400]
    elif what == "nothing that moves":
        pictures[:] = pictures[0]
    elif what == "one picture":
        pictures = pictures[:1]
    else:
        pictures = np.concatenate([exam.sagittal[:6, :285], exam.transverse[:6]], axis=2)
    views = find_views(pictures)
    assert (views.sagittal, views.transverse, views.confidence) == (None, None, "none")
    assert views.note


def same(view, cut) -> bool:
    """Whether a view is what was cut out, but for a few echoes that stand still and may be taken for marks."""
    return view.shape == cut.shape and np.mean(view != cut) < 0.005


def test_an_exam_without_regions_is_cut_where_the_views_were_found(tmp_path):
    exam = phantom_exam()
    pictures = SAGITTAL_LEFT.pictures(exam.sagittal[:12], exam.transverse[:12])
    write_stack(tmp_path / "screen.nrrd", pictures, (0.2, 0.19))
    read = read_exam(video=tmp_path / "screen.nrrd")
    assert read.found is not None
    assert read.found.confidence == "high"
    x, y, width, height = read.found.sagittal
    assert same(read.sagittal, pictures[:, y : y + height, x : x + width])
    x, y, width, height = read.found.transverse
    assert same(read.transverse, pictures[:, y : y + height, x : x + width])
    assert read.sagittal_spacing_mm == read.transverse_spacing_mm == (0.2, 0.19)

    given = (412, 90, 200, 180)
    half = read_exam(video=tmp_path / "screen.nrrd", transverse_roi=given)
    assert half.transverse.shape[1:] == (180, 200)
    np.testing.assert_array_equal(half.sagittal, read.sagittal)
    swapped = read_exam(video=tmp_path / "screen.nrrd", sagittal_roi=given)
    np.testing.assert_array_equal(swapped.sagittal, half.transverse)
    np.testing.assert_array_equal(swapped.transverse, read.sagittal)


def test_a_long_video_is_glanced_at_over_its_whole_length(tmp_path):
    grey = np.linspace(0, 200, 130).astype(np.uint8)
    write_video(tmp_path / "long.avi", np.broadcast_to(grey[:, None, None], (130, 32, 48)), "MJPG")
    seen = glance(open_recording(tmp_path / "long.avi"))
    assert seen.count == 130
    levels = seen.pictures.mean(axis=(1, 2))
    assert 20 <= len(levels) <= 24
    assert levels[0] < 30
    assert levels[-1] > 185
    assert np.diff(levels).max() < 15
    assert 10 < seen.first.mean() < 14, "the first that is not black"
