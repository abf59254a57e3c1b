"""What the trainer knows of a method: its network, what it compares, its loss, and how a field comes from it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, NamedTuple, Self

import torch
from torch import Tensor, nn

from ..errors import InputError
from ..weights import Part
from .deformation import inverted
from .diffusion import STEPS, NoiseSchedule
from .pair import Images, to_tensor

Network = Callable[..., Any]
"""A network as it is called: (moving, fixed, noised, time) to its prediction."""


@dataclass(frozen=True)
class Settings:
    """How a network is trained. Everything here may be changed from one training of a network to the next.

    Attributes:
        iterations: steps of Adam.
        learning_rate: of Adam.
        betas: of Adam.
        decay: whether the learning rate falls to a tenth along a cosine.
        clip: largest norm of the gradient; 0 for any.
        batch: pairs in one step; a cohort of one pair is seen that often, with other noise.
        flips: whether the pairs of a cohort are mirrored at random along each axis.
        mixed_precision: on CUDA only, bfloat16 where the card has it, else float16.
        channels_last: whether channels lie next to each other in memory.
        recompute: on CUDA only, forget what the blocks made and make it again for the gradient: slower, smaller.
    """

    iterations: int = 100
    learning_rate: float = 2e-4
    betas: tuple[float, float] = (0.9, 0.999)
    decay: bool = True
    clip: float = 1.0
    batch: int = 2
    flips: bool = True
    mixed_precision: bool = True
    channels_last: bool = True
    recompute: bool = False


@dataclass(frozen=True)
class Batch:
    """A few pairs as tensors (batch, 1, depth, height, width).

    Attributes:
        moving, fixed: what the network sees, in [-1, 1], the mean of each where nothing is valid.
        valid: 1 where both show something.
        spacing_mm: (batch, 3) along (i, j, k).
        compared: what :meth:`Method.compared` made of each pair.
    """

    moving: Tensor
    fixed: Tensor
    valid: Tensor
    spacing_mm: Tensor
    compared: Mapping[str, Tensor]


class Losses(NamedTuple):
    """The loss of one step.

    Attributes:
        total: what is minimised.
        terms: its parts by name.
        displacement: (batch, 3, ...) in voxels of its own grid, without gradient.
    """

    total: Tensor
    terms: dict[str, Tensor]
    displacement: Tensor


class Fields(NamedTuple):
    """Displacements (batch, 3, depth, height, width) in voxels along (i, j, k), fixed to moving and back."""

    there: Tensor
    back: Tensor


class Method(ABC):
    """A registration network with its losses.

    Attributes:
        name: as the command line names it.
        settings_type: the dataclass of its settings, whose defaults fit one pair.
        blocks: the kinds of modules that may be recomputed for the gradient.
        samples: whether the field depends on noise, so that its spread tells of uncertainty.
    """

    name: ClassVar[str]
    settings: Settings
    settings_type: ClassVar[type[Settings]]
    blocks: ClassVar[tuple[type[nn.Module], ...]]
    samples: ClassVar[bool] = True

    def __init__(self, settings: Settings | None = None) -> None:
        if not isinstance(settings, self.settings_type | None):
            raise TypeError(f"{self.name} takes {self.settings_type.__name__}.")
        self.settings = settings or self.settings_type()
        self.schedule = NoiseSchedule()

    @classmethod
    @abstractmethod
    def for_cohort(cls, pairs: int) -> Self:
        """With the settings that suit a training on so many pairs."""

    @abstractmethod
    def refining(self) -> Self:
        """The same network with settings that take it from a cohort to the pair at hand in a few steps."""

    @property
    @abstractmethod
    def unit(self) -> int:
        """The network takes sizes that are multiples of this."""

    @abstractmethod
    def network(self) -> nn.Module:
        """A new network, its weights drawn by torch's generator."""

    def stage(self, step: int) -> int:
        """Which stage of coarse to fine a step of the training belongs to."""
        return 0

    def compared(self, images: Images, stage: int) -> dict[str, Tensor]:
        """What the loss compares, worked out once for each pair and stage; each (1, 1, ...)."""
        return {"moving": to_tensor(images.moving, self.unit)}

    @abstractmethod
    def losses(self, network: Network, batch: Batch) -> Losses:
        """The loss of a batch, with times and noise drawn by torch's generator."""

    @abstractmethod
    def displacement(self, network: Network, moving: Tensor, fixed: Tensor, noised: Tensor, time: Tensor) -> Tensor:
        """The field that a network gives, (batch, 3, depth, height, width) in voxels along (i, j, k)."""

    def fields(self, network: Network, moving: Tensor, fixed: Tensor, noised: Tensor, time: Tensor) -> Fields:
        """That field and its inverse, which is found by iteration."""
        there = self.displacement(network, moving, fixed, noised, time)
        return Fields(there, inverted(there))

    def noised(self, fixed: Tensor, first: int | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """The fixed pictures with noise of random times.

        Args:
            fixed: (batch, 1, depth, height, width).
            first: time of the batch's first item; random if not given.

        Returns:
            The noised pictures, the times (batch,) and the noise.
        """
        given = [] if first is None else [torch.full((1,), first)]
        time = torch.cat([*given, torch.randint(STEPS, (len(fixed) - len(given),))]).to(fixed.device)
        noise = torch.randn(fixed.shape, device=fixed.device)
        return self.schedule.to(fixed.device).add_noise(fixed, time, noise), time, noise

    def part(self, network: nn.Module) -> Part:
        """The network as what goes to a file of weights."""
        tensors = {name: tensor.detach().cpu() for name, tensor in network.state_dict().items()}
        return Part(self.name, asdict(self.settings), tensors)

    @classmethod
    def of_part(cls, part: Part) -> Self:
        """The method whose network a part holds.

        Raises:
            InputError: the part was written for another network.
        """
        known = {field.name for field in fields(cls.settings_type)}
        if not known.issuperset(part.settings):
            raise InputError(f"The weights of {cls.name} are of another version: train them again.")
        given: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in part.settings.items()}
        return cls(cls.settings_type(**given))

    def load(self, network: nn.Module, part: Part) -> None:
        """Give a network the weights of a part.

        Raises:
            InputError: they do not fit.
        """
        try:
            network.load_state_dict(dict(part.tensors))
        except RuntimeError as error:
            raise InputError(f"The weights of {self.name} are of another version: train them again.") from error
