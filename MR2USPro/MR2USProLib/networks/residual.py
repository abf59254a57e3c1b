"""The residual block that knows the time."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class TimeResidualBlock(nn.Module):
    """Two convolutions around a skip; the time scales and shifts what lies between them.

    In UNSB's released block every layer is fed the block's input, so that the first convolution and the time are
    thrown away and the generator ignores the time. Here each layer is fed its predecessor, as that block intends.
    """

    def __init__(self, channels: int, time_size: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect")
        self.second = nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect")
        self.norm = nn.InstanceNorm2d(channels)
        self.modulation = nn.Linear(time_size, 2 * channels)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """(batch, channel, h, w) and (batch, time_size) to (batch, channel, h, w)."""
        scale, shift = self.modulation(time)[:, :, None, None].chunk(2, dim=1)
        inner = F.relu(self.norm(self.first(x)) * (1 + scale) + shift)
        return x + self.norm(self.second(inner))
