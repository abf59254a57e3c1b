"""PatchNCE (Park et al. 2020): a place of the translation should be recognised by the same place of its source."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .masking import shrunk


class PatchContrast(nn.Module):
    """The contrastive loss over some layers of the generator, with a small network for each.

    Args:
        channels: of the layers.
        size: of the space in which places are compared.
        positions: places per slice and layer.
        temperature: of the comparison.
    """

    def __init__(
        self, channels: Sequence[int], size: int = 256, positions: int = 256, temperature: float = 0.07
    ) -> None:
        super().__init__()
        self.positions = positions
        self.temperature = temperature
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Linear(c, size), nn.ReLU(), nn.Linear(size, size)) for c in channels
        )

    def forward(
        self, translated: Sequence[Tensor], source: Sequence[Tensor], valid: Tensor, generator: torch.Generator
    ) -> Tensor:
        """The mean cross entropy of finding each place's source among the places of the same slice.

        Args:
            translated: layers (slice, channel, h, w) of the translation.
            source: the same of its source; no gradient flows into it.
            valid: (slice, 1, height, width), bool; places are drawn where all that they cover is real.
            generator: draws the places, on the CPU.
        """
        losses = []
        for head, after, before in zip(self.heads, translated, source, strict=True):
            there = shrunk(valid, *after.shape[-2:]).flatten(1)
            for n, (query, key) in enumerate(zip(after.flatten(2), before.flatten(2), strict=True)):
                places = there[n].nonzero()[:, 0]
                if len(places) < 2:
                    continue
                drawn = torch.randperm(len(places), generator=generator)[: self.positions].to(places.device)
                chosen = places[drawn]
                q = F.normalize(head(query[:, chosen].T), dim=1)
                with torch.no_grad():
                    k = F.normalize(head(key[:, chosen].T), dim=1)
                losses.append(F.cross_entropy(q @ k.T / self.temperature, torch.arange(len(q), device=q.device)))
        return torch.stack(losses).mean() if losses else torch.zeros((), device=valid.device)
