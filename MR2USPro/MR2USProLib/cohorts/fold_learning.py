"""What the folds of an experiment learn, each of it from the patients that the fold does not test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import pipeline
from ..progress import Progress
from ..weights import Part, Role
from .cohort import Case
from .methods import FINDER, REGISTER, Combination
from .plan import Plan
from .reading import Reading
from .start import learn_start
from .study_files import StudyFiles, checkpoint
from .training import TranslatedPair, learn_registration, learn_translation, translated_all


class FoldLearning:
    """The networks and the finder of every fold: learned, kept as files, and handed out again.

    Args:
        folds: the test cases of each fold.
        methods: for which it is learned.
        plan: how.
        files: where it is kept.
        reading: of the cases.
        device: of torch.

    Attributes:
        how: what every training and every fit is told of the plan and the device.
    """

    def __init__(
        self,
        folds: Sequence[Sequence[Case]],
        methods: Sequence[Combination],
        plan: Plan,
        files: StudyFiles,
        reading: Reading,
        device: str,
    ) -> None:
        self._folds, self._methods, self._plan = folds, methods, plan
        self._files, self._reading = files, reading
        self.how: dict[str, Any] = {"iterations": plan.iterations, "seed": plan.seed, "device": device}
        self._translated: tuple[object, list[TranslatedPair]] = (None, [])

    def training_cases(self, n: int) -> list[Case]:
        """The cases that train the networks of a fold: all of the patients that it does not test."""
        return [case for other, fold in enumerate(self._folds) if other != n for case in fold]

    def learn_translation(self, n: int, name: str, progress: Progress) -> None:
        """Train a fold's translation.

        Raises:
            Cancelled: the user asked to stop.
            InputError: a case cannot be used.
        """
        learned = learn_translation(
            name,
            self._reading.pairs(self.training_cases(n), progress.part(0.0, 0.05)),
            published=self._plan.published,
            checkpoint=checkpoint(self._files.weights(n, name)),
            **self.how,
            progress=progress.part(0.05, 1.0),
        )
        self._files.keep_network(n, name, "translation", learned.part)

    def learn_registration(self, n: int, method: Combination, progress: Progress) -> None:
        """Train a fold's registration behind the method's translation; the errors are the same."""
        name = str(method)
        pairs = self._reading.pairs(self.training_cases(n), progress.part(0.0, 0.02))
        seen = self._translations(n, method.translation, pairs, progress.part(0.02, 0.05))
        learned = learn_registration(
            method.registration,
            [picture.images(pair) for picture, pair in zip(seen, pairs, strict=True)],
            checkpoint=checkpoint(self._files.weights(n, name)),
            **self.how,
            progress=progress.part(0.05, 1.0),
        )
        self._files.keep_network(n, name, "registration", learned.part)

    def learn_finder(self, n: int, progress: Progress) -> None:
        """Learn where glands lie in a fold's boxes; the errors are the same, and too few boxes are one, too."""
        from ..registration.finder_training import own_finder

        pairs = self._reading.boxed(self.training_cases(n), progress.part(0.0, 0.15))
        tested = self._reading.boxed(self._folds[n], progress.part(0.15, 0.2))
        iterations, seed = self._plan.iterations, self._plan.seed
        part = learn_start(pairs, tested, iterations=iterations, seed=seed, progress=progress.part(0.2, 1.0))
        self._files.keep_network(n, FINDER, "finder", part or own_finder())

    def network(self, n: int, name: str, role: Role) -> Part | None:
        """A fold's network of that name; None where everything is fitted, or nothing is translated."""
        if self._plan.fit_only or name == "none":
            return None
        return self._files.network(n, name, role)

    def learns_finder(self, n: int) -> bool:
        """Whether a fold teaches a finder; where boxes are too few, `register` alone takes the program's own."""
        from ..registration.finder_training import LEAST_PAIRS

        wanted = {method.registration for method in self._methods if method.is_from_boxes}
        boxed = sum(case.has_labels for case in self.training_cases(n))
        return not self._plan.fit_only and bool(wanted) and (wanted != {REGISTER} or boxed >= LEAST_PAIRS)

    def finder(self, n: int) -> Part | None:
        """What a fold's boxes taught; None stands for the program's own finder."""
        return self._files.network(n, FINDER, "finder") if self.learns_finder(n) else None

    def _translations(
        self, n: int, name: str, pairs: Sequence[pipeline.Pair], progress: Progress
    ) -> list[TranslatedPair]:
        """A fold's training pairs translated; the last are remembered, as methods behind one translation follow."""
        key = (n, name)
        if self._translated[0] != key:
            part = self.network(n, name, "translation")
            found = translated_all(name, pairs, part, device=self.how["device"], progress=progress)
            self._translated = key, found
        return self._translated[1]
