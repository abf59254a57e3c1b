"""A trained network put to use: all steps of the bridge, slice by slice, and a look at what came out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from ..errors import InputError
from ..progress import SILENT, Progress
from ..weights import Part
from .bridge import Bridge
from .cohort import Example, Prepared, prepare
from .collapse import Health, Outcome, examine
from .generator import Generator
from .offset import Offset

ACROSS_SLICES = 2.0
"""How far the noise of a random translation reaches along the slices, in slices."""

AT_ONCE = 5e5
"""Voxels times channels that pass through the network at once on a CPU, so that a cancel is heard soon."""


@dataclass(frozen=True)
class Translation:
    """A pair in the intermediate modality.

    Attributes:
        mr: (k, j, i) in [-1, 1]; outside the valid part its mean.
        us: likewise. Where a method translates the MR alone, the US as it was.
        health: whether the translation is one.
        offset: (rows, columns) by which the MR has to move onto the US, as its texture has it, in voxels.
        method: which method made it.
        history: every loss at every iteration, by name; empty where nothing was fitted.
        stopped: the iteration at which a fit was given up, because it had collapsed; None where it was not.
    """

    mr: NDArray[np.float32]
    us: NDArray[np.float32]
    health: Health
    offset: tuple[int, int]
    method: str = "acmt"
    history: Mapping[str, list[float]] = field(default_factory=dict)
    stopped: int | None = None


@dataclass(frozen=True)
class Translator:
    """What is left of a method when it is trained.

    Attributes:
        method: its name.
        generator: the network.
        bridge: its times and noise.
        both: whether it translates both modalities, or the MR alone.
        reach: see :class:`.acmt.AcmtSettings`.
        ruler: see :class:`.collapse.Health`.
    """

    method: str
    generator: Generator
    bridge: Bridge
    both: bool
    reach: float
    ruler: float = 1.0

    def part(self) -> Part:
        """The same as weights to keep."""
        network = self.generator
        settings = {
            "generator": {
                "channels": network.channels,
                "blocks": len(network.blocks),
                "slab": network.slab,
                "noise": network.noise is not None,
                "residual": network.residual,
            },
            "bridge": asdict(self.bridge),
            "both": self.both,
            "reach": self.reach,
            "ruler": self.ruler,
        }
        return Part(self.method, settings, {name: x.detach().cpu() for name, x in network.state_dict().items()})

    @staticmethod
    def of(part: Part, device: str = "cpu") -> Translator:
        """Build it again.

        Raises:
            InputError: the weights do not hold such a network.
        """
        try:
            told = dict(part.settings)
            with torch.random.fork_rng(devices=[]):
                network = Generator(**told.pop("generator"))
            network.load_state_dict(dict(part.tensors))
            bridge = Bridge(**told.pop("bridge"))
            return Translator(part.method, network.to(device).eval(), bridge, **told)
        except (KeyError, TypeError, AttributeError, RuntimeError) as error:
            raise InputError(
                "The weights do not fit the translation of this version: train them again with 'mr2us train'."
            ) from error

    def carry(
        self, pair: Prepared, *, seed: int | None = None, progress: Progress = SILENT
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Both pictures translated; what is not valid is their mean.

        Args:
            pair: the sources.
            seed: of one random sample, its noise smooth along the slices; without one all noise is off.
            progress: told about every few slices.
        """
        shares = (progress.part(0.0, 0.5), progress.part(0.5, 1.0)) if self.both else (progress, progress)
        mr = self._carried(pair.mr, pair, seed, shares[0])
        return mr, (self._carried(pair.us, pair, seed, shares[1]) if self.both else unstacked(pair.us, pair))

    def _carried(self, x: Tensor, pair: Prepared, seed: int | None, progress: Progress) -> NDArray[np.float32]:
        rng = None if seed is None else torch.Generator().manual_seed(seed)
        network = _SomeSlices(self.generator, progress, self.bridge.steps)
        found = self.bridge.simulate(network, x, self.bridge.steps, rng, pair.valid, ACROSS_SLICES)
        # A network that diverged gives no numbers, which pass every comparison; that a picture is constant is found.
        return np.nan_to_num(unstacked(found, pair), posinf=0.0, neginf=0.0)


