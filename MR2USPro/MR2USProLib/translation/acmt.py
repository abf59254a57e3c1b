"""ACMT: anatomically coherent modality translation (paper, section III-B).

No discriminator and no target: equation 14 asks that both modalities look alike in shallow features (texture) and that
each keeps its own edges in deep ones (boundary). One picture for every input would satisfy it; what forbids that is
in :mod:`.guards`, is on unless ``strict_paper`` is asked for, and consists of

- an agreement of signed, smoothed edges with the source, in the image itself, where no network bends the ruler;
- a little weight on brightness, since nothing in equation 14 makes interiors dark, which equation 15 takes them to be:
  what no edge holds up sinks, and boundaries stay; slow changes of brightness, such as TRUS has with depth, count as no
  edge;
- a texture weight that comes in slowly and is halved while edges are being lost;
- features that see nothing finer than a voxel, and a little total variation, against stripes that please them;
- textures that are compared at the shift at which they agree best (:mod:`.offset`).

Always, the kernels that measure are fixed and measure features after their normalisation (:mod:`.losses`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch

from .cohort import Batch
from .guards import TextureController, edge_agreement, total_variation, without_fine
from .losses import LossWeights, boundary_loss, bridge_loss, texture_loss
from .masking import masked_mean
from .method import Method, Move, Settings, Step, mean
from .offset import Offset


@dataclass(frozen=True)
class AcmtSettings(Settings):
    """How ACMT translates.

    Attributes:
        weights: of the losses.
        signed_edges: whether the guard on edges holds their contrast too, or lets it flip.
        regional: over which share of a slice brightness changes that is no edge to be kept.
        reach: largest in-plane shift between MR and US that the texture loss may correct, as a share of a slice.
        strict_paper: equation 14 and nothing else: no guard, no ramp, no shift.
    """

    weights: LossWeights = field(default_factory=LossWeights)
    signed_edges: bool = True
    regional: float = 0.23
    reach: float = 0.12
    strict_paper: bool = False


class Acmt(Method):
    """One generator for both modalities, and equation 14."""

    name = "acmt"

    settings: AcmtSettings

    def __init__(self, settings: AcmtSettings) -> None:
        super().__init__(settings)
        self.reach = 0.0 if settings.strict_paper else settings.reach
        self._controller = TextureController()
        self._agreement = 1.0
        self._offsets: dict[int, Offset] = {}

    def moves(self, draw: Callable[[], Batch], step: Step, rng: torch.Generator) -> Iterator[Move]:
        """Algorithm 1: the losses at one random time, the same for MR and US."""
        batch, settings, bridge = draw(), self.settings, self.bridge
        # Both pictures go through the network at once, which is faster than one after the other.
        model, inside, x_0 = self.generator, batch.valid, torch.stack([batch.mr, batch.us])
        x_t = bridge.simulate(model, x_0, step.index, rng, inside)
        x_1 = model(x_t, step.index, inside, rng)
        seen_0, seen_1 = (x_0, x_1) if settings.strict_paper else (without_fine(x, inside) for x in (x_0, x_1))
        textures, deep = model.features(seen_1, inside)
        shallow = textures[0], textures[1]
        with torch.no_grad():
            source = model.features(seen_0, inside)[1]
        pose = batch.flipped, batch.transposed
        offset = self._offsets.setdefault(batch.case, Offset(round(self.reach * min(inside.shape[-2:]))))
        offset.update(*shallow, inside, *pose)
        t = bridge.times[step.index]
        window = 2 * round(settings.regional * min(inside.shape[-2:]) / 2) + 1
        terms = {
            "bridge": mean(bridge_loss(a, b, t, bridge.sigma, inside) for a, b in zip(x_t, x_1, strict=True)),
            "boundary": mean(boundary_loss(b, a, inside) for a, b in zip(source, deep, strict=True)),
            "texture": texture_loss(*offset.matched(*shallow, inside, *pose)),
            "edges": mean(
                edge_agreement(b, a, inside, settings.signed_edges, window) for a, b in zip(x_0, x_1, strict=True)
            ),
            "variation": mean(total_variation(x, inside) for x in x_1),
            "brightness": mean(masked_mean(x + 1, inside) for x in x_1),
        }
        weights, share = settings.weights, 1.0
        if not settings.strict_paper:
            share = self._controller((step.iteration + 1) / step.iterations, self._agreement)
        loss = weights.paper(terms["bridge"], terms["boundary"], share * terms["texture"])
        if not settings.strict_paper:
            loss = loss + weights.edges * (1 - terms["edges"]) + weights.variation * terms["variation"]
            loss = loss + weights.dark * terms["brightness"]
        self._agreement = 0.9 * self._agreement + 0.1 * terms["edges"].item()
        yield Move("generator", loss, {**terms, "loss": loss, "texture_share": torch.tensor(share)})

    def get_extra_state(self) -> dict[str, Any]:
        """What a run that goes on later has to know beside the weights."""
        offsets = {case: (offset.reach, offset.difference) for case, offset in self._offsets.items()}
        return {"share": self._controller.share, "agreement": self._agreement, "offsets": offsets}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Go on where :meth:`get_extra_state` was asked."""
        self._controller.share, self._agreement = state["share"], state["agreement"]
        self._offsets = {case: Offset(reach, difference) for case, (reach, difference) in state["offsets"].items()}
