"""A recording: pictures one after the other, whatever kind of file they come from, and what is known of their size."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..progress import Progress

Roi = tuple[int, int, int, int]
"""Part of a picture: x and y of its top-left pixel, width and height, all in px."""

Spacing = tuple[float, float]
"""(row, column) in mm."""

Limits = tuple[float, float]
"""The values that become black and white."""

_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


@dataclass(frozen=True)
class Region:
    """A part of the pictures that a header calls a two-dimensional view of tissue; spacing None: not calibrated."""

    box: Roi
    spacing_mm: Spacing | None


@dataclass(frozen=True)
class Recording:
    """Pictures over time.

    Attributes:
        name: of the file or folder, for messages.
        decode: yields the pictures, uint8 (row, column), one after the other, and reports progress. It raises
            InputError where they cannot be decoded.
        spacing_mm: of pixels outside all regions; None where the file does not say.
        spacing_source: where the spacing comes from, or why it is not known, in a sentence.
        regions: what the header says of views in the pictures.
    """

    name: str
    decode: Callable[[Progress], Iterator[NDArray[np.uint8]]]
    spacing_mm: Spacing | None
    spacing_source: str
    regions: tuple[Region, ...] = ()

    def spacing_of(self, roi: Roi | None) -> Spacing | None:
        """Spacing of a part of the pictures (None: of all), or None where that is not known or not one."""
        if roi is None:
            spacings = {region.spacing_mm for region in self.regions} or {self.spacing_mm}
            return spacings.pop() if len(spacings) == 1 else None
        for region in self.regions:
            if 2 * overlap_px(region.box, roi) > roi[2] * roi[3]:
                return region.spacing_mm
        return self.spacing_mm


def overlap_px(a: Roi, b: Roi) -> int:
    """Pixels that two regions share."""
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    return max(width, 0) * max(height, 0)


def grey(pictures: NDArray) -> NDArray:
    """Luminance of pictures (..., row, column, colour) of red, green, blue and maybe opacity."""
    luminance = np.asarray(pictures[..., :3], dtype=np.float32) @ _LUMA
    return np.rint(luminance).astype(np.uint8) if pictures.dtype == np.uint8 else luminance


def limits(pictures: NDArray) -> Limits | None:
    """Which values of pictures become black and white; None where they already are grey levels 0 to 255.

    These are the 0.1 and 99.9 percentiles, so that a few hot pixels do not darken the rest; zero stays black where
    nothing is negative.
    """
    if pictures.dtype == np.uint8:
        return None
    values = np.nan_to_num(np.asarray(pictures, dtype=np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    lowest, highest = float(values.min()), float(values.max())
    if lowest >= 0 and 1 < highest <= 255:
        return None
    low, high = np.percentile(values[:: max(1, len(values) // 50)], (0.1, 99.9))
    if lowest >= 0:
        low = 0.0
    return (float(low), float(high)) if high > low else (lowest, highest)


def to_grey_levels(pictures: NDArray, between: Limits | None) -> NDArray[np.uint8]:
    """Grey levels 0 to 255 of values of any type, given what :func:`limits` says of them."""
    if pictures.dtype == np.uint8:
        return np.ascontiguousarray(pictures)
    values = np.nan_to_num(np.asarray(pictures, dtype=np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    if between is not None:
        low, high = between
        values = (values - low) * (255 / (high - low) if high > low else 0.0)
    return np.asarray(np.rint(np.clip(values, 0, 255)), dtype=np.uint8)
