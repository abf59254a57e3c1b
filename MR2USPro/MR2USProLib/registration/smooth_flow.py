"""A smooth motion with few parameters: a shift, a turn, a stretch and a bend, and a coarse grid of knots on top."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from .deformation import integrate

Array = NDArray[np.float64]

KNOTS_MM = 8.0
MOST_KNOTS = 1600
"""As many as the largest boxes around a gland take; in a larger region they lie further apart, since time and memory
grow with the cube and the square of their number."""
ROUND_MM = 5.0
"""Standard deviation of the Gaussian that takes the edge off the hats: without it the motion bends in steps."""
UNIT_MM = 25.0
"""Lengths in this unit keep the powers of the polynomial alike in size."""
POWERS = 10
"""Polynomials up to the second degree: 1, three of the first, six of the second."""


class SmoothFlow:
    """The diffeomorphism exp(v) of a stationary velocity v in mm, linear in its parameters.

        v(x) = sum_n c_n p_n(x) + sum_m k_m h_m(x),

    with the ten polynomials p up to the second degree about the middle of the region (a shift, the nine linear motions,
    the bends) and hats h on knots some ``KNOTS_MM`` apart, rounded off. The inverse is exp(-v). Parameters are (3, 10)
    for polynomials alone or (3, 10 + knots), along (i, j, k).

    Attributes:
        shape: (k, j, i) of the grid that the velocity is followed on.
        spacing_mm: of it, along (i, j, k).
    """

    def __init__(self, shape: Sequence[int], spacing_mm: Sequence[float], device: str = "cpu") -> None:
        self.shape, self.spacing_mm, self.device = tuple(shape), tuple(spacing_mm), device
        lengths = [(n - 1) * step for n, step in zip(shape, reversed(self.spacing_mm), strict=True)]
        knots = coarser(shape, spacing_mm, KNOTS_MM, MOST_KNOTS)
        self._knots_mm = [length / (n - 1) for length, n in zip(lengths, knots, strict=True)]
        self._hats = [_hats(n, m) for n, m in zip(shape, knots, strict=True)]
        self._bumps = [
            gaussian_filter1d(hats, ROUND_MM / step, axis=0, mode="nearest")
            for hats, step in zip(self._hats, reversed(self.spacing_mm), strict=True)
        ]
        axes = [np.linspace(-length / 2, length / 2, n) / UNIT_MM for length, n in zip(lengths, shape, strict=True)]
        k, j, i = np.meshgrid(*axes, indexing="ij")
        self.powers = np.stack([np.ones_like(i), i, j, k, i * i, j * j, k * k, i * j, j * k, k * i], axis=-1)

    @property
    def knots(self) -> int:
        """How many there are."""
        return int(np.prod([hats.shape[1] for hats in self._hats]))

    def velocity_mm(self, parameters: Array) -> Array:
        """(k, j, i, 3)."""
        found = self.powers @ parameters[:, :POWERS].T
        if parameters.shape[1] > POWERS:
            local = parameters[:, POWERS:].T.reshape(*(hats.shape[1] for hats in self._hats), -1)
            for axis, bumps in enumerate(self._bumps):
                local = np.moveaxis(np.tensordot(bumps, local, (1, axis)), 0, axis)
            found = found + local
        return np.asarray(found)

    def displacement(self, parameters: Array) -> Tensor:
        """exp(v) in voxels of its own grid, (1, 3, depth, height, width); of the negative parameters, the way back."""
        voxels = (self.velocity_mm(parameters) / self.spacing_mm).astype(np.float32)
        velocity = torch.from_numpy(np.ascontiguousarray(np.moveaxis(voxels, -1, 0)))[None].to(self.device)
        return integrate(velocity)

    def gathered(self, forces: Array, count: int) -> Array:
        """What a force at each voxel, (n, k, j, i), is on each of the first ``count`` parameters: (n, count)."""
        found = np.einsum("nkji,kjip->np", forces, self.powers)
        return found if count == POWERS else np.concatenate([found, self._on_knots(forces, self._bumps)], axis=1)

    def products(self, weights: Array, count: int, tell: Callable[[], None] = lambda: None) -> Array:
        """Each parameter with each, under a weight for each pair of components; knots as hats, which fewer others meet.

        Args:
            weights: (3, 3, k, j, i), symmetric.
            count: of parameters for each component.
            tell: called for each pair of components.

        Returns:
            (3, count, 3, count): the sum over the voxels of weight times parameter times parameter.
        """
        found = np.zeros((3, count, 3, count))
        for a in range(3):
            for b in range(a, 3):
                tell()
                weighted = weights[a, b][..., None] * self.powers
                found[a, :POWERS, b, :POWERS] = np.tensordot(self.powers, weighted, ([0, 1, 2], [0, 1, 2]))
                if count > POWERS:
                    crossed = self._on_knots(np.moveaxis(weighted, -1, 0), self._hats)
                    found[a, :POWERS, b, POWERS:] = crossed
                    found[a, POWERS:, b, :POWERS] = crossed.T
                    found[a, POWERS:, b, POWERS:] = self._knots_with_knots(weights[a, b])
                found[b, :, a, :] = found[a, :, b, :].T
        return found

    @cached_property
    def roughness(self) -> Array:
        """Eq. 17 for what the knots add, as a matrix (knots, knots) for each component."""
        counts = [hats.shape[1] for hats in self._hats]
        found = np.zeros((self.knots, self.knots))
        for axis, n in enumerate(counts):
            slope = np.diff(np.eye(n), axis=0) / self._knots_mm[axis]
            parts = [slope.T @ slope if other == axis else np.eye(m) for other, m in enumerate(counts)]
            found += np.kron(np.kron(parts[0], parts[1]), parts[2]) / (self.knots / n * (n - 1))
        return found

    def blocks(self, edge_mm: float) -> NDArray[np.intp]:
        """Which block of so long an edge each voxel is in, along each axis: (3, k, j, i)."""
        steps = np.array(self.spacing_mm[::-1]).reshape(3, 1, 1, 1)
        return (np.indices(self.shape) * steps // edge_mm).astype(np.intp)

    def divergences(self, weight: Array, every: int, count: int, tell: Callable[[], None] = lambda: None) -> Array:
        """What each parameter adds to div v, free of units, times what each other one adds.

        Args:
            weight: (k, j, i).
            every: so-manieth voxel along each axis that is looked at.
            count: of parameters for each component.
            tell: called for each pair of components.

        Returns:
            (3, count, 3, count): the sum over these voxels of weight times both.
        """
        some = (slice(None, None, every),) * 3
        weight, powers, bumps = weight[some], [], []
        for axis, step in ((2, self.spacing_mm[0]), (1, self.spacing_mm[1]), (0, self.spacing_mm[2])):
            local = [np.gradient(h, step, axis=0) if n == axis else h for n, h in enumerate(self._bumps)]
            bumps.append([h[::every] for h in local])
            powers.append(np.gradient(self.powers, step, axis=axis)[some])
        found = np.zeros((3, count, 3, count))
        for a in range(3):
            for b in range(a, 3):
                tell()
                one, other = (np.moveaxis(weight[..., None] * powers[n], -1, 0) for n in (a, b))
                found[a, :POWERS, b, :POWERS] = np.tensordot(one, powers[b], ([1, 2, 3], [0, 1, 2]))
                if count > POWERS:
                    found[a, :POWERS, b, POWERS:] = self._on_knots(one, bumps[b])
                    found[a, POWERS:, b, :POWERS] = self._on_knots(other, bumps[a]).T
                    # Axis by axis: the bumps of all three at every voxel would be a hundred times the work.
                    meeting = [p[:, :, None] * q[:, None] for p, q in zip(bumps[a], bumps[b], strict=True)]
                    both = np.einsum("kji,ipP,jqQ,krR->rqpRQP", weight, *reversed(meeting), optimize=True)
                    found[a, POWERS:, b, POWERS:] = both.reshape(self.knots, -1)
                found[b, :, a, :] = found[a, :, b, :].T
        return found

    @staticmethod
    def _on_knots(forces: Array, shares: list[Array]) -> Array:
        for share in reversed(shares):  # the last axis goes, and comes back as the second
            forces = np.tensordot(forces, share, (3, 0)).transpose(0, 3, 1, 2)
        return forces.reshape(len(forces), -1)

    @cached_property
    def _neighbours(self) -> tuple[list[Array], NDArray[np.intp], NDArray[np.intp]]:
        """For each axis the products of hats that meet, (voxels, pairs); and the two knots of each pair of knots."""
        pairs = [np.argwhere(abs(np.subtract.outer(*2 * [np.arange(hats.shape[1])])) < 2) for hats in self._hats]
        products = [h[:, p[:, 0]] * h[:, p[:, 1]] for h, p in zip(self._hats, pairs, strict=True)]
        counts = [hats.shape[1] for hats in self._hats]
        one, other = (
            np.ravel_multi_index(np.meshgrid(*(p[:, n] for p in pairs), indexing="ij"), counts) for n in (0, 1)
        )
        return products, one, other

    def _knots_with_knots(self, weight: Array) -> Array:
        products, one, other = self._neighbours
        found = np.zeros((self.knots, self.knots))
        found[one, other] = np.einsum("kji,ip,jq,kr->rqp", weight, *reversed(products), optimize=True)
        return found


def coarser(shape: Sequence[int], spacing_mm: Sequence[float], step_mm: float, most: int) -> tuple[int, int, int]:
    """(k, j, i) of a grid over the same corners, never finer than the given one.

    Args:
        shape: of the given grid, (k, j, i).
        spacing_mm: of it, along (i, j, k).
        step_mm: about the spacing of the new one.
        most: so many nodes at most; where there would be more, they lie further apart.
    """
    k, j, i = (
        min(n, max(round((n - 1) * step / step_mm) + 1, 3))
        for n, step in zip(shape, reversed(list(spacing_mm)), strict=True)
    )
    return (k, j, i) if k * j * i <= most else coarser(shape, spacing_mm, 1.05 * step_mm, most)


def _hats(voxels: int, knots: int) -> Array:
    """How much of each knot is at each voxel of an axis, (voxels, knots)."""
    at = np.linspace(0, knots - 1, voxels)
    return np.maximum(1 - abs(at[:, None] - np.arange(knots)), 0)
