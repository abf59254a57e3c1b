"""What the methods on the bridge have in common, and what each of them has to say for itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn

from .bridge import Bridge
from .cohort import Batch
from .generator import Generator


@dataclass(frozen=True)
class Networks:
    """How large the networks of a method are.

    Attributes:
        channels: of the generator's first layer, even.
        blocks: residual blocks of the generator.
        slab: whether a slice is seen with its two neighbours.
        critic_channels: of the first layer of the discriminator and of the energy network.
        critic_halvings: of the resolution in them.
        contrast_size: of the space in which PatchNCE compares, and
        contrast_positions: how many places of a slice.
    """

    channels: int = 8
    blocks: int = 2
    slab: bool = True
    critic_channels: int = 16
    critic_halvings: int = 2
    contrast_size: int = 64
    contrast_positions: int = 256


SMALL = Networks()
"""For a CPU."""

PUBLISHED = Networks(64, 9, False, 64, 3, 256, 256)
"""UNSB's published sizes, which ACMT and PMT share for want of their own."""


@dataclass(frozen=True)
class Settings:
    """What every method can be told.

    Attributes:
        networks: their sizes.
        bridge: its times and noise.
    """

    networks: Networks = SMALL
    bridge: Bridge = field(default_factory=Bridge)


@dataclass(frozen=True)
class Step:
    """Where a run is.

    Attributes:
        iteration: from 0.
        iterations: of the whole run.
        index: the time of the bridge that was drawn, the same for MR and US (Algorithm 1).
    """

    iteration: int
    iterations: int
    index: int


@dataclass(frozen=True)
class Move:
    """One network's turn in an iteration.

    Attributes:
        player: whose weights learn, a name of :meth:`Method.players`.
        loss: what it makes smaller.
        terms: figures for the history.
    """

    player: str
    loss: Tensor
    terms: dict[str, Tensor]


class Method(nn.Module, ABC):
    """A method: its networks, and what each of them learns from in an iteration.

    Attributes:
        name: as the command line has it.
        noisy: whether its generator takes noise z.
        residual: whether its generator begins as the identity.
        both: whether both modalities are translated, or only the MR into the US.
        settings: its sizes and weights.
        reach: the largest in-plane shift, as a share of a slice, at which MR and US are compared.
    """

    name: ClassVar[str]
    noisy: ClassVar[bool] = False
    residual: ClassVar[bool] = False
    both: ClassVar[bool] = True

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        size = settings.networks
        self.bridge = settings.bridge
        self.generator = Generator(size.channels, size.blocks, size.slab, self.noisy, self.residual)
        self.reach = 0.0

    def players(self) -> dict[str, nn.Module]:
        """The networks that learn, by name; each has an optimiser of its own."""
        return {"generator": self.generator}

    @abstractmethod
    def moves(self, draw: Callable[[], Batch], step: Step, rng: torch.Generator) -> Iterator[Move]:
        """One iteration: each network's loss in its turn. The network has learned from it before the next is asked for.

        Args:
            draw: gives slices of a pair, independent ones at every call.
            step: where the run is.
            rng: draws all noise.
        """


def mean(values: Iterable[Tensor]) -> Tensor:
    """Of losses of MR and US (equations 7 and 12)."""
    return torch.stack(list(values)).mean()
