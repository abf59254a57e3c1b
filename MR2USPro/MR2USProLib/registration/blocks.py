"""Blocks that more than one registration network is built of."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..networks.time_embedding import sinusoidal

GROUPS = 4


class Pointwise(nn.Linear):
    """A 1x1x1 convolution, as the matrix product that it is: as a convolution the CPU takes a slow path."""

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels_in, ...) to (batch, channels, ...)."""
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


class TimeEmbedding(nn.Module):
    """Sinusoids of the diffusion time, mixed by two layers: (batch,) to (batch, channels)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.waves = channels // 2
        self.mix = nn.Sequential(nn.Linear(2 * self.waves, 4 * channels), nn.SiLU(), nn.Linear(4 * channels, channels))

    def forward(self, time: Tensor) -> Tensor:
        """Embed the times."""
        return self.mix(sinusoidal(time, 2 * self.waves))


def attend(query: Tensor, key: Tensor, value: Tensor, heads: int = 4) -> Tensor:
    """Linear attention: in each head, softmax(K) V^T applied to the query.

    The softmax runs over the voxels of the key, so the cost grows with the number of voxels and not with its square.

    Args:
        query: (batch, channels, ...).
        key: the same shape.
        value: the same shape.
        heads: groups of channels that attend on their own.
    """
    q, k, v = (x.flatten(2).unflatten(1, (heads, -1)) for x in (query, key, value))
    context = torch.einsum("bhcn,bhdn->bhcd", k.softmax(dim=-1), v)
    return torch.einsum("bhcd,bhcn->bhdn", context, q).reshape(query.shape)


class CrossAttention(nn.Module):
    """What the diffusion features know, asked for by the registration features (FSDiffReg's feature guidance).

    The query is the registration feature, key and value are the diffusion feature; no weights lie before the attention.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(GROUPS, channels)
        self.project = Pointwise(channels, channels)

    def forward(self, registration: Tensor, diffusion: Tensor) -> Tensor:
        """The registration feature with what it found in the diffusion feature of the same shape added."""
        key_value = self.norm(diffusion)
        return registration + self.project(attend(self.norm(registration), key_value, key_value))
