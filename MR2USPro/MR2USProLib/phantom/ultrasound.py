"""From scatterers to grey levels: what the two image planes of the probe have in common.

Scatterers are fixed in the tissue: one complex random field, weighted by the echo strength, plus the coherent
reflection of surfaces. Either plane sums them over its thickness, spreads them by a point spread function that depends
on depth, weakens them by what lies before them, adds what belongs to the probe and to the electronics, and only then
takes the envelope and its logarithm. So speckle moves with the tissue, by fractions of a pixel too.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.ndimage import gaussian_filter1d

from ..progress import SILENT, Progress
from ..volume import Grid
from .acoustics import Acoustics
from .probe import PROBE
from .sweep import Difficulty

Complex = NDArray[np.complex64]
Real = NDArray[np.float32]

FINE_MM = 0.25
AXIAL_SIGMA_MM = 0.20
PREFILTER_MM = 0.18  # keeps the scatterers' white noise below what interpolation can carry
ELEVATION_SIGMA_MM = 0.75
ELEVATIONS_MM = np.arange(-2.0, 2.01, 0.5)
PERIPHERAL_ZONE_GREY = 125.0
GREY_PER_DB = 255 / 60
VIDEO_SIGMA_PX = 0.8


@dataclass(frozen=True)
class Scatterers:
    """Complex scatterers on a grid of ``FINE_MM``.

    Attributes:
        volume: (k, j, i), for the transverse planes; only as far as they reach.
        planes: (elevation, k, j), summed over the sagittal plane's thickness about each of ``ELEVATIONS_MM``.
        grid: of ``volume`` were it as long as ``planes``, in the TRUS world.
    """

    volume: Complex
    planes: Complex
    grid: Grid


def scatter(
    acoustics: Acoustics, transverse_end_mm: float, rng: np.random.Generator, progress: Progress = SILENT
) -> Scatterers:
    """Draw the scatterers of the tissue.

    Args:
        acoustics: on a grid of twice ``FINE_MM``.
        transverse_end_mm: the lowest z that the transverse plane needs.
        rng: of the scatterers.
        progress: told about every plane.
    """
    coarse = acoustics.grid
    shape = tuple(2 * n for n in coarse.shape)
    grid = coarse.resampled(shape=shape)
    reach = int(np.ceil((grid.origin_mm[2] - transverse_end_mm) / FINE_MM)) + 1
    volume = np.empty((min(reach, shape[0]), *shape[1:]), np.complex64)
    planes = np.empty((len(ELEVATIONS_MM), shape[0], shape[1]), np.complex64)
    x = grid.origin_mm[0] + FINE_MM * np.arange(shape[2])
    beams = np.exp(-((x[:, None] - ELEVATIONS_MM) ** 2) / (2 * ELEVATION_SIGMA_MM**2))
    beams = (beams / np.sqrt((beams**2).sum(0))).astype(np.float32)
    last = coarse.shape[0] - 1
    for k in progress.steps(shape[0], "scatterers"):
        position = np.clip((k + 0.5) / 2 - 0.5, 0, last)
        lower = min(int(position), last - 1)
        part = np.float32(position - lower)
        echo, mirror = (
            cv2.resize((1 - part) * a[lower] + part * a[lower + 1], shape[:0:-1], interpolation=cv2.INTER_LINEAR)
            for a in (acoustics.echo, acoustics.mirror)
        )
        noise = rng.standard_normal((2, *shape[1:]), dtype=np.float32) * np.float32(np.sqrt(0.5))
        plane = (echo + 0.5 * mirror) * (noise[0] + 1j * noise[1]) + 0.35 * mirror
        if k < len(volume):
            volume[k] = plane
        planes[:, k] = (plane @ beams).T
    return Scatterers(volume, planes, grid)


def lateral_sigma_mm(depth_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Width of the beam in the image plane: narrowest at the focus, 25 mm deep."""
    return np.sqrt(0.36**2 + (0.014 * (depth_mm - 25)) ** 2)


def spread_across(image: Complex, sigma_px: NDArray[np.float64]) -> Complex:
    """Blur each row (last axis) by a Gaussian of its own width, periodically; keeps the power of white noise."""
    frequency = fft.fftfreq(image.shape[-1])
    transfer = np.exp(-2 * np.pi**2 * sigma_px[:, None] ** 2 * frequency**2)
    transfer /= np.sqrt((transfer**2).mean(1, keepdims=True))
    return fft.ifft(fft.fft(image, axis=-1) * transfer.astype(np.float32), axis=-1)


