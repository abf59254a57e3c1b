"""Halving and doubling a picture without aliasing.

A stride-2 convolution with nearest-neighbour doubling lets a translator hide stripes between the samples that its own
features do not see; a blur before the one and bilinear doubling close that door.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class BlurDown(nn.Module):
    """Half the rows and columns after a fixed 3x3 binomial blur (Zhang 2019)."""

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        row = torch.tensor([1.0, 2.0, 1.0]) / 4
        self.register_buffer("kernel", torch.outer(row, row)[None, None], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channel, 2h, 2w) to (batch, channel, h, w)."""
        channels = x.shape[1]
        kernel = self.kernel.expand(channels, 1, 3, 3)
        return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), kernel, stride=2, groups=channels)


class BilinearUp(nn.Module):
    """Twice the rows and columns by bilinear interpolation."""

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channel, h, w) to (batch, channel, 2h, 2w)."""
        return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
