"""A cohort's experiment: each fold trains what the methods need and tests them on patients that it never saw.

It is cut into pieces (a training, or a method on a case), each of which ends as one file in the folder. What is there
is done, so that an experiment that was killed goes on where it was.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import pipeline
from .cohort import Case, folds
from .evaluation.comparison import Row
from .methods import START, Method
from .outputs import whole, write_json
from .progress import Progress
from .resuming import check_same, identity, remember
from .start import Started, started
from .training import TranslatedPair, deformed, learn_registration, learn_translation, translated
from .volume import Volume
from .weights import Part, Role, Weights, read_weights, write_weights

if TYPE_CHECKING:
    import SimpleITK as sitk

PLAN = "plan.json"
PICTURED = 5
TRAINING, FITTING, APPLYING = 100.0, 10.0, 1.0
"""What a piece costs, roughly: a training, a fit to a pair, and whatever else is done with a pair."""


@dataclass(frozen=True)
class Plan:
    """What decides every result, besides the cohort and the method.

    Attributes:
        preset: size of the networks' grid.
        folds: parts into which the patients are split; each is tested by networks that the others trained.
        fit_only: fit everything to the pair at hand instead; nothing is trained, and there are no folds.
        iterations: of every training or fit; as many as suit it where None.
        initial: the start of cases without labels.
        seed: of all that is random.
    """

    preset: pipeline.Preset = "fast"
    folds: int = 4
    fit_only: bool = False
    iterations: int | None = None
    initial: str = "none"
    seed: int = 0


@dataclass(frozen=True)
class Piece:
    """A part of the work that is kept when it is done.

    Attributes:
        what: for people.
        file: that is there when it is done.
        cost: how long it takes, against others.
        work: does it, and leaves the file.
    """

    what: str
    file: Path
    cost: float
    work: Callable[[Progress], None]


class Study:
    """The experiment in its folder.

    Args:
        cases: the cohort.
        methods: what is compared.
        plan: how.
        folder: for all that is kept.
        device: of torch.

    Raises:
        InputError: the folder holds another experiment, or the folds cannot be.
    """

    def __init__(
        self, cases: Sequence[Case], methods: Sequence[Method], plan: Plan, folder: Path, device: str = "cpu"
    ) -> None:
        self.cases, self.methods, self.plan, self.folder, self.device = cases, methods, plan, folder, device
        tested = (tuple(cases),) if plan.fit_only else folds(cases, plan.folds, plan.seed)
        self.folds = tested
        # Round and round the folds, so that few pictures still show every fold.
        turns = [fold[n] for n in range(max(map(len, tested))) for fold in tested if n < len(fold)]
        self.pictured = tuple(turns[:PICTURED])
        self._identity = identity(asdict(plan), cases)
        check_same(folder / PLAN, self._identity, "an evaluation")
        self.started = lru_cache(maxsize=128)(self._started)
        self._translated_for_training: tuple[object, list[TranslatedPair]] = (None, [])

    @property
    def translations(self) -> tuple[str, ...]:
        """Every translation that some method needs, in the methods' order."""
        return tuple(dict.fromkeys(method.translation for method in self.methods))

    @property
    def networks(self) -> tuple[str, ...]:
        """Those of them that are one."""
        return tuple(name for name in self.translations if name != "none")

    def pieces(self) -> list[Piece]:
        """All of the work, in the order in which one piece needs another."""
        found = [
            Piece(f"reading {case.name}", self._row_file(case, START), APPLYING, self._starting(n, case))
            for n, fold in enumerate(self.folds)
            for case in fold
        ]
        for n, fold in enumerate(self.folds):
            found += self._pieces(n, fold)
        return found

    def run(self, progress: Progress) -> None:
        """Do what is not done yet.

        Raises:
            Cancelled: the user asked to stop; what is done is kept.
            InputError: a case cannot be used.
        """
        pieces = self.pieces()
        remember(self.folder / PLAN, self._identity)
        total, past = sum(piece.cost for piece in pieces), 0.0
        for piece in pieces:
            share = _about(progress.part(past / total, (past + piece.cost) / total), piece.what)
            past += piece.cost
            share.report(0.0)
            if not piece.file.is_file():
                piece.work(share)
        progress.report(1.0)

    def done(self) -> tuple[int, int]:
        """Pieces that are done, and all of them."""
        pieces = self.pieces()
        return sum(piece.file.is_file() for piece in pieces), len(pieces)

    def rows(self) -> list[Row]:
        """What was measured, for every case and method, the start first."""
        found = []
        for method in (START, *map(str, self.methods)):
            for n, fold in enumerate(self.folds):
                for case in fold:
                    figures = json.loads(self._row_file(case, method).read_text("utf-8"))
                    found.append(Row(case.name, case.patient, self._fold(n), method, figures))
        return found

    def training_cases(self, n: int) -> list[Case]:
        """The cases that train the networks of a fold: all of the patients that it does not test."""
        return [case for other, fold in enumerate(self.folds) if other != n for case in fold]

    def translation(self, case: Case, name: str) -> TranslatedPair:
        """A test case's translation, as it was kept; as the network that saw its patient never made it."""
        pair = self.started(case).pair
        if name == "none":
            return translated(name, pair, None)
        mr, us = (Volume.read(path).array for path in self._translated_files(case, name))
        return TranslatedPair(mr, us)

    def health(self, case: Case, name: str) -> Mapping[str, Any]:
        """What was measured of it."""
        return json.loads(self._translation_file(case, name).read_text("utf-8"))

    def warped(self, case: Case, method: str) -> tuple[Volume, Volume | None]:
        """The MR and its gland where a method brought them; of the pictured cases only."""
        gland = self._picture_file(case, method, "gland")
        return Volume.read(self._picture_file(case, method, "mr")), Volume.read(gland) if gland.is_file() else None

    def _pieces(self, n: int, fold: Sequence[Case]) -> Iterator[Piece]:
        name_of_fold = "" if self.plan.fit_only else f"fold {n + 1} of {len(self.folds)}: "
        on_a_case = FITTING if self.plan.fit_only else APPLYING
        for name in self.networks:
            if not self.plan.fit_only:
                file = self._weights_file(n, name)
                yield Piece(f"{name_of_fold}training {name}", file, TRAINING, self._learning(n, name))
            for case in fold:
                file = self._translation_file(case, name)
                yield Piece(f"{name_of_fold}{name} of {case.name}", file, on_a_case, self._translating(n, case, name))
        for method in self.methods:
            if method.learns and not self.plan.fit_only:
                file = self._weights_file(n, str(method))
                yield Piece(f"{name_of_fold}training {method}", file, TRAINING, self._learning_behind(n, method))
            for case in fold:
                cost = on_a_case if method.learns else APPLYING
                file = self._row_file(case, str(method))
                yield Piece(f"{name_of_fold}{method} on {case.name}", file, cost, self._registering(n, case, method))

    def _starting(self, n: int, case: Case) -> Callable[[Progress], None]:
        def work(progress: Progress) -> None:
            self._measure(case, START, self.started(case).pair.initial, 0.0)

        return work

    def _learning(self, n: int, name: str) -> Callable[[Progress], None]:
        def work(progress: Progress) -> None:
            file = self._weights_file(n, name)
            learned = learn_translation(
                name,
                [self.started(case).pair for case in self.training_cases(n)],
                iterations=self.plan.iterations,
                checkpoint=file.with_suffix(".checkpoint"),
                seed=self.plan.seed,
                device=self.device,
                progress=progress,
            )
            _keep(file, "translation", learned.part)

        return work

    def _translating(self, n: int, case: Case, name: str) -> Callable[[Progress], None]:
        def work(progress: Progress) -> None:
            pair = self.started(case).pair
            begun = time.perf_counter()
            found = translated(name, pair, self._part(n, name, "translation"), **self._how(), progress=progress)
            seconds = time.perf_counter() - begun
            for path, array in zip(self._translated_files(case, name), (found.mr, found.us), strict=True):
                with whole(path) as draft:
                    Volume(array, pair.us.grid).write(draft)
            assert found.health is not None  # a network's translation is looked at
            with whole(self._translation_file(case, name)) as draft:
                write_json(draft, {**asdict(found.health), "seconds": seconds})

        return work

    def _learning_behind(self, n: int, method: Method) -> Callable[[Progress], None]:
        def work(progress: Progress) -> None:
            file, training = self._weights_file(n, str(method)), self.training_cases(n)
            pairs = [self.started(case).pair for case in training]
            seen = self._translations_of(n, method.translation, pairs, progress.part(0.0, 0.05))
            learned = learn_registration(
                method.registration,
                [picture.images(pair) for picture, pair in zip(seen, pairs, strict=True)],
                iterations=self.plan.iterations,
                checkpoint=file.with_suffix(".checkpoint"),
                seed=self.plan.seed,
                device=self.device,
                progress=progress.part(0.05, 1.0),
            )
            _keep(file, "registration", learned.part)

        return work

    def _translations_of(
        self, n: int, name: str, pairs: Sequence[pipeline.Pair], progress: Progress
    ) -> list[TranslatedPair]:
        """A fold's training pairs translated; the last are remembered, as methods behind one translation follow."""
        key = (n, name)
        if self._translated_for_training[0] != key:
            part = self._part(n, name, "translation")
            shares = progress.steps(len(pairs), "Translating")
            found = [translated(name, pair, part, device=self.device) for pair, _ in zip(pairs, shares, strict=False)]
            self._translated_for_training = key, found
        return self._translated_for_training[1]

    def _registering(self, n: int, case: Case, method: Method) -> Callable[[Progress], None]:
        def work(progress: Progress) -> None:
            from .registration.transforms import composite

            at_start, seen = self.started(case), self.translation(case, method.translation)
            spent = 0.0 if method.translation == "none" else float(self.health(case, method.translation)["seconds"])
            part = self._part(n, str(method), "registration") if method.learns else None
            begun = time.perf_counter()
            displacement = deformed(
                method.registration, at_start.pair, seen, part, **self._how(), progress=progress.part(0.0, 0.95)
            )
            spent += time.perf_counter() - begun
            transform = composite(at_start.pair.initial, displacement, at_start.us.grid)
            self._measure(case, str(method), transform, spent)

        return work

    def _measure(self, case: Case, method: str, transform: sitk.Transform, seconds: float) -> None:
        """Score a transform, picture it where the case is pictured, and keep both."""
        from .registration.transforms import warp
        from .scoring import figures

        at_start = self.started(case)
        measured = figures(at_start, transform)
        if case in self.pictured:
            with whole(self._picture_file(case, method, "mr")) as draft:
                warp(at_start.mr, at_start.us.grid, transform).write(draft)
            if at_start.mr_labels is not None:
                gland = at_start.mr_labels.gland
                mask = Volume(gland.array.astype(np.uint8), gland.grid)
                with whole(self._picture_file(case, method, "gland")) as draft:
                    warp(mask, at_start.us.grid, transform, label=True).write(draft)
        with whole(self._row_file(case, method)) as draft:
            write_json(draft, {**measured, "seconds": seconds})

    def _how(self) -> dict[str, Any]:
        return {"iterations": self.plan.iterations, "seed": self.plan.seed, "device": self.device}

    def _started(self, case: Case) -> Started:
        plan = self.plan
        return started(case, preset=plan.preset, initial=plan.initial, seed=plan.seed)

    def _part(self, n: int, name: str, role: Role) -> Part | None:
        if self.plan.fit_only or name == "none":
            return None
        return read_weights(self._weights_file(n, name)).parts[role]

    def _fold(self, n: int) -> int | None:
        return None if self.plan.fit_only else n + 1

    def _weights_file(self, n: int, name: str) -> Path:
        return self.folder / "weights" / f"fold-{n + 1}" / f"{name}.safetensors"

    def _row_file(self, case: Case, method: str) -> Path:
        return self.folder / "cases" / case.name / f"{method}.json"

    def _translation_file(self, case: Case, name: str) -> Path:
        return self.folder / "cases" / case.name / f"{name}.json"

    def _translated_files(self, case: Case, name: str) -> list[Path]:
        return [self.folder / "cases" / case.name / f"{name}_{which}.nrrd" for which in ("mr", "us")]

    def _picture_file(self, case: Case, method: str, what: str) -> Path:
        return self.folder / "cases" / case.name / f"{method}_{what}.nrrd"


def _keep(file: Path, role: Role, part: Part) -> None:
    """Write a network, after which its checkpoint is of no more use."""
    with whole(file) as draft:
        write_weights(draft, Weights({role: part}))
    file.with_suffix(".checkpoint").unlink(missing_ok=True)


def _about(progress: Progress, what: str) -> Progress:
    """The same, saying of which piece it speaks."""
    return replace(
        progress, listener=lambda stage, done, message: progress.listener(stage, done, f"{what} {message}".strip())
    )
