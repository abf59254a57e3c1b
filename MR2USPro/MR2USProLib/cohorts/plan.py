"""How an experiment on a cohort is done, whatever the methods."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .. import pipeline


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
