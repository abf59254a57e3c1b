"""VoxelMorph in its diffeomorphic form (Dalca et al. 2019, Balakrishnan et al. 2019), as released for PyTorch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import losses
from .deformation import integrate, resize, warp
from .method import Batch, Fields, Losses, Method, Network, Settings

ENCODER = (16, 32, 32, 32)
DECODER = (32, 32, 32, 32)
REMAINING = (32, 16, 16)
INTEGRATION_STEPS = 7
SHRINKING = 2
"""The velocity is integrated on a grid that is so many times coarser."""


@dataclass(frozen=True)
class VoxelMorphSettings(Settings):
    """How the network is fitted to one pair.

    It knows no noise: the same pair twice in a step would teach it nothing more.

    Attributes:
        smoothness: weight of the squared gradient of the velocity, beside 1 for the local correlation.
    """

    iterations: int = 100
    learning_rate: float = 1e-3
    clip: float = 0.0
    batch: int = 1
    smoothness: float = 1.0


class Prediction(NamedTuple):
    """A stationary velocity, (batch, 3, depth, height, width) in voxels."""

    velocity: Tensor


class ConvolutionBlock(nn.Module):
    """A convolution with its activation."""

    def __init__(self, channels_in: int, channels: int) -> None:
        super().__init__()
        self.convolution = nn.Conv3d(channels_in, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels_in, ...) to (batch, channels, ...)."""
        return F.leaky_relu(self.convolution(x), 0.2)


class VoxelMorphNetwork(nn.Module):
    """The velocity from [moving, fixed]; 327,331 weights. Sizes are multiples of 16."""

    def __init__(self) -> None:
        super().__init__()
        before = (2, *ENCODER[:-1])
        self.encoder = nn.ModuleList(ConvolutionBlock(b, c) for b, c in zip(before, ENCODER, strict=True))
        below = [ENCODER[-1], *(c + skip for c, skip in zip(DECODER, reversed(ENCODER), strict=True))]
        self.decoder = nn.ModuleList(ConvolutionBlock(b, c) for b, c in zip(below[:-1], DECODER, strict=True))
        last = (below[-1], *REMAINING[:-1])
        self.remaining = nn.Sequential(*(ConvolutionBlock(b, c) for b, c in zip(last, REMAINING, strict=True)))
        self.flow = nn.Conv3d(REMAINING[-1], 3, 3, padding=1)
        nn.init.normal_(self.flow.weight, std=1e-5)
        nn.init.zeros_(self.flow.bias)  # type: ignore[arg-type]  # it has a bias

    def forward(self, moving: Tensor, fixed: Tensor) -> Prediction:
        """Predict from pictures (batch, 1, depth, height, width) in [0, 1]."""
        x, skips = torch.cat([moving, fixed], dim=1), []
        for block in self.encoder:
            x = block(x)
            skips.append(x)
            x = F.max_pool3d(x, 2)
        for block in self.decoder:
            x = torch.cat([F.interpolate(block(x), scale_factor=2.0, mode="nearest"), skips.pop()], dim=1)
        return Prediction(self.flow(self.remaining(x)))


class VoxelMorph(Method):
    """A diffeomorphic field from local correlation; it knows no noise.

    Where nothing is valid, nothing is compared. The published loss has no masks; it is this one where all is valid.
    """

    name = "voxelmorph"
    settings: VoxelMorphSettings
    settings_type = VoxelMorphSettings
    blocks = (ConvolutionBlock,)
    samples = False
    unit = 16

    @classmethod
    def for_cohort(cls, pairs: int) -> Self:
        """At the published learning rate, with as many pairs in a step as the other methods see."""
        settings = VoxelMorphSettings(
            iterations=max(2000, 30 * pairs), learning_rate=1e-4, decay=False, batch=min(pairs, Settings.batch)
        )
        return cls(settings)

    def refining(self) -> Self:
        """Few steps at the learning rate of the training, with the one pair that there is."""
        return type(self)(replace(self.settings, iterations=50, flips=False, batch=VoxelMorphSettings.batch))

    def network(self) -> nn.Module:
        """A new network, as good as at identity."""
        return VoxelMorphNetwork()

    def losses(self, network: Network, batch: Batch) -> Losses:
        """Local correlation and the smoothness of the velocity before it is integrated."""
        velocity = self._velocity(network, batch.moving, batch.fixed)
        full = batch.fixed.shape[2:]
        displacement = resize(integrate(velocity, INTEGRATION_STEPS), full)
        warped = warp((batch.compared["moving"] + 1) / 2, displacement, beyond="zeros")
        agreement = losses.local_correlation(warped, (batch.fixed + 1) / 2)
        similarity = -losses.masked_mean(agreement, batch.valid).mean()
        smooth = SHRINKING * losses.squared_gradient(velocity)
        loss = similarity + self.settings.smoothness * smooth
        return Losses(loss, {"total": loss, "similarity": similarity, "smoothness": smooth}, displacement.detach())

    def displacement(self, network: Network, moving: Tensor, fixed: Tensor, noised: Tensor, time: Tensor) -> Tensor:
        """The velocity followed forwards."""
        return resize(integrate(self._velocity(network, moving, fixed), INTEGRATION_STEPS), fixed.shape[2:])

    def fields(self, network: Network, moving: Tensor, fixed: Tensor, noised: Tensor, time: Tensor) -> Fields:
        """The velocity followed forwards and backwards."""
        velocity = self._velocity(network, moving, fixed)
        there, back = (resize(integrate(v, INTEGRATION_STEPS), fixed.shape[2:]) for v in (velocity, -velocity))
        return Fields(there, back)

    def _velocity(self, network: Network, moving: Tensor, fixed: Tensor) -> Tensor:
        """On the coarser grid, in its voxels."""
        velocity = network((moving + 1) / 2, (fixed + 1) / 2).velocity
        return resize(velocity, [n // SHRINKING for n in fixed.shape[2:]])
