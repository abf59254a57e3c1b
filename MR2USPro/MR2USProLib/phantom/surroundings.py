"""What lies about the prostate: seminal vesicles, fat, muscles, vessels, bone and perineum."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .shapes import Field, capsule, ellipsoid, soft_step
from .tissues import Tissue

Halves = tuple[float, float, float]


def vesicles(x: Field, y: Field, z: Field, halves_mm: Halves, wiggle: NDArray[np.float64]) -> Field:
    """Distance from the seminal vesicles, two winding tubes above and behind the base."""
    _, b, c = halves_mm
    distance = np.full_like(x, 99)
    near = (z > 0.4 * c) & (z < c + 20) & (y > 0) & (y < 3 * b) & (np.abs(x) < 30)
    x, y, z = x[near], y[near], z[near]
    closest = np.full_like(x, 99)
    for n, side in enumerate((-1, 1)):
        out = x * side
        first, second = (float(w) for w in wiggle[2 * n : 2 * n + 2])
        yc = 0.55 * b + 0.08 * out + 1.5 * np.sin(out / 3.0 + first)
        zc = 0.95 * c + 1.5 + 0.38 * out + 1.5 * np.sin(out / 2.4 + second)
        tube = np.hypot(y - yc, z - zc) * 0.93 - (5.0 - 0.07 * out + 0.7 * np.sin(out / 1.3 + first))
        closest = np.minimum(closest, np.maximum(tube, np.maximum(1.2 - out, out - 26.0)))
    distance[near] = closest
    return distance


def surroundings(
    x: Field,
    y: Field,
    z: Field,
    halves_mm: Halves,
    bulb_y_mm: float,
    wiggle: NDArray[np.float64],
    coarse: Field,
    fine: Field,
) -> tuple[NDArray[np.uint8], Field]:
    """Everything but the organs, and the distance from bone.

    Args:
        x: of the points, (n,).
        y: of the points.
        z: of the points.
        halves_mm: the gland's half axes.
        bulb_y_mm: where the urethra meets the penile bulb.
        wiggle: phases (8,) of what winds.
        coarse: unit noise at the points.
        fine: unit noise of a shorter correlation.
    """
    a, b, c = halves_mm
    tissue = np.full(x.shape, Tissue.FAT, np.uint8)
    out = np.abs(x)
    # obturator internus
    tissue[((out - a - 34) / 21) ** 2 + ((y + 2) / 40) ** 2 + 0.04 * coarse < 1] = Tissue.MUSCLE
    # levator ani: a sling round gland and rectum, open to the front, narrowing to the perineum
    narrow = 0.45 + 0.55 * soft_step(z, -c - 30, -0.1 * c)
    rx, ry = (a + 5.5) * narrow, (b + 20) * (0.7 + 0.3 * narrow)
    ring = np.sqrt((x / rx) ** 2 + ((y - 12) / ry) ** 2)
    sling = np.abs((ring - 1) * np.minimum(rx, ry)) + 0.4 * coarse
    tissue[(sling < 1.6) & (y > -0.55 * b) & (z < c + 4)] = Tissue.MUSCLE
    # dorsal venous complex before the apex; neurovascular bundles behind the sides
    plexus = ellipsoid(x, y, z, (0, -b - 3.5, -0.45 * c), (13, 5, 17)) + 1.5 * coarse + 0.8 * fine
    tissue[plexus < 0] = Tissue.VESSEL
    for n, (u, v, r) in enumerate(((0.60, 0.98, 1.3), (0.70, 0.90, 1.0), (0.52, 1.04, 0.9))):
        bundle = np.hypot(out - u * a - 1.5 * np.sin(z / 5 + float(wiggle[4 + n])), y - v * b - np.cos(z / 4 + n))
        tissue[(bundle < r) & (out > 5)] = Tissue.VESSEL
    # perineum: diaphragm and bulb
    tissue[ellipsoid(x, y, z, (0, -2, -c - 13), (24, 14, 5.0)) + 2.2 * coarse < 0] = Tissue.MUSCLE
    bulb = ellipsoid(x, y, z, (0, bulb_y_mm + 3, -c - 27), (8.5, 8, 12))
    tissue[bulb < 1.2] = Tissue.MUSCLE
    tissue[bulb < 0] = Tissue.BULB
    more = 0.05 * np.clip(y - bulb_y_mm - 8, -20, 20) - 0.05 * (z + c + 18)  # to the back and to the feet
    tissue[(coarse + more > 0.9) & (z < -c - 3)] = Tissue.MUSCLE
    bone = np.full_like(x, 99)
    for side in (-1, 1):
        ramus = capsule(x, y, z, (side * 9, -b - 19, -0.3 * c), (side * 48, -b - 15, 0.7 * c), 9.5)
        hip = capsule(x, y, z, (side * (a + 32), -5, -60), (side * (a + 36), 5, 60), 10.0)
        bone = np.minimum(bone, np.minimum(ramus, hip))
    tissue[bone < 0] = Tissue.CORTEX
    tissue[bone < -1.7] = Tissue.MARROW
    return tissue, bone
