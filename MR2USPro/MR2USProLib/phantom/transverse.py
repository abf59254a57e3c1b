"""The transverse view: a fan of beams from a curved array across the probe's axis."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from .acoustics import Acoustics
from .probe import PROBE
from .sweep import Difficulty, Sweep
from .ultrasound import (
    AXIAL_SIGMA_MM,
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

THICKNESS_SIGMA_MM = 0.85  # 2 mm at half maximum
BEAMS = 288
RADIAL_MM = 0.2
EDGE = 12  # beams beyond either edge of the fan, because the spread across beams is periodic


class TransverseView:
    """Beams through the scatterers about one z, in polar coordinates, scan-converted."""

    def __init__(self, scatterers: Scatterers, acoustics: Acoustics, how: Difficulty, rng: np.random.Generator) -> None:
        self._scatterers, self._acoustics, self._how, self._rng = scatterers, acoustics, how, rng
        furthest = PROBE.depth_mm + PROBE.axis_y_mm
        self._radius = np.arange(PROBE.radius_mm - 0.6, furthest + 0.6, RADIAL_MM)
        self._pitch = 2 * PROBE.half_angle / (BEAMS - 2 * EDGE - 1)
        angle = (np.arange(BEAMS) - (BEAMS - 1) / 2) * self._pitch
        x = self._radius[:, None] * np.sin(angle)
        depth = self._radius[:, None] * np.cos(angle) - PROBE.axis_y_mm
        self._fine = _indices(x, depth, scatterers.grid.origin_mm, FINE_MM)
        self._coarse = _indices(x, depth, acoustics.grid.origin_mm, 2 * FINE_MM)
        below = self._radius - PROBE.radius_mm
        self._sigma = lateral_sigma_mm(below) / (self._radius * self._pitch)
        plane = scatterers.grid.shape[1:]
        self.seen = np.abs(x) < PROBE.width_mm / 2  # the outermost beams leave the picture, and the tissue, sideways
        power = sum(np.abs(self._form(complex_noise(rng, plane), self._fine)) ** 2 for _ in range(6))
        power = (power * self.seen).sum(1) / self.seen.sum(1)
        smooth = np.polynomial.Polynomial.fit(self._radius, np.log(power / 6), 5)(self._radius)
        self._level = np.exp(-smooth / 2).astype(np.float32)[:, None]
        self._visible = np.clip(below / 0.4 + 0.5, 0, 1).astype(np.float32)[:, None]
        self._near = near_field(below, BEAMS, how, rng)
        self._tgc = tgc_residual(below, rng)
        self._noise = noise_gain(below, how)
        radius, theta, self.inside = PROBE.fan()
        self._convert = (
            (theta / self._pitch + (BEAMS - 1) / 2).astype(np.float32),
            ((radius - self._radius[0]) / RADIAL_MM).astype(np.float32),
        )

    def _form(self, plane: Complex, where: tuple[Real, Real]) -> Complex:
        """Beams (radius, angle) through scatterers (j, i) on the fine grid."""
        polar = cv2.remap(as_pairs(prefilter(plane)), *where, cv2.INTER_CUBIC)
        return spread_across(spread_along(as_complex(polar), AXIAL_SIGMA_MM / RADIAL_MM), self._sigma)

    def echo(self, position_mm: float, wobble_mm: float = 0.0) -> Complex:
        """The tissue's complex echo (radius, angle) of a frame, before anything else is added to it."""
        volume = self._scatterers.volume
        place = (self._scatterers.grid.origin_mm[2] + position_mm) / FINE_MM
        reach = int(np.ceil(2.6 * THICKNESS_SIGMA_MM / FINE_MM))
        k = np.arange(max(round(place) - reach, 0), min(round(place) + reach + 1, len(volume)))
        weight = np.exp(-(((k - place) * FINE_MM) ** 2) / (2 * THICKNESS_SIGMA_MM**2))
        weight = (weight / np.sqrt((weight**2).sum())).astype(np.float32)
        slab = np.tensordot(weight.astype(np.complex64), volume[k[0] : k[-1] + 1], 1)
        image = self._form(slab, (self._fine[0], self._fine[1] - np.float32(wobble_mm / FINE_MM)))
        return image * self._level * self._shade(position_mm, wobble_mm)

    def _shade(self, position_mm: float, wobble_mm: float) -> Real:
        """Amplitude that is left after the tissue nearer to the probe."""
        grid, attenuation = self._acoustics.grid, self._acoustics.attenuation
        k = (grid.origin_mm[2] + position_mm) / grid.spacing_mm[2]
        first = min(max(round(k) - 1, 0), len(attenuation) - 3)
        slab = attenuation[first : first + 3].mean(0)
        shifted = self._coarse[1] - np.float32(wobble_mm / grid.spacing_mm[1])
        loss = cv2.remap(slab, self._coarse[0], shifted, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        db = np.cumsum(loss, axis=0) * np.float32(RADIAL_MM)
        return (10 ** (-cv2.GaussianBlur(db, (0, 0), 1.5) / 20)).astype(np.float32)

    def frame(self, n: int, sweep: Sweep) -> NDArray[np.uint8]:
        """Grey levels (row, column) of frame ``n``: 0 outside the fan, at least 1 inside."""
        image = self.echo(sweep.positions_mm[n], sweep.wobble_mm[n])
        contact = contact_gain(BEAMS, sweep.transverse_contact, sweep.contact_course[n])
        if n in sweep.spoilt:
            contact = contact * np.float32(0.02)
        image = image * (self._visible * contact * self._tgc) + self._near
        image = image + self._noise * spread_along(complex_noise(self._rng, image.shape), 1.0) * np.float32(1.9)
        return self.convert(compress(image, sweep.gain_db[n]))

    def convert(self, polar: Real) -> NDArray[np.uint8]:
        """Scan conversion of grey levels (radius, angle)."""
        image = cv2.remap(polar.astype(np.float32), *self._convert, cv2.INTER_LINEAR)
        return np.where(self.inside, np.clip(np.round(image), 1, 255), 0).astype(np.uint8)


def _indices(
    x: NDArray[np.float64], depth: NDArray[np.float64], origin: tuple[float, ...], spacing: float
) -> tuple[Real, Real]:
    """Column and row on a TRUS grid of points in the transverse plane."""
    return ((x - origin[0]) / spacing).astype(np.float32), ((depth + origin[1]) / spacing).astype(np.float32)
