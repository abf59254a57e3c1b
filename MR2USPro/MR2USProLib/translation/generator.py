"""The network f of ACMT: one generator for MR and TRUS, and the features by which the losses measure."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..networks.resampling import BilinearUp, BlurDown
from ..networks.residual import TimeResidualBlock
from ..networks.time_embedding import TimeEmbedding
from .masking import neutral_outside


def slabs(x: Tensor) -> Tensor:
    """Each slice with the one before and the one after it as channels; the ends are repeated.

    Args:
        x: (slice, 1, height, width), neighbouring slices in their order.

    Returns:
        (slice, 3, height, width).
    """
    return torch.cat([torch.cat([x[:1], x[:-1]]), x, torch.cat([x[1:], x[-1:]])], dim=1)


class Generator(nn.Module):
    """UNSB's residual generator for slices in [-1, 1].

    A 7x7 stem, two blurred halvings, time-conditioned residual blocks at a quarter of the resolution, two bilinear
    doublings and a tanh. Instance normalisation, so that a picture's brightness and contrast carry no weight.
    Nothing tells it the modality: MR and TRUS pass through the same weights (paper, section III-B).

    Args:
        channels: of the stem; the blocks have four times as many.
        blocks: number of residual blocks.
        slab: whether a slice is seen together with its two neighbours.
    """

    def __init__(self, channels: int = 16, blocks: int = 4, slab: bool = True) -> None:
        super().__init__()
        self.slab = slab
        time_size = 4 * channels
        self.time = TimeEmbedding(2 * channels, time_size)
        self.stem = nn.Sequential(
            nn.Conv2d(3 if slab else 1, channels, 7, padding=3, padding_mode="reflect"),
            nn.InstanceNorm2d(channels),
            nn.ReLU(),
        )
        self.down = nn.Sequential(_convolution(channels, 2 * channels), BlurDown(),
                                  _convolution(2 * channels, 4 * channels), BlurDown())  # fmt: skip
        self.blocks = nn.ModuleList(TimeResidualBlock(4 * channels, time_size) for _ in range(blocks))
        self.up = nn.Sequential(BilinearUp(), _convolution(4 * channels, 2 * channels),
                                BilinearUp(), _convolution(2 * channels, channels))  # fmt: skip
        self.head = nn.Conv2d(channels, 1, 7, padding=3, padding_mode="reflect")

    def forward(self, x: Tensor, index: int, valid: Tensor | None = None) -> Tensor:
        """Predict x_1.

        Args:
            x: (slice, 1, height, width), neighbouring slices in their order; height and width are multiples of 4.
            index: which time of the bridge the state ``x`` has.
            valid: (slice, 1, height, width), bool; what lies outside it is not seen.

        Returns:
            (slice, 1, height, width) in (-1, 1).
        """
        return torch.tanh(self.head(self.up(self._deep(self._shallow(x, valid), index))))

    def features(self, x: Tensor, valid: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Shallow and deep features of a picture (equations 8 and 9), both at time index 0.

        The shallow ones are what the stem gives after its normalisation, so that they cannot be made small; the deep
        ones come from the last residual block.

        Returns:
            (slice, channels, height, width) and (slice, 4 channels, height / 4, width / 4).
        """
        shallow = self._shallow(x, valid)
        deep = nn.functional.instance_norm(self._deep(shallow, 0))
        return shallow, deep

    def _shallow(self, x: Tensor, valid: Tensor | None) -> Tensor:
        x = neutral_outside(x, valid)
        return self.stem(slabs(x) if self.slab else x)

    def _deep(self, shallow: Tensor, index: int) -> Tensor:
        time = self.time(torch.full((shallow.shape[0],), index, device=shallow.device))
        deep = self.down(shallow)
        for block in self.blocks:
            deep = block(deep, time)
        return deep


def _convolution(inward: int, outward: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inward, outward, 3, padding=1, padding_mode="reflect"), nn.InstanceNorm2d(outward), nn.ReLU()
    )
