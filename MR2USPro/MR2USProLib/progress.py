"""How a long computation tells its front end where it is, and hears that it should stop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .errors import Cancelled

Listener = Callable[[str, float, str], None]
"""Called with the stage's name, the fraction done in [0, 1] and a short message (may be empty)."""


def _nobody(stage: str, fraction: float, message: str) -> None:
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
    """

    listener: Listener = _nobody
    cancelled: Callable[[], bool] = _never
    stage: str = ""
    start: float = 0.0
    end: float = 1.0

    def named(self, stage: str) -> Progress:
        """The same listener for a stage of its own, from 0 to 1."""
        return Progress(self.listener, self.cancelled, stage)

    def part(self, start: float, end: float) -> Progress:
        """The share of this object from ``start`` to ``end`` (both in [0, 1])."""
        span = self.end - self.start
        return Progress(self.listener, self.cancelled, self.stage, self.start + start * span, self.start + end * span)

    def report(self, fraction: float, message: str = "") -> None:
        """Say how much of this part is done.

        Raises:
            Cancelled: the user asked to stop.
        """
        if self.cancelled():
            raise Cancelled(f"{self.stage or 'The work'} was cancelled.")
        fraction = min(max(fraction, 0.0), 1.0)
        self.listener(self.stage, self.start + fraction * (self.end - self.start), message)

    def steps(self, count: int, message: str = "") -> Iterator[int]:
        """Count from 0 to ``count - 1``, reporting before each and after the last."""
        for step in range(count):
            self.report(step / count, message)
            yield step
        self.report(1.0, message)


SILENT = Progress()
