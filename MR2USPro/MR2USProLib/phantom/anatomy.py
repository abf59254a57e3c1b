"""The pelvis around a prostate, as implicit functions of points.

Coordinates are LPS millimetres about the gland's centre: x to the patient's left, y to the back, z to the head. All
sizes are drawn from anatomical ranges. The same functions are asked by the MR scanner, on its oblique slices, and by
the ultrasound, through the deformation: that is what makes the truth exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .shapes import Field, SmoothNoise, ellipsoid, smooth_minimum, soft_step
from .surroundings import surroundings, vesicles
from .tissues import Tissue

RECTUM_RADIUS_MM = 10.5


@dataclass(frozen=True)
class Sample:
    """The anatomy at N points: arrays (N,). Distances in mm, negative inside.

    Attributes:
        tissue: tissue numbers.
        lesion: number of the lesion, from 1; 0 where there is none.
        gland: distance from the capsule.
        transition: distance from the surface of the transition zone (the surgical capsule).
        rectum: distance from the rectum's inner surface.
        bladder: distance from the bladder's inner surface.
        bone: distance from the nearest bone.
        texture: unit noise, some millimetres coarse, that both modalities see.
        nodules: -1 to 1, the nodules of the transition zone.
    """

    tissue: NDArray[np.uint8]
    lesion: NDArray[np.uint8]
    gland: Field
    transition: Field
    rectum: Field
    bladder: Field
    bone: Field
    texture: Field
    nodules: Field


class Anatomy:
    """One patient."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._lumps = SmoothNoise(rng, 22.0)
        self._coarse = SmoothNoise(rng, 6.0)
        self._fine = SmoothNoise(rng, 2.2)
        volume = 0.0
        while not 31 <= volume <= 58:
            self.half_mm = np.array([rng.uniform(22.5, 27.5), rng.uniform(14, 18.5), rng.uniform(19.5, 23.5)])
            a, b, c = self.half_mm.tolist()
            self._halves = a, b, c  # Python floats leave float32 arrays as they are
            axis = np.arange(-32, 32, 1.6, dtype=np.float32)
            x, y, z = (a.ravel() for a in np.meshgrid(axis, axis, axis, indexing="ij"))
            volume = float((self._gland(x, y, z) < 0).sum() * 1.6**3 / 1000)
        self.volume_ml = volume
        a, b, c = self.half_mm
        self._lobe = rng.uniform(0.9, 1.12) * np.array([0.41 * a, 0.66 * b, 0.68 * c])
        self._veru = np.array([0.0, rng.uniform(0.10, 0.25) * b, rng.uniform(-0.25, -0.05) * c])
        self._bend = float(rng.uniform(0.35, 0.55)), float(rng.uniform(0.12, 0.28))
        self._wall_mm = float(rng.uniform(2.8, 3.6))
        self._wiggle = rng.uniform(0, 2 * np.pi, 8)
        behind = np.linspace(0, 1.6 * b, 300, dtype=np.float32)
        nought = np.zeros_like(behind)
        back = float(behind[np.argmin(np.abs(self._gland(nought + 7, behind, nought)))])
        self._rectum_y = back + rng.uniform(1.0, 2.0) + self._wall_mm + RECTUM_RADIUS_MM
        self._bulb_y = float(self._urethra_y(np.array([-c - 22], np.float32))[0])
        neck_y = float(self._urethra_y(np.array([c], np.float32))[0])
        self._bladder = np.array([rng.uniform(-3, 3), neck_y - 9, c + 20.0]), np.array([rng.uniform(30, 38), 25, 23])
        self.lesions = [
            self._draw_lesion(rng, peripheral=n == 0 or rng.random() < 0.75) for n in range(rng.integers(1, 4))
        ]
        self.calcifications = self._draw_calcifications(rng)
        self._nodules = [
            (
                np.array([s * rng.uniform(0.12, 0.58) * a, rng.uniform(-0.5, 0.25) * b, rng.uniform(-0.35, 0.6) * c]),
                rng.uniform(2.5, 6.5),
                rng.uniform(-1, 1),
            )
            for s in (-1, 1)
            for _ in range(rng.integers(4, 8))
        ]

    def sample(self, points_mm: ArrayLike) -> Sample:
        """The anatomy at points (..., 3); the answer's arrays are flat."""
        points = np.asarray(points_mm, dtype=np.float32).reshape(-1, 3)
        x, y, z = (np.ascontiguousarray(points[:, axis]) for axis in range(3))
        coarse, fine = self._coarse(x, y, z), self._fine(x, y, z)
        gland = self._gland(x, y, z)
        transition = self._transition(x, y, z, gland, coarse)
        rectum = np.hypot(x, y - np.float32(self._rectum_y)) - np.float32(RECTUM_RADIUS_MM)
        bladder = ellipsoid(x, y, z, self._bladder[0], self._bladder[1]) + np.float32(3.2)
        bladder = np.maximum(bladder, 1.5 - gland)
        tissue, bone = surroundings(x, y, z, self._halves, self._bulb_y, self._wiggle, coarse, fine)
        vesicle = vesicles(x, y, z, self._halves, self._wiggle)
        tissue[vesicle < 0] = Tissue.SEMINAL_VESICLE
        folds = (vesicle < 0) & ((vesicle > -0.5) | (np.abs(fine) < 0.22))
        tissue[folds] = Tissue.BLADDER_WALL
        tissue[bladder < 3.2] = Tissue.BLADDER_WALL
        tissue[bladder < 0] = Tissue.URINE
        wall = np.float32(self._wall_mm) + 3 * soft_step(-z, self.half_mm[2] + 6, self.half_mm[2] + 20)
        tissue[rectum < wall] = Tissue.RECTAL_WALL
        tissue[rectum < 0] = Tissue.RECTUM
        inside = gland < 0
        # veins around the capsule, but for the back
        veins = ~inside & (gland < 3.2) & (gland > 0.5) & (y < 0.7 * self._halves[1]) & (coarse + 0.6 * fine > 0.1)
        tissue[veins & (tissue == Tissue.FAT)] = Tissue.VESSEL
        lesion = np.zeros_like(tissue)
        tissue[inside], lesion[inside] = self._zones(x[inside], y[inside], z[inside], transition[inside], fine[inside])
        self._urethra(tissue, x, y, z, inside)
        nodules = np.zeros_like(x)
        nodules[inside] = self._nodularity(x[inside], y[inside], z[inside])
        return Sample(tissue, lesion, gland, transition, rectum, bladder, bone, 0.75 * coarse + 0.65 * fine, nodules)

    def landmarks(self) -> dict[str, NDArray[np.float64]]:
        """Points that can be found in both modalities, by name."""
        _, b, c = self.half_mm

        def urethra(z: float) -> NDArray[np.float64]:
            return np.array([0.0, float(self._urethra_y(np.array([z], np.float32))[0]), z])

        names = {
            "bladder neck": urethra(0.95 * c),
            "urethra, base third": urethra(0.5 * c),
            "verumontanum": np.add(self._veru, (0, 1.5, 0)),
            "urethra, apex third": urethra(-0.6 * c),
            "apex": self._capsule_point(urethra(-0.6 * c), (0, 0, -1)),
            "capsule, left": self._capsule_point((0, 0, 0), (1, 0.1, 0)),
            "capsule, right": self._capsule_point((0, 0, 0), (-1, 0.1, 0)),
            "capsule, posterior": self._capsule_point((0, 0, 0), (0, 1, 0)),
            "capsule, anterior": self._capsule_point((0, 0, 0), (0, -1, 0)),
            "vesicle junction, left": self._capsule_point((4, 0.5 * b, 0), (0, 0, 1)),
            "vesicle junction, right": self._capsule_point((-4, 0.5 * b, 0), (0, 0, 1)),
        }
        names |= {f"lesion {n}": centre for n, (centre, _) in enumerate(self.lesions, 1)}
        names |= {f"calcification {n}": centre for n, (centre, _) in enumerate(self.calcifications[:3], 1)}
        return names

    def _capsule_point(self, start: ArrayLike, direction: ArrayLike) -> NDArray[np.float64]:
        """Where the ray from ``start`` leaves the gland."""
        unit = np.asarray(direction, float) / np.linalg.norm(direction)
        low, high = 0.0, 45.0
        for _ in range(40):
            middle = (low + high) / 2
            x, y, z = (np.asarray(start, float) + middle * unit).astype(np.float32).reshape(3, 1)
            low, high = (middle, high) if self._gland(x, y, z)[0] < 0 else (low, middle)
        return np.asarray(start, float) + low * unit

    def _gland(self, x: Field, y: Field, z: Field) -> Field:
        """A superellipsoid that narrows to the apex, with a groove behind and the irregularity of a real one."""
        a, b, c = self._halves
        s = np.clip(z / c, -1.4, 1.4)
        wide, deep = a * (1 + 0.13 * s), b * (1 + 0.09 * s)
        dy = y - (b - deep)  # keeps the rectal surface straight
        level = np.abs(x / wide) ** 2.2 + np.abs(dy / deep) ** 2.2 + np.abs(z / c) ** 2.2
        level = np.maximum(level, 1e-6) ** np.float32(1 / 2.2)
        groove = np.exp(-((x / 7) ** 2)) * soft_step(dy / deep, 0.2, 0.8)
        near = level < 1.6
        level = level + 0.07 * groove
        level[near] += 0.022 * self._lumps(x[near], y[near], z[near])
        return np.sqrt(x**2 + dy**2 + z**2) * (level - 1) / np.maximum(level, 0.2)

    def _transition(self, x: Field, y: Field, z: Field, gland: Field, coarse: Field) -> Field:
        a, b, c = self._halves
        left, right = (ellipsoid(x, y, z, (s * 0.30 * a, -0.22 * b, 0.14 * c), self._lobe) for s in (-1, 1))
        lobes = smooth_minimum(left, right, 4.0) + 0.5 * coarse
        return np.maximum(lobes, gland + 1.6)

    def _zones(
        self, x: Field, y: Field, z: Field, transition: Field, fine: Field
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        _, b, c = self._halves
        zone = np.full(x.shape, Tissue.PERIPHERAL_ZONE, np.uint8)
        zone[transition < 0] = Tissue.TRANSITION_ZONE
        zone[ellipsoid(x, y, z, (0, -1.0 * b, 0.1 * c), (12, 0.36 * b, 0.9 * c)) < 0] = Tissue.STROMA
        lesion = np.zeros_like(zone)
        for number, (centre, radii) in enumerate(self.lesions, 1):
            ragged = ellipsoid(x, y, z, centre, radii) + 0.5 * fine
            zone[ragged < 0], lesion[ragged < 0] = Tissue.LESION, number
        for centre, radii in self.calcifications:
            zone[ellipsoid(x, y, z, centre, radii) < 0] = Tissue.CALCIFICATION
        return zone, lesion

    def _nodularity(self, x: Field, y: Field, z: Field) -> Field:
        value = np.zeros_like(x)
        for centre, radius, brightness in self._nodules:
            d = ellipsoid(x, y, z, centre, (radius, radius, radius))
            value = np.where(
                d < 0, np.float32(brightness) - np.float32(0.9) * np.exp(-((d / np.float32(0.7)) ** 2)), value
            )
        return value

    def _urethra_y(self, z: Field) -> Field:
        """The urethra runs in the midline and bends forward above and below the verumontanum."""
        t = z - np.float32(self._veru[2])
        up, down = (t + np.sqrt(t**2 + 36)) / 2, (-t + np.sqrt(t**2 + 36)) / 2
        above, below = self._bend
        return np.float32(self._veru[1] + 3 * (above + below)) - above * up - below * down

    def _urethra(self, tissue: NDArray[np.uint8], x: Field, y: Field, z: Field, inside: NDArray[np.bool_]) -> None:
        c = self._halves[2]
        off = np.hypot(x, (y - self._urethra_y(z)) * np.float32(0.92))
        off = off - 1.6 * soft_step(z, 0.6 * c, c)  # funnel to the bladder neck
        below = ~inside & (z < -0.7 * c) & (z > -c - 34)
        tissue[below & (off < 6.5)] = Tissue.MUSCLE
        course = inside | below
        tissue[course & (off < 2.9)] = Tissue.URETHRAL_RIM
        tissue[course & (off < 1.5)] = Tissue.URETHRA
        neck = (z > 0.8 * c) & (z < c + 8) & (off < 2.0) & ~inside
        tissue[neck & (tissue == Tissue.BLADDER_WALL)] = Tissue.URINE
        tissue[inside & (ellipsoid(x, y, z, np.add(self._veru, (0, 1.7, 0)), (1.9, 2.0, 4.2)) < 0)] = (
            Tissue.VERUMONTANUM
        )

    def _draw_lesion(
        self, rng: np.random.Generator, peripheral: bool
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Centre and radii; peripheral ones lie against the capsule behind and to a side."""
        z = rng.uniform(-0.55, 0.45) * self.half_mm[2]
        radii = rng.uniform(3.5, 6.5, 3) * (1.15, 0.8, 1.0)
        if peripheral:
            angle = np.deg2rad(rng.uniform(25, 68)) * rng.choice([-1, 1])
            surface = self._capsule_point((0, 0, z), (np.sin(angle), np.cos(angle), 0))
            depth = radii[1] + rng.uniform(0.3, 1.5)
            centre = surface - depth * np.array([np.sin(angle), np.cos(angle), 0])
        else:
            a, b, _ = self.half_mm
            centre = np.array([rng.choice([-1, 1]) * rng.uniform(0.2, 0.45) * a, rng.uniform(-0.6, -0.3) * b, z])
        return centre, radii

    def _draw_calcifications(self, rng: np.random.Generator) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
        """They collect along the surgical capsule, between the zones, and about the urethra."""
        a, b, c = self.half_mm
        spots = []
        for _ in range(rng.integers(4, 9)):
            z = rng.uniform(-0.4, 0.5) * c
            side = rng.choice([-1, 1])
            centre = np.array([side * rng.uniform(0.1, 0.45) * a, rng.uniform(0.28, 0.42) * b, z])
            spots.append((centre, rng.uniform(0.7, 1.5, 3)))
        return sorted(spots, key=lambda spot: -float(np.prod(spot[1])))
