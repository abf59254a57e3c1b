"""Reading the two views: from videos and stacks, in one file or two, and what is refused."""

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
import SimpleITK as sitk

from MR2USProLib.errors import InputError
from MR2USProLib.video.exam import read_exam
from MR2USProLib.video.recording import limits, to_grey_levels

ROIS = {"sagittal_roi": (8, 16, 64, 48), "transverse_roi": (96, 8, 56, 64)}


def picture(t: int) -> np.ndarray:
    """Both views on one screen: the sagittal one of level 60 + 10 t, the transverse one of level 200 - 10 t."""
    screen = np.full((80, 160), 20, dtype=np.uint8)
    screen[16:64, 8:72] = 60 + 10 * t
    screen[8:72, 96:152] = 200 - 10 * t
    return screen


def write_stack(path: Path, stack: np.ndarray, spacing=(0.3, 0.2, 1.0), vector=False) -> Path:
    image = sitk.GetImageFromArray(stack, isVector=vector)
    image.SetSpacing(spacing)
    sitk.WriteImage(image, str(path))
    return path


def write_video(path: Path, pictures: list[np.ndarray], code: str) -> Path:
    height, width = pictures[0].shape
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*code), 25, (width, height))
    assert writer.isOpened()
    for grey in pictures:
        writer.write(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR))
    writer.release()
    return path


def write_matroska(path: Path, pictures: list[np.ndarray], times_ms: list[int], lasts_ms: float) -> Path:
    """Each picture at its own time, as a recorder of the screen writes them; OpenCV's writer knows one rate alone."""

    def element(name: str, content: bytes) -> bytes:
        return bytes.fromhex(name) + (1 << 56 | len(content)).to_bytes(8, "big") + content

    def number(value: int) -> bytes:
        return value.to_bytes(4, "big")

    height, width = pictures[0].shape
    size = element("E0", element("B0", number(width)) + element("BA", number(height)))
    track = element("D7", b"\1") + element("73C5", b"\1") + element("83", b"\1") + element("86", b"V_MJPEG") + size
    parts = [
        element("1549A966", element("2AD7B1", number(1_000_000)) + element("4489", struct.pack(">d", lasts_ms))),
        element("1654AE6B", element("AE", track)),
    ]
    for grey, time_ms in zip(pictures, times_ms, strict=True):
        block = b"\x81\0\0\x80" + cv2.imencode(".jpg", grey)[1].tobytes()
        parts.append(element("1F43B675", element("E7", number(time_ms)) + element("A3", block)))
    path.write_bytes(element("1A45DFA3", element("4282", b"matroska")) + element("18538067", b"".join(parts)))
    return path


@pytest.mark.parametrize(("name", "code"), [("a.mp4", "mp4v"), ("a.avi", "MJPG"), ("a.mkv", "mp4v")])
def test_one_video_with_two_regions(tmp_path, name, code):
    path = write_video(tmp_path / name, [picture(t) for t in range(6)], code)
    exam = read_exam(video=path, **ROIS, spacing_mm=0.25)
    assert exam.sagittal.shape == (6, 48, 64)
    assert exam.transverse.shape == (6, 64, 56)
    assert exam.sagittal.dtype == exam.transverse.dtype == np.uint8
    inner = slice(8, -8)
    for t in range(6):
        assert abs(exam.sagittal[t, inner, inner].mean() - (60 + 10 * t)) < 4
        assert abs(exam.transverse[t, inner, inner].mean() - (200 - 10 * t)) < 4
    assert exam.sagittal_spacing_mm == exam.transverse_spacing_mm == (0.25, 0.25)


def test_one_stack_with_two_regions_is_cut_exactly(tmp_path):
    path = write_stack(tmp_path / "exam.mha", np.stack([picture(t) for t in range(4)]))
    exam = read_exam(video=path, **ROIS)
    assert np.array_equal(exam.sagittal, np.broadcast_to(60 + 10 * np.arange(4)[:, None, None], (4, 48, 64)))
    assert np.array_equal(exam.transverse, np.broadcast_to(200 - 10 * np.arange(4)[:, None, None], (4, 64, 56)))
    assert exam.sagittal_spacing_mm == pytest.approx((0.2, 0.3))


