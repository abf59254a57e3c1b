"""How a translation is learned: the same for every method, for one pair as for a cohort (paper, Algorithm 1)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ..checkpoint import read_checkpoint, write_checkpoint
from ..errors import Cancelled, InputError
from ..progress import SILENT, Progress
from ..weights import Part
from .acmt import Acmt, AcmtSettings
from .cohort import ALONE, COHORT, Augmentation, Batch, Example, Prepared, draw, prepare
from .collapse import Health, Outcome, examine, sight
from .generator import Generator
from .method import PUBLISHED, Method, Settings, Step
from .pmt import Pmt, PmtSettings
from .translating import Translation, Translator, outcome
from .unsb import Unsb, UnsbSettings

Name = Literal["acmt", "pmt", "unsb"]

WATCHED = 4
"""Pairs that are looked at during a run."""
WATCHED_SLICES = 8
PATIENCE = 2
"""Looks in a row that have to find a collapse: one may fall on a bad moment."""
FEWEST = 10
"""Iterations between two looks, at least."""
CHECKPOINT_SECONDS = 60.0


@dataclass(frozen=True)
class Schedule:
    """How long and how a method learns.

    Attributes:
        iterations: each is one turn of every network.
        slices: neighbouring slices in one iteration, of each modality.
        learning_rate: of Adam: constant over the first half, then linearly to 0.
        memory: decay of the running average of the generator's weights, which is what is kept.
        augmentation: how the pictures are varied.
        checks: into how many parts the looks at a run divide it.
        first_check: the share of the run after which it is looked at; at first nothing is translated yet.
        mixed: whether the networks compute in bfloat16 where that is safe.
        frugal: whether memory is saved at the cost of time (gradient checkpointing).
    """

    iterations: int = 200
    slices: int = 4
    learning_rate: float = 1e-3
    memory: float = 0.98
    augmentation: Augmentation = ALONE
    checks: int = 5
    first_check: float = 0.4
    mixed: bool = False
    frugal: bool = False


ONE_PAIR = Schedule()
"""For one pair that is at hand."""

MANY_PAIRS = Schedule(2000, memory=0.995, augmentation=COHORT, checks=20)
"""For a cohort, on a CPU."""

PUBLISHED_SCHEDULE = Schedule(32_000, slices=4, learning_rate=2e-4, memory=0.999, augmentation=COHORT, checks=100)
"""UNSB's schedule, for a cohort on a graphics card; its networks are :data:`.method.PUBLISHED`."""


@dataclass(frozen=True)
class Trained:
    """What a run left.

    Attributes:
        translator: the network that was learned, its weights averaged.
        history: every figure at every iteration, by name.
        checks: the iterations at which the run was looked at, and what was seen.
        stopped: the iteration at which it was given up, because it had collapsed; None where it was not.
    """

    translator: Translator
    history: dict[str, list[float]]
    checks: tuple[tuple[int, Health], ...]
    stopped: int | None

    @property
    def health(self) -> Health:
        """What was seen last."""
        return self.checks[-1][1]

    def part(self) -> Part:
        """The network as weights to keep."""
        return self.translator.part()


KINDS: dict[Name, Callable[[Any], Method]] = {"acmt": Acmt, "pmt": Pmt, "unsb": Unsb}
SETTINGS: dict[Name, type[Settings]] = {"acmt": AcmtSettings, "pmt": PmtSettings, "unsb": UnsbSettings}


def method_of(name: Name, settings: Settings | None = None) -> Method:
    """The method of this name with fresh weights, drawn by torch's global generator.

    Raises:
        ValueError: settings of another method.
    """
    settings = settings or SETTINGS[name]()
    if not isinstance(settings, SETTINGS[name]):
        raise ValueError(f"{type(settings).__name__} are not for {name}.")
    return KINDS[name](settings)


def published(method: Name, device: str) -> tuple[Settings, Schedule]:
    """The sizes and the schedule of UNSB's paper, which ACMT and PMT share for want of their own.

    On a graphics card they are computed in bfloat16, which makes most CPUs slower. UNSB weighs PatchNCE as it was
    published, too: only a short run stays with the MR by that.
    """
    settings = SETTINGS[method](networks=PUBLISHED)
    if isinstance(settings, UnsbSettings):
        settings = replace(settings, contrast=1.0)
    return settings, replace(PUBLISHED_SCHEDULE, mixed=device == "cuda")


