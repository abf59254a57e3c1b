"""Folders of pictures, and exams that are shown the other way round."""

import cv2
import numpy as np
import pytest

from MR2USProLib import pipeline
from MR2USProLib.commands import inspect
from MR2USProLib.errors import InputError
from MR2USProLib.provenance import fingerprint
from MR2USProLib.video.exam import read_exam
from phantom_exam import phantom_exam
from scanner_screen import Screen

SCREEN = Screen(transverse_at=(20, 60), sagittal_at=(362, 70), size=(720, 400))


def write(folder, pictures, name="frame {t}.png"):
    folder.mkdir(exist_ok=True)
    for t, picture in enumerate(pictures):
        assert cv2.imwrite(str(folder / name.format(t=t)), picture)
    return folder


def test_pngs_in_the_order_of_their_numbers(tmp_path):
    exam = phantom_exam()
    pictures = SCREEN.pictures(exam.sagittal, exam.transverse)[:12]
    folder = write(tmp_path / "Übung", pictures)
    (folder / "notes.txt").write_text("frame 9 comes before frame 10")
    read = read_exam(video=folder, spacing_mm=0.2)
    x, y, width, height = read.found.sagittal
    np.testing.assert_array_equal(read.sagittal, pictures[:, y : y + height, x : x + width])
    seen = inspect.run(out=tmp_path / "seen", video=folder)
    assert (seen["frames"], seen["size_px"], seen["spacing_mm"]) == (12, [720, 400], None)
    assert seen["views_confidence"] == "high"
    with pytest.raises(InputError, match="--spacing"):
        read_exam(video=folder)
    before = fingerprint(folder)
    (folder / "frame 3.png").unlink()
    assert fingerprint(folder) != before


def test_colour_and_depth_are_kept(tmp_path):
    ramp = np.broadcast_to(np.arange(60, dtype=np.uint16) * 1000, (20, 60))
    deep = write(tmp_path / "deep", [ramp, ramp[::-1]])
    assert (
        np.abs(read_exam(sagittal=deep, transverse=deep, spacing_mm=0.2).sagittal[0, 3] - ramp[3] / 59000 * 255).max()
        < 1
    )
    red = np.zeros((20, 60, 3), np.uint8)
    red[..., 2] = 200  # OpenCV writes blue, green, red
    colour = write(tmp_path / "red", [red, red])
    assert np.all(read_exam(sagittal=colour, transverse=colour, spacing_mm=0.2).sagittal == 60)


def test_two_folders_of_jpeg(tmp_path):
    grey = cv2.GaussianBlur(np.random.default_rng(0).uniform(0, 255, (9, 40, 60)).astype(np.float32), (0, 0), 2)
    folder = write(tmp_path / "a", grey.astype(np.uint8), "{t}.jpg")
    exam = read_exam(sagittal=folder, transverse=folder, spacing_mm=(0.2, 0.3))
    assert np.abs(exam.sagittal - grey).mean() < 4
    assert exam.sagittal_spacing_mm == (0.2, 0.3)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("empty", "without pictures"),
        ("one", "two frames"),
        ("sizes", "different sizes"),
        ("broken", "1.png could not be read"),
        ("a single file", "give the folder"),
        ("gone", "does not exist"),
    ],
)
def test_bad_folders_get_one_sentence(kind, words, tmp_path):
    level = np.full((20, 60), 90, np.uint8)
    path = write(
        tmp_path / "a", {"empty": [], "one": [level], "sizes": [level, level[:-1]]}.get(kind, [level] * 2), "{t}.png"
    )
    if kind == "broken":
        (path / "1.png").write_bytes(b"no picture")
    path = {"a single file": path / "0.png", "gone": tmp_path / "b"}.get(kind, path)
    with pytest.raises(InputError, match=words) as caught:
        read_exam(sagittal=path, transverse=path, spacing_mm=0.2)
    assert "\n" not in str(caught.value)


def test_a_flipped_exam_with_its_flags_makes_the_same_volume(tmp_path):
    exam = phantom_exam()
    straight = {
        "sagittal": write(tmp_path / "s", exam.sagittal[:, 20:180]),
        "transverse": write(tmp_path / "t", exam.transverse[:, ::2, ::2]),
    }
    flipped = {
        "sagittal": write(tmp_path / "sf", exam.sagittal[:, 20:180, ::-1]),
        "transverse": write(tmp_path / "tf", exam.transverse[:, ::2, ::2][:, :, ::-1]),
    }
    one = read_exam(**straight, spacing_mm=0.3)
    other = read_exam(**flipped, spacing_mm=0.3, flip_sagittal=True, flip_transverse=True)
    assert "head is taken to be on the left" in one.notes[-1]
    assert "head is taken to be on the right" in other.notes[-1]
    assert "patient's left on the left" in other.notes[-1]
    made = [pipeline.reconstruct(read, matcher="orb", fill="none", voxel_mm=2.0) for read in (one, other)]
    assert made[0].volume.grid == made[1].volume.grid
    np.testing.assert_array_equal(made[0].volume.array, made[1].volume.array)
    unflagged = read_exam(**flipped, spacing_mm=0.3)
    assert not np.array_equal(unflagged.transverse, one.transverse)
