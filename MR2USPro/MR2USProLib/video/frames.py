"""The frames of one file: a video that OpenCV decodes, or an image stack that ITK reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..progress import SILENT, Progress
from ..volume import read_image

Roi = tuple[int, int, int, int]
"""Part of a picture: x and y of its top-left pixel, width and height, all in px."""

VIDEO_SUFFIXES = {".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".wmv", ".mpg", ".mpeg"}
BLACK = 10
"""A picture in which no pixel exceeds this grey level shows nothing."""

GLANCE = 24
"""Pictures that are enough to see where in them something moves."""

SMALLEST_PX = 16
"""A view with fewer pixels along an edge holds nothing to match."""

_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


@dataclass(frozen=True)
class Frames:
    """What a file shows over time.

    Attributes:
        views: one uint8 stack (frame, row, column) for each region that was asked for.
        spacing_mm: (row, column), or None where the file does not say.
    """

    views: tuple[NDArray[np.uint8], ...]
    spacing_mm: tuple[float, float] | None


@dataclass(frozen=True)
class Glance:
    """A file's pictures at a glance, before anybody knows what in them is the exam.

    Attributes:
        count: pictures in the file.
        pictures: uint8 (at most ``GLANCE``, row, column), spread evenly over time, none of them black if any is not.
        first: uint8 (row, column), the first picture that is not black, or the first at all.
        spacing_mm: (row, column), or None where the file does not say.
        spacing_source: where the spacing comes from, or why it is not known, in a sentence.
    """

    count: int
    pictures: NDArray[np.uint8]
    first: NDArray[np.uint8]
    spacing_mm: tuple[float, float] | None
    spacing_source: str


def read_frames(path: Path, regions: Sequence[tuple[str, Roi | None]], progress: Progress = SILENT) -> Frames:
    """Read a file once and cut its views out, in grey.

    Args:
        path: a video (mp4, avi, mkv, mov ...) or a stack whose last axis is time (MetaImage, NRRD, NIfTI), in grey or
            colour.
        regions: for each view the option that names its region of interest, and the region (None: the whole picture).
        progress: told while frames are decoded.

    Raises:
        InputError: missing, unreadable, empty, a single picture, or a region outside the picture.
    """
    path = Path(path)
    if path.suffix.lower() in VIDEO_SUFFIXES:
        return _read_video(path, regions, progress)
    return _read_stack(path, regions, progress)


def glance(path: Path, progress: Progress = SILENT) -> Glance:
    """Count a file's pictures and take a few of them, in grey, without holding a whole video in memory.

    Raises:
        InputError: missing, unreadable or empty.
    """
    path = Path(path)
    if path.suffix.lower() in VIDEO_SUFFIXES:
        return _glance_at_video(path, progress)
    progress.report(0.0, f"Reading {path.name}")
    stack, image = _open_stack(path)
    brightest = stack.reshape(len(stack), -1).max(axis=1)
    chosen = np.flatnonzero(brightest > 0.2 * brightest.max())
    chosen = chosen[_spread(len(chosen), GLANCE)] if len(chosen) else np.array([0])
    pictures = to_grey_levels(_grey(stack[chosen]))
    spacing_mm, source = _header_spacing(image, path)
    progress.report(1.0, f"Reading {path.name}")
    return Glance(len(stack), pictures, pictures[0], spacing_mm, source)


def _glance_at_video(path: Path, progress: Progress) -> Glance:
    kept: list[NDArray[np.uint8]] = []
    first, count, stride = None, 0, 1
    for picture in _decoded(path, progress):
        if first is None or (first.max() <= BLACK < picture.max()):
            first = picture
        if count % stride == 0:
            kept.append(picture)
            if len(kept) == 2 * GLANCE:  # nobody knows how many will come: thin out as they do
                kept, stride = kept[::2], 2 * stride
        count += 1
    assert first is not None  # an empty video was refused
    seen = [picture for picture in kept if picture.max() > BLACK] or kept
    pictures = np.stack([seen[t] for t in _spread(len(seen), GLANCE)])
    return Glance(count, pictures, first, None, f"{path.name} is a video, which does not say how large its pixels are.")


def _spread(count: int, most: int) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.int64))


def _read_video(path: Path, regions: Sequence[tuple[str, Roi | None]], progress: Progress) -> Frames:
    views: list[list[NDArray[np.uint8]]] = [[] for _ in regions]
    for picture in _decoded(path, progress):
        for view, (option, roi) in zip(views, regions, strict=True):
            x, y, width, height = _checked(roi, option, picture.shape[1], picture.shape[0], path)
            view.append(picture[y : y + height, x : x + width].copy())
    return Frames(tuple(np.stack(view) for view in views), None)


def _decoded(path: Path, progress: Progress) -> Iterator[NDArray[np.uint8]]:
    """The pictures of a video, in grey, one after the other."""
    import cv2

    if not path.exists():
        raise InputError(f"{path} does not exist: check the path.")
    capture, read = cv2.VideoCapture(str(path)), 0
    try:
        expected = capture.get(cv2.CAP_PROP_FRAME_COUNT) if capture.isOpened() else 0
        while True:
            good, picture = capture.read()
            if not good:
                break
            read += 1
            yield cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY) if picture.ndim == 3 else picture
            progress.report(min(read / expected, 1.0) if expected > 0 else 0.0, f"Reading {path.name}")
    finally:
        capture.release()
    if read == 0:
        raise InputError(f"{path.name} could not be decoded as a video: give a complete mp4, avi or mkv file.")
    if read < 0.8 * expected:
        raise InputError(f"{path.name} breaks off after {read} of {expected:.0f} frames: give the complete file.")
    progress.report(1.0, f"Reading {path.name}")


def _read_stack(path: Path, regions: Sequence[tuple[str, Roi | None]], progress: Progress) -> Frames:
    progress.report(0.0, f"Reading {path.name}")
    stack, image = _open_stack(path)
    height, width = stack.shape[1:3]
    views = []
    for part, (option, roi) in enumerate(regions):
        x, y, w, h = _checked(roi, option, width, height, path)
        views.append(to_grey_levels(_grey(stack[:, y : y + h, x : x + w])))
        progress.report((part + 1) / len(regions), f"Reading {path.name}")
    return Frames(tuple(views), _header_spacing(image, path)[0])


def _open_stack(path: Path) -> tuple[NDArray, object]:
    """Pictures (frame, row, column) or (frame, row, column, colour), and the image that owns their memory."""
    import SimpleITK as sitk

    image = read_image(path)
    array = sitk.GetArrayViewFromImage(image)
    components, dimension = image.GetNumberOfComponentsPerPixel(), image.GetDimension()
    if components > 4 and array[..., 0].squeeze().ndim == 2:
        # Slicer writes a sequence of pictures with time as the first axis of the file; ITK takes it for components.
        array = np.moveaxis(array.reshape(*array[..., 0].squeeze().shape, components), -1, 0)
        components = 1
    elif dimension == 4 and image.GetSize()[2] == 1:
        array = array[:, 0]
    elif dimension != 3:
        raise InputError(
            f"{path.name} is an image of {dimension} dimensions: give a stack of pictures, or a video, with time last."
        )
    if components not in (1, 3, 4):
        raise InputError(f"{path.name} has {components} values in each pixel: give grey or RGB pictures.")
    if np.iscomplexobj(array):
        raise InputError(f"{path.name} holds complex numbers: save the log-compressed magnitude and use that.")
    return array, image


def _grey(pictures: NDArray) -> NDArray:
    """A copy of part of a stack, in grey: the image goes, and its memory with it."""
    if pictures.ndim == 3:
        return np.array(pictures)
    grey = np.stack([np.asarray(picture[..., :3], dtype=np.float32) @ _LUMA for picture in pictures])
    return np.rint(grey).astype(np.uint8) if pictures.dtype == np.uint8 else grey


def _header_spacing(image: object, path: Path) -> tuple[tuple[float, float] | None, str]:
    """(row, column) in mm, None where the file does not say; and where that comes from."""
    x, y = image.GetSpacing()[:2]  # type: ignore[attr-defined]
    if path.suffix.lower() == ".dcm":
        # Ultrasound's DICOM header calibrates regions in cm, which ITK does not turn into a spacing.
        return None, f"The calibration in {path.name} cannot be read."
    if (x, y) == (1.0, 1.0):
        return None, f"{path.name} says 1 x 1 mm, as programs write that do not know how large the pixels are."
    return (float(y), float(x)), f"The header of {path.name} says how large its pixels are."


def _checked(roi: Roi | None, option: str, width: int, height: int, path: Path) -> Roi:
    if roi is None:
        x, y, w, h = 0, 0, width, height
    else:
        x, y, w, h = roi
        if x < 0 or y < 0 or w < 1 or h < 1 or x + w > width or y + h > height:
            raise InputError(
                f"{option} {x},{y},{w},{h} (x,y,width,height) reaches outside {path.name}, whose pictures are "
                f"{width} x {height} px: give a region inside them."
            )
    if min(w, h) < SMALLEST_PX:
        raise InputError(
            f"A view of {w} x {h} px in {path.name} is too small: at least {SMALLEST_PX} x {SMALLEST_PX} px are needed."
        )
    return x, y, w, h


def to_grey_levels(stack: NDArray) -> NDArray[np.uint8]:
    """Grey levels 0 to 255 of pictures of any type (frame, row, column).

    Values that already are such levels stay as they are. All else is stretched between its 0.1 and 99.9 percentiles,
    so that a few hot pixels do not darken the rest; zero stays black where nothing is negative.
    """
    if stack.dtype == np.uint8:
        return np.ascontiguousarray(stack)
    values = np.nan_to_num(np.asarray(stack, dtype=np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    lowest, highest = float(values.min()), float(values.max())
    if lowest >= 0 and 1 < highest <= 255:
        return np.asarray(np.rint(values), dtype=np.uint8)
    low, high = np.percentile(values[:: max(1, len(values) // 50)], (0.1, 99.9))
    if lowest >= 0:
        low = 0.0
    if high <= low:
        low, high = lowest, highest
    if high <= low:
        return np.zeros(values.shape, dtype=np.uint8)
    return np.asarray(np.rint(np.clip((values - low) / (high - low), 0, 1) * 255), dtype=np.uint8)
