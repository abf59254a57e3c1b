"""Sagittal sweeps over a sheet of simulated speckle, with the true offset of every frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.fft import fft2, fftfreq, ifft2
from scipy.ndimage import gaussian_filter


@dataclass(frozen=True)
class Sweep:
    """A sweep and its truth.

    ``offsets_px`` (n, 2) [x, y]: where the top-left pixel of each frame lies on the sheet, relative to the first.
    ``sheet``: what a probe without reverberation, noise and overlay would show of the whole sheet, in grey levels; its
    first pixel has the offset ``sheet_origin_px``.
    """

    frames: NDArray[np.uint8]
    offsets_px: NDArray[np.float64]
    sheet: NDArray[np.float64]
    sheet_origin_px: tuple[int, int]


def grey_levels(echo: NDArray[np.complex128]) -> NDArray[np.float64]:
    """Log compression of 60 dB to 0 to 255."""
    return np.clip(150 + 20 * np.log10(np.abs(echo) + 1e-6) * 255 / 60, 0, 255)


def steady(n: int, step_px: float) -> NDArray[np.float64]:
    """Offsets along the probe's shaft of a sweep with an unsteady hand."""
    t = np.arange(n)
    return step_px * t + 1.3 * step_px * np.sin(t / 5)


def sweep(
    x_px: NDArray[np.float64],
    *,
    shape: tuple[int, int] = (160, 200),
    decorrelation: float = 0.2,
    jitter_px: float = 0.4,
    bands: bool = True,
    overlay: bool = True,
    seed: int = 0,
) -> Sweep:
    """Frames of a linear array that slides along x.

    The complex echo field is shifted in Fourier space before envelope detection and log compression, so the
    displacement is exact to any fraction of a pixel. ``decorrelation`` is the share of the echo's power that is new in
    every frame. Reverberation bands are echoes fixed to the probe; the overlay is text and a ruler burnt into the
    picture.
    """
    rng = np.random.default_rng(seed)
    rows, columns = shape
    y_px = np.cumsum(rng.normal(0, jitter_px, len(x_px)))
    y_px -= np.linspace(0, y_px[-1], len(x_px))
    offsets = np.column_stack([x_px - x_px[0], y_px - y_px[0]])
    margin = 16
    low = np.floor(offsets.min(axis=0)).astype(int) - margin
    size = np.ceil(offsets.max(axis=0)).astype(int) + np.array([columns, rows]) + margin - low

    def field(height: int, width: int) -> NDArray[np.complex128]:
        white = rng.normal(size=(height, width)) + 1j * rng.normal(size=(height, width))
        smooth = gaussian_filter(white.real, (1.0, 1.8)) + 1j * gaussian_filter(white.imag, (1.0, 1.8))
        return np.asarray(smooth / np.sqrt(np.mean(np.abs(smooth) ** 2)))

    anatomy = np.exp(0.8 * gaussian_filter(rng.normal(size=(size[1], size[0])), 12) * 12 * 2)
    sheet = field(size[1], size[0]) * np.clip(anatomy, 0.1, 6)
    spectrum = fft2(sheet)
    fy, fx = fftfreq(size[1])[:, None], fftfreq(size[0])[None, :]
    depth = np.arange(rows)[:, None]
    band = 3.0 * np.exp(-0.5 * ((depth % 40 - 8) / 2.0) ** 2) * np.exp(-depth / 60)

    frames = np.empty((len(x_px), rows, columns), dtype=np.uint8)
    for t, offset in enumerate(offsets):
        whole = np.floor(offset).astype(int)
        fraction = offset - whole
        moved = ifft2(spectrum * np.exp(2j * np.pi * (fx * fraction[0] + fy * fraction[1])))
        column, row = whole - low
        echo = moved[row : row + rows, column : column + columns]
        fresh = field(rows, columns) * np.abs(echo).mean()
        echo = np.sqrt(1 - decorrelation) * echo + np.sqrt(decorrelation) * fresh
        if bands:
            echo = echo + band
        frames[t] = grey_levels(echo).astype(np.uint8)
    if overlay:
        frames[:, 6:16, 10:60:4] = 255
        frames[:, ::20, -12:-4] = 230
    return Sweep(frames, offsets, grey_levels(sheet), (int(low[0]), int(low[1])))