class _SomeSlices(nn.Module):
    """The generator, given few slices at once; each sees its neighbours all the same."""

    def __init__(self, generator: Generator, progress: Progress, steps: int) -> None:
        super().__init__()
        self.generator = generator
        self._progress, self._steps = progress, steps

    def forward(self, x: Tensor, index: int, valid: Tensor, rng: torch.Generator | None) -> Tensor:
        share = AT_ONCE * (100 if x.is_cuda else 1)
        count = max(1, int(share / (self.generator.channels * x.shape[-1] * x.shape[-2])))
        seed = None if rng is None else int(torch.randint(2**62, (1,), generator=rng))
        found = []
        for first in range(0, len(x), count):
            self._progress.report((index + first / len(x)) / self._steps, "Translating")
            low, high = max(0, first - 1), min(len(x), first + count + 1)
            noise = None if seed is None else torch.Generator().manual_seed(seed)
            out = self.generator(x[low:high], index, valid[low:high], noise)
            found.append(out[first - low : first - low + min(count, len(x) - first)])
        return torch.cat(found)


def unstacked(x: Tensor, pair: Prepared) -> NDArray[np.float32]:
    """(slice, 1, height, width) to (k, j, i), without what rows and columns had grown by."""
    _, rows, columns = pair.shape
    array, valid = (y[:, 0, :rows, :columns].cpu().numpy() for y in (x, pair.valid))
    return np.where(valid, array, array[valid].mean()).astype(np.float32)


def outcome(translator: Translator, pair: Prepared, *, seed: int | None = None, progress: Progress = SILENT) -> Outcome:
    """A pair, what became of it, and the shift at which both are alike."""
    mr, us = translator.carry(pair, seed=seed, progress=progress)
    found = Outcome(unstacked(pair.mr, pair), unstacked(pair.us, pair), mr, us, unstacked_mask(pair))
    reach = round(translator.reach * min(pair.valid.shape[-2:]))
    if reach == 0:
        return found
    offset = Offset(reach)
    rows, columns = (size - own for size, own in zip(pair.valid.shape[-2:], pair.shape[1:], strict=True))
    with torch.no_grad():
        stacks = [F.pad(torch.from_numpy(x)[:, None], (0, columns, 0, rows)).to(pair.mr) for x in (mr, us)]
        shallow = [translator.generator.features(x, pair.valid)[0] for x in stacks]
    offset.update(shallow[0], shallow[1], pair.valid)
    return replace(found, offset=offset.best)


def unstacked_mask(pair: Prepared) -> NDArray[np.bool_]:
    """The mask as (k, j, i)."""
    _, rows, columns = pair.shape
    return pair.valid[:, 0, :rows, :columns].cpu().numpy()


def translate_with(
    part: Part,
    mr: ArrayLike,
    us: ArrayLike,
    valid: NDArray[np.bool_],
    *,
    seed: int | None = None,
    device: str = "cpu",
    progress: Progress = SILENT,
) -> Translation:
    """Translate a pair by a trained network.

    Args:
        part: the network.
        mr: (k, j, i), any intensities.
        us: (k, j, i), on the same grid.
        valid: (k, j, i), true where both are real.
        seed: of one random translation; without one it is the mean one, all noise off.
        device: of torch.
        progress: told about every few slices.

    Raises:
        InputError: bad pictures, or weights that hold no such network.
        Cancelled: the user asked to stop.
    """
    translator = Translator.of(part, device)
    pair = prepare(Example(mr, us, valid), device)
    found = outcome(translator, pair, seed=seed, progress=progress)
    progress.report(1.0)
    return Translation(found.mr_1, found.us_1, examine([found], translator.ruler), found.offset, part.method)
