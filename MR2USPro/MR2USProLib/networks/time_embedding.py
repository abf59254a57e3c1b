"""How a network hears at which time of a diffusion process it is asked."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def sinusoidal(index: Tensor, size: int, longest: float = 10_000.0) -> Tensor:
    """The sinusoidal embedding of time indices (Vaswani et al. 2017).

    Args:
        index: (batch,) times or step numbers.
        size: even length of the embedding.
        longest: the longest period is 2 pi times this.

    Returns:
        (batch, size): sines, then cosines, of geometrically falling frequencies.
    """
    half = size // 2
    frequencies = torch.exp(-math.log(longest) * torch.arange(half, device=index.device) / half)
    phase = index.float()[:, None] * frequencies[None]
    return torch.cat([phase.sin(), phase.cos()], dim=1)


class TimeEmbedding(nn.Module):
    """A step number as a learned vector: sinusoids through two linear layers."""

    def __init__(self, sinusoids: int, size: int) -> None:
        super().__init__()
        self.sinusoids = sinusoids
        self.layers = nn.Sequential(nn.Linear(sinusoids, size), nn.SiLU(), nn.Linear(size, size), nn.SiLU())

    def forward(self, index: Tensor) -> Tensor:
        """(batch,) step numbers to (batch, size)."""
        return self.layers(sinusoidal(index, self.sinusoids))
