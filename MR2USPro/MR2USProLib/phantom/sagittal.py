"""The sagittal view: a linear array that slides along its own axis, hence a window on one long image."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from .acoustics import Acoustics
from .probe import PROBE
from .sweep import Difficulty, Sweep
from .ultrasound import (
    AXIAL_SIGMA_MM,
    ELEVATIONS_MM,
    FINE_MM,
    Complex,
    Real,
    Scatterers,
    as_complex,
    as_pairs,
    complex_noise,
    compress,
    contact_gain,
    lateral_sigma_mm,
    near_field,
    noise_gain,
    prefilter,
    spread_across,
    spread_along,
    tgc_residual,
)

MARGIN = 12
"""Pixels beyond the shown depth, above and below, for the wobble and the interpolation."""


class SagittalView:
    """The long complex images of the plane x = 0 and its neighbours, and the frames cut from them."""

    def __init__(self, scatterers: Scatterers, acoustics: Acoustics, how: Difficulty, rng: np.random.Generator) -> None:
        self._how = how
        self._rng = rng
        pixel = PROBE.sagittal_spacing_mm
        rows, columns = PROBE.sagittal_shape
        origin, (length, _) = scatterers.grid.origin_mm, scatterers.planes.shape[1:]
        self._start_mm = -origin[2]  # position at which the long image's column 0 lies
        long = int(length * FINE_MM / pixel) - 1
        self._depth_mm = np.arange(-MARGIN, rows + MARGIN, dtype=np.float64) * pixel
        grid_row, grid_column = np.meshgrid(
            (origin[1] + self._depth_mm) / FINE_MM, np.arange(long) * pixel / FINE_MM, indexing="ij"
        )
        where = grid_column.astype(np.float32), grid_row.astype(np.float32)
        noise = self._form(complex_noise(rng, scatterers.planes.shape[1:]), where)
        level = np.sqrt((np.abs(noise) ** 2).mean())
        shade = _shade(acoustics, grid_row, grid_column)
        self._images = np.stack([self._form(plane, where) / level * shade for plane in scatterers.planes])
        self._fresh = noise / level  # of the same grain as the tissue, for what decorrelates
        self._strength = np.sqrt(cv2.GaussianBlur((np.abs(self._images[len(ELEVATIONS_MM) // 2]) ** 2), (0, 0), 4))
        face = self._depth_mm[MARGIN:-MARGIN] - PROBE.face_mm
        self._visible = np.clip(face / 0.4 + 0.5, 0, 1).astype(np.float32)[:, None]
        self._near = near_field(face, columns, how, rng)
        self._tgc = tgc_residual(face, rng)
        self._noise = noise_gain(face, how)

    def _form(self, plane: Complex, where: tuple[Real, Real]) -> Complex:
        """Image of scatterers (k, j) on the fine grid."""
        pairs = cv2.remap(as_pairs(prefilter(plane.T)), *where, cv2.INTER_CUBIC)
        sigma = lateral_sigma_mm(self._depth_mm) / PROBE.sagittal_spacing_mm
        return spread_across(spread_along(as_complex(pairs), AXIAL_SIGMA_MM / PROBE.sagittal_spacing_mm), sigma)

    def echo(self, position_mm: float, wobble_mm: float = 0.0, drift_mm: float = 0.0) -> Complex:
        """The tissue's complex echo in the window of a frame, before anything else is added to it."""
        steps = np.interp(drift_mm, ELEVATIONS_MM, np.arange(len(ELEVATIONS_MM)))
        lower = min(int(steps), len(ELEVATIONS_MM) - 2)
        part = np.float32(steps - lower)
        left, top = self._corner(position_mm, wobble_mm)
        windows = [_window(self._images[n], top, left) for n in (lower, lower + 1)]
        return (1 - part) * windows[0] + part * windows[1]

    def _corner(self, position_mm: float, wobble_mm: float) -> tuple[float, float]:
        pixel = PROBE.sagittal_spacing_mm
        return (position_mm - self._start_mm) / pixel, MARGIN - wobble_mm / pixel

    def frame(self, n: int, sweep: Sweep) -> NDArray[np.uint8]:
        """Grey levels (row, column) of frame ``n``."""
        rows, columns = PROBE.sagittal_shape
        image = self.echo(sweep.positions_mm[n], sweep.wobble_mm[n], sweep.drift_mm[n])
        share = self._how.decorrelation
        left = round(self._corner(sweep.positions_mm[n], 0.0)[0])
        here = slice(MARGIN, MARGIN + rows), slice(left, left + columns)
        begin = int(self._rng.integers(0, self._fresh.shape[1] - columns))
        fresh = self._fresh[MARGIN : MARGIN + rows, begin : begin + columns] * self._strength[here]
        image = np.sqrt(np.float32(1 - share)) * image + np.sqrt(np.float32(share)) * fresh
        contact = contact_gain(columns, sweep.sagittal_contact, sweep.contact_course[n])
        if n in sweep.spoilt:
            contact = contact * np.float32(0.02)
        image = image * (self._visible * contact * self._tgc) + self._near
        image = image + self._noise * spread_along(complex_noise(self._rng, image.shape), 1.0) * np.float32(1.9)
        return np.round(compress(image, sweep.gain_db[n])).astype(np.uint8)


def _window(image: Complex, top: float, left: float) -> Complex:
    """A window of the view's size at a fractional place, by windowed-sinc interpolation in rows and columns."""
    rows, columns = PROBE.sagittal_shape
    first_row, row_taps = _taps(top)
    first_column, column_taps = _taps(left)
    strip = image[first_row : first_row + rows + len(row_taps) - 1]
    across = np.zeros((strip.shape[0], columns), np.complex64)
    for n, tap in enumerate(column_taps):
        across += tap * strip[:, first_column + n : first_column + n + columns]
    result = np.zeros((rows, columns), np.complex64)
    for n, tap in enumerate(row_taps):
        result += tap * across[n : n + rows]
    return result


def _taps(place: float) -> tuple[int, Real]:
    """First sample and weights of an eight-tap Lanczos kernel; one tap where the place is a whole number."""
    whole = int(np.floor(place))
    part = place - whole
    if abs(part) < 1e-9:
        return whole, np.ones(1, np.float32)
    distance = np.arange(-3, 5) - part
    weights = np.sinc(distance) * np.sinc(distance / 4)
    return whole - 3, (weights / weights.sum()).astype(np.float32)


def _shade(acoustics: Acoustics, grid_row: NDArray[np.float64], grid_column: NDArray[np.float64]) -> Real:
    """Amplitude that is left after the tissue above, on the long image's pixels."""
    x = acoustics.grid.origin_mm[0] + acoustics.grid.spacing_mm[0] * np.arange(acoustics.grid.shape[2])
    beam = np.exp(-(x**2) / (2 * 0.8**2))
    attenuation = acoustics.attenuation @ (beam / beam.sum()).astype(np.float32)  # (k, j)
    column, row = (((place + 0.5) / 2 - 0.5).astype(np.float32) for place in (grid_column, grid_row))
    plane = np.ascontiguousarray(attenuation.T)
    loss = cv2.remap(plane, column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    db = np.cumsum(loss, axis=0) * PROBE.sagittal_spacing_mm
    return (10 ** (-cv2.GaussianBlur(db, (0, 0), 1.5) / 20)).astype(np.float32)
