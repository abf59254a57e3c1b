"""What recordings show: their views, cut out, or a few pictures at a glance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..progress import SILENT, Progress
from . import movie
from .dicom import is_dicom, open_dicom
from .folder import SUFFIXES as PICTURE_SUFFIXES
from .folder import open_folder
from .recording import Recording, Roi
from .stack import open_stack

BLACK = 10
"""A picture in which no pixel exceeds this grey level shows nothing."""

GLANCE = 24
"""Pictures that are enough to see where in them something moves."""

PAGED = {".tif", ".tiff"}
"""Pictures of these kinds may hold a whole sweep, page by page."""

SMALLEST_PX = 16
"""A view with fewer pixels along an edge holds nothing to match."""


@dataclass(frozen=True)
class Glance:
    """A recording's pictures at a glance, before anybody knows what in them is the exam.

    Attributes:
        count: pictures in the recording.
        pictures: uint8 (at most ``GLANCE``, row, column), spread evenly over time, none of them black if any is not.
        first: uint8 (row, column), the first picture that is not black, or the first at all.
    """

    count: int
    pictures: NDArray[np.uint8]
    first: NDArray[np.uint8]


def open_recording(path: Path) -> Recording:
    """Open a video, a DICOM file, an image stack, or a folder of DICOM files or pictures.

    Raises:
        InputError: missing, or not what it should be. Videos and pictures are decoded later, and so fail later.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path} does not exist: check the path.")
    if path.is_dir():
        return open_folder(path)
    if path.suffix.lower() in movie.SUFFIXES:
        return movie.open_movie(path)
    if is_dicom(path):
        return open_dicom([path], path.name)
    if path.suffix.lower() in PAGED:
        # Dots per inch, which such a file gives in place of a spacing, are those of a printer.
        source = f"{path.name} does not say how large its pixels are."
        return replace(open_stack(path), spacing_mm=None, spacing_source=source)
    if path.suffix.lower() in PICTURE_SUFFIXES:
        raise InputError(f"{path.name} is a single picture: give the folder that holds all pictures of the sweep.")
    return open_stack(path)


def read_frames(
    recording: Recording, regions: Sequence[tuple[str, Roi | None]], progress: Progress = SILENT
) -> tuple[NDArray[np.uint8], ...]:
    """Decode a recording once and cut its views out.

    Args:
        recording: what is decoded.
        regions: for each view the option that names its region of interest, and the region (None: the whole picture).
        progress: told while frames are decoded.

    Returns:
        For each region uint8 (frame, row, column).

    Raises:
        InputError: it cannot be decoded, or a region lies outside the picture.
    """
    views: list[list[NDArray[np.uint8]]] = [[] for _ in regions]
    for picture in recording.decode(progress):
        for view, (option, roi) in zip(views, regions, strict=True):
            x, y, width, height = _checked(roi, option, picture.shape[1], picture.shape[0], recording.name)
            view.append(picture[y : y + height, x : x + width].copy())
    return tuple(np.stack(view) for view in views)


def glance(recording: Recording, progress: Progress = SILENT) -> Glance:
    """Count a recording's pictures and take a few of them, without holding all in memory.

    Raises:
        InputError: it cannot be decoded.
    """
    kept: list[NDArray[np.uint8]] = []
    first, count, stride = None, 0, 1
    for picture in recording.decode(progress):
        if first is None or (first.max() <= BLACK < picture.max()):
            first = picture
        if count % stride == 0:
            kept.append(picture)
            if len(kept) == 2 * GLANCE:  # nobody knows how many will come: thin out as they do
                kept, stride = kept[::2], 2 * stride
        count += 1
    if first is None:
        raise InputError(f"{recording.name} holds no pictures: give a complete file.")
    seen = [picture for picture in kept if picture.max() > BLACK] or kept
    spread = np.unique(np.linspace(0, len(seen) - 1, min(len(seen), GLANCE)).astype(np.int64))
    return Glance(count, np.stack([seen[t] for t in spread]), first)


def _checked(roi: Roi | None, option: str, width: int, height: int, name: str) -> Roi:
    if roi is None:
        x, y, w, h = 0, 0, width, height
    else:
        x, y, w, h = roi
        if x < 0 or y < 0 or w < 1 or h < 1 or x + w > width or y + h > height:
            raise InputError(
                f"{option} {x},{y},{w},{h} (x,y,width,height) reaches outside {name}, whose pictures are "
                f"{width} x {height} px: give a region inside them."
            )
    if min(w, h) < SMALLEST_PX:
        raise InputError(
            f"A view of {w} x {h} px in {name} is too small: at least {SMALLEST_PX} x {SMALLEST_PX} px are needed."
        )
    return x, y, w, h