def train(
    method: Name,
    cohort: Sequence[Example],
    *,
    settings: Settings | None = None,
    schedule: Schedule | None = None,
    start: Part | None = None,
    checkpoint: Path | None = None,
    seed: int = 0,
    device: str = "cpu",
    progress: Progress = SILENT,
) -> Trained:
    """Learn to translate from one pair or from many.

    Now and then a few of the pairs are translated and looked at. A run that has collapsed is stopped then, and what it
    left says so.

    Args:
        method: its name.
        cohort: the pairs; only those of training patients.
        settings: of the method; its own small ones where none are given.
        schedule: one for a pair, or one for a cohort, where none is given.
        start: a generator to go on from, of the sizes that ``settings`` say.
        checkpoint: a file that the training is kept in, about every minute and when it is cancelled. Where it is there
            already, the training goes on from it, to the very result that it would have had without the break.
        seed: of the weights, the draws and the noise.
        device: of torch.
        progress: told about every iteration.

    Raises:
        InputError: bad pictures, a start that does not fit, or a checkpoint of another run.
        Cancelled: the user asked to stop.
    """
    schedule = schedule or (ONE_PAIR if len(cohort) == 1 else MANY_PAIRS)
    pairs = [_shown(prepare(example, device)) for example in cohort]
    if not pairs:
        raise InputError("There is no pair to learn from: give a cohort with at least one.")
    with torch.random.fork_rng(devices=[]), _few_threads(settings):
        torch.manual_seed(seed)
        run = Run(method_of(method, settings).to(device), pairs, schedule, seed)
        if start is not None:
            run.start(start)
        kept = time.monotonic()
        if checkpoint is not None:
            run.iteration = read_checkpoint(checkpoint, {"run": run}, run.history, run.about())
        try:
            while run.iteration < schedule.iterations:
                progress.report(run.iteration / schedule.iterations, "Fitting")
                progress.values(**run.iterate())
                if run.collapsed():
                    break
                if checkpoint is not None and time.monotonic() - kept > CHECKPOINT_SECONDS:
                    run.keep(checkpoint)
                    kept = time.monotonic()
        except Cancelled:
            if checkpoint is not None:
                run.keep(checkpoint)
            raise
        trained = run.conclude()
    progress.report(1.0)
    return trained


