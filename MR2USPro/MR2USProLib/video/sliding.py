"""Whether a view slides: in the sagittal plane tissue moves along the picture, in the transverse plane through it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

LARGEST_PX = 256
"""Views are looked at no larger than this."""

NEAR_PX = 2
"""A shift by no more than this may be the hand's trembling."""

LEAST_OVERLAP = 0.5


def sliding(view: NDArray[np.uint8]) -> float:
    """By how much better pictures agree with the next ones when they are shifted along their columns than when not.

    What stands still in the view is taken out first.

    Args:
        view: uint8 (picture, row, column), a few pictures spread over a sweep.

    Returns:
        Difference of the two correlations, the median over all pairs: clearly above 0 where the view slides.
    """
    scale = min(1.0, LARGEST_PX / max(view.shape[1:]))
    small = np.stack([cv2.resize(p, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) for p in view])
    echoes = small.astype(np.float32) - np.median(small, axis=0).astype(np.float32)
    echoes -= echoes.mean(axis=(1, 2), keepdims=True)
    _, rows, columns = echoes.shape
    size = (2 * rows, 2 * columns)
    ones = np.fft.rfft2(np.ones((rows, columns)), s=size)
    # Sums over the part in which two shifted pictures overlap, for all shifts at once.
    overlap = np.fft.irfft2(ones * np.conj(ones), s=size) / (rows * columns)
    spectra, powers = np.fft.rfft2(echoes, s=size), np.fft.rfft2(echoes**2, s=size)
    near_rows, near_columns = (np.r_[0 : NEAR_PX + 1, n - NEAR_PX : n] for n in size)
    far_columns = np.setdiff1d(np.arange(size[1]), near_columns)
    gains = []
    for t in range(len(view) - 1):
        product = np.fft.irfft2(spectra[t] * np.conj(spectra[t + 1]), s=size)
        power = np.fft.irfft2(powers[t] * np.conj(ones), s=size) * np.fft.irfft2(ones * np.conj(powers[t + 1]), s=size)
        correlation = np.where(overlap > LEAST_OVERLAP, product / np.sqrt(np.maximum(power, 1e-6)), -1)[near_rows]
        gains.append(correlation[:, far_columns].max() - correlation[:, near_columns].max())
    return float(np.median(gains))
