"""The anatomy-aware registration (MR2US-Pro, section III-C): its settings, its loss and its field."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn

from . import losses
from .deformation import integrate, resize, warp
from .method import Batch, Fields, Losses, Method, Network, Settings
from .network import AnatomyAwareNetwork, ResidualBlock
from .pair import Images, to_tensor

INCOMPRESSIBLE = 10.0
"""The weight of changes of volume where the tissue is taken for nearly incompressible."""


@dataclass(frozen=True)
class AnatomyAwareSettings(Settings):
    """How the network is fitted to one pair.

    Attributes:
        lambda_sim, lambda_smooth, lambda_diff: weights of eq. 16, 17 and 18 in eq. 19.
        lambda_rest: weight of the mean squared displacement in mm, which is our addition: eq. 17 leaves translations
            free, so that two pictures with nothing in common would drift apart.
        lambda_volume: weight of changes of volume, our addition too; 0 lets the tissue be compressed.
        channels: features at 1/2, 1/4, 1/8, ... of the resolution, multiples of 4.
        blurs_voxels: standard deviations of the Gaussians that the pictures are compared through, coarse to fine; each
            serves an equal share of the iterations.
    """

    learning_rate: float = 3e-3
    lambda_sim: float = 20.0
    lambda_smooth: float = 5.0
    lambda_diff: float = 1.0
    lambda_rest: float = 5e-3
    lambda_volume: float = 0.0
    channels: tuple[int, ...] = (8, 16, 32, 32)
    blurs_voxels: tuple[float, ...] = (4.0, 2.0, 1.0)


class AnatomyAware(Method):
    """A diffeomorphic field from the anatomy that both pictures share.

    Each step sees one item as inference does (time 0) and the others with the fixed picture noised at a random time,
    which is what the diffusion decoder learns from. Two items a step also spare the CPU the slow kernels of batch 1.
    """

    name = "anatomy-aware"
    settings: AnatomyAwareSettings
    settings_type = AnatomyAwareSettings
    blocks = (ResidualBlock,)

    @classmethod
    def for_cohort(cls, pairs: int) -> Self:
        """Wider, and for as long as the rivals are trained: some 60 rounds, but no fewer than 2000 steps."""
        return cls(
            AnatomyAwareSettings(iterations=max(2000, 30 * pairs), learning_rate=1e-3, channels=(16, 32, 32, 32))
        )

    def refining(self) -> Self:
        """Few steps, at the finest comparison only."""
        settings = replace(
            self.settings, iterations=30, learning_rate=1e-3, blurs_voxels=self.settings.blurs_voxels[-1:], flips=False
        )
        return type(self)(settings)

    @property
    def unit(self) -> int:
        """One halving for each level."""
        return int(2 ** len(self.settings.channels))

    def network(self) -> nn.Module:
        """A new network, at identity."""
        return AnatomyAwareNetwork(self.settings.channels)

    def stage(self, step: int) -> int:
        """The blur of the moment."""
        return step * len(self.settings.blurs_voxels) // self.settings.iterations

    def compared(self, images: Images, stage: int) -> dict[str, Tensor]:
        """The blurred pair in units of the spread of the sharp one: what is but noise then fades with the blur.

        Returns:
            ``moving``: the blurred moving picture. ``moving_share``: how much of its spread the blur has left.
            ``fixed_anatomy``: F_Ana of the blurred fixed picture.
        """
        sharp = images.moving, images.filled()[1]
        blurred = [gaussian_filter(x, self.settings.blurs_voxels[stage], mode="nearest") for x in sharp]
        moving_share, fixed_share = (
            float(soft[images.valid].std()) / (float(hard[images.valid].std()) + losses.EPSILON)
            for soft, hard in zip(blurred, sharp, strict=True)
        )
        moving, fixed = (to_tensor(image, self.unit) for image in blurred)
        mask = to_tensor(images.valid, self.unit, "constant")
        fixed_anatomy = losses.anatomy(fixed_share * losses.standardised(fixed, mask), mask)
        return {
            "moving": moving,
            "moving_share": torch.full((1, 1, 1, 1, 1), moving_share),
            "fixed_anatomy": fixed_anatomy,
        }

    def losses(self, network: Network, batch: Batch) -> Losses:
        """Eq. 19 with our additions."""
        settings = self.settings
        full = batch.fixed.shape[2:]
        noised, time, noise = self.noised(batch.fixed, first=0)
        prediction = network(batch.moving, batch.fixed, noised, time)
        displacement = integrate(prediction.velocity)
        warped = warp(batch.compared["moving"], resize(displacement, full))
        contrast = batch.compared["moving_share"] * losses.standardised(warped, batch.valid)
        warped_anatomy = losses.anatomy(contrast, batch.valid)
        similarity = losses.soft_dice(batch.compared["fixed_anatomy"], warped_anatomy, batch.valid)
        ratio = [(n - 1) / (n // 2 - 1) for n in reversed(full)]
        half_spacing = batch.spacing_mm * torch.tensor(ratio, device=batch.spacing_mm.device)
        smooth = losses.smoothness(displacement, half_spacing)
        diffused = losses.diffusion(prediction.score, noise)
        loss = losses.total(
            similarity,
            smooth,
            diffused,
            lambda_sim=settings.lambda_sim,
            lambda_smooth=settings.lambda_smooth,
            lambda_diff=settings.lambda_diff,
        )
        loss = loss + settings.lambda_rest * losses.mean_squared_length(displacement, half_spacing)
        terms = {"total": loss, "similarity": similarity, "smoothness": smooth, "diffusion": diffused}
        if settings.lambda_volume:
            half = torch.nn.functional.interpolate(batch.valid, size=displacement.shape[2:])
            terms["volume"] = losses.volume_change(displacement, half)
            loss = terms["total"] = loss + settings.lambda_volume * terms["volume"]
        return Losses(loss, terms, displacement.detach())

    def displacement(self, network: Network, moving: Tensor, fixed: Tensor, noised: Tensor, time: Tensor) -> Tensor:
        """The velocity followed forwards."""
        return resize(integrate(network(moving, fixed, noised, time).velocity), fixed.shape[2:])

    def fields(self, network: Network, moving: Tensor, fixed: Tensor, noised: Tensor, time: Tensor) -> Fields:
        """The velocity followed forwards and backwards."""
        velocity = network(moving, fixed, noised, time).velocity
        there, back = (resize(integrate(v), fixed.shape[2:]) for v in (velocity, -velocity))
        return Fields(there, back)
