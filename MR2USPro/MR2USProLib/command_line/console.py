"""What a command shows while it runs: a bar with the time left for people, JSON lines for programs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..events import EventLines
from ..progress import Progress


@contextmanager
def front_end(events: bool, leaves: Path) -> Iterator[Progress]:
    """Progress for one command, and at its end what it leaves to look at; programs are told how it ended.

    Args:
        events: for programs, as JSON lines on stdout.
        leaves: file or folder.
    """
    if not events:
        with _bars(leaves) as listener:
            yield Progress(listener)
        return
    lines = EventLines(sys.stdout)
    with lines.ending():
        yield Progress(lines.progress)


@contextmanager
def _bars(leaves: Path) -> Iterator[Callable[[str, float, str], None]]:
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
    if console.is_terminal:
        console.print(f"Done: {leaves}", markup=False, highlight=False, soft_wrap=True)
