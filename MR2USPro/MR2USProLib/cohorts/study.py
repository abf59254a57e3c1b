"""A cohort's experiment: each fold trains what the methods need and tests them on patients that it never saw.

It is cut into pieces (a training, or a method on a case), each of which ends as one file in the folder. What is there
is done, so that an experiment that was killed goes on where it was.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import pipeline
from ..evaluation.comparison import Row
from ..outputs import held
from ..progress import Progress
from ..registration import SURFACES
from ..volume import Volume
from ..weights import Part, Role
from .cohort import Case, folds
from .methods import FINDER, REGISTER, START, Method
from .reading import Reading
from .resuming import check_same, identity, remember
from .start import found_start, learn_start, met_surfaces, registered
from .study_files import StudyFiles, checkpoint
from .training import (
    TranslatedPair,
    deformed,
    learn_registration,
    learn_translation,
    translated,
    translated_all,
)

if TYPE_CHECKING:
    import SimpleITK as sitk

    from ..registration.quality import Glands

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
        refine: whether a trained registration is fitted to each pair for a few iterations more.
        published: train translations of the sizes and the schedule of UNSB's paper.
        iterations: of every training or fit; as many as suit it where None.
        initial: the start of cases without labels.
        seed: of all that is random.
    """

    preset: pipeline.Preset = "fast"
    folds: int = 4
    fit_only: bool = False
    refine: bool = True
    published: bool = False
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
        self.cases, self.methods, self.plan, self.device = cases, methods, plan, device
        self.files = StudyFiles(folder)
        tested = (tuple(cases),) if plan.fit_only else folds(cases, plan.folds, plan.seed)
        self.folds = tested
        # Round and round the folds, so that few pictures still show every fold.
        turns = [fold[n] for n in range(max(map(len, tested))) for fold in tested if n < len(fold)]
        self.pictured = tuple(turns[:PICTURED])
        self._identity = identity(asdict(plan), cases)
        check_same(self.files.identity, self._identity, "an evaluation")
        self.reading = Reading(plan.preset, plan.initial, plan.seed)
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
            Piece(f"reading {case.name}", self.files.figures(case, START), APPLYING, self._starting(case))
            for fold in self.folds
            for case in fold
        ]
        for n, fold in enumerate(self.folds):
            found += self._pieces(n, fold)
        return found

    def run(self, progress: Progress) -> None:
        """Do what is not done yet.

        Raises:
            Cancelled: the user asked to stop; what is done is kept.
            InputError: a case cannot be used, or another run works in the folder.
        """
        pieces = self.pieces()
        with held(self.files.folder):
            remember(self.files.identity, self._identity)
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
        return [
            Row(case.name, case.patient, None if self.plan.fit_only else n + 1, name, self.files.measured(case, name))
            for name in (START, *map(str, self.methods))
            for n, fold in enumerate(self.folds)
            for case in fold
        ]

    def training_cases(self, n: int) -> list[Case]:
        """The cases that train the networks of a fold: all of the patients that it does not test."""
        return [case for other, fold in enumerate(self.folds) if other != n for case in fold]

    def translation(self, case: Case, name: str) -> TranslatedPair:
        """A test case's translation, as it was kept; as the network that saw its patient never made it."""
        pair = self.reading.pair(case)
        if name == "none":
            return translated(name, pair, None)
        mr, us = (Volume.read(self.files.image(case, name, side)).array for side in ("mr", "us"))
        return TranslatedPair(mr, us)

    def health(self, case: Case, name: str) -> Mapping[str, Any]:
        """What was measured of it."""
        return self.files.measured(case, name)

    def warped(self, case: Case, method: str) -> tuple[Volume, Volume | None]:
        """The MR and its gland where a method brought them; of the pictured cases only."""
        gland = self.files.image(case, method, "gland")
        return Volume.read(self.files.image(case, method, "warped")), Volume.read(gland) if gland.is_file() else None

    def _pieces(self, n: int, fold: Sequence[Case]) -> Iterator[Piece]:
        """What a fold learns, and then one case after the other, so that each is read but once."""
        plan, files = self.plan, self.files
        of = "" if plan.fit_only else f"fold {n + 1} of {len(self.folds)}: "
        if self._learns_finder(n):
            yield Piece(f"{of}training the finder", files.weights(n, FINDER), TRAINING, self._learning_finder(n))
        if not plan.fit_only:
            for name in self.networks:
                yield Piece(f"{of}training {name}", files.weights(n, name), TRAINING, self._learning(n, name))
            for method in self.methods:
                name, work = str(method), self._learning_behind(n, method)
                if method.is_network:
                    yield Piece(f"{of}training {name}", files.weights(n, name), TRAINING, work)
        for case in fold:
            for name in self.networks:
                cost = FITTING if plan.fit_only else APPLYING
                file = files.figures(case, name)
                yield Piece(f"{of}{name} of {case.name}", file, cost, self._translating(n, case, name))
            for method in self.methods:
                cost = FITTING if method.is_network and (plan.fit_only or plan.refine) else APPLYING
                file = files.figures(case, str(method))
                yield Piece(f"{of}{method} on {case.name}", file, cost, self._registering(n, case, method))

    def _starting(self, case: Case) -> Callable[[Progress], None]:
        def work(progress: Progress) -> None:
            self._measure(case, START, self.reading.pair(case).initial, 0.0, None, progress)

        return work

    def _learning(self, n: int, name: str) -> Callable[[Progress], None]:
        def work(progress: Progress) -> None:
            learned = learn_translation(
                name,
                self.reading.pairs(self.training_cases(n), progress.part(0.0, 0.05)),
                published=self.plan.published,
                checkpoint=checkpoint(self.files.weights(n, name)),
                **self._how(),
                progress=progress.part(0.05, 1.0),
            )
            self.files.keep_network(n, name, "translation", learned.part)

        return work

    def _translating(self, n: int, case: Case, name: str) -> Callable[[Progress], None]:
        def work(progress: Progress) -> None:
            pair = self.reading.pair(case)
            begun = time.perf_counter()
            found = translated(name, pair, self._part(n, name, "translation"), **self._how(), progress=progress)
            seconds = time.perf_counter() - begun
            for side, array in (("mr", found.mr), ("us", found.us)):
                self.files.keep_image(case, name, side, Volume(array, pair.us.grid))
            assert found.health is not None  # a network's translation is looked at
            self.files.keep_figures(case, name, {**asdict(found.health), "seconds": seconds})

        return work

    def _learning_behind(self, n: int, method: Method) -> Callable[[Progress], None]:
        def work(progress: Progress) -> None:
            pairs = self.reading.pairs(self.training_cases(n), progress.part(0.0, 0.02))
            seen = self._translations_of(n, method.translation, pairs, progress.part(0.02, 0.05))
            learned = learn_registration(
                method.registration,
                [picture.images(pair) for picture, pair in zip(seen, pairs, strict=True)],
                checkpoint=checkpoint(self.files.weights(n, str(method))),
                **self._how(),
                progress=progress.part(0.05, 1.0),
            )
            self.files.keep_network(n, str(method), "registration", learned.part)

        return work

    def _learning_finder(self, n: int) -> Callable[[Progress], None]:
        def work(progress: Progress) -> None:
            from ..registration.finder_training import own_finder

            pairs = self.reading.boxed(self.training_cases(n), progress.part(0.0, 0.15))
            tested = self.reading.boxed(self.folds[n], progress.part(0.15, 0.2))
            plan, learning = self.plan, progress.part(0.2, 1.0)
            part = learn_start(pairs, tested, iterations=plan.iterations, seed=plan.seed, progress=learning)
            self.files.keep_network(n, FINDER, "finder", part or own_finder())

        return work

    def _finding(self, n: int, case: Case, method: Method) -> Callable[[Progress], None]:
        def work(progress: Progress) -> None:
            at_start, begun = self.reading.whole(case), time.perf_counter()
            part = self._finder(n)
            if method.registration == SURFACES:
                transform, glands = met_surfaces(at_start, part)
            else:
                found = found_start(at_start, part)
                transform, glands = found.transform, found.glands
                if method.registration == REGISTER:
                    how = self.plan.preset, self.device, progress.part(0.0, 0.9)
                    transform = registered(at_start, found, *how)
            seconds = time.perf_counter() - begun
            self._measure(case, str(method), transform, seconds, glands, progress.part(0.9, 1.0))

        return work

    def _learns_finder(self, n: int) -> bool:
        """Whether a fold teaches a finder; where boxes are too few, `register` alone takes the program's own."""
        from ..registration.finder_training import LEAST_PAIRS

        wanted = {method.registration for method in self.methods if method.is_from_boxes}
        boxed = sum(case.has_labels for case in self.training_cases(n))
        return not self.plan.fit_only and bool(wanted) and (wanted != {REGISTER} or boxed >= LEAST_PAIRS)

    def _finder(self, n: int) -> Part | None:
        """What a fold's boxes taught; None stands for the program's own finder."""
        return self.files.network(n, FINDER, "finder") if self._learns_finder(n) else None

    def _translations_of(
        self, n: int, name: str, pairs: Sequence[pipeline.Pair], progress: Progress
    ) -> list[TranslatedPair]:
        """A fold's training pairs translated; the last are remembered, as methods behind one translation follow."""
        key = (n, name)
        if self._translated_for_training[0] != key:
            part = self._part(n, name, "translation")
            found = translated_all(name, pairs, part, device=self.device, progress=progress)
            self._translated_for_training = key, found
        return self._translated_for_training[1]

    def _registering(self, n: int, case: Case, method: Method) -> Callable[[Progress], None]:
        if method.is_from_boxes:
            return self._finding(n, case, method)

        def work(progress: Progress) -> None:
            from ..registration.transforms import composite

            at_start, seen = self.reading.whole(case), self.translation(case, method.translation)
            spent = 0.0 if method.translation == "none" else float(self.health(case, method.translation)["seconds"])
            part = self._part(n, str(method), "registration") if method.is_network else None
            begun = time.perf_counter()
            displacement = deformed(
                method.registration,
                at_start.pair,
                seen,
                part,
                refine=self.plan.refine,
                **self._how(),
                progress=progress.part(0.0, 0.9),
            )
            spent += time.perf_counter() - begun
            transform = composite(at_start.pair.initial, displacement, at_start.us.grid)
            self._measure(case, str(method), transform, spent, self._seen(n, case), progress.part(0.9, 1.0))

        return work

    def _seen(self, n: int, case: Case) -> Glands | None:
        """The glands as the finder sees them; None where no method begins with one."""
        if not any(method.is_from_boxes for method in self.methods):
            return None
        return found_start(self.reading.whole(case), self._finder(n)).glands

    def _measure(
        self,
        case: Case,
        method: str,
        transform: sitk.Transform,
        seconds: float,
        glands: Glands | None,
        progress: Progress,
    ) -> None:
        """Score a transform, picture it where the case is pictured, and keep both."""
        from ..registration.transforms import warp
        from .scoring import figures

        at_start = self.reading.whole(case)
        measured = figures(at_start, transform, glands, progress)
        if case in self.pictured:
            grid = at_start.us.grid
            self.files.keep_image(case, method, "warped", warp(at_start.mr, grid, transform))
            if at_start.mr_labels is not None:
                gland = at_start.mr_labels.gland
                mask = Volume(gland.array.astype(np.uint8), gland.grid)
                self.files.keep_image(case, method, "gland", warp(mask, grid, transform, label=True))
        self.files.keep_figures(case, method, {**measured, "seconds": seconds})

    def _how(self) -> dict[str, Any]:
        return {"iterations": self.plan.iterations, "seed": self.plan.seed, "device": self.device}

    def _part(self, n: int, name: str, role: Role) -> Part | None:
        if self.plan.fit_only or name == "none":
            return None
        return self.files.network(n, name, role)


def _about(progress: Progress, what: str) -> Progress:
    """The same, saying of which piece it speaks."""
    return replace(
        progress, listener=lambda stage, done, message: progress.listener(stage, done, f"{what} {message}".strip())
    )