def test_the_pages_of_a_tiff_are_a_stack_of_unknown_spacing(tmp_path):
    stack = np.stack([picture(t) for t in range(4)])
    write_stack(tmp_path / "pages.tif", stack, (0.1, 0.1, 1.0))
    exam = read_exam(video=tmp_path / "pages.tif", **ROIS, spacing_mm=0.2)
    np.testing.assert_array_equal(exam.sagittal, stack[:, 16:64, 8:72])
    refused("pages.tif does not say", video=tmp_path / "pages.tif", **ROIS)
    cv2.imwrite(str(tmp_path / "page.tif"), stack[0])
    refused("page.tif is an image of 2 dimensions", video=tmp_path / "page.tif", **ROIS, spacing_mm=0.2)


def test_two_stacks_keep_their_own_spacing(tmp_path):
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 255, (3, 40, 50), dtype=np.uint8), rng.integers(0, 255, (3, 30, 44), dtype=np.uint8)
    exam = read_exam(
        sagittal=write_stack(tmp_path / "a.nrrd", a, (0.31, 0.17, 1)),
        transverse=write_stack(tmp_path / "b.mha", b, (0.4, 0.2, 1)),
    )
    assert np.array_equal(exam.sagittal, a)
    assert np.array_equal(exam.transverse, b)
    assert exam.sagittal_spacing_mm == pytest.approx((0.17, 0.31))
    assert exam.transverse_spacing_mm == pytest.approx((0.2, 0.4))


def test_given_spacing_overrides_the_header(tmp_path):
    path = write_stack(tmp_path / "exam.mha", np.stack([picture(t) for t in range(4)]))
    exam = read_exam(video=path, **ROIS, spacing_mm=(0.1, 0.15))
    assert exam.sagittal_spacing_mm == exam.transverse_spacing_mm == (0.1, 0.15)


def test_colour_becomes_grey_by_luminance(tmp_path):
    colour = np.zeros((2, 20, 24, 3), dtype=np.uint8)
    colour[0, ..., 0], colour[0, ..., 1], colour[0, ..., 2] = 200, 100, 50
    colour[1] = 77
    path = write_stack(tmp_path / "rgb.mha", colour, vector=True)
    exam = read_exam(sagittal=path, transverse=path)
    assert np.all(exam.sagittal[0] == round(0.299 * 200 + 0.587 * 100 + 0.114 * 50))
    assert np.all(exam.sagittal[1] == 77)


def test_sequence_with_time_as_the_first_axis(tmp_path):
    frames = np.random.default_rng(1).integers(0, 255, (7, 20, 30), dtype=np.uint8)
    path = tmp_path / "slicer.seq.nrrd"
    header = (
        "NRRD0005\ntype: unsigned char\ndimension: 4\nspace: left-posterior-superior\nsizes: 7 30 20 1\n"
        "space directions: none (0.2,0,0) (0,0.1,0) (0,0,1)\nkinds: list domain domain domain\nencoding: raw\n"
        "space origin: (0,0,0)\n\n"
    )
    path.write_bytes(header.encode() + np.ascontiguousarray(frames.transpose(1, 2, 0)).tobytes())
    exam = read_exam(sagittal=path, transverse=path)
    assert np.array_equal(exam.sagittal, frames)
    assert exam.sagittal_spacing_mm == pytest.approx((0.1, 0.2))


def test_sixteen_bit_is_stretched_without_heed_to_hot_pixels():
    ramp = np.tile(np.arange(4000, dtype=np.uint16), 20).reshape(2, 200, 200)
    ramp[0, 0, 0] = 65535
    grey = to_grey_levels(ramp, limits(ramp))
    assert grey[1].max() == 255
    assert np.abs(grey[0, 10] - ramp[0, 10] / 3996 * 255).max() < 1
    small = np.arange(0, 200, dtype=np.int16).reshape(2, 10, 10)
    assert np.array_equal(to_grey_levels(small, limits(small)), small)


def good(tmp_path: Path, n: int = 4, spacing=(0.3, 0.2, 1.0)) -> Path:
    return write_stack(tmp_path / f"good{n}{spacing[0]}.mha", np.stack([picture(t) for t in range(n)]), spacing)


def refused(*words: str, **options) -> None:
    with pytest.raises(InputError) as caught:
        read_exam(**options)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message, message


def test_video_without_spacing_is_refused(tmp_path):
    refused("--spacing", video=write_video(tmp_path / "a.avi", [picture(0)] * 3, "MJPG"), **ROIS)


