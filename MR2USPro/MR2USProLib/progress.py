"""How a long computation tells its front end where it is and what it sees, and hears that it should stop."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .errors import Cancelled

if TYPE_CHECKING:
    from .volume import Volume

Listener = Callable[[str, float, str], None]
"""Called with the stage's name, the fraction done in [0, 1] and a short message (may be empty)."""

ValueListener = Callable[[str, Mapping[str, float]], None]
"""Called with the stage's name and figures of the moment, such as the terms of a loss."""

PreviewListener = Callable[[str, "Callable[[], Volume]"], None]
"""Called with the stage's name and what makes a picture of how far the work is, for those who want to see it."""


def _nobody(stage: str, what: object, message: str = "") -> None:
    """Listen to nothing."""


def _never() -> bool:
    return False


@dataclass(frozen=True)
class Progress:
    """A part of the whole job, seen by the code that does it.

    Attributes:
        listener: told about every step.
        cancelled: asked at every step; a true answer ends the work.
        stage: what the listener calls this part.
        start, end: the share of the stage that this object's 0 to 1 stands for.
        value_listener: told the figures of the moment.
        preview_listener: offered pictures of the moment.
    """

    listener: Listener = _nobody
    cancelled: Callable[[], bool] = _never
    stage: str = ""
    start: float = 0.0
    end: float = 1.0
    value_listener: ValueListener = _nobody
    preview_listener: PreviewListener = _nobody

    def named(self, stage: str) -> Progress:
        """The same listener for a stage of its own, from 0 to 1."""
        return replace(self, stage=stage, start=0.0, end=1.0)

    def part(self, start: float, end: float) -> Progress:
        """The share of this object from ``start`` to ``end`` (both in [0, 1])."""
        span = self.end - self.start
        return replace(self, start=self.start + start * span, end=self.start + end * span)

    def report(self, fraction: float, message: str = "") -> None:
        """Say how much of this part is done.

        Raises:
            Cancelled: the user asked to stop.
        """
        if self.cancelled():
            raise Cancelled(f"{self.stage or 'The work'} was cancelled.")
        fraction = min(max(fraction, 0.0), 1.0)
        self.listener(self.stage, self.start + fraction * (self.end - self.start), message)

    def values(self, **figures: float) -> None:
        """Tell figures of the moment, such as the terms of a loss, by their names."""
        self.value_listener(self.stage, figures)

    def preview(self, picture: Callable[[], Volume]) -> None:
        """Offer a picture of the moment; it is made only where somebody wants to see it."""
        self.preview_listener(self.stage, picture)

    def steps(self, count: int, message: str = "") -> Iterator[int]:
        """Count from 0 to ``count - 1``, reporting before each and after the last."""
        for step in range(count):
            self.report(step / count, message)
            yield step
        self.report(1.0, message)


SILENT = Progress()
