"""The front end's side of a job: starts the worker, hears it, and decides, in one place, how it ended."""

from __future__ import annotations

import contextlib
import errno
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

from ..errors import Cancelled, InputError
from . import process
from .job import STAGES, Job

ENGINE = Path(__file__).resolve().parents[2]
BOOT = (
    "import sys; sys.path[:] = [sys.argv[1], *filter(None, sys.path)]; from MR2USProLib.jobs.worker import main; main()"
)
"""How the worker begins, with nothing on its path of the folder in which the front end happens to be."""
CANCEL_SECONDS = 1.5
"""A worker that was told to stop and still runs after this time is killed, with all that it started."""
LOG_FILE = "log.txt"
TAIL_LINES = 40

Event = dict[str, Any]


class State(Enum):
    """Where a run is. It goes from top to bottom, and ends in one of the last three."""

    NEW = "new"
    RUNNING = "running"
    CANCELLING = "cancelling"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class JobFailed(InputError):
    """A job that did not end well; its message says what is wrong and what to do.

    Attributes:
        kind: ``input``, ``missing`` (a Python package) or ``fault``.
        folder: what the job left: its log, and what it was given.
    """

    def __init__(self, message: str, kind: str, folder: Path) -> None:
        super().__init__(message)
        self.kind = kind
        self.folder = folder