def test_spacing_of_one_counts_as_unknown(tmp_path):
    refused("--spacing", video=good(tmp_path, spacing=(1.0, 1.0, 1.0)), **ROIS)
    exam = read_exam(video=good(tmp_path, spacing=(1.0, 1.0, 1.0)), **ROIS, spacing_mm=1.0)
    assert exam.sagittal_spacing_mm == (1.0, 1.0)


@pytest.mark.parametrize("spacing", [0, -0.2, float("nan"), 0.0002, 300])
def test_impossible_spacing_is_refused(tmp_path, spacing):
    refused("--spacing", video=good(tmp_path), **ROIS, spacing_mm=spacing)
    if spacing > 0:
        refused("--spacing", video=good(tmp_path, spacing=(spacing, spacing, 1.0)), **ROIS)


@pytest.mark.parametrize("roi", [(100, 0, 64, 48), (0, 40, 64, 48), (-1, 0, 64, 48), (0, 0, 0, 48)])
def test_region_outside_the_picture_is_refused(tmp_path, roi):
    path = good(tmp_path)
    refused("--sagittal-roi", "160 x 80", video=path, sagittal_roi=roi, transverse_roi=ROIS["transverse_roi"])
    refused("--transverse-roi", "160 x 80", video=path, sagittal_roi=ROIS["sagittal_roi"], transverse_roi=roi)


def test_missing_options_are_named(tmp_path):
    path = good(tmp_path)
    one_view = write_stack(tmp_path / "one.mha", np.stack([picture(t)[:, :80] for t in range(4)]))
    refused("one.mha", "--sagittal-roi", "--transverse-roi", video=one_view)
    refused("--video", "--sagittal", "--transverse")
    refused("--transverse", sagittal=path)
    refused("--video", "--sagittal", video=path, sagittal=path, **ROIS)


def test_views_of_different_length_are_refused(tmp_path):
    refused("4 frames", "5", sagittal=good(tmp_path, 4), transverse=good(tmp_path, 5))


def test_single_picture_is_refused(tmp_path):
    refused("two frames", video=good(tmp_path, 1), **ROIS)
    sitk.WriteImage(sitk.GetImageFromArray(picture(0)), str(tmp_path / "one.mha"))
    refused("one.mha", video=tmp_path / "one.mha", **ROIS, spacing_mm=0.2)
    refused("two frames", video=write_video(tmp_path / "one.avi", [picture(0)], "MJPG"), **ROIS, spacing_mm=0.2)


def test_black_view_is_refused(tmp_path):
    stack = np.stack([picture(t) for t in range(4)])
    stack[:, :, 90:] = 0
    refused("transverse", "black", video=write_stack(tmp_path / "dark.mha", stack), **ROIS)


@pytest.mark.parametrize("name", ["a.mp4", "a.avi", "a.mkv", "a.mha", "a.nrrd"])
@pytest.mark.parametrize("content", [None, b"", b"no picture at all" * 40])
def test_missing_empty_and_broken_files_are_refused(tmp_path, name, content):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    refused(name, video=tmp_path / name, **ROIS, spacing_mm=0.2)


def test_video_that_breaks_off_is_refused(tmp_path):
    rng = np.random.default_rng(0)
    path = write_video(
        tmp_path / "a.avi", [rng.integers(0, 255, (80, 160)).astype(np.uint8) for _ in range(20)], "MJPG"
    )
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    refused("a.avi", video=path, **ROIS, spacing_mm=0.2)


def test_a_video_of_varying_rate_is_read_to_its_end_and_refused_where_it_breaks_off(tmp_path):
    times = np.cumsum(np.random.default_rng(0).integers(15, 70, 24)).tolist()
    pictures = [picture(t % 5) for t in range(24)]
    path = write_matroska(tmp_path / "a.mkv", pictures, times, times[-1] + 40)
    capture = cv2.VideoCapture(str(path))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) > 100  # the guess that must not be believed
    exam = read_exam(video=path, **ROIS, spacing_mm=0.2)
    assert exam.sagittal.shape == (24, 48, 64)
    write_matroska(path, pictures[:12], times[:12], times[-1] + 40)
    refused("breaks off after 12", video=path, **ROIS, spacing_mm=0.2)