class Run:
    """A run in the middle: networks, optimisers, the average, and what was seen so far."""

    def __init__(self, method: Method, pairs: list[Prepared], schedule: Schedule, seed: int) -> None:
        self.method, self.schedule = method, schedule
        self._pairs, self._seed = pairs, seed
        self._rng = torch.Generator().manual_seed(seed)
        for network in method.modules():
            for wish in ("mixed", "frugal"):
                if hasattr(network, wish):
                    setattr(network, wish, getattr(schedule, wish))
        if pairs[0].mr.is_cuda:
            method.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stubs
        self._optimisers = {
            player: torch.optim.Adam(network.parameters(), lr=schedule.learning_rate, betas=(0.5, 0.999))
            for player, network in method.players().items()
        }
        self._average = AveragedModel(method.generator, multi_avg_fn=get_ema_multi_avg_fn(schedule.memory))
        self.iteration = 0
        self.history: dict[str, list[float]] = {}
        self._checks: list[tuple[int, Health]] = []
        self._stopped: int | None = None
        self._watched = _some(pairs)
        self._at_first = self._sight(method.generator)

    def start(self, part: Part) -> None:
        """Go on from a generator that was trained before."""
        if part.method != self.method.name:
            raise InputError(f"The weights are {part.method}'s, not {self.method.name}'s: choose weights that fit.")
        try:
            self.method.generator.load_state_dict(dict(part.tensors))
        except RuntimeError as error:
            raise InputError("The weights are of another size: train with the settings that made them.") from error
        self._average = AveragedModel(self.method.generator, multi_avg_fn=get_ema_multi_avg_fn(self.schedule.memory))
        self._at_first = self._sight(self.method.generator)

    def iterate(self) -> dict[str, float]:
        """One turn of every network; the figures of it."""
        schedule = self.schedule
        index = int(torch.randint(self.method.bridge.steps, (1,), generator=self._rng))
        step = Step(self.iteration, schedule.iterations, index)
        rate = schedule.learning_rate * min(1.0, 2 * (1 - self.iteration / schedule.iterations))
        figures: dict[str, float] = {}
        for move in self.method.moves(self._draw, step, self._rng):
            optimiser = self._optimisers[move.player]
            for group in optimiser.param_groups:
                group["lr"] = rate
            optimiser.zero_grad(set_to_none=True)
            move.loss.backward()
            optimiser.step()
            figures |= {name: value.item() for name, value in move.terms.items()}
        self._average.update_parameters(self.method.generator)
        for name, value in figures.items():
            self.history.setdefault(name, []).append(value)
        self.iteration += 1
        return figures

    def collapsed(self) -> bool:
        """Look at the run, where it is time to; true where it has collapsed for good."""
        done, whole = self.iteration, self.schedule.iterations
        every = max(FEWEST, whole // self.schedule.checks)
        if done % every or done < self.schedule.first_check * whole or done == whole:
            return False
        self._checks.append((self.iteration, self._look(unfinished=True)))
        last = self._checks[-PATIENCE:]
        if len(last) < PATIENCE or not all(health.collapsed for _, health in last):
            return False
        self._stopped = self.iteration
        return True

    def conclude(self) -> Trained:
        """What the run left."""
        if self._stopped is None:
            self._checks.append((self.iteration, self._look(unfinished=False)))
        return Trained(self._translator(), self.history, tuple(self._checks), self._stopped)

    def keep(self, checkpoint: Path) -> None:
        """Write all that is needed to go on."""
        write_checkpoint(checkpoint, self.iteration, {"run": self}, self.history, self.about())

    def about(self) -> dict[str, Any]:
        """What tells this training from others."""
        method, schedule = self.method, self.schedule
        return {
            "method": method.name,
            "settings": repr(method.settings),
            "schedule": repr(schedule),
            "cases": len(self._pairs),
            "seed": self._seed,
        }

    def state_dict(self) -> dict[str, Any]:
        """All but the history and the number of iterations."""
        return {
            "method": self.method.state_dict(),
            "average": self._average.state_dict(),
            "optimisers": {name: optimiser.state_dict() for name, optimiser in self._optimisers.items()},
            "draws": self._rng.get_state(),
            "checks": [(at, asdict(health)) for at, health in self._checks],
            "at_first": self._at_first,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where :meth:`state_dict` was asked."""
        self.method.load_state_dict(state["method"])
        self._average.load_state_dict(state["average"])
        for name, optimiser in self._optimisers.items():
            optimiser.load_state_dict(state["optimisers"][name])
        self._rng.set_state(state["draws"])
        self._checks = [(at, Health(**health)) for at, health in state["checks"]]
        self._at_first = state["at_first"]

    def _draw(self) -> Batch:
        return draw(self._pairs, self.schedule.slices, self.schedule.augmentation, self._rng)

    def _translator(self) -> Translator:
        method = self.method
        generator = cast(Generator, self._average.module)
        ruler = float(np.nan_to_num(self._sight(generator) / max(self._at_first, 1e-12)))
        return Translator(method.name, generator.eval(), method.bridge, method.both, method.reach, ruler)

    def _look(self, unfinished: bool) -> Health:
        translator = self._translator()
        return examine([outcome(translator, pair) for pair in self._watched], translator.ruler, unfinished=unfinished)

    def _sight(self, generator: Generator) -> float:
        return sum(sight(generator, x, pair.valid) for pair in self._watched for x in (pair.mr, pair.us))


def _shown(pair: Prepared) -> Prepared:
    """The slices from the first to the last in which anything is valid: the others teach nothing, and hide the rest."""
    there = pair.valid.flatten(1).any(dim=1).nonzero()[:, 0].tolist()
    mr, us, valid = (x[there[0] : there[-1] + 1] for x in (pair.mr, pair.us, pair.valid))
    return Prepared(mr, us, valid, (len(mr), *pair.shape[1:]))


def _some(pairs: list[Prepared]) -> list[Prepared]:
    """A few pairs, and of each the slices in the middle, to look at during a run."""
    count = min(WATCHED, len(pairs))
    found = []
    for pair in (pairs[n * len(pairs) // count] for n in range(count)):
        first = max(0, (len(pair.mr) - WATCHED_SLICES) // 2)
        mr, us, valid = (x[first : first + WATCHED_SLICES] for x in (pair.mr, pair.us, pair.valid))
        found.append(Prepared(mr, us, valid, (len(mr), *pair.shape[1:])))
    return found


@contextmanager
def _few_threads(settings: Settings | None) -> Iterator[None]:
    """Keep small networks to one CPU thread: a few small slices lose more by waiting for each other than they gain."""
    threads = torch.get_num_threads()
    if settings is None or settings.networks.channels < 32:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def translate_pair(
    mr: ArrayLike,
    us: ArrayLike,
    valid: NDArray[np.bool_],
    *,
    method: Name = "acmt",
    settings: Settings | None = None,
    schedule: Schedule | None = None,
    sample: bool = False,
    seed: int = 0,
    device: str = "cpu",
    progress: Progress = SILENT,
) -> Translation:
    """Fit a network to a pair, which is a cohort of one, and translate both pictures with it.

    A collapsed translation is returned like any other; ``health`` says what is wrong with it. With ``sample`` the
    translation is one random draw, by the seed; otherwise all noise is off.

    Raises:
        InputError: shapes that differ, too few voxels, or a picture without contrast.
        Cancelled: the user asked to stop.
    """
    example = Example(mr, us, valid)
    trained = train(
        method,
        [example],
        settings=settings,
        schedule=schedule,
        seed=seed,
        device=device,
        progress=progress.part(0.0, 0.95),
    )
    translator = trained.translator
    with _few_threads(settings):
        drawn = seed if sample else None
        found: Outcome = outcome(translator, prepare(example, device), seed=drawn, progress=progress.part(0.95, 1.0))
    progress.report(1.0)
    health = examine([found], translator.ruler)
    if trained.stopped is not None and not health.collapsed:
        health = replace(health, reasons=trained.health.reasons)
    return Translation(found.mr_1, found.us_1, health, found.offset, method, trained.history, trained.stopped)
