"""The residual block that knows the time."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class TimeResidualBlock(nn.Module):
    """Two convolutions around a skip; the time, and where there is one the style, scale and shift what lies between.

    In UNSB's released block every layer is fed the block's input, so that the first convolution and the time are
    thrown away and the generator ignores the time. Here each layer is fed its predecessor, as that block intends; and
    the time comes after the normalisation, which would take a constant per channel away again.

    Args:
        channels: of the picture.
        time_size: length of the time's embedding.
        style_size: length of the style, such as UNSB's mapped noise; 0 for a block without one.
    """

    def __init__(self, channels: int, time_size: int, style_size: int = 0) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect")
        self.second = nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect")
        self.norm = nn.InstanceNorm2d(channels)
        self.modulation = nn.Linear(time_size, 2 * channels)
        self.style = nn.Linear(style_size, 2 * channels) if style_size else None

    def forward(self, x: Tensor, time: Tensor, style: Tensor | None = None) -> Tensor:
        """(batch, channel, h, w), (batch, time_size) and (batch or 1, style_size) to (batch, channel, h, w)."""
        modulation = self.modulation(time)
        if self.style is not None and style is not None:
            modulation = modulation + self.style(style)
        scale, shift = modulation[:, :, None, None].chunk(2, dim=1)
        inner = F.relu(self.norm(self.first(x)) * (1 + scale) + shift)
        return x + self.norm(self.second(inner))
