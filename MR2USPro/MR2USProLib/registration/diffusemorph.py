"""DiffuseMorph (Kim et al. 2022): the noise that a diffusion network sees tells a second network how to deform."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import losses
from .deformation import warp
from .method import Batch, Losses, Method, Network, Settings
from .score_unet import ResidualBlock, ScoreUNet, draw_orthogonal

ENCODER = (16, 32, 32, 32, 32)
INITIAL_DEVIATION = 0.02


@dataclass(frozen=True)
class DiffuseMorphSettings(Settings):
    """How both networks are fitted to one pair.

    Attributes:
        lambda_sim, lambda_smooth: weights of the local correlation and of the squared gradient, beside 1 for the noise.
    """

    iterations: int = 70
    learning_rate: float = 1e-3
    betas: tuple[float, float] = (0.5, 0.999)
    clip: float = 0.0
    lambda_sim: float = 20.0
    lambda_smooth: float = 20.0


class Prediction(NamedTuple):
    """The score (batch, 1, depth, height, width) and the displacement (batch, 3, ...) in voxels along (i, j, k)."""

    score: Tensor
    displacement: Tensor


class Convolution(nn.Module):
    """A convolution with its activation."""

    def __init__(self, channels_in: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        self.convolution = nn.Conv3d(channels_in, channels, 3, stride=stride, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels_in, ...) to (batch, channels, ...)."""
        return F.leaky_relu(self.convolution(x), 0.2)


class Up(nn.Module):
    """Twice the resolution, joined with the feature that was skipped."""

    def __init__(self, below: int, skip: int, channels: int) -> None:
        super().__init__()
        self.transposed = nn.ConvTranspose3d(below, below, 3, stride=2, padding=1, output_padding=1)
        self.convolution = Convolution(below + skip, channels)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """(batch, below, d, h, w) and (batch, skip, 2d, 2h, 2w) to (batch, channels, 2d, 2h, 2w)."""
        return self.convolution(torch.cat([skip, self.transposed(x)], dim=1))


class DeformationUNet(nn.Module):
    """The displacement from [moving, score]; 361,299 weights. Sizes are multiples of 16."""

    def __init__(self) -> None:
        super().__init__()
        before = (2, *ENCODER[:-1])
        self.encoder = nn.ModuleList(
            Convolution(b, c, stride=2 if n else 1) for n, (b, c) in enumerate(zip(before, ENCODER, strict=True))
        )
        self.up = nn.ModuleList(Up(32, 32, 32) for _ in range(3))
        self.keep = Convolution(32, 8)
        self.last_up = Up(8, ENCODER[0], 8)
        self.field = nn.Conv3d(8, 3, 3, padding=1)
        for module in self.modules():
            if isinstance(module, nn.Conv3d | nn.ConvTranspose3d):
                nn.init.normal_(module.weight, std=INITIAL_DEVIATION)
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]  # each has a bias

    def forward(self, moving: Tensor, score: Tensor) -> Tensor:
        """(batch, 1, depth, height, width), twice, to (batch, 3, depth, height, width)."""
        features = [torch.cat([moving, score], dim=1)]
        for block in self.encoder:
            features.append(block(features[-1]))
        x = features.pop()
        for up in self.up:
            x = up(x, features.pop())
        return self.field(self.last_up(self.keep(x), features.pop()))


class DiffuseMorphNetwork(nn.Module):
    """Both networks; the fixed picture reaches the second through the score alone."""

    def __init__(self) -> None:
        super().__init__()
        self.score = ScoreUNet()
        self.deformation = DeformationUNet()
        draw_orthogonal(self.score)

    def forward(self, moving: Tensor, fixed: Tensor, noised: Tensor, time: Tensor) -> Prediction:
        """Predict from pictures (batch, 1, depth, height, width) in [-1, 1] and times (batch,)."""
        score = self.score(torch.cat([moving, fixed, noised], dim=1), time)
        return Prediction(score, self.deformation(moving, score))


class DiffuseMorph(Method):
    """A displacement that may fold.

    Where nothing is valid, nothing is compared. The published loss has no masks; it is this one where all is valid.
    Its registration is the one at eta = 1, in one pass; smaller eta give the course of the deformation, which nobody
    needs here.
    """

    name = "diffusemorph"
    settings: DiffuseMorphSettings
    settings_type = DiffuseMorphSettings
    blocks: ClassVar[tuple[type[nn.Module], ...]] = (ResidualBlock, Convolution, Up)
    unit = 16

    @classmethod
    def for_cohort(cls, pairs: int) -> Self:
        """At the published learning rate."""
        return cls(DiffuseMorphSettings(iterations=max(2000, 30 * pairs), learning_rate=2e-4, decay=False))

    def refining(self) -> Self:
        """Few steps at the learning rate of the training."""
        return type(self)(replace(self.settings, iterations=20, flips=False))

    def network(self) -> nn.Module:
        """A new network, close to identity."""
        return DiffuseMorphNetwork()

    def losses(self, network: Network, batch: Batch) -> Losses:
        """Noise, local correlation and smoothness; the gradient of the registration reaches the score network too."""
        noised, time, noise = self.noised(batch.fixed)
        score, displacement = network(batch.moving, batch.fixed, noised, time)
        warped = warp((batch.compared["moving"] + 1) / 2, displacement, beyond="zeros")
        agreement = self.weighed(losses.local_correlation(warped, (batch.fixed + 1) / 2), score)
        similarity = -losses.masked_mean(agreement, batch.valid).mean()
        smooth = losses.squared_gradient(displacement)
        diffused = losses.diffusion(score, noise)
        settings = self.settings
        loss = diffused + settings.lambda_sim * similarity + settings.lambda_smooth * smooth
        terms = {"total": loss, "similarity": similarity, "smoothness": smooth, "diffusion": diffused}
        return Losses(loss, terms, displacement.detach())

    def weighed(self, agreement: Tensor, score: Tensor) -> Tensor:
        """The local correlation of each voxel as it counts."""
        return agreement

    def displacement(self, network: Network, moving: Tensor, fixed: Tensor, noised: Tensor, time: Tensor) -> Tensor:
        """What the second network gives."""
        found: Tensor = network(moving, fixed, noised, time).displacement
        return found
