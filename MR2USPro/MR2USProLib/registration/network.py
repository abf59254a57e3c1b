"""The anatomy-aware diffusion network (MR2US-Pro, fig. 5): one encoder, two decoders, joined by cross-attention.

It differs from the network that it descends from (FSDiffReg) where a fit to one pair on a CPU asks for it: pictures
enter as 2x2x2 blocks, so that every layer works at half resolution or below; fields are upsampled linearly instead of
in steps; each field head begins at zero, so that the fit begins at identity.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .blocks import GROUPS, CrossAttention, Pointwise, TimeEmbedding
from .deformation import resize

HEAD_GAIN = 0.02
"""Turns a head's output into voxels, so small that one step of Adam moves the field by a fraction of a voxel."""


class Prediction(NamedTuple):
    """What the network gives.

    Attributes:
        score: S, the noise that it sees in the noised fixed image, (batch, 1, depth, height, width).
        velocity: stationary velocity (batch, 3, depth/2, height/2, width/2) in voxels of that half grid.
    """

    score: Tensor
    velocity: Tensor


def blocks_to_channels(image: Tensor) -> Tensor:
    """Turn blocks of 2x2x2 voxels into channels: (b, c, d, h, w) to (b, 8c, d/2, h/2, w/2)."""
    batch, channels, depth, height, width = image.shape
    cut = image.reshape(batch, channels, depth // 2, 2, height // 2, 2, width // 2, 2)
    return cut.permute(0, 1, 3, 5, 7, 2, 4, 6).reshape(batch, channels * 8, depth // 2, height // 2, width // 2)


def channels_to_blocks(image: Tensor) -> Tensor:
    """Undo :func:`blocks_to_channels`."""
    batch, channels, depth, height, width = image.shape
    cut = image.reshape(batch, channels // 8, 2, 2, 2, depth, height, width)
    return cut.permute(0, 1, 5, 2, 6, 3, 7, 4).reshape(batch, channels // 8, depth * 2, height * 2, width * 2)


class ResidualBlock(nn.Module):
    """Convolve and normalise, twice, with the time added and an activation in between and a shortcut around."""

    def __init__(self, channels_in: int, channels: int, time_channels: int) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv3d(channels_in, channels, 3, padding=1), nn.GroupNorm(GROUPS, channels))
        self.time = nn.Linear(time_channels, channels)
        self.second = nn.Sequential(
            nn.SiLU(), nn.Conv3d(channels, channels, 3, padding=1), nn.GroupNorm(GROUPS, channels)
        )
        self.shortcut = Pointwise(channels_in, channels) if channels_in != channels else nn.Identity()

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """Features (batch, channels_in, ...) and time (batch, time_channels) to (batch, channels, ...)."""
        hidden = self.first(x) + self.time(time)[:, :, None, None, None]
        return F.silu(self.second(hidden) + self.shortcut(x))


class FieldHead(nn.Module):
    """One scale's share of the velocity, in voxels of that scale; zero before training."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.attention = CrossAttention(channels)
        self.field = nn.Conv3d(channels, 3, 3, padding=1)
        nn.init.zeros_(self.field.weight)
        nn.init.zeros_(self.field.bias)  # type: ignore[arg-type]  # it has a bias

    def forward(self, registration: Tensor, diffusion: Tensor) -> Tensor:
        """(batch, 3, ...) from the features of both decoders."""
        return HEAD_GAIN * self.field(self.attention(registration, diffusion))


class AnatomyAwareNetwork(nn.Module):
    """Score and velocity of a pair of pictures.

    Args:
        channels: features at 1/2, 1/4, 1/8, ... of the resolution; multiples of 4. The pictures' sizes are multiples of
            2 to the number of levels.
    """

    def __init__(self, channels: Sequence[int] = (16, 32, 32, 32)) -> None:
        super().__init__()
        self.channels = tuple(channels)
        time_channels = 4 * self.channels[0]
        self.time = TimeEmbedding(time_channels)
        self.stem = Pointwise(3 * 8, self.channels[0])
        self.encoder = nn.ModuleList(ResidualBlock(c, c, time_channels) for c in self.channels)
        pairs = list(zip(self.channels, self.channels[1:], strict=False))
        self.down = nn.ModuleList(nn.Conv3d(fine, coarse, 3, stride=2, padding=1) for fine, coarse in pairs)
        deepest = self.channels[-1]
        self.score_middle = ResidualBlock(deepest, deepest, time_channels)
        self.field_middle = ResidualBlock(2 * deepest, deepest, time_channels)
        # Finest first, as the encoder's levels.
        self.score_decoder = nn.ModuleList(ResidualBlock(coarse + fine, fine, time_channels) for fine, coarse in pairs)
        self.field_decoder = nn.ModuleList(
            ResidualBlock(coarse + 2 * fine, fine, time_channels) for fine, coarse in pairs
        )
        self.heads = nn.ModuleList(FieldHead(c) for c in self.channels)
        self.score = nn.Conv3d(self.channels[0], 8, 3, padding=1)

    def forward(self, moving: Tensor, fixed: Tensor, noised: Tensor, time: Tensor) -> Prediction:
        """Predict from pictures (batch, 1, depth, height, width) in [-1, 1] and times (batch,).

        With the clean fixed picture as ``noised`` and time 0 this is inference.
        """
        embedded = self.time(time)
        x = self.stem(blocks_to_channels(torch.cat([moving, fixed, noised], dim=1)))
        skips: list[Tensor] = []
        for level, block in enumerate(self.encoder):
            x = block(self.down[level - 1](x) if level else x, embedded)
            skips.append(x)
        diffused = self.score_middle(x, embedded)
        registered = self.field_middle(torch.cat([x, diffused], dim=1), embedded)
        velocity = self.heads[-1](registered, diffused)
        for level in range(len(skips) - 2, -1, -1):
            skip = skips[level]
            size = skip.shape[2:]
            diffused = F.interpolate(diffused, size=size, mode="trilinear", align_corners=True)
            registered = F.interpolate(registered, size=size, mode="trilinear", align_corners=True)
            diffused = self.score_decoder[level](torch.cat([diffused, skip], dim=1), embedded)
            registered = self.field_decoder[level](torch.cat([registered, skip, diffused], dim=1), embedded)
            velocity = resize(velocity, size) + self.heads[level](registered, diffused)
        return Prediction(channels_to_blocks(self.score(diffused)), velocity)
