"""What a running command tells programs: one JSON object a line, with the key ``event``.

``progress`` (stage, fraction, message, seconds_left), ``values`` (stage, figures), ``preview`` (stage, file),
``notice`` (message), and at the end ``done``, ``cancelled`` or ``error`` (kind, message). The kinds of error are
``input`` (the user can mend it), ``missing`` (a Python package is not there) and ``fault`` (of the program).
"""

from __future__ import annotations

import errno
import json
import math
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TextIO

from .errors import OUT_OF_MEMORY, Cancelled, InputError

RATE = 10
"""Lines of progress a second, at most, for each stage; its first and last are always told."""


class EventLines:
    """Writes events to a stream."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._started: dict[str, float] = {}
        self._last: dict[str, float] = {}
        self._last_values: dict[str, float] = {}

    def write(self, event: str, **fields: object) -> None:
        """Write one line, at once; in ASCII, as a stream may know no other letters.

        Raises:
            Cancelled: nobody reads it any more.
        """
        try:
            self._stream.write(json.dumps({"event": event, **fields}) + "\n")
            self._stream.flush()
        except BrokenPipeError as error:
            # What is left in the buffer would be tried again, in vain, when Python ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
            raise Cancelled("Nobody reads the events any more.") from error

    def progress(self, stage: str, fraction: float, message: str) -> None:
        """How far a stage is, in [0, 1], and how many seconds it will still take if it goes on like this."""
        now = time.monotonic()
        started = self._started.setdefault(stage, now)
        if fraction < 1.0 and now - self._last.get(stage, -1.0) < 1 / RATE:
            return
        self._last[stage] = now
        left = (now - started) * (1 - fraction) / fraction if fraction > 0 else None
        self.write(
            "progress",
            stage=stage,
            fraction=round(fraction, 4),
            message=message,
            seconds_left=None if left is None else round(left, 1),
        )

    def values(self, stage: str, figures: Mapping[str, float]) -> None:
        """Figures of the moment, no more often than progress; those that are no numbers are left out."""
        now = time.monotonic()
        if now - self._last_values.get(stage, -1.0) < 1 / RATE:
            return
        self._last_values[stage] = now
        sound = {name: round(float(value), 6) for name, value in figures.items() if math.isfinite(value)}
        self.write("values", stage=stage, figures=sound)

    @contextmanager
    def ending(self) -> Iterator[None]:
        """Tell how the block ended, as the last event; whatever it raises is raised on."""
        try:
            yield
        except InputError as error:
            self.write("error", kind="input", message=str(error))
            raise
        except (KeyboardInterrupt, Cancelled):
            self.write("cancelled")
            raise
        except ModuleNotFoundError as error:
            self.write("error", kind="missing", message=f"The Python package {error.name} is not installed.")
            raise
        except MemoryError:
            self.write("error", kind="input", message=OUT_OF_MEMORY)
            raise
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            text = "The disk is full: free some space and start again." if full else f"{type(error).__name__}: {error}"
            self.write("error", kind="input" if full else "fault", message=text)
            raise
        except Exception as error:
            self.write("error", kind="fault", message=f"{type(error).__name__}: {error}")
            raise
        self.write("done")
