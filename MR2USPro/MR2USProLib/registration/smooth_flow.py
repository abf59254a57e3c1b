"""A smooth motion with few parameters: a rotation and a stretch, a bend, and a coarse grid of knots on top."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .deformation import integrate, resize
from .losses import smoothness

GRID_MM = 2.0
"""About the spacing of the grid on which the velocity is followed; it has no detail that a finer one would show."""
KNOTS_MM = 8.0
UNIT_MM = 25.0
"""Lengths in this unit keep the powers of the polynomial alike in size."""


class SmoothFlow(nn.Module):
    """The diffeomorphism exp(v) of a stationary velocity v in mm.

        v(x) = sum_n c_n p_n(x) + sum_m k_m h_m(x),

    with the ten polynomials p up to the second degree about the middle of the region (a shift, the nine linear motions,
    the bends) and trilinear hats h on knots some ``KNOTS_MM`` apart. The inverse is exp(-v).

    Args:
        shape: (k, j, i) of the grid that is registered.
        spacing_mm: of it, along (i, j, k).
    """

    positions: Tensor
    steps_mm: Tensor

    def __init__(self, shape: Sequence[int], spacing_mm: Sequence[float]) -> None:
        super().__init__()
        self.full = tuple(shape)
        lengths = [(n - 1) * step for n, step in zip(shape, reversed(list(spacing_mm)), strict=True)]
        self.shape = coarse_shape(shape, spacing_mm, GRID_MM)
        knots = coarse_shape(shape, spacing_mm, KNOTS_MM)
        axes = [
            torch.linspace(-length / 2, length / 2, n) / UNIT_MM for length, n in zip(lengths, self.shape, strict=True)
        ]
        k, j, i = torch.meshgrid(*axes, indexing="ij")
        powers = [torch.ones_like(i), i, j, k, i * i, j * j, k * k, i * j, j * k, k * i]
        self.register_buffer("positions", torch.stack(powers))
        self.register_buffer("steps_mm", _steps(lengths, self.shape))
        self.knots_mm = _steps(lengths, knots).flatten().tolist()
        self.coefficients = nn.Parameter(torch.zeros(3, len(powers)))
        self.knots = nn.Parameter(torch.zeros(1, 3, *knots))

    def velocity(self) -> Tensor:
        """(1, 3, depth, height, width) in voxels of its own grid."""
        polynomial = torch.einsum("cp,pkji->ckji", self.coefficients, self.positions)[None]
        local = F.interpolate(self.knots, size=self.shape, mode="trilinear", align_corners=True)
        return (polynomial + local) / self.steps_mm

    def forward(self) -> Tensor:
        """The displacement (1, 3, depth, height, width) on the grid that is registered, in its voxels."""
        return resize(integrate(self.velocity()), self.full)

    def inverse(self) -> Tensor:
        """The way back, likewise."""
        return resize(integrate(-self.velocity()), self.full)

    def roughness(self) -> Tensor:
        """Eq. 17 for what the knots add."""
        spacing = torch.tensor(self.knots_mm, device=self.knots.device)
        return smoothness(self.knots / spacing.view(1, 3, 1, 1, 1), self.knots_mm)


def coarse_shape(shape: Sequence[int], spacing_mm: Sequence[float], step_mm: float) -> tuple[int, int, int]:
    """(k, j, i) of a grid over the same corners with about the given spacing, but never finer than the given grid."""
    k, j, i = (
        min(n, max(round((n - 1) * step / step_mm) + 1, 3))
        for n, step in zip(shape, reversed(list(spacing_mm)), strict=True)
    )
    return k, j, i


def _steps(lengths_mm: Sequence[float], shape: Sequence[int]) -> Tensor:
    steps = [length / max(n - 1, 1) for length, n in zip(lengths_mm, shape, strict=True)]
    return torch.tensor(steps[::-1], dtype=torch.float32).view(1, 3, 1, 1, 1)
