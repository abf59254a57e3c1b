"""Videos, as OpenCV decodes them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..progress import Progress
from .recording import Recording

SUFFIXES = {".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".wmv", ".mpg", ".mpeg"}


def open_movie(path: Path) -> Recording:
    """A video. When its pictures were taken does not matter: their places come from what they show."""
    source = f"{path.name} is a video, which does not say how large its pixels are."
    return Recording(path.name, partial(decode_movie, path, path.name), None, source)


def decode_movie(path: Path, name: str, progress: Progress) -> Iterator[NDArray[np.uint8]]:
    """The pictures of a video, in grey, one after the other.

    Raises:
        InputError: no video, or one that breaks off.
    """
    import cv2

    capture, read, reached_ms = cv2.VideoCapture(str(path)), 0, 0.0
    try:
        expected, rate = (capture.get(what) for what in (cv2.CAP_PROP_FRAME_COUNT, cv2.CAP_PROP_FPS))
        lasts_ms = 1000 * expected / rate if expected > 0 and rate > 0 else 0.0
        while True:
            good, picture = capture.read()
            if not good:
                break
            read, reached_ms = read + 1, capture.get(cv2.CAP_PROP_POS_MSEC)
            yield cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY) if picture.ndim == 3 else picture
            progress.report(min(reached_ms / lasts_ms, 1.0) if lasts_ms else 0.0, f"Reading {name}")
    finally:
        capture.release()
    if read == 0:
        raise InputError(f"{name} could not be decoded as a video: give a complete mp4, avi or mkv file.")
    # The number is a guess where the rate varies, as in recordings of a screen: the time tells, too.
    if read < 0.8 * expected and reached_ms < 0.8 * lasts_ms:
        raise InputError(f"{name} breaks off after {read} of {expected:.0f} frames: give the complete file.")
    progress.report(1.0, f"Reading {name}")
