"""The network f of the bridge: UNSB's residual generator, and the features by which the losses measure."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ..networks.resampling import BilinearUp, BlurDown
from ..networks.residual import TimeResidualBlock
from ..networks.time_embedding import TimeEmbedding
from .masking import neutral_outside

MOST = 0.98
"""Grey levels beyond it, which a tanh hardly reaches, begin at it where the generator begins as the identity."""


def slabs(x: Tensor) -> Tensor:
    """Each slice with the one before and the one after it as channels; the ends are repeated.

    Args:
        x: (..., slice, 1, height, width), neighbouring slices in their order.

    Returns:
        (..., slice, 3, height, width).
    """
    first, last = x[..., :1, :, :, :], x[..., -1:, :, :, :]
    before = torch.cat([first, x[..., :-1, :, :, :]], dim=-4)
    after = torch.cat([x[..., 1:, :, :, :], last], dim=-4)
    return torch.cat([before, x, after], dim=-3)


class NoiseMapping(nn.Module):
    """UNSB's way of hearing noise: normalised to unit length, then four linear layers with leaky rectifiers."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(m for _ in range(4) for m in (nn.Linear(size, size), nn.LeakyReLU(0.2))))

    def forward(self, z: Tensor) -> Tensor:
        """(batch, size) to (batch, size)."""
        return self.layers(z * torch.rsqrt((z**2).mean(dim=1, keepdim=True) + 1e-8))


class Generator(nn.Module):
    """UNSB's residual generator for slices in [-1, 1].

    A 7x7 stem, two blurred halvings, time-conditioned residual blocks at a quarter of the resolution, two bilinear
    doublings and a tanh. Instance normalisation, so that a picture's brightness and contrast carry no weight.
    Nothing tells it the modality: in ACMT and PMT both pass through the same weights (paper, section III-B).

    Args:
        channels: of the stem; the blocks have four times as many. UNSB has 64.
        blocks: number of residual blocks. UNSB has 9.
        slab: whether a slice is seen together with its two neighbours.
        noise: whether a vector z of noise styles the blocks, as in UNSB.
        residual: whether it predicts what is to change in x, and so begins as the identity; otherwise x_1 itself.

    Attributes:
        mixed: whether the layers compute in bfloat16; what comes out is float32.
        frugal: whether the blocks are computed again for the gradient instead of kept, which saves memory.
    """

    def __init__(
        self, channels: int = 16, blocks: int = 4, slab: bool = True, noise: bool = False, residual: bool = False
    ) -> None:
        super().__init__()
        self.slab, self.residual = slab, residual
        self.mixed = self.frugal = False
        self.channels = channels
        size = 4 * channels
        self.time = TimeEmbedding(2 * channels, size)
        self.noise = NoiseMapping(size) if noise else None
        self.stem = nn.Sequential(
            nn.Conv2d(3 if slab else 1, channels, 7, padding=3, padding_mode="reflect"),
            nn.InstanceNorm2d(channels),
            nn.ReLU(),
        )
        self.down = nn.Sequential(_convolution(channels, 2 * channels), BlurDown(),
                                  _convolution(2 * channels, 4 * channels), BlurDown())  # fmt: skip
        self.blocks = nn.ModuleList(TimeResidualBlock(size, size, size if noise else 0) for _ in range(blocks))
        self.up = nn.Sequential(BilinearUp(), _convolution(4 * channels, 2 * channels),
                                BilinearUp(), _convolution(2 * channels, channels))  # fmt: skip
        self.head = nn.Conv2d(channels, 1, 7, padding=3, padding_mode="reflect")
        if residual:
            for parameter in self.head.parameters():
                nn.init.zeros_(parameter)

    def forward(
        self, x: Tensor, index: int, valid: Tensor | None = None, generator: torch.Generator | None = None
    ) -> Tensor:
        """Predict x_1.

        Args:
            x: (..., slice, 1, height, width), neighbouring slices in their order, of one picture or of several at
                once; height and width are multiples of 4.
            index: which time of the bridge the state ``x`` has.
            valid: (slice, 1, height, width), bool; what lies outside it is not seen.
            generator: draws z, one for all slices so that they do not flicker; without one z = 0.

        Returns:
            in (-1, 1), of the shape of ``x``.
        """
        with self._precision(x):
            out = self.head(self.up(self._blocks(self.down(self._shallow(x, valid)), index, generator)[-1])).float()
        out = out.view_as(x)
        if self.residual:
            out = out + torch.atanh(neutral_outside(x, valid).clamp(-MOST, MOST))
        return torch.tanh(out)

    def features(self, x: Tensor, valid: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Shallow and deep features of a picture (equations 8 and 9), both at time index 0 and z = 0.

        The shallow ones are what the stem gives after its normalisation, so that they cannot be made small; the deep
        ones come from the last residual block.

        Args:
            x: (..., slice, 1, height, width).
            valid: (slice, 1, height, width), bool.

        Returns:
            (..., slice, channels, height, width) and (..., slice, 4 channels, height / 4, width / 4).
        """
        with self._precision(x):
            shallow = self._shallow(x, valid)
            deep = nn.functional.instance_norm(self._blocks(self.down(shallow), 0)[-1])
        return shallow.float().unflatten(0, x.shape[:-3]), deep.float().unflatten(0, x.shape[:-3])

    def layers(self, x: Tensor, valid: Tensor | None = None) -> list[Tensor]:
        """What PatchNCE compares: the picture, both convolutions before a halving, the first and the middle block.

        They are UNSB's layers 0, 4, 8, 12 and 16, at time index 0 and z = 0, at 1, 1, 1/2, 1/4 and 1/4 of the
        resolution.
        """
        with self._precision(x):
            first, halve, second, halve_again = self.down
            assert isinstance(first, nn.Sequential)
            assert isinstance(second, nn.Sequential)
            full = first[0](self._shallow(x, valid))
            half = second[0](halve(first[1:](full)))
            blocks = self._blocks(halve_again(second[1:](half)), 0)
        found = [neutral_outside(x, valid), full, half, blocks[0], blocks[len(blocks) // 2]]
        return [layer.float() for layer in found]

    def _shallow(self, x: Tensor, valid: Tensor | None) -> Tensor:
        x = neutral_outside(x, valid)
        return self.stem((slabs(x) if self.slab else x).flatten(0, -4))

    def _blocks(self, deep: Tensor, index: int, generator: torch.Generator | None = None) -> list[Tensor]:
        """The output of every block."""
        time = self.time(torch.full((deep.shape[0],), index, device=deep.device))
        style = None
        if self.noise is not None:
            size = 4 * self.channels
            z = torch.zeros(1, size) if generator is None else torch.randn(1, size, generator=generator)
            style = self.noise(z.to(deep.device))
        found = []
        for block in self.blocks:
            if self.frugal and torch.is_grad_enabled():
                deep = checkpoint(block, deep, time, style, use_reentrant=False)
            else:
                deep = block(deep, time, style)
            found.append(deep)
        return found

    def _precision(self, x: Tensor) -> torch.autocast:
        return torch.autocast(x.device.type, torch.bfloat16, enabled=self.mixed)


def _convolution(inward: int, outward: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inward, outward, 3, padding=1, padding_mode="reflect"), nn.InstanceNorm2d(outward), nn.ReLU()
    )