class Run:
    """One job in a worker process.

    Nothing here waits but :meth:`wait`: a front end with an event loop calls :meth:`poll` some ten times a second.

    Attributes:
        state: where it is; changed by :meth:`start`, :meth:`poll` and :meth:`cancel` alone.
        fraction: how much is done, in [0, 1], all stages together.
        message: what is being done; at the end, what went wrong and what to do about it.
        notice: what the user should know although it stops nothing, such as a device that is not used.
        failure: kind of a failure: ``input``, ``missing`` or ``fault``; empty otherwise.
        results: the command's figures, once done.
        log: the last lines that the worker wrote; all of them are in ``log.txt`` in the job's folder.
    """

    def __init__(
        self, kind: str, parameters: Mapping[str, Any], folder: Path, python: Sequence[str] = (sys.executable,)
    ) -> None:
        """A job that has not begun.

        Args:
            kind: one of :data:`.job.STAGES`.
            parameters: keyword arguments of the command; files as paths or strings.
            folder: an own, new folder for this job.
            python: the Python that has the engine's packages, with its options.
        """
        self.job = Job(kind, parameters, folder)
        self.state = State.NEW
        self.fraction = 0.0
        self.message = ""
        self.failure = ""
        self.notice = ""
        self.results: dict[str, Any] = {}
        self.log: list[str] = []
        self._python = list(python)
        self._process: subprocess.Popen[bytes] | None = None
        self._events: process.Lines | None = None
        self._texts: process.Lines | None = None
        self._error: Event | None = None
        self._pending: list[Event] = []
        self._begun = self._cancelled_at = 0.0
        self._stages: dict[str, float] = {}

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in (State.DONE, State.FAILED, State.CANCELLED)

    @property
    def seconds_left(self) -> float | None:
        """How long it will still take if it goes on like this; None as long as that cannot be said."""
        elapsed = time.monotonic() - self._begun
        if self.state is not State.RUNNING or self.fraction < 0.02 or elapsed < 1:
            return None
        return elapsed * (1 - self.fraction) / self.fraction

    def file(self, name: str) -> Path:
        """A file that the job left among its results."""
        return self.job.results / name

    def start(self) -> None:
        """Start the worker. What prevents it is told by :attr:`state` and :attr:`message`, as all later trouble is."""
        assert self.state is State.NEW
        self._begun = time.monotonic()
        try:
            path = self.job.write()
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            reason = "the disk is full: free some space" if full else f"{error.strerror}: choose another folder"
            self._end(State.FAILED, f"{self.job.folder} cannot be written, {reason}, and start again.", "input")
            return
        command = [*self._python, "-u", "-c", BOOT, str(ENGINE), str(path)]
        try:
            self._process = process.start(command)
        except OSError as error:
            self._end(
                State.FAILED,
                f"{self._python[0]} could not be started ({error.strerror or error}): reinstall 3D Slicer, or the "
                "Python that runs the worker.",
                "fault",
            )
            return
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._events, self._texts = process.Lines(self._process.stdout), process.Lines(self._process.stderr)
        self.state = State.RUNNING

    def poll(self) -> list[Event]:
        """Hear what the worker has said since the last call, see whether it has ended. Never waits.

        Returns:
            the events, oldest first; see :mod:`MR2USProLib.events`.
        """
        if self._process is not None and not self.ended:
            code = self._process.poll()  # asked first: what was written before the end is then read for certain
            self._hear(final=code is not None)
            if code is not None:
                self._conclude(code)
            elif self.state is State.CANCELLING and time.monotonic() - self._cancelled_at > CANCEL_SECONDS:
                process.end(self._process)
        events, self._pending = self._pending, []
        return events

    def cancel(self) -> None:
        """Tell the worker to stop. Returns at once; the run ends within two seconds, whatever the worker does."""
        if self.state is State.NEW:
            self._end(State.CANCELLED, "Cancelled.")
        if self.state is not State.RUNNING:
            return
        self.state = State.CANCELLING
        self.message = "Stopping ..."
        self._cancelled_at = time.monotonic()
        self._close_input()

    def kill(self) -> None:
        """End the worker now and wait for that, as when the program that wanted its result is closing."""
        if self._process is None or self.ended:
            return
        self.cancel()
        process.end(self._process)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        self.poll()

    def wait(self, listener: Callable[[Event], None] = lambda event: None) -> Run:
        """Start if need be and stay until the job is done, telling each event.

        Raises:
            JobFailed: it failed.
            Cancelled: it was cancelled, by :meth:`cancel` or by Ctrl-C.
        """
        if self.state is State.NEW:
            self.start()
        try:
            while True:
                ended = self.ended
                for event in self.poll():
                    listener(event)
                if ended:
                    break
                time.sleep(0.02)
        except BaseException:
            self.kill()
            raise
        self.raise_failure()
        return self

    def raise_failure(self) -> None:
        """Raise :class:`JobFailed` or :class:`Cancelled` where the run ended that way."""
        if self.state is State.FAILED:
            raise JobFailed(self.message, self.failure, self.job.folder)
        if self.state is State.CANCELLED:
            raise Cancelled(self.message)

    def remove(self) -> None:
        """Delete the job's folder with all that is in it."""
        shutil.rmtree(self.job.folder, ignore_errors=True)

    def _close_input(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()

    def _hear(self, final: bool) -> None:
        assert self._events is not None
        assert self._texts is not None
        texts = self._texts.finish() if final else self._texts.read()
        for line in self._events.finish() if final else self._events.read():
            event = _parse(line)
            if event is None:
                texts.append(line)
            else:
                self._take(event)
        if texts:
            self.log = [*self.log, *texts][-TAIL_LINES:]
            # A full disk must not hide what the worker said: its last lines are kept here as well.
            with contextlib.suppress(OSError), (self.job.folder / LOG_FILE).open("a", encoding="utf-8") as file:
                file.write("\n".join(texts) + "\n")

    def _take(self, event: Event) -> None:
        self._pending.append(event)
        if event["event"] == "progress":
            self._stages[str(event["stage"])] = min(max(float(event["fraction"]), 0.0), 1.0)
            self.fraction = max(self.fraction, _overall(self.job.kind, self._stages))
            if self.state is State.RUNNING:
                self.message = str(event.get("message") or event["stage"])
        elif event["event"] == "notice":
            self.notice = str(event.get("message", ""))
        elif event["event"] == "error":
            self._error = event

    def _conclude(self, code: int) -> None:
        """Decide how the run ended, from whether it was cancelled, what the worker said, its exit code and manifest."""
        assert self._process is not None
        process.end(self._process)  # what it may have left running
        self._close_input()
        manifest = self.job.manifest()
        if self.state is State.CANCELLING:
            self._end(State.CANCELLED, "Cancelled.")
        elif code == 0 and manifest is not None:
            self.results = manifest["results"]
            self.fraction = 1.0
            self._end(State.DONE, "Done.")
        elif self._error is not None:
            self._end(State.FAILED, *_explained(self._error))
        elif code == 0:
            self._end(
                State.FAILED, "The worker ended without leaving a result: start again, and report it if that does not "
                "help.", "fault"
            )  # fmt: skip
        elif code < 0 or code > 255:
            self._end(
                State.FAILED, f"The worker was ended from outside or crashed (code {code}), most often because memory "
                "ran out: close other programs or choose a smaller preset, and start again.", "fault"
            )  # fmt: skip
        else:
            last = next((line.strip() for line in reversed(self.log) if line.strip()), "it said nothing")
            self._end(
                State.FAILED, f"The worker could not begin its work ({last}): look at the packages under Environment, "
                "and start again.", "missing" if "ModuleNotFoundError" in last else "fault"
            )  # fmt: skip

    def _end(self, state: State, message: str, failure: str = "") -> None:
        self.state, self.message, self.failure = state, message, failure


def _parse(line: str) -> Event | None:
    """The event of a line; None where it is none, such as half a line of a worker that was killed."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    if not (isinstance(event, dict) and isinstance(event.get("event"), str)):
        return None
    if event["event"] == "progress" and not (
        isinstance(event.get("stage"), str) and isinstance(event.get("fraction"), (int, float))
    ):
        return None
    return event


def _overall(kind: str, told: Mapping[str, float]) -> float:
    """How much of all stages is done; what comes before a stage that has begun, without a word of it, is left out."""
    begun = [n for n, name in enumerate(STAGES[kind]) if name in told]
    if not begun:
        return 0.0
    stages = [(name, share) for n, (name, share) in enumerate(STAGES[kind].items()) if name in told or n > begun[-1]]
    total = sum(share for _, share in stages)
    return sum(share * told.get(name, 0.0) for name, share in stages) / total


def _explained(error: Event) -> tuple[str, str]:
    """A sentence for the user, and the kind of failure."""
    kind, message = str(error.get("kind", "fault")), str(error.get("message", ""))
    if kind == "missing":
        return f"{message} Install what is missing under Environment, and start again.", kind
    if kind == "fault":
        return f"A fault of the program stopped the work ({message}): please report it with the job's log.", kind
    return message, kind
