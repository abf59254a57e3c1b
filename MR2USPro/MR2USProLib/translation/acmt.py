"""Anatomically coherent modality translation, fitted to one pair of volumes (paper, section III-B)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ..errors import InputError
from ..progress import SILENT, Progress
from .bridge import Bridge
from .collapse import Health, examine, sight
from .generator import Generator
from .guards import TextureController, edge_agreement, total_variation
from .losses import LossWeights, boundary_loss, bridge_loss, texture_loss
from .masking import normalised
from .offset import Offset

__all__ = ["AcmtSettings", "Translation", "normalised", "translate_pair"]

SMALLEST_PLANE = 16
EMA_DECAY = 0.98
LEARNING_RATE = 1e-3


@dataclass(frozen=True)
class AcmtSettings:
    """How a pair is translated.

    Attributes:
        iterations: steps of the optimiser.
        channels: of the generator's first layer, even.
        blocks: residual blocks of the generator.
        slab: whether a slice is seen with its two neighbours.
        slices: neighbouring slices in one step, of each modality.
        bridge: the bridge's times and noise.
        weights: of the losses.
        signed_edges: whether the guard on edges holds their contrast too, or lets it flip.
        reach: largest in-plane shift between MR and US that the texture loss may correct, as a share of a slice.
        strict_paper: equation 14 and nothing else: no guard, no ramp, no shift.
    """

    iterations: int = 200
    channels: int = 8
    blocks: int = 2
    slab: bool = True
    slices: int = 4
    bridge: Bridge = field(default_factory=Bridge)
    weights: LossWeights = field(default_factory=LossWeights)
    signed_edges: bool = True
    reach: float = 0.12
    strict_paper: bool = False


@dataclass(frozen=True)
class Translation:
    """A pair in the intermediate modality.

    Attributes:
        mr: (k, j, i) in [-1, 1]; outside the valid part its mean.
        us: likewise.
        history: every loss at every iteration, by name.
        health: whether the translation is one.
        offset: (rows, columns) by which the MR has to move onto the US, as the texture loss found it, in voxels.
    """

    mr: NDArray[np.float32]
    us: NDArray[np.float32]
    history: dict[str, list[float]]
    health: Health
    offset: tuple[int, int]


def translate_pair(
    mr: ArrayLike,
    us: ArrayLike,
    valid: NDArray[np.bool_],
    *,
    settings: AcmtSettings = AcmtSettings(),
    seed: int = 0,
    device: str = "cpu",
    progress: Progress = SILENT,
) -> Translation:
    """Fit one network to a pair and translate both with it.

    A collapsed translation is returned like any other; ``health`` says what is wrong with it.

    Args:
        mr: (k, j, i), any intensities.
        us: (k, j, i), on the same grid, roughly aligned: equation 13 compares voxel with voxel.
        valid: (k, j, i), true where both are real.
        settings: how.
        seed: of the weights, the draws and the noise.
        device: of torch.
        progress: told about every iteration.

    Raises:
        InputError: shapes that differ, too few voxels, or a picture without contrast.
        Cancelled: the user asked to stop.
    """
    sources = np.asarray(mr, dtype=np.float32), np.asarray(us, dtype=np.float32)
    valid = np.asarray(valid, dtype=np.bool_)
    if not sources[0].shape == sources[1].shape == valid.shape or valid.ndim != 3:
        raise InputError("MR, US and their valid part differ in shape: resample them to one grid.")
    if min(valid.shape[1:]) < SMALLEST_PLANE:
        raise InputError(
            f"Slices of {valid.shape[1]}x{valid.shape[2]} voxels are too small to translate: "
            f"use a grid with at least {SMALLEST_PLANE} rows and columns."
        )
    mr_0, us_0 = (normalised(array, valid) for array in sources)
    inside, *pair = (_stack(array, device) for array in (valid, mr_0, us_0))
    with torch.random.fork_rng(devices=[]), _one_thread():
        torch.manual_seed(seed)
        model = Generator(settings.channels, settings.blocks, settings.slab).to(device)
        at_first = sum(sight(model, x, inside) for x in pair)
        fitted, history, offset = _fit(model, pair, inside, settings, seed, progress.part(0.0, 0.95))

        bridge = settings.bridge
        translated = []
        for n, x in enumerate(pair):
            progress.report(0.95 + 0.025 * n, "Translating")
            array = bridge.simulate(fitted, x, bridge.steps, None, inside)[:, 0].cpu().numpy()
            array = array[:, : valid.shape[1], : valid.shape[2]]
            translated.append(np.where(valid, array, array[valid].mean()).astype(np.float32))
        mr_1, us_1 = translated
        ruler = sum(sight(fitted, x, inside) for x in pair) / max(at_first, 1e-12)
    progress.report(1.0)
    return Translation(mr_1, us_1, history, examine(mr_0, us_0, mr_1, us_1, valid, ruler, offset), offset)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep torch to one CPU thread: a few small slices at a time lose more by waiting for each other than they gain."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _fit(
    model: Generator,
    pair: list[Tensor],
    valid: Tensor,
    settings: AcmtSettings,
    seed: int,
    progress: Progress,
) -> tuple[Generator, dict[str, list[float]], tuple[int, int]]:
    """Algorithm 1, over and over. The result is the running average of the weights."""
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, betas=(0.5, 0.999))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, _constant_then_falling(settings.iterations))
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(EMA_DECAY))
    controller = TextureController(settings.iterations)
    reach = 0.0 if settings.strict_paper else settings.reach
    offset = Offset(round(reach * min(valid.shape[-2:])))
    history: dict[str, list[float]] = {}
    agreement = 1.0
    for iteration in progress.steps(settings.iterations, "Fitting"):
        x_0, inside, flipped = _draw(pair, valid, settings.slices, generator)
        terms = _terms(model, x_0, inside, flipped, offset, settings, generator)
        share = 1.0 if settings.strict_paper else controller(iteration, agreement)
        weights = settings.weights
        loss = weights.paper(terms["bridge"], terms["boundary"], share * terms["texture"])
        if not settings.strict_paper:
            loss = loss + weights.edges * (1 - terms["edges"]) + weights.variation * terms["variation"]
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
        average.update_parameters(model)
        agreement = 0.9 * agreement + 0.1 * terms["edges"].item()
        for name, value in {**terms, "loss": loss}.items():
            history.setdefault(name, []).append(value.item())
        history.setdefault("texture_share", []).append(share)
        progress.values(**{name: values[-1] for name, values in history.items()})
    return cast(Generator, average.module), history, offset.best


def _terms(
    model: Generator,
    x_0: list[Tensor],
    inside: Tensor,
    flipped: list[int],
    offset: Offset,
    settings: AcmtSettings,
    generator: torch.Generator,
) -> dict[str, Tensor]:
    """The losses at one random time, the same for MR and US (Algorithm 1)."""
    bridge = settings.bridge
    index = int(torch.randint(bridge.steps, (1,), generator=generator))
    x_t = [bridge.simulate(model, x, index, generator, inside) for x in x_0]
    x_1 = [model(x, index, inside) for x in x_t]
    after = [model.features(x, inside) for x in x_1]
    with torch.no_grad():
        before = [model.features(x, inside) for x in x_0]
    shallow = after[0][0], after[1][0]
    offset.update(*shallow, inside, flipped)
    t = bridge.times[index]
    return {
        "bridge": _mean(bridge_loss(a, b, t, bridge.sigma, inside) for a, b in zip(x_t, x_1, strict=True)),
        "boundary": _mean(boundary_loss(b[1], a[1], inside) for a, b in zip(before, after, strict=True)),
        "texture": texture_loss(*offset.matched(*shallow, inside, flipped)),
        "edges": _mean(edge_agreement(b, a, inside, settings.signed_edges) for a, b in zip(x_0, x_1, strict=True)),
        "variation": _mean(total_variation(x, inside) for x in x_1),
    }


def _draw(
    pair: list[Tensor], valid: Tensor, count: int, generator: torch.Generator
) -> tuple[list[Tensor], Tensor, list[int]]:
    """Some neighbouring slices of both pictures and of the mask, mirrored alike along the random axes that come last.

    Mirroring does more than multiply the data: it turns a misalignment of the pair around with it, so that the network
    cannot learn to close it by moving tissue one way.
    """
    count = min(count, valid.shape[0])
    first = int(torch.randint(valid.shape[0] - count + 1, (1,), generator=generator))
    flipped = [axis for axis in (0, 2, 3) if torch.rand(1, generator=generator).item() < 0.5]
    mr, us, inside = (x[first : first + count].flip(flipped) for x in (*pair, valid))
    return [mr, us], inside, flipped


def _constant_then_falling(iterations: int) -> Callable[[int], float]:
    """The learning rate's factor: 1 for the first half, then linearly to 0."""
    return lambda iteration: min(1.0, 2 * (1 - iteration / iterations))


def _mean(values: Iterable[Tensor]) -> Tensor:
    return torch.stack(list(values)).mean()


def _stack(array: NDArray, device: str) -> Tensor:
    """(k, j, i) to (slice, 1, height, width); rows and columns grow to multiples of 4, which no mask holds."""
    stack = torch.from_numpy(np.ascontiguousarray(array))[:, None]
    rows, columns = stack.shape[-2:]
    return F.pad(stack, (0, -columns % 4, 0, -rows % 4)).to(device)
