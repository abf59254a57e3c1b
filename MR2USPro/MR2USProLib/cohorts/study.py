"""A cohort's experiment: each fold trains what the methods need and tests them on patients that it never saw.

It is cut into pieces (a training, or a method on a case), each of which ends as one file in the folder. What is there
is done, so that an experiment that was killed goes on where it was.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..evaluation.comparison import Row
from ..outputs import held
from ..progress import Progress
from ..registration import SURFACES
from ..volume import Volume
from .cohort import Case, folds
from .fold_learning import FoldLearning
from .methods import FINDER, REGISTER, START, Combination
from .plan import Plan
from .reading import Reading
from .resuming import check_same, identity, remember
from .scoring import figures, overlaps
from .start import found_start, met_surfaces, registered
from .study_files import StudyFiles
from .training import TranslatedPair, deformed, translated

if TYPE_CHECKING:
    import SimpleITK as sitk

PICTURED = 5
TRAINING, FITTING, APPLYING, LOOKING = 100.0, 10.0, 1.0, 0.5
"""What a piece costs, roughly: a training, a fit to a pair, and whatever else is done with a pair."""
DISPLACEMENT = "displacement"
"""Kept of every registration until a finder has looked at it, as methods that begin with one may be added later."""


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
        InputError: the folder holds another experiment, the folds cannot be, or an image is said to be of two patients.
    """

    def __init__(
        self, cases: Sequence[Case], methods: Sequence[Combination], plan: Plan, folder: Path, device: str = "cpu"
    ) -> None:
        self.cases, self.methods, self.plan, self.device = cases, methods, plan, device
        self.files = StudyFiles(folder)
        tested = (tuple(cases),) if plan.fit_only else folds(cases, plan.folds, plan.seed)
        self.folds = tested
        # Round and round the folds, so that few pictures still show every fold.
        turns = [fold[n] for n in range(max(map(len, tested))) for fold in tested if n < len(fold)]
        self.pictured = tuple(turns[:PICTURED])
        self._identity = identity(asdict(plan), cases)
        if not plan.fit_only:
            _check_patients(self._identity["cohort"])
        check_same(self.files.identity, self._identity, "an evaluation")
        self.reading = Reading(plan.preset, plan.initial, plan.seed)
        self.learning = FoldLearning(tested, methods, plan, self.files, self.reading, device)

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
            Piece(f"reading {case.name}", self.files.figures(case, START), APPLYING, partial(self._start, case))
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
        plan, files, learning = self.plan, self.files, self.learning
        of = "" if plan.fit_only else f"fold {n + 1} of {len(self.folds)}: "
        if learning.learns_finder(n):
            work = partial(learning.learn_finder, n)
            yield Piece(f"{of}training the finder", files.weights(n, FINDER), TRAINING, work)
        if not plan.fit_only:
            for name in self.networks:
                work = partial(learning.learn_translation, n, name)
                yield Piece(f"{of}training {name}", files.weights(n, name), TRAINING, work)
            for method in self.methods:
                if method.is_network:
                    work = partial(learning.learn_registration, n, method)
                    yield Piece(f"{of}training {method}", files.weights(n, str(method)), TRAINING, work)
        looks = any(method.is_from_boxes for method in self.methods)
        for case in fold:
            for name in self.networks:
                cost = FITTING if plan.fit_only else APPLYING
                work = partial(self._translate, n, case, name)
                yield Piece(f"{of}{name} of {case.name}", files.figures(case, name), cost, work)
            for method in self.methods:
                cost = FITTING if method.is_network and (plan.fit_only or plan.refine) else APPLYING
                work = partial(self._find if method.is_from_boxes else self._register, n, case, method)
                yield Piece(f"{of}{method} on {case.name}", files.figures(case, str(method)), cost, work)
                if looks and not method.is_from_boxes:
                    work = partial(self._look, n, case, method)
                    yield Piece(f"{of}looking at {method} on {case.name}", files.seen(case, str(method)), LOOKING, work)

    def _start(self, case: Case, progress: Progress) -> None:
        self._measure(case, START, self.reading.pair(case).initial, 0.0, progress)

    def _translate(self, n: int, case: Case, name: str, progress: Progress) -> None:
        pair = self.reading.pair(case)
        part = self.learning.network(n, name, "translation")
        begun = time.perf_counter()
        found = translated(name, pair, part, **self.learning.how, progress=progress)
        seconds = time.perf_counter() - begun
        for side, array in (("mr", found.mr), ("us", found.us)):
            self.files.keep_image(case, name, side, Volume(array, pair.us.grid))
        assert found.health is not None  # a network's translation is looked at
        self.files.keep_figures(case, name, {**asdict(found.health), "seconds": seconds})

    def _find(self, n: int, case: Case, method: Combination, progress: Progress) -> None:
        at_start, begun = self.reading.whole(case), time.perf_counter()
        part = self.learning.finder(n)
        if method.registration == SURFACES:
            transform, glands = met_surfaces(at_start, part)
        else:
            found = found_start(at_start, part)
            transform, glands = found.transform, found.glands
            if method.registration == REGISTER:
                how = self.plan.preset, self.device, progress.part(0.0, 0.9)
                transform = registered(at_start, found, *how)
        seconds = time.perf_counter() - begun
        self.files.keep_seen(case, str(method), overlaps(at_start, transform, glands))
        self._measure(case, str(method), transform, seconds, progress.part(0.9, 1.0))

    def _register(self, n: int, case: Case, method: Combination, progress: Progress) -> None:
        at_start, seen = self.reading.whole(case), self.translation(case, method.translation)
        spent = 0.0 if method.translation == "none" else float(self.health(case, method.translation)["seconds"])
        part = self.learning.network(n, str(method), "registration") if method.is_network else None
        begun = time.perf_counter()
        displacement = deformed(
            method.registration,
            at_start.pair,
            seen,
            part,
            refine=self.plan.refine,
            **self.learning.how,
            progress=progress.part(0.0, 0.9),
        )
        spent += time.perf_counter() - begun
        if case.has_labels:
            self.files.keep_image(case, str(method), DISPLACEMENT, displacement)
        self._measure(case, str(method), at_start.deformed(displacement), spent, progress.part(0.9, 1.0))

    def _look(self, n: int, case: Case, method: Combination, progress: Progress) -> None:
        """Judge a registration by the glands as the finder sees them, whether it came with this call or before."""
        kept = self.files.image(case, str(method), DISPLACEMENT)
        found: Mapping[str, float] = {}
        if kept.is_file():
            at_start = self.reading.whole(case)
            glands = found_start(at_start, self.learning.finder(n)).glands
            found = overlaps(at_start, at_start.deformed(Volume.read(kept)), glands)
        self.files.keep_seen(case, str(method), found)
        kept.unlink(missing_ok=True)
        progress.report(1.0)

    def _measure(self, case: Case, method: str, transform: sitk.Transform, seconds: float, progress: Progress) -> None:
        """Score a transform, picture it where the case is pictured, and keep both."""
        from ..registration.transforms import warp

        at_start = self.reading.whole(case)
        measured = figures(at_start, transform, progress)
        if case in self.pictured:
            grid = at_start.us.grid
            self.files.keep_image(case, method, "warped", warp(at_start.mr, grid, transform))
            if at_start.mr_labels is not None:
                gland = at_start.mr_labels.gland
                mask = Volume(gland.array.astype(np.uint8), gland.grid)
                self.files.keep_image(case, method, "gland", warp(mask, grid, transform, label=True))
        self.files.keep_figures(case, method, {**measured, "seconds": seconds})


def _check_patients(cohort: Mapping[str, Mapping[str, str]]) -> None:
    """See that no image is on both sides of a split: one MR is often listed with several TRUS, and no patient named."""
    first: dict[str, str] = {}
    for name, case in cohort.items():
        for image in ("mr", "us"):
            other = first.setdefault(case[image], name)
            if cohort[other]["patient"] != case["patient"]:
                raise InputError(
                    f"The cases '{other}' and '{name}' share their {image} but no patient, so one could train what the "
                    "other tests: give both the same patient in the cohort's file."
                )


def _about(progress: Progress, what: str) -> Progress:
    """The same, saying of which piece it speaks."""
    return replace(
        progress, listener=lambda stage, done, message: progress.listener(stage, done, f"{what} {message}".strip())
    )
