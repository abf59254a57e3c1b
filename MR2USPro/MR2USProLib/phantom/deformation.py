"""How the pelvis lies during the ultrasound, seen from how it lay during the MR.

A point of the TRUS world is first displaced by a smooth flow that keeps volumes, then moved rigidly. The flow's
velocity is the curl of Gaussian vector potentials, hence free of divergence; ring vortices behind the gland do what the
probe's pressure does. The flow is worked out once on a 2 mm grid, and that sampled field, interpolated as ITK does, is
the truth.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import SimpleITK as sitk
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import map_coordinates, zoom
from scipy.spatial.transform import Rotation

from ..volume import Grid

Points = NDArray[np.float64]
FIELD_SPACING_MM = 2.0


@dataclass(frozen=True)
class Flow:
    """A steady velocity without divergence, about the gland's centre.

    Attributes:
        centres: (n, 3) mm, where the potentials sit.
        sigmas: (n,) mm, their widths.
        swirls: (n, 3), their vector amplitudes: rotation about an axis.
        jets: (n, 3), amplitudes of ring vortices: a push along an axis, with the return flow around it.
    """

    centres: Points
    sigmas: NDArray[np.float64]
    swirls: Points
    jets: Points

    def velocity(self, points: Points) -> Points:
        """Velocity at points (n, 3)."""
        # Sums over the potentials g_n = exp(-r_n^2 / 2 s_n^2), r_n = p - c_n, of
        #   curl(g swirl) = grad g x swirl = -g / s^2 (r x swirl)  and
        #   curl(g jet x r) = g (2 jet - (jet r^2 - r (r.jet)) / s^2),
        # written as products of matrices.
        c, w, q = self.centres, self.swirls, self.jets
        squared = (points**2).sum(1)[:, None] - 2 * points @ c.T + (c**2).sum(1)
        narrow = 1 / self.sigmas**2
        gauss = np.exp(-0.5 * squared * narrow)
        turn = gauss * narrow
        push = turn * (points @ q.T - (c * q).sum(1))
        (x, y, z), (u, v, t) = points.T, (turn @ w).T
        crossed = np.stack([y * t - z * v, z * u - x * t, x * v - y * u], 1)
        total = turn @ np.cross(c, w) - crossed
        total += (gauss * (2 - squared * narrow)) @ q + push.sum(1)[:, None] * points - push @ c
        return total

    def displacement(self, points: Points, scale: float, steps: int = 3) -> Points:
        """How far the flow carries points (n, 3) in a time of ``scale`` (Runge-Kutta of fourth order)."""
        h = scale / steps
        moved = np.array(points, dtype=np.float64)
        for _ in range(steps):
            k1 = self.velocity(moved)
            k2 = self.velocity(moved + h / 2 * k1)
            k3 = self.velocity(moved + h / 2 * k2)
            k4 = self.velocity(moved + h * k3)
            moved += h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        return moved - points

    @staticmethod
    def random(rng: np.random.Generator, half_mm: NDArray[np.float64]) -> Flow:
        """Six swirls in and about a gland of the given half axes, and the probe's push at its back."""
        swirls = rng.standard_normal((6, 3))
        swirls *= rng.uniform(0.8, 1.2, (6, 1)) / np.linalg.norm(swirls, axis=1, keepdims=True)
        sigmas = rng.uniform(14, 19, 6)
        centres = rng.uniform(-0.85, 0.85, (6, 3)) * half_mm
        # In the MR the tissue before the probe lay further back, so the push from TRUS to MR is to the back.
        jets = np.array([[0, 1.0, 0], [0, 1.0, 0]]) * rng.uniform(0.5, 1.0, (2, 1))
        seats = np.array([[0, 1.1 * half_mm[1], 0.6 * half_mm[2]], [0, 1.1 * half_mm[1], -0.6 * half_mm[2]]])
        return Flow(
            np.vstack([centres, seats + rng.uniform(-4, 4, (2, 3))]),
            np.concatenate([sigmas, rng.uniform(14, 17, 2)]),
            np.vstack([swirls * sigmas[:, None], np.zeros((2, 3))]),
            np.vstack([np.zeros((6, 3)), jets]),
        )


