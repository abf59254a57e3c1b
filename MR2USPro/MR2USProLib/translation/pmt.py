"""PMT (Ma et al., MIUA 2024): both modalities to one that they are taken for alike, with a shallow texture loss.

No code of it is public. What the seed paper says of it is read so: UNSB's bridge and generator for both modalities; a
discriminator that tells translated MR from translated US, and a generator that makes it fail ("partial": nobody says
what the common modality looks like); PatchNCE for the content; and the texture loss of equation 13 without its 7x7
kernel, so that every detail has to match. There is no loss on deep features.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import nn

from .cohort import Batch
from .contrast import PatchContrast
from .critic import PatchCritic, frozen, least_squares
from .losses import bridge_loss
from .masking import masked_mean
from .method import Method, Move, Settings, Step, mean


@dataclass(frozen=True)
class PmtSettings(Settings):
    """How PMT translates: the weights of its losses."""

    bridge_weight: float = 1.0
    adversarial: float = 1.0
    contrast: float = 1.0
    texture: float = 1.0


class Pmt(Method):
    """One generator for both modalities, a discriminator between them, and PatchNCE."""

    name = "pmt"
    noisy = True

    settings: PmtSettings

    def __init__(self, settings: PmtSettings) -> None:
        super().__init__(settings)
        size = settings.networks
        self.critic = PatchCritic(1, size.critic_channels, size.critic_halvings)
        widths = (1, *(size.channels * n for n in (2, 4, 4, 4)))
        self.contrast = PatchContrast(widths, size.contrast_size, size.contrast_positions)

    def players(self) -> dict[str, nn.Module]:
        """Generator, discriminator, and the small networks of PatchNCE."""
        return {"critic": self.critic, "generator": nn.ModuleList([self.generator, self.contrast])}

    def moves(self, draw: Callable[[], Batch], step: Step, rng: torch.Generator) -> Iterator[Move]:
        """The discriminator learns to tell them apart, then the generator learns to make it fail."""
        batch, settings, bridge = draw(), self.settings, self.bridge
        model, inside, x_0 = self.generator, batch.valid, (batch.mr, batch.us)
        x_t = [bridge.simulate(model, x, step.index, rng, inside) for x in x_0]
        x_1 = [model(x, step.index, inside, rng) for x in x_t]
        seen = [torch.where(inside, x, 0.0) for x in x_1]
        told = mean(
            least_squares(self.critic(x.detach(), step.index), wanted, inside)
            for x, wanted in zip(seen, (1.0, 0.0), strict=True)
        )
        yield Move("critic", told, {"critic": told})

        with frozen(self.critic):
            adversarial = mean(
                least_squares(self.critic(x, step.index), wanted, inside)
                for x, wanted in zip(seen, (0.0, 1.0), strict=True)
            )
        with torch.no_grad():
            source = [model.layers(x, inside) for x in x_0]
        after = [model.layers(x, inside) for x in x_1]
        shallow = [model.features(x, inside)[0] for x in x_1]
        t = bridge.times[step.index]
        terms = {
            "bridge": mean(bridge_loss(a, b, t, bridge.sigma, inside) for a, b in zip(x_t, x_1, strict=True)),
            "adversarial": adversarial,
            "contrast": mean(self.contrast(a, b, inside, rng) for a, b in zip(after, source, strict=True)),
            "texture": masked_mean((shallow[0] - shallow[1]) ** 2, inside),
        }
        loss = (
            settings.bridge_weight * terms["bridge"]
            + settings.adversarial * terms["adversarial"]
            + settings.contrast * terms["contrast"]
            + settings.texture * terms["texture"]
        )
        yield Move("generator", loss, {**terms, "loss": loss})
