"""A folder of pictures: single DICOM files of one series, or PNG, JPEG, TIFF or BMP in the order of their names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..progress import Progress
from .dicom import is_dicom, open_dicom
from .recording import Recording, grey, limits, to_grey_levels

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"}
SAMPLE = 12
"""Pictures that show how bright a recording of more than 8 bits is."""


def open_folder(path: Path) -> Recording:
    """The pictures of one sweep; other files in the folder are left alone.

    Raises:
        InputError: no pictures, or pictures and DICOM side by side.
    """
    files = sorted((f for f in path.iterdir() if f.is_file() and not f.name.startswith(".")), key=natural)
    pictures = [file for file in files if file.suffix.lower() in SUFFIXES]
    dicom = [file for file in files if file.name.upper() != "DICOMDIR" and is_dicom(file)]
    if pictures and dicom:
        raise InputError(f"{path.name} holds DICOM files and other pictures: give a folder with one of the two.")
    if dicom:
        return open_dicom(dicom, path.name)
    if not pictures:
        raise InputError(
            f"{path.name} is a folder without pictures: give one with DICOM, PNG, JPEG, TIFF or BMP files."
        )

    def decode(progress: Progress) -> Iterator[NDArray[np.uint8]]:
        spread = np.linspace(0, len(pictures) - 1, min(len(pictures), SAMPLE)).astype(int)
        first = _picture(pictures[0])
        between = None
        if first.dtype != np.uint8:
            between = limits(np.stack([_alike(_picture(pictures[i]), first, path) for i in spread]))
        for t in progress.steps(len(pictures), f"Reading {path.name}"):
            yield to_grey_levels(_alike(_picture(pictures[t]), first, path), between)

    source = f"The pictures in {path.name} do not say how large their pixels are."
    return Recording(path.name, decode, None, source)


def natural(path: Path) -> list[tuple[int, int, str]]:
    """Key that sorts names by the numbers in them: frame 9 comes before frame 10."""
    parts = re.findall(r"\d+|\D+", path.name.lower())
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts]


def _picture(path: Path) -> NDArray:
    """Grey values (row, column) as they are stored."""
    import cv2

    # By its bytes: OpenCV does not open names with letters beyond ASCII on every system.
    data = np.fromfile(path, np.uint8)
    flags = cv2.IMREAD_ANYDEPTH | cv2.IMREAD_ANYCOLOR
    pixels = cv2.imdecode(data, flags) if data.size else None
    if pixels is None:
        raise InputError(f"{path.name} could not be read as a picture: leave it out, or give a complete file.")
    return grey(pixels[..., ::-1]) if pixels.ndim == 3 else np.asarray(pixels)


def _alike(picture: NDArray, first: NDArray, folder: Path) -> NDArray:
    if picture.shape != first.shape or picture.dtype != first.dtype:
        raise InputError(f"{folder.name} holds pictures of different sizes or depths: give a folder with one sweep.")
    return picture
