"""Where a fit may begin: every shift within reach is tried, at a few turns."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..progress import SILENT, Progress
from .deformation import warp
from .smooth_flow import POWERS, UNIT_MM, SmoothFlow

Array = NDArray[np.float64]

REACH_MM = 12.0
TURN_DEGREES = 7.0
LEAST_SEEN = 0.7
"""Share of the weight that both pictures must show behind a shift."""


class Start(NamedTuple):
    """A turn and the shift that is best behind it.

    Attributes:
        difference: mean of the squared difference of the descriptions.
        parameters: (3, 10) of a flow.
    """

    difference: float
    parameters: Array


def starts(
    flow: SmoothFlow, moving: Tensor, fixed: Tensor, weight: Tensor, valid: Tensor, progress: Progress = SILENT
) -> list[Start]:
    """The best shift for no turn and for one each way about each axis, the best first.

    All shifts of one turn are tried at once, as correlations by Fourier transforms:

        sum_x w(x) m(x + t) |F(x) - M(x + t)|^2 / sum_x w(x) m(x + t).

    Args:
        flow: whose grid the descriptions are on.
        moving: description of the moving picture, (1, channels, depth, height, width).
        fixed: that of the fixed one.
        weight: (1, 1, depth, height, width), w.
        valid: the same shape, where the moving picture shows something, m.
        progress: told about each turn.

    Raises:
        Cancelled: the user asked to stop.
    """
    turns = [np.zeros(3)] + [sign * np.deg2rad(TURN_DEGREES) * axis for axis in np.eye(3) for sign in (-1, 1)]
    found = []
    for n in progress.steps(len(turns), "Looking for the coarse motion"):
        x, y, z = turns[n]
        parameters = np.zeros((3, POWERS))
        parameters[:, 1:4] = UNIT_MM * np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
        seen = warp(torch.cat([moving, valid], dim=1), flow.displacement(parameters))
        difference, shift_mm = _best_shift(flow, seen[0, :-1], fixed[0], weight[0, 0], (seen[0, -1] > 0.9).float())
        parameters[:, 0] = shift_mm
        found.append(Start(difference, parameters))
    return sorted(found, key=lambda start: start.difference)


def _best_shift(flow: SmoothFlow, moving: Tensor, fixed: Tensor, weight: Tensor, shown: Tensor) -> tuple[float, Array]:
    """The least mean difference, and the shift in mm along (i, j, k)."""
    steps_mm = np.array(flow.spacing_mm[::-1])
    reach = np.ceil(REACH_MM / steps_mm).astype(int)
    size = [n + r for n, r in zip(flow.shape, reach.tolist(), strict=True)]

    whole = weight.sum().clamp_min(1e-9)

    def transformed(x: Tensor) -> Tensor:
        return torch.fft.rfftn(x, s=size)

    weighed, masked = transformed(weight), transformed(shown)
    squares = transformed(weight * fixed.square().mean(dim=0)).conj() * masked
    squares = squares + weighed.conj() * transformed(shown * moving.square().mean(dim=0))
    for one, other in zip(fixed, moving, strict=True):
        squares -= 2 / len(fixed) * transformed(weight * one).conj() * transformed(shown * other)
    seen = torch.fft.irfftn(weighed.conj() * masked, s=size) / whole
    difference = torch.fft.irfftn(squares, s=size) / whole / seen.clamp_min(LEAST_SEEN)
    shifts = [np.r_[0 : r + 1, -r:0] for r in reach]
    at_mm = np.stack(np.meshgrid(*(s * step for s, step in zip(shifts, steps_mm, strict=True)), indexing="ij"), axis=-1)
    within = np.ix_(*shifts)
    allowed = (seen.cpu().numpy()[within] >= LEAST_SEEN) & (np.linalg.norm(at_mm, axis=-1) <= REACH_MM)
    values = np.where(allowed, difference.cpu().numpy()[within], np.inf)
    best = np.unravel_index(values.argmin(), values.shape)
    return float(values[best]), at_mm[best][::-1]