def spread_along(image: Complex, sigma_px: float) -> Complex:
    """Blur each column (axis 0) by a Gaussian."""
    blurred = cv2.GaussianBlur(as_pairs(image), (1, 2 * int(np.ceil(3.5 * sigma_px)) + 1), sigmaX=0.1, sigmaY=sigma_px)
    return as_complex(blurred)


def prefilter(image: Complex) -> Complex:
    """Blur both axes of an image on the fine grid, so that it can be interpolated."""
    return as_complex(cv2.GaussianBlur(as_pairs(image), (0, 0), PREFILTER_MM / FINE_MM))


def as_pairs(image: Complex) -> Real:
    """(row, column) complex -> (row, column, 2) real, as OpenCV takes it."""
    return np.ascontiguousarray(image).view(np.float32).reshape(*image.shape, 2)


def as_complex(pairs: Real) -> Complex:
    """The inverse of :func:`as_pairs`."""
    return np.ascontiguousarray(pairs).view(np.complex64)[..., 0]


def complex_noise(rng: np.random.Generator, shape: tuple[int, ...]) -> Complex:
    """White circular Gaussian noise of power 1."""
    pairs = rng.standard_normal((*shape, 2), dtype=np.float32) * np.float32(np.sqrt(0.5))
    return pairs.view(np.complex64)[..., 0]


def near_field(depth_mm: NDArray[np.float64], across: int, how: Difficulty, rng: np.random.Generator) -> Complex:
    """What the probe shows of itself, the same in every frame: the skin line, and reverberation under it.

    Args:
        depth_mm: (rows,) below the probe's face; negative above it.
        across: number of columns or beams.
        how: the level.
        rng: of the bands' irregularity.
    """
    below = np.maximum(depth_mm, 0)
    bands = 0.25 + 0.75 * np.cos(np.pi * depth_mm / 1.7) ** 6
    amplitude = 10 ** (how.reverberation_db / 20) * np.exp(-below / how.reverberation_reach_mm) * bands
    amplitude = np.where(depth_mm < -0.4, 0.12 * bands, amplitude)
    skin = 2.5 * np.exp(-((depth_mm / 0.35) ** 2))
    grain = gaussian_filter1d(complex_noise(rng, (len(depth_mm), across)), 1.2, axis=0)
    grain = gaussian_filter1d(grain, 6.0, axis=1)
    grain /= np.sqrt((np.abs(grain) ** 2).mean())
    return ((amplitude + skin)[:, None] * (0.8 + 0.45 * grain)).astype(np.complex64)


def tgc_residual(depth_mm: NDArray[np.float64], rng: np.random.Generator) -> Real:
    """Gain by depth that the operator's sliders got wrong: a factor (rows, 1) that is the same in every frame."""
    sliders = rng.uniform(-1.2, 1.2, 8)
    db = np.interp(depth_mm, np.linspace(0, PROBE.depth_mm, 8), sliders)
    return (10 ** (gaussian_filter1d(db, 12, mode="nearest") / 20)).astype(np.float32)[:, None]


def contact_gain(count: int, places: NDArray[np.float64], course: NDArray[np.float64]) -> Real:
    """Amplitude by column where the face touches badly in this frame: (1, count)."""
    column = np.linspace(0, 1, count)
    db = np.zeros(count)
    for (centre, width, loss), share in zip(places, course, strict=True):
        db -= share * loss * np.exp(-(((column - centre) / width) ** 2))
    return (10 ** (db / 20)).astype(np.float32)[None]


def noise_gain(depth_mm: NDArray[np.float64], how: Difficulty) -> Real:
    """Amplitude of the electronic noise by row, (rows, 1): the time gain compensation lifts it with depth."""
    db = how.noise_db + 0.35 * (np.minimum(depth_mm, PROBE.depth_mm) - PROBE.depth_mm)
    return (10 ** (db / 20)).astype(np.float32)[:, None]


def compress(image: Complex, gain_db: float) -> Real:
    """Grey levels (float, 0 to 255) of the logarithm of the envelope."""
    envelope = cv2.GaussianBlur(np.abs(image), (0, 0), VIDEO_SIGMA_PX)  # the scanner's video filter
    return np.clip(PERIPHERAL_ZONE_GREY + GREY_PER_DB * (20 * np.log10(np.maximum(envelope, 1e-5)) + gain_db), 0, 255)
