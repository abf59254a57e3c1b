"""A short exam for tests of the panels: small pictures of speckle, known positions, one spoilt frame."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from sliding_speckle import steady, sweep

FRAMES, SPOILT = 24, 9
SAGITTAL_MM, TRANSVERSE_MM = 0.38, 0.4


@dataclass(frozen=True)
class SmallExam:
    """Both views, uint8 (frame, row, column), and where the frames were, mm to the feet.

    Pixels are ``SAGITTAL_MM`` and ``TRANSVERSE_MM`` large. The sagittal frame ``SPOILT`` shows noise.
    """

    sagittal: NDArray[np.uint8]
    transverse: NDArray[np.uint8]
    positions_mm: NDArray[np.float64]


@functools.cache
def small_exam() -> SmallExam:
    """The exam; made once."""
    course = sweep(steady(FRAMES, 4.0), shape=(120, 140), overlay=False, seed=1)
    rng = np.random.default_rng(2)
    sagittal = course.frames.copy()
    sagittal[SPOILT] = rng.integers(0, 120, sagittal[SPOILT].shape)
    return SmallExam(sagittal, _fans(rng), course.offsets_px[:, 0] * SAGITTAL_MM)


def _fans(rng: np.random.Generator) -> NDArray[np.uint8]:
    """(FRAMES, 110, 140): tissue that changes from frame to frame, inside the sector of a curved array."""
    tissue = gaussian_filter(rng.normal(size=(FRAMES, 110, 140)), (1.0, 2.0, 2.0))
    tissue = np.clip(130 + 50 * tissue / tissue.std(), 10, 255)
    row, column = np.mgrid[:110, :140]
    radius, angle = np.hypot(row + 30, column - 69.5), np.arctan2(column - 69.5, row + 30)
    fan = (radius > 34) & (radius < 139) & (np.abs(angle) < 0.75)
    return np.where(fan, np.rint(tissue), 0).astype(np.uint8)
