"""Two descriptions of one place are laid on each other: the least squares of their difference under a smooth flow."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky, solve_triangular
from torch import Tensor

from ..progress import Progress
from .deformation import warp
from .smooth_flow import POWERS, SmoothFlow

Array = NDArray[np.float64]

LAMBDA_SMOOTH = 0.03
"""Weight of what the knots add (eq. 17)."""
LAMBDA_PRIOR = 2e-4
EXPECTED_MM = np.array([8.0] + 3 * [4.0] + 6 * [3.0])
"""What a shift, a linear motion and a bend are expected to be, in mm so far from the middle as its unit is."""
DAMPING, LEAST_DAMPING, MORE, LESS = 1e-2, 1e-4, 8.0, 4.0
TRIALS = 5
EVERY = 2
"""Every so-manieth voxel tells of changes of volume: knots lie further apart."""
DONE = 1e-4
"""A step that takes a smaller share of the loss is the last."""
BLOCK = 800
"""Rows of a matrix that are factored between two reports."""


class Fitted(NamedTuple):
    """Where a fit ended.

    Attributes:
        parameters: (3, n) of the flow.
        loss: there.
        curvature: (3n, 3n), the Gauss-Newton approximation of half the loss's second derivative.
        slope: (3n,), half its first derivative.
        history: the loss at the start and behind each step.
    """

    parameters: Array
    loss: float
    curvature: Array
    slope: Array
    history: tuple[float, ...] = ()


class Comparison:
    """Two descriptions on the grid of a flow, and how well they meet under its parameters.

    With w the weights, F the description of the fixed picture, M that of the moving one, and u = exp(v), the loss is

        sum_x w(x) |F(x) - M(x + u(x))|^2 / (12 sum w) + lambda_smooth L_smooth + lambda_volume sum w (div v)^2 / sum w

    and a weak prior on the polynomial. A velocity without divergence changes no volume.

    Args:
        flow: the motion.
        pictures: descriptions of the moving and of the fixed one, (1, channels, depth, height, width).
        weight: (1, 1, depth, height, width).
        lambda_volume: weight of changes of volume.
    """

    def __init__(
        self, flow: SmoothFlow, pictures: tuple[Tensor, Tensor], weight: Tensor, lambda_volume: float = 0.0
    ) -> None:
        moving, fixed = pictures
        self.flow, self.fixed, self.channels = flow, fixed[0], moving.shape[1]
        slopes = torch.gradient(moving, dim=(4, 3, 2))
        slope = torch.stack([x / step for x, step in zip(slopes, flow.spacing_mm, strict=True)], dim=2)
        self._moving = torch.cat([moving, slope.flatten(1, 2)], dim=1)
        # A half of the region that shows nothing speaks for no motion at all.
        self._weight, self._share = weight, weight[0, 0] / weight.sum().clamp_min(1e-9)
        self.lambda_volume = lambda_volume
        self._charges: dict[int, Array] = {}

    def of(self, pictures: tuple[Tensor, Tensor]) -> Self:
        """The same comparison of other descriptions."""
        other = type(self)(self.flow, pictures, self._weight, self.lambda_volume)
        other._charges = self._charges
        return other

    def minimised(
        self,
        start: Array,
        steps: int,
        progress: Progress,
        message: str,
        on_step: Callable[[Array], None] = lambda parameters: None,
    ) -> Fitted:
        """Follow Levenberg and Marquardt from a start, at most so many steps; each tells its parameters.

        Raises:
            Cancelled: the user asked to stop.
        """
        at, damping = self._looked(start, partial(progress.report, 0.0, message)), DAMPING
        history = [at.loss]
        for n in progress.steps(steps, message):
            tell = partial(progress.report, n / steps, message)
            scale = np.diag(at.curvature) + 1e-9 * np.trace(at.curvature) / len(at.curvature)
            for _trial in range(TRIALS):
                step = _step(at, damping * scale, tell).reshape(start.shape)
                tried = self._looked(at.parameters - step, tell)
                if tried.loss < at.loss:
                    break
                damping *= MORE
            else:
                break
            gained, at, damping = at.loss - tried.loss, tried, max(damping / LESS, LEAST_DAMPING)
            history.append(at.loss)
            progress.values(difference=at.loss)
            on_step(at.parameters)
            if gained < DONE * at.loss:
                break
        progress.report(1.0)
        return at._replace(history=tuple(history))

    def _looked(self, parameters: Array, tell: Callable[[], None]) -> Fitted:
        """The loss and its derivatives; how the flow changes with its parameters is taken as it is at rest."""
        tell()
        seen = warp(self._moving, self.flow.displacement(parameters))[0]
        difference = seen[: self.channels] - self.fixed
        slope = seen[self.channels :].unflatten(0, (self.channels, 3))
        share = self._share / self.channels
        weights = torch.einsum("cakji,cbkji->abkji", slope, slope) * share
        pull = ((slope * difference[:, None]).sum(dim=0) * share).double().cpu().numpy()
        count = parameters.shape[1]
        held = self._held(count, tell)
        bent = held @ parameters.ravel()
        curvature = self.flow.products(weights.double().cpu().numpy(), count, tell).reshape(3 * count, -1)
        curvature += held
        return Fitted(
            parameters,
            float((difference.square().sum(dim=0) * share).sum()) + float(parameters.ravel() @ bent),
            curvature,
            self.flow.gathered(pull, count).ravel() + bent,
        )

    def _held(self, count: int, tell: Callable[[], None]) -> Array:
        """What is charged beside the pictures' difference, as a matrix (3 count, 3 count)."""
        if count not in self._charges:
            self._charges[count] = self._charged(count, tell)
        return self._charges[count]

    def _charged(self, count: int, tell: Callable[[], None]) -> Array:
        found = np.zeros((3, count, 3, count))
        for a in range(3):
            tell()
            found[a, range(POWERS), a, range(POWERS)] = LAMBDA_PRIOR / EXPECTED_MM**2
            if count > POWERS:
                found[a, POWERS:, a, POWERS:] = LAMBDA_SMOOTH * self.flow.roughness
        if self.lambda_volume:
            share = self._share.double().cpu().numpy()
            total = max(float(share[::EVERY, ::EVERY, ::EVERY].sum()), 1e-9)
            found += self.lambda_volume / total * self.flow.divergences(share, EVERY, count, tell)
        return found.reshape(3 * count, 3 * count)


def _step(at: Fitted, damping: Array, tell: Callable[[], None]) -> Array:
    """The way to the least of the quadratic that a fit looks like, (3n,); large matrices are not kept twice.

    By Cholesky's factors, block by block, as all at once would say nothing for too long.
    """
    tell()
    factor = at.curvature.copy().T  # it is symmetric, and LAPACK goes down the columns
    factor.flat[:: len(factor) + 1] += damping
    for start in range(0, len(factor), BLOCK):
        tell()
        here, end = slice(start, start + BLOCK), start + BLOCK
        factor[start:, here] -= factor[start:, :start] @ factor[here, :start].T
        factor[here, here] = corner = cholesky(factor[here, here], lower=True, check_finite=False)
        if end < len(factor):
            tell()
            factor[end:, here] = solve_triangular(corner, factor[end:, here].T, lower=True, check_finite=False).T
    return np.asarray(cho_solve((factor, True), at.slope, check_finite=False))
