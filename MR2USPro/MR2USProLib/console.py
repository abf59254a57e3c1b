"""What a command shows while it runs: a bar with the time left for people, JSON lines for programs."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .errors import Cancelled, InputError
from .progress import Progress


@contextmanager
def front_end(events: bool) -> Iterator[Progress]:
    """Progress for one command; how the command ended is told to programs as the last event."""
    if not events:
        with _bars() as listener:
            yield Progress(listener)
        return
    try:
        yield Progress(_EventLines().listen)
    except InputError as error:
        _print_event(event="error", kind="input", message=str(error))
        raise
    except (KeyboardInterrupt, Cancelled):
        _print_event(event="cancelled")
        raise
    except Exception as error:
        _print_event(event="error", kind="fault", message=f"{type(error).__name__}: {error}")
        raise
    _print_event(event="done")


@contextmanager
def _bars() -> Iterator[Callable[[str, float, str], None]]:
    """One bar a stage, on stderr; nothing where that is no terminal, so that what stands there is errors alone."""
    from rich.console import Console
    from rich.progress import BarColumn, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    console = Console(stderr=True)
    bars = Bars(
        TextColumn("{task.description:<12}"),
        BarColumn(bar_width=28),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[message]}", style="dim"),
        console=console,
        disable=not console.is_terminal,
        speed_estimate_period=60,
    )
    stages: dict[str, TaskID] = {}

    def listen(stage: str, fraction: float, message: str) -> None:
        if stage not in stages:
            stages[stage] = bars.add_task(stage, total=1.0, message="")
        bars.update(stages[stage], completed=fraction, message=message)

    with bars:
        yield listen


class _EventLines:
    """Prints progress as JSON lines, at most ten a second for each stage, its first and last always."""

    def __init__(self) -> None:
        self._started: dict[str, float] = {}
        self._last: dict[str, float] = {}

    def listen(self, stage: str, fraction: float, message: str) -> None:
        now = time.monotonic()
        started = self._started.setdefault(stage, now)
        if fraction < 1.0 and now - self._last.get(stage, -1.0) < 0.1:
            return
        self._last[stage] = now
        left = (now - started) * (1 - fraction) / fraction if fraction > 0 else None
        _print_event(
            event="progress",
            stage=stage,
            fraction=round(fraction, 4),
            message=message,
            seconds_left=None if left is None else round(left, 1),
        )


def _print_event(**fields: object) -> None:
    print(json.dumps(fields, ensure_ascii=False), file=sys.stdout, flush=True)
