"""The biplane probe: where its two image planes lie, and the pixels in which it shows them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Probe:
    """A cylinder along z. Lengths in mm; shapes as (row, column).

    Row 0 of either view lies at y = 0 and rows run to -y. The probe's face crosses x = 0 at a depth of ``face_mm``;
    above it the sagittal view shows the standoff, and the transverse view the black disc of the probe.

    Attributes:
        sagittal_shape, sagittal_spacing_mm: a linear array in the plane x = 0; column 0 lies in the transverse plane.
        transverse_shape, transverse_spacing_mm: a curved array across the axis; x = 0 is the middle column.
        face_mm: depth of the face at x = 0.
        radius_mm: of the face.
        half_angle: of the fan, radians.
        depth_mm: greatest depth shown at x = 0.
    """

    sagittal_shape: tuple[int, int] = (300, 320)
    sagittal_spacing_mm: float = 0.19
    transverse_shape: tuple[int, int] = (285, 320)
    transverse_spacing_mm: float = 0.2
    face_mm: float = 4.0
    radius_mm: float = 10.0
    half_angle: float = float(np.deg2rad(70))
    depth_mm: float = 57.0

    @property
    def axis_y_mm(self) -> float:
        """TRUS y of the probe's axis, from which the fan's beams radiate."""
        return self.radius_mm - self.face_mm

    @property
    def length_mm(self) -> float:
        """Of the linear array."""
        return self.sagittal_shape[1] * self.sagittal_spacing_mm

    @property
    def width_mm(self) -> float:
        """Of the transverse view."""
        return self.transverse_shape[1] * self.transverse_spacing_mm

    def fan(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
        """Radius from the axis (mm), angle (radians, patient's left positive) and whether it is seen, per pixel."""
        row, column = np.mgrid[: self.transverse_shape[0], : self.transverse_shape[1]]
        x = (column - (self.transverse_shape[1] - 1) / 2) * self.transverse_spacing_mm
        below = row * self.transverse_spacing_mm + self.axis_y_mm
        radius, angle = np.hypot(x, below), np.arctan2(x, below)
        furthest = self.depth_mm + self.axis_y_mm
        return radius, angle, (radius >= self.radius_mm) & (radius <= furthest) & (np.abs(angle) <= self.half_angle)


PROBE = Probe()
