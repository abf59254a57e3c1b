"""The U-Net that sees the noise in the fixed picture: DiffuseMorph's, whose encoder and middle FSDiffReg shares.

Built as released: 8 channels at full resolution, times 1, 2, 4 and 4; one residual block at each level on the way down
and two on the way up; strided convolutions down, nearest neighbours and a convolution up.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .blocks import GROUPS, Pointwise, TimeEmbedding, attend

CHANNELS = (8, 16, 32, 32)
UNIT = 8
"""Sizes are multiples of this."""


def normalised_convolution(channels_in: int, channels: int, groups: int = GROUPS) -> nn.Sequential:
    """Normalise, activate, convolve."""
    return nn.Sequential(nn.GroupNorm(groups, channels_in), nn.SiLU(), nn.Conv3d(channels_in, channels, 3, padding=1))


class ResidualBlock(nn.Module):
    """Two convolutions, with the time added in between and a shortcut around."""

    def __init__(self, channels_in: int, channels: int) -> None:
        super().__init__()
        self.time = nn.Sequential(nn.SiLU(), nn.Linear(CHANNELS[0], channels))
        self.first = normalised_convolution(channels_in, channels)
        self.second = normalised_convolution(channels, channels)
        self.shortcut = Pointwise(channels_in, channels) if channels_in != channels else nn.Identity()

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """Features (batch, channels_in, ...) and time (batch, 8) to (batch, channels, ...)."""
        hidden = self.first(x) + self.time(time)[:, :, None, None, None]
        return self.second(hidden) + self.shortcut(x)


class SelfAttention(nn.Module):
    """Linear attention of a feature to itself."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(GROUPS, channels)
        self.split = Pointwise(channels, 3 * channels, bias=False)
        self.project = Pointwise(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, ...) to the same shape."""
        query, key, value = self.split(self.norm(x)).chunk(3, dim=1)
        return self.project(attend(query, key, value)) + x


class Up(nn.Module):
    """Twice the resolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolution = nn.Conv3d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, d, h, w) to (batch, channels, 2d, 2h, 2w)."""
        return self.convolution(F.interpolate(x, scale_factor=2.0, mode="nearest"))


class Encoder(nn.Module):
    """From [moving, fixed, noised] to features of every level, strided convolutions included."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv3d(3, CHANNELS[0], 3, padding=1)
        self.blocks = nn.ModuleList(
            ResidualBlock(before, channels)
            for before, channels in zip((CHANNELS[0], *CHANNELS[:-1]), CHANNELS, strict=True)
        )
        self.down = nn.ModuleList(nn.Conv3d(c, c, 3, stride=2, padding=1) for c in CHANNELS[:-1])

    def forward(self, images: Tensor, time: Tensor) -> list[Tensor]:
        """Features in the order in which they were made; the decoders take them from the end."""
        features = [self.stem(images)]
        for level, block in enumerate(self.blocks):
            features.append(block(features[-1], time))
            if level < len(self.down):
                features.append(self.down[level](features[-1]))
        return features


class Middle(nn.Module):
    """Two residual blocks, with attention between them."""

    def __init__(self) -> None:
        super().__init__()
        self.first = ResidualBlock(CHANNELS[-1], CHANNELS[-1])
        self.attention = SelfAttention(CHANNELS[-1])
        self.second = ResidualBlock(CHANNELS[-1], CHANNELS[-1])

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """The deepest feature to one of the same shape."""
        return self.second(self.attention(self.first(x, time)), time)


def decoder_channels() -> list[tuple[int, int, int]]:
    """Channels of what comes from below, of the skipped feature and of the result, for each block on the way up."""
    skips = [CHANNELS[0]]
    for level, channels in enumerate(CHANNELS):
        skips += [channels, channels] if level < len(CHANNELS) - 1 else [channels]
    below, blocks = CHANNELS[-1], []
    for channels in reversed(CHANNELS):
        for _ in range(2):
            blocks.append((below, skips.pop(), channels))
            below = channels
    return blocks


class ScoreUNet(nn.Module):
    """The noise that is seen in [moving, fixed, noised]; 715,665 weights."""

    def __init__(self) -> None:
        super().__init__()
        self.time = TimeEmbedding(CHANNELS[0])
        self.encoder = Encoder()
        self.middle = Middle()
        self.decoder = nn.ModuleList(ResidualBlock(below + skip, c) for below, skip, c in decoder_channels())
        self.up = nn.ModuleList(Up(c) for c in reversed(CHANNELS[1:]))
        self.head = normalised_convolution(CHANNELS[0], 1)

    def forward(self, images: Tensor, time: Tensor) -> Tensor:
        """(batch, 3, depth, height, width) and (batch,) to (batch, 1, depth, height, width)."""
        embedded = self.time(time)
        features = self.encoder(images, embedded)
        x = self.middle(features[-1], embedded)
        for n, block in enumerate(self.decoder):
            x = block(torch.cat([x, features.pop()], dim=1), embedded)
            if n % 2 and n // 2 < len(self.up):
                x = self.up[n // 2](x)
        return self.head(x)


def draw_orthogonal(network: nn.Module) -> None:
    """Orthogonal weights and no biases, as both were released."""
    for module in network.modules():
        if isinstance(module, nn.Conv3d | nn.Linear):
            nn.init.orthogonal_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
