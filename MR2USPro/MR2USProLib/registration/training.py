"""Training of a registration network, on a cohort or on the pair at hand, and the registration with it.

To fit a network to one pair is to train it on a cohort of one; to refine it on one pair is to do so from its weights.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..checkpoint import read_checkpoint, write_checkpoint
from ..errors import Cancelled, InputError
from ..progress import SILENT, Progress
from ..weights import Part
from .acceleration import Acceleration
from .deformation import resize
from .method import Batch, Method
from .methods import method_of, named
from .pair import FittedDeformation, Images, to_array, to_tensor

CHECKPOINT_SECONDS = 60.0

FieldListener = Callable[[Callable[[], NDArray[np.float32]]], None]
"""Offered what makes the displacement of the moment, (k, j, i, 3) in voxels (i, j, k), at each step."""


@dataclass(frozen=True)
class Trained:
    """A network after its training.

    Attributes:
        method: whose it is, with the settings of the training.
        network: on the device on which it was trained.
        history: a value of each term of the loss for each iteration.
    """

    method: Method
    network: nn.Module
    history: dict[str, list[float]]

    def part(self) -> Part:
        """The network as what goes to a file of weights."""
        return self.method.part(self.network)


def train(
    method: str | Method,
    cohort: Sequence[Images],
    *,
    start: Part | None = None,
    checkpoint: Path | None = None,
    seed: int = 0,
    device: str = "cpu",
    progress: Progress = SILENT,
    on_field: FieldListener = lambda field: None,
) -> Trained:
    """Train a network on pairs that lie on grids of one shape.

    Args:
        method: a method with its settings, or its name for those that suit a cohort of this size. With ``start`` its
            network has to be the one that the weights are of.
        cohort: the pairs; their spacings may differ, their shapes may not.
        start: weights to start from; new ones if not given.
        checkpoint: a file that the training is kept in, about every minute and when it is cancelled. Where it is there
            already, the training goes on from it, to the very result that it would have had without the break.
        seed: of the first weights, the order of the pairs and the noise.
        device: ``cpu`` or ``cuda``.
        progress: told about each iteration.
        on_field: offered the field of the step's first pair.

    Raises:
        Cancelled: the user asked to stop.
        InputError: no pairs, pairs of different shapes, weights of another network, or a checkpoint of another
            training.
    """
    if not cohort:
        raise InputError("There are no pairs to train on: give a cohort with at least one.")
    if isinstance(method, str):
        method = named(method).for_cohort(len(cohort))
    pairs = _Pairs(method, cohort, seed, device)
    accelerated = Acceleration.chosen(method, device)
    with _own_random_numbers(device):
        torch.manual_seed(seed)
        network = method.network()
        if start is not None:
            method.load(network, start)
        accelerated.place(network, method)
        history = _optimise(method, network, pairs, accelerated, checkpoint, seed, progress, on_field)
    return Trained(method, network, history)


def loaded(part: Part, *, device: str = "cpu") -> Trained:
    """The network of a part, ready to be used.

    Raises:
        InputError: it is no registration network of this version.
    """
    method = method_of(part)
    network = method.network()
    method.load(network, part)
    return Trained(method, Acceleration.chosen(method, device).place(network, method), {})


def register_with(trained: Trained | Part, images: Images, *, device: str = "cpu") -> FittedDeformation:
    """The deformation that a network gives, at time 0 with the clean fixed picture.

    Raises:
        InputError: a part that is no registration network of this version.
    """
    if isinstance(trained, Part):
        trained = loaded(trained, device=device)
    method, shape = trained.method, images.fixed.shape
    moving, fixed = (to_tensor(x, method.unit).to(device) for x in images.filled())
    if not device.startswith("cuda"):  # the same pair twice: on a CPU that is faster than once
        moving, fixed = (x.expand(2, -1, -1, -1, -1) for x in (moving, fixed))
    clean = torch.zeros(len(fixed), dtype=torch.long, device=device)
    trained.network.eval()
    with torch.no_grad():
        there, back = method.fields(trained.network, moving, fixed, fixed, clean)
    return FittedDeformation(to_array(there, shape), to_array(back, shape))


def _optimise(
    method: Method,
    network: nn.Module,
    pairs: _Pairs,
    accelerated: Acceleration,
    checkpoint: Path | None,
    seed: int,
    progress: Progress,
    on_field: FieldListener,
) -> dict[str, list[float]]:
    """Minimise the method's loss over the network's weights; the history of its terms."""
    settings = method.settings
    optimiser = torch.optim.Adam(network.parameters(), lr=settings.learning_rate, betas=settings.betas, fused=True)
    least = settings.learning_rate / 10 if settings.decay else settings.learning_rate
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, settings.iterations, eta_min=least)
    scaler = torch.amp.GradScaler(torch.device(accelerated.device).type, enabled=accelerated.scales)
    state = {"network": network, "optimiser": optimiser, "decay": decay, "scaler": scaler}
    training = {"method": method.name, "settings": asdict(settings), "seed": seed, "pairs": pairs.about}
    history: dict[str, list[float]] = {}
    done = read_checkpoint(checkpoint, state, history, training) if checkpoint else 0
    called = accelerated.call(network)
    network.train()
    kept, step = time.monotonic(), done - 1
    message = "Fitting the network to the pair" if len(pairs) == 1 else f"Training on {len(pairs)} pairs"
    try:
        for step in progress.steps(settings.iterations, message):
            if step < done:
                continue
            batch = pairs.batch(step)
            found = method.losses(called, batch)
            optimiser.zero_grad()
            scaler.scale(found.total).backward()
            if settings.clip:
                scaler.unscale_(optimiser)
                torch.nn.utils.clip_grad_norm_(network.parameters(), settings.clip)
            scaler.step(optimiser)
            scaler.update()
            decay.step()
            for name, value in found.terms.items():
                history.setdefault(name, []).append(float(value.detach()))
            progress.values(**{name: values[-1] for name, values in history.items()})
            on_field(partial(_field, found.displacement[:1], batch.fixed.shape[2:], pairs.shape))
            done = step + 1
            if checkpoint and time.monotonic() - kept > CHECKPOINT_SECONDS:
                write_checkpoint(checkpoint, done, state, history, training)
                kept = time.monotonic()
    except Cancelled:  # heard between two steps; whatever else ends a training may do so in the middle of one
        if checkpoint:
            write_checkpoint(checkpoint, done, state, history, training)
        raise
    if checkpoint:
        write_checkpoint(checkpoint, done, state, history, training)
    return history


def _field(displacement: Tensor, full: torch.Size, shape: tuple[int, ...]) -> NDArray[np.float32]:
    return to_array(resize(displacement, full), shape)


class _Pairs:
    """The pairs of a cohort as batches: the batch of a step depends on the seed and the step alone."""

    def __init__(self, method: Method, cohort: Sequence[Images], seed: int, device: str) -> None:
        self.shape = cohort[0].fixed.shape
        if any(images.fixed.shape != self.shape for images in cohort):
            raise InputError("The pairs of the cohort lie on grids of different shapes: bring all to one preset.")
        self.about = [len(cohort), *self.shape]
        self._method, self._cohort, self._seed, self._device = method, cohort, seed, device
        self._kept: dict[int, dict[str, Tensor]] = {}
        self._stage = -1

    def __len__(self) -> int:
        return len(self._cohort)

    def batch(self, step: int) -> Batch:
        """The pairs of a step, mirrored at random where there is more than one pair to learn from."""
        settings, count = self._method.settings, len(self)
        stage = self._method.stage(step)
        if stage != self._stage:
            self._kept, self._stage = {}, stage
        random = np.random.default_rng((self._seed, step))
        chosen = random.choice(count, settings.batch, replace=count < settings.batch)
        mirrored = random.random((settings.batch, 3)) < (0.5 if settings.flips and count > 1 else 0.0)
        items = [
            {name: x.flip([2 + axis for axis in range(3) if mirror[axis]]) for name, x in self._pair(n).items()}
            for n, mirror in zip(chosen, mirrored, strict=True)
        ]
        joined = {name: torch.cat([item[name] for item in items]).to(self._device) for name in items[0]}
        moving, fixed, valid = (joined.pop(name) for name in ("seen moving", "seen fixed", "valid"))
        spacing = torch.tensor([list(self._cohort[n].spacing_mm) for n in chosen], dtype=torch.float32)
        spacing = spacing.to(self._device)
        return Batch(moving, fixed, valid, spacing, joined)

    def _pair(self, n: int) -> dict[str, Tensor]:
        if n not in self._kept:
            images, unit = self._cohort[n], self._method.unit
            moving, fixed = (to_tensor(x, unit) for x in images.filled())
            seen = {"seen moving": moving, "seen fixed": fixed, "valid": to_tensor(images.valid, unit, "constant")}
            self._kept[n] = {**seen, **self._method.compared(images, self._stage)}
        return self._kept[n]


@contextmanager
def _own_random_numbers(device: str) -> Iterator[None]:
    """Leave torch's generators to others as they are."""
    with torch.random.fork_rng(devices=[torch.device(device)] if device.startswith("cuda") else []):
        yield
