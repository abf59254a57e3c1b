"""UNSB (Kim et al., ICLR 2024): a Schroedinger bridge from MR to unpaired TRUS.

As its released code has it, with its scale of the bridge's loss (tau, so that the distance hardly counts), its energy
network for the entropy, its PatchNCE and its identity branch; but with a residual block that hears the time, which the
released one does not by a fault (:mod:`..networks.residual`).

The hundred epochs in which the released generator learns to draw a picture at all are spared it here: it begins as the
identity, so that every iteration goes into the step from MR to TRUS, and a short run is not left with a flat drawing
that is further from a TRUS than the MR was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .cohort import Batch
from .contrast import PatchContrast
from .critic import PatchCritic, donsker_varadhan, frozen, least_squares
from .masking import masked_mean
from .method import Method, Move, Settings, Step, mean


@dataclass(frozen=True)
class UnsbSettings(Settings):
    """How UNSB translates: the weights of its losses.

    Attributes:
        bridge_weight: of the bridge's loss.
        adversarial: of the discriminator's.
        contrast: of PatchNCE; published is 1, by which a run as short as is borne here stays with the MR.
    """

    bridge_weight: float = 1.0
    adversarial: float = 1.0
    contrast: float = 0.25


class Unsb(Method):
    """A generator from MR to TRUS, a discriminator, an energy network, and PatchNCE. A TRUS stays what it is."""

    name = "unsb"
    noisy = True
    residual = True
    both = False

    settings: UnsbSettings

    def __init__(self, settings: UnsbSettings) -> None:
        super().__init__(settings)
        size = settings.networks
        self.critic = PatchCritic(1, size.critic_channels, size.critic_halvings)
        self.energy = PatchCritic(4, size.critic_channels, size.critic_halvings)
        widths = (1, *(size.channels * n for n in (2, 4, 4, 4)))
        self.contrast = PatchContrast(widths, size.contrast_size, size.contrast_positions)

    def players(self) -> dict[str, nn.Module]:
        """Discriminator, energy network, and the generator with the small networks of PatchNCE."""
        return {
            "critic": self.critic,
            "energy": self.energy,
            "generator": nn.ModuleList([self.generator, self.contrast]),
        }

    def moves(self, draw: Callable[[], Batch], step: Step, rng: torch.Generator) -> Iterator[Move]:
        """Discriminator, energy network and generator in the order of the released code."""
        batch, other, settings, bridge = draw(), draw(), self.settings, self.bridge
        model, inside, index = self.generator, batch.valid, step.index
        x_t = bridge.simulate(model, batch.mr, index, rng, inside)
        x_1 = model(x_t, index, inside, rng)
        told = mean(
            [
                least_squares(self.critic(_seen(other.us, other.valid), index), 1.0, other.valid),
                least_squares(self.critic(_seen(x_1.detach(), inside), index), 0.0, inside),
            ]
        )
        yield Move("critic", told, {"critic": told})

        state = _pair(x_t, x_1, inside)
        with torch.no_grad():  # an independent sample of the same law
            second = bridge.simulate(model, other.mr, index, rng, other.valid)
            second = _pair(second, model(second, index, other.valid, rng), other.valid)
            second = F.interpolate(second, state.shape[-2:])[: len(state)]
        state, inside_e = state[: len(second)], inside[: len(second)]
        joint, partition = self._bound(state.detach(), second, index, inside_e)
        fitted = -joint + partition + partition**2
        yield Move("energy", fitted, {"energy": fitted})

        with frozen(self.critic), frozen(self.energy):
            adversarial = least_squares(self.critic(_seen(x_1, inside), index), 1.0, inside)
            joint, partition = self._bound(state, second, index, inside_e)
        identity = bridge.simulate(model, other.us, index, rng, other.valid)
        identity = model(identity, index, other.valid, rng)
        sigma = bridge.sigma
        terms = {
            "bridge": sigma * masked_mean((x_t - x_1) ** 2, inside)
            - (bridge.steps - index) / bridge.steps * sigma * (joint - partition),
            "adversarial": adversarial,
            "contrast": mean(
                [
                    self._contrast(x_1, batch.mr, inside, rng),
                    self._contrast(identity, other.us, other.valid, rng),
                ]
            ),
        }
        loss = (
            settings.bridge_weight * terms["bridge"]
            + settings.adversarial * terms["adversarial"]
            + settings.contrast * terms["contrast"]
        )
        yield Move("generator", loss, {**terms, "loss": loss})

    def _bound(self, state: Tensor, second: Tensor, index: int, valid: Tensor) -> tuple[Tensor, Tensor]:
        """The parts of the bound on the entropy of (x_t, x_1)."""
        return donsker_varadhan(
            self.energy(torch.cat([state, state], dim=1), index),
            self.energy(torch.cat([state, second], dim=1), index),
            valid,
        )

    def _contrast(self, translated: Tensor, source: Tensor, valid: Tensor, rng: torch.Generator) -> Tensor:
        with torch.no_grad():
            before = self.generator.layers(source, valid)
        return self.contrast(self.generator.layers(translated, valid), before, valid, rng)


def _seen(x: Tensor, valid: Tensor) -> Tensor:
    """What a discriminator is shown: grey where the picture is not real, in true and translated pictures alike."""
    return torch.where(valid, x, 0.0)


def _pair(x_t: Tensor, x_1: Tensor, valid: Tensor) -> Tensor:
    return torch.cat([_seen(x_t, valid), _seen(x_1, valid)], dim=1)
