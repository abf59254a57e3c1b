"""Implicit shapes: functions of points that are negative inside, and about a distance in mm near the surface."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

Field = NDArray[np.float32]
Point = Sequence[float] | NDArray[np.float64]


class SmoothNoise:
    """Gaussian noise of mean 0 and variance about 1 with a correlation length, defined everywhere and periodic."""

    def __init__(self, rng: np.random.Generator, correlation_mm: float, cells: int = 48) -> None:
        lattice = rng.standard_normal((cells, cells, cells), dtype=np.float32)
        lattice = gaussian_filter(lattice, 1.2, mode="wrap")
        self.lattice = lattice / lattice.std()
        self.spacing_mm = correlation_mm / 1.7  # a Gaussian of sigma s leaves a correlation of about sqrt(2) s

    def __call__(self, x: Field, y: Field, z: Field) -> Field:
        """Noise at points; three arrays of one shape in mm."""
        coordinates = np.stack([x, y, z]) / np.float32(self.spacing_mm)
        return map_coordinates(self.lattice, coordinates, order=1, mode="grid-wrap", output=np.float32)


def ellipsoid(x: Field, y: Field, z: Field, centre: Point, radii: Point) -> Field:
    """An axis-aligned ellipsoid; exact for a sphere."""
    dx, dy, dz = x - np.float32(centre[0]), y - np.float32(centre[1]), z - np.float32(centre[2])
    a, b, c = (np.float32(radius) for radius in radii)
    level = np.sqrt((dx / a) ** 2 + (dy / b) ** 2 + (dz / c) ** 2)
    slope = np.sqrt((dx / a**2) ** 2 + (dy / b**2) ** 2 + (dz / c**2) ** 2) + np.float32(1e-6)
    return level * (level - 1) / slope


def capsule(x: Field, y: Field, z: Field, start: Point, end: Point, radius: float) -> Field:
    """A cylinder with round ends about the segment from ``start`` to ``end``."""
    a, b = np.asarray(start, np.float32), np.asarray(end, np.float32)
    axis = b - a
    along = ((x - a[0]) * axis[0] + (y - a[1]) * axis[1] + (z - a[2]) * axis[2]) / np.float32(axis @ axis)
    along = np.clip(along, 0, 1)
    dx, dy, dz = x - a[0] - along * axis[0], y - a[1] - along * axis[1], z - a[2] - along * axis[2]
    return np.sqrt(dx**2 + dy**2 + dz**2) - np.float32(radius)


def smooth_minimum(a: Field, b: Field, blend_mm: float) -> Field:
    """The union of two shapes with a fillet of about ``blend_mm`` where they meet."""
    h = np.maximum(blend_mm - np.abs(a - b), 0) / np.float32(blend_mm)
    return np.minimum(a, b) - h**2 * np.float32(blend_mm / 4)


def soft_step(value: Field, low: float, high: float) -> Field:
    """0 below ``low``, 1 above ``high``, smooth between."""
    t = np.clip((value - np.float32(low)) / np.float32(high - low), 0, 1)
    return t * t * (3 - 2 * t)
