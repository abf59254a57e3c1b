"""The Schroedinger bridge between a picture and its translation (paper, equations 2 and 4, Algorithm 1).

A state x_t lies between the source x_0 and the prediction x_1 of the network, plus noise. Throughout, sigma times a
duration is a VARIANCE, so that the noise that is added has its square root as standard deviation.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from typing import Protocol

import torch
from torch import Tensor, nn


class Predictor(Protocol):
    """The network f of the paper: from a state and the index of its time to x_1."""

    def __call__(
        self, x: Tensor, index: int, valid: Tensor | None = None, generator: torch.Generator | None = None
    ) -> Tensor:
        """Predict x_1 of the state ``x`` (slice, 1, height, width) at ``Bridge.times[index]``.

        A network that takes noise draws it from ``generator``; without one there is none.
        """
        ...


@contextmanager
def locked(model: nn.Module) -> Iterator[None]:
    """The model in evaluation mode with no gradient recorded; its mode is put back afterwards (Algorithm 1, line 2)."""
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(training)


@dataclass(frozen=True)
class Bridge:
    """A bridge in discrete steps.

    Attributes:
        steps: T, the number of steps from t = 0 to t = 1.
        sigma: variance of the reference Wiener process per unit of time, for pictures in [-1, 1].
    """

    steps: int = 5
    sigma: float = 0.01

    @property
    def times(self) -> tuple[float, ...]:
        """The pool t_0 = 0, ..., t_T = 1 of UNSB: one jump to 0.5, then steps that shrink as 1, 1/2, 1/3, ...

        Algorithm 1 draws from all but the last: at t = 1 there is nothing left to predict.
        """
        harmonic = list(accumulate((1 / n for n in range(1, self.steps)), initial=0.0))
        return (0.0, *(0.5 + 0.5 * h / harmonic[-1] for h in harmonic)) if self.steps > 1 else (0.0, 1.0)

    def conditional(self, x_m: Tensor, x_n: Tensor, t_m: float, t: float, t_n: float) -> tuple[Tensor, float]:
        """Mean and variance of X_t given both ends of the interval (equation 2).

        Args:
            x_m: the state at ``t_m``, any shape.
            x_n: the state at ``t_n``, same shape.
            t_m: begin of the interval.
            t: a time in [``t_m``, ``t_n``].
            t_n: end of the interval.
        """
        w = (t - t_m) / (t_n - t_m)
        return w * x_n + (1 - w) * x_m, w * (1 - w) * self.sigma * (t_n - t_m)

    def step(self, x: Tensor, x_1: Tensor, index: int, generator: torch.Generator | None, grain: float = 0.0) -> Tensor:
        """From the state at ``times[index]`` to the next one (equation 4).

        Args:
            x: the state at ``times[index]``.
            x_1: what the network predicts from it.
            index: 0 to T - 1.
            generator: draws the noise, on the CPU; without one there is none.
            grain: how far the noise reaches along the slices, the standard deviation of a Gaussian in slices; its
                variance stays. Noise of its own in every slice flickers, which a registration in 3-D sees.
        """
        mean, variance = self.conditional(x, x_1, self.times[index], self.times[index + 1], 1.0)
        if generator is None or variance <= 0:
            return mean
        noise = torch.randn(x.shape, generator=generator, dtype=x.dtype)
        if grain > 0:
            noise = _along_slices(noise, grain)
        return mean + variance**0.5 * noise.to(x.device)

    def simulate(
        self,
        model: nn.Module,
        x_0: Tensor,
        index: int,
        generator: torch.Generator | None = None,
        valid: Tensor | None = None,
        grain: float = 0.0,
    ) -> Tensor:
        """Walk from the source to the state at ``times[index]`` with the model locked (Algorithm 1, lines 2 to 4).

        With ``index`` = T and no generator this is the translation itself: all steps, noise off.

        Args:
            model: a :class:`Predictor`. Its training mode is left as it was.
            x_0: (slice, 1, height, width) in [-1, 1].
            index: 0 (the source itself) to T.
            generator: draws the noise; without one there is none.
            valid: (slice, 1, height, width), true where the picture is real.
            grain: see :meth:`step`.

        Returns:
            x_t, detached, of the shape of ``x_0``.
        """
        x = x_0.detach()
        with locked(model):
            for j in range(index):
                x = self.step(x, model(x, j, valid, generator), j, generator, grain)
        return x


def _along_slices(noise: Tensor, sigma: float) -> Tensor:
    """White noise (slice, ...) smoothed along its slices, its variance kept."""
    reach, count = math.ceil(3 * sigma), len(noise)
    away = torch.arange(-reach, reach + 1)
    # Around the ends: what is far apart there is so in the noise only. Few slices are met more than once.
    kernel = torch.zeros(count, dtype=noise.dtype)
    kernel.index_add_(0, away % count, torch.exp(-0.5 * (away.to(noise.dtype) / sigma) ** 2))
    kernel = kernel / (kernel**2).sum().sqrt()
    return sum((weight * noise.roll(n, dims=0) for n, weight in enumerate(kernel) if weight), torch.zeros_like(noise))
