"""A child process with all that it may start in turn: started without a window, read without waiting, ended whole."""

from __future__ import annotations

import codecs
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import IO

CHUNK = 65536


def start(command: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a program at the head of a process group of its own, with all three streams as pipes.

    It is where this process is, so that the names of files mean the same to both.

    Its standard input stays open as long as this process lives: the child takes its end for a call to stop, so that it
    does not outlive whoever wanted its result.

    Raises:
        OSError: the program does not start.
    """
    environment = dict(os.environ, PYTHONIOENCODING="utf-8", PYTHONUTF8="1", PYTHONUNBUFFERED="1")
    flags = 0
    if sys.platform == "win32":
        flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
    process = subprocess.Popen(
        list(command),
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        start_new_session=True,
        creationflags=flags,
    )
    for stream in (process.stdout, process.stderr):
        assert stream is not None
        os.set_blocking(stream.fileno(), False)
    return process


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill the process and everything that it started."""
    if sys.platform == "win32":
        command = ["taskkill", "/T", "/F", "/PID", str(process.pid)]
        subprocess.run(command, capture_output=True, check=False, creationflags=subprocess.CREATE_NO_WINDOW)
    else:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(OSError):
        process.kill()


class Lines:
    """Whole lines of text from a pipe that delivers bytes in pieces of any size."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._rest = ""

    def read(self) -> list[str]:
        """The lines that are complete by now. Never waits."""
        text = []
        while True:
            try:
                piece = os.read(self._stream.fileno(), CHUNK)
            except (BlockingIOError, ValueError, OSError):
                break
            if not piece:
                break
            text.append(self._decoder.decode(piece))
        *lines, self._rest = (self._rest + "".join(text)).split("\n")
        return [line.rstrip("\r") for line in lines]

    def finish(self) -> list[str]:
        """What is left when the process has ended, the last line whether complete or not; closes the pipe."""
        lines = self.read()
        rest = self._rest + self._decoder.decode(b"", final=True)
        self._rest = ""
        with contextlib.suppress(OSError):
            self._stream.close()
        return [*lines, rest.rstrip("\r")] if rest else lines
