"""The cases of a cohort as they are needed, with no more of them in memory than that takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .. import pipeline
from ..progress import Progress
from .cohort import Case, patients_together
from .start import Started, started

if TYPE_CHECKING:
    from ..registration.finder_training import BoxedPair


class Reading:
    """Reads cases and brings them to their start.

    What the networks see of a case is small and takes long to make, and a training holds that of all its cases anyway:
    it is kept. The images as they are may be large: only the last case's are kept, since work goes case by case.

    Args:
        preset: size of the networks' grid.
        initial: the start of cases without labels.
        seed: of how the boxes are drawn.
    """

    def __init__(self, preset: pipeline.Preset, initial: str, seed: int) -> None:
        self._preset, self._initial, self._seed = preset, initial, seed
        self._pairs: dict[Case, pipeline.Pair] = {}
        self._last: Started | None = None

    def whole(self, case: Case) -> Started:
        """A case with its images and labels, which are read anew unless it was the last one.

        Raises:
            InputError: the case cannot be used.
        """
        if self._last is None or self._last.case != case:
            self._last = None  # before the next one is read, so that there are never two
            pair = self._pairs.get(case)
            self._last = started(case, preset=self._preset, initial=self._initial, seed=self._seed, pair=pair)
            self._pairs[case] = self._last.pair
        return self._last

    def pair(self, case: Case) -> pipeline.Pair:
        """What the networks see of a case; it is read where that was never done.

        Raises:
            InputError: the case cannot be used.
        """
        return self._pairs[case] if case in self._pairs else self.whole(case).pair

    def pairs(self, cases: Sequence[Case], progress: Progress) -> list[pipeline.Pair]:
        """The same of many, which takes a while where an earlier call had read them.

        Raises:
            Cancelled: the user asked to stop.
            InputError: a case cannot be used.
        """
        return [self.pair(cases[n]) for n in progress.steps(len(cases), "reading")]

    def boxed(self, cases: Sequence[Case], progress: Progress) -> list[BoxedPair]:
        """What a finder looks at, of those cases that have boxes; those of one patient follow each other.

        Raises:
            Cancelled: the user asked to stop.
            InputError: a case cannot be used.
        """
        together = patients_together(cases)
        found = [self._boxed(together[n]) for n in progress.steps(len(together), "reading")]
        return [pair for pair in found if pair is not None]

    def _boxed(self, case: Case) -> BoxedPair | None:
        from ..registration.finder_training import BoxedPair

        begun = self.whole(case)
        return None if begun.boxes is None else BoxedPair.of(begun.mr, begun.us, *begun.boxes)
