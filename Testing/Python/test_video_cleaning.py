"""Marks over the views, interlaced video and pictures that repeat, all put there by the tests."""

import cv2
import numpy as np
import pytest

from MR2USProLib.reconstruction.placement import fan_mask
from MR2USProLib.video.cleaning import clean
from MR2USProLib.video.exam import read_exam
from MR2USProLib.video.interlace import COMB, comb, deinterlaced
from MR2USProLib.video.overlay import overlay
from phantom_exam import phantom_exam
from scanner_screen import Screen, write_video

SCREEN = Screen(
    transverse_at=(20, 60), sagittal_at=(362, 70), size=(720, 400), extras=frozenset({"text", "ruler", "frame"})
)
BOXES = {"sagittal_roi": (362, 70, 320, 300), "transverse_roi": (20, 60, 320, 285)}


def marked(stack):
    """Frames with text, a line and ticks over the echoes, and a caption in the empty corner; and where these are."""
    drawn = stack.copy()
    for picture in drawn:
        cv2.putText(picture, "D 57 mm", (120, 150), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 220, 1, cv2.LINE_AA)
        cv2.line(picture, (140, 180), (140, 250), 200, 1)
        picture[180:260:20, 200:206] = 200
        cv2.putText(picture, "R", (6, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 220, 1, cv2.LINE_AA)
    return drawn, np.mean(np.abs(drawn.astype(int) - stack) > 30, axis=0) > 0.6


def test_marks_over_the_fan_do_not_reach_the_frames():
    exam = phantom_exam()
    drawn, marks = marked(exam.transverse)
    fan = fan_mask(exam.transverse)
    (sagittal, transverse), notes = clean((exam.sagittal, drawn), (0, 0))
    off = np.abs(transverse.astype(int) - exam.transverse)
    unlike = np.abs(np.diff(exam.transverse.astype(int), axis=0))[:, marks & fan].mean()
    assert off[:, marks & fan].mean() < unlike, "closer to the truth than the next frame is"
    assert np.abs(drawn.astype(int) - exam.transverse)[:, marks & fan].mean() > 3 * unlike
    near = cv2.dilate(marks.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    assert not off[:, ~near].any(), "nothing else is touched"
    assert not transverse[:, marks & ~fan].any()
    np.testing.assert_array_equal(fan_mask(transverse), fan)
    np.testing.assert_array_equal(sagittal, exam.sagittal)
    assert [note for note in notes if "transverse view" in note]


def test_most_of_a_mark_goes_from_a_compressed_video_too(tmp_path):
    exam = phantom_exam()
    drawn, marks = marked(exam.sagittal)
    path = write_video(tmp_path / "a.mp4", SCREEN.pictures(drawn, exam.transverse))
    read = read_exam(video=path, spacing_mm=0.2, **BOXES)
    before, after = (np.abs(stack.astype(int) - exam.sagittal)[:, marks].mean() for stack in (drawn, read.sagittal))
    assert after < 0.4 * before


@pytest.mark.parametrize("view", ["sagittal", "transverse"])
def test_echoes_that_stand_still_are_no_marks(view):
    among, beside = overlay(getattr(phantom_exam(), view))
    assert np.mean(among) < 1e-4
    assert np.mean(beside) < 1e-3


def test_a_grey_background_is_no_part_of_the_fan():
    exam = phantom_exam()
    fan = fan_mask(exam.transverse)
    grey = np.where(exam.transverse > 3, exam.transverse, 30).astype(np.uint8)
    grey = np.where(fan, exam.transverse, grey)
    (_, transverse), _ = clean((exam.sagittal, grey), (0, 0))
    assert np.mean(fan_mask(transverse) != fan) < 0.01


def woven(stack):
    """Odd rows from the next moment."""
    fields = stack[:-1].copy()
    fields[:, 1::2] = stack[1:, 1::2]
    return fields


def test_interlaced_video_is_recognised_and_its_even_rows_kept():
    exam = phantom_exam()
    sagittal, transverse = woven(exam.sagittal), woven(exam.transverse)
    assert comb(sagittal) > COMB
    assert max(comb(exam.sagittal), comb(exam.transverse)) < 0.6 * COMB
    (one, other), notes = clean((sagittal, transverse[:, 1:]), (0, 1))
    assert any("interlaced" in note for note in notes)
    # What comes from the other field is gone, on the same rows of the picture in both views.
    true = exam.sagittal[:-1]
    np.testing.assert_array_equal(one[:, ::2], true[:, ::2])
    np.testing.assert_array_equal(other[:, 1::2], exam.transverse[:-1, 2::2])
    assert np.abs(one.astype(int) - true).mean() < 0.5 * np.abs(sagittal.astype(int) - true).mean()
    assert comb(one) < COMB


def test_rows_between_even_ones_are_their_means():
    view = np.arange(16, dtype=np.uint8)[None, :, None] * np.full((2, 1, 16), 10, np.uint8)
    np.testing.assert_array_equal(deinterlaced(view, 0)[:, :15], view[:, :15])
    assert np.all(deinterlaced(view, 0)[:, 15] == 140)
    np.testing.assert_array_equal(deinterlaced(view, 1)[:, 1:], view[:, 1:])


def test_repeats_stay_and_are_counted():
    exam = phantom_exam()
    order = [0, 1, 1, 2, 3, 3, 3, *range(4, 24)]
    (sagittal, transverse), notes = clean((exam.sagittal[order], exam.transverse[order]), (0, 0))
    assert len(sagittal) == len(transverse) == 27
    assert notes[0].startswith("3 frames repeat their predecessor exactly")
    _, notes = clean((exam.sagittal[order], exam.transverse[np.r_[0:24, 21:24]]), (0, 0))
    assert notes[0].startswith("3 frames repeat their predecessor exactly in one view only")
    _, notes = clean((exam.sagittal, exam.transverse), (0, 0))
    assert notes == ()