@dataclass(frozen=True)
class Pose:
    """TRUS LPS -> anatomy (LPS mm about the gland's centre) -> MR LPS.

    Attributes:
        field: displacement in mm (k, j, i, 3) on ``grid``, in the TRUS world; zero outside.
        grid: axis-aligned, of ``FIELD_SPACING_MM``.
        rotation: 3x3, TRUS axes to anatomy axes.
        centre_mm: the displaced TRUS point that is the anatomy's origin.
        scanner_mm: the MR position of the anatomy's origin.
    """

    field: NDArray[np.float32]
    grid: Grid
    rotation: NDArray[np.float64]
    centre_mm: NDArray[np.float64]
    scanner_mm: NDArray[np.float64]

    def shifted(self, by_mm: ArrayLike, scanner_mm: ArrayLike) -> Pose:
        """The same anatomy and flow, elsewhere in the TRUS world (by ``by_mm``) and in the scanner."""
        by = np.asarray(by_mm, dtype=np.float64)
        grid = replace(self.grid, origin_mm=tuple(np.asarray(self.grid.origin_mm) + by))
        return replace(self, grid=grid, centre_mm=self.centre_mm + by, scanner_mm=np.asarray(scanner_mm, np.float64))

    def to_anatomy(self, points_mm: ArrayLike) -> Points:
        """Anatomy points (..., 3) of TRUS points (..., 3)."""
        points = np.asarray(points_mm, dtype=np.float64)
        index = np.moveaxis(self.grid.to_index(points)[..., ::-1], -1, 0)
        moved = points.copy()
        for axis in range(3):
            moved[..., axis] += map_coordinates(self.field[..., axis], index, order=1, mode="grid-constant")
        return (moved - self.centre_mm) @ self.rotation.T

    def to_mr(self, points_mm: ArrayLike) -> Points:
        """MR points (..., 3) of TRUS points (..., 3)."""
        return self.to_anatomy(points_mm) + self.scanner_mm

    def to_trus(self, anatomy_mm: ArrayLike) -> Points:
        """TRUS points (..., 3) of anatomy points (..., 3), by fixed-point iteration."""
        target = np.asarray(anatomy_mm, dtype=np.float64)
        points = target @ self.rotation + self.centre_mm
        for _ in range(100):
            step = (target - self.to_anatomy(points)) @ self.rotation
            points = points + step
            if np.abs(step).max() < 1e-6:
                break
        return points

    def to_sitk(self) -> sitk.Transform:
        """The same map as an ITK transform, TRUS LPS -> MR LPS."""
        image = sitk.GetImageFromArray(self.field.astype(np.float64), isVector=True)
        self.grid.place(image)
        rigid = sitk.AffineTransform(3)
        rigid.SetMatrix(self.rotation.ravel().tolist())
        rigid.SetTranslation((self.scanner_mm - self.rotation @ self.centre_mm).tolist())
        composite = sitk.CompositeTransform(3)
        composite.AddTransform(rigid)  # the transform added last is applied first
        composite.AddTransform(sitk.DisplacementFieldTransform(image))
        return composite

    def jacobian(self) -> NDArray[np.float64]:
        """Determinant of the map's Jacobian at the field's grid points, (k, j, i) without the rim."""
        field = self.field.astype(np.float64)
        gradient = np.stack([np.gradient(field, FIELD_SPACING_MM, axis=axis) for axis in (2, 1, 0)], -1)  # by x, y, z
        return np.linalg.det(np.eye(3) + gradient)[1:-1, 1:-1, 1:-1]


def random_pose(
    inside_mm: Points,
    half_mm: NDArray[np.float64],
    mean_mm: float,
    rotation_deg: tuple[float, float],
    rng: np.random.Generator,
    greatest_mm: float = 8.5,
) -> Pose:
    """A flow and a rotation about the gland's centre, which stays at the origin of either world.

    Args:
        inside_mm: anatomy points (n, 3) in the gland.
        half_mm: the gland's half axes.
        mean_mm: mean displacement wanted in the gland, once the gland's common translation is taken off.
        rotation_deg: range of the rotation's angle.
        rng: of all that is random.
        greatest_mm: displacement that no point of the gland may exceed; wins over ``mean_mm``.
    """
    rotation = small_rotation(rng, *rotation_deg)
    inside = inside_mm @ rotation
    best = np.inf
    for _ in range(8):  # a flow that moves the whole gland rather than one corner of it
        candidate = Flow.random(rng, half_mm)
        lengths = _lengths(candidate.displacement(inside, 1.0))
        if lengths.max() / lengths.mean() < best:
            best, flow, scale = lengths.max() / lengths.mean(), candidate, mean_mm / lengths.mean()
    for _ in range(5):
        lengths = _lengths(flow.displacement(inside, scale))
        scale *= min(mean_mm / lengths.mean(), greatest_mm / lengths.max())
    # Worked out at every other grid point; over 4 mm a flow this smooth is a cubic to within a few micrometres.
    low, high, coarse = np.array([-68.0, -64.0, -90.0]), np.array([68.0, 68.0, 70.0]), 2 * FIELD_SPACING_MM
    size = np.round((high - low) / coarse).astype(int) + 1
    points = Grid((size[2], size[1], size[0]), (coarse,) * 3, tuple(low)).points()
    every_other = flow.displacement(points.reshape(-1, 3), scale).reshape(points.shape)
    grid = Grid((2 * size[2] - 1, 2 * size[1] - 1, 2 * size[0] - 1), (FIELD_SPACING_MM,) * 3, tuple(low))
    factors = np.asarray(grid.shape) / points.shape[:3]
    field = np.stack([zoom(every_other[..., axis], factors, order=3, mode="mirror") for axis in range(3)], -1)
    common = flow.displacement(inside, scale).mean(0)
    return Pose(field.astype(np.float32), grid, rotation, common, np.zeros(3))


def _lengths(displacement: Points) -> NDArray[np.float64]:
    """How far points (n, 3) move against their common translation."""
    return np.linalg.norm(displacement - displacement.mean(0), axis=1)


def small_rotation(rng: np.random.Generator, low_deg: float, high_deg: float) -> NDArray[np.float64]:
    """A random rotation by an angle in the range, at most 3.5 degrees of it about the left-right axis.

    The rectum follows the probe, so the gland can tip less against it than it can turn and yaw.
    """
    angle = rng.uniform(low_deg, high_deg)
    tip = rng.uniform(-1, 1) * min(3.5, 0.7 * angle)
    around = rng.uniform(0, 2 * np.pi)
    rest = np.sqrt(angle**2 - tip**2)
    return Rotation.from_rotvec([tip, rest * np.cos(around), rest * np.sin(around)], degrees=True).as_matrix()
