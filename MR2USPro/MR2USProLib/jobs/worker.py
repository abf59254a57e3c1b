"""The worker process: does one job and ends.

Its standard output carries events alone; whatever libraries print goes to standard error. When its standard input ends,
because somebody cancelled or is no longer there, it stops at the next step, or dies if that does not come soon.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from ..devices import share_cores
from ..errors import Cancelled, InputError
from ..events import EventLines
from ..progress import Progress
from ..volume import Volume
from .job import Job

GRACE_SECONDS = 1.2
"""How long a worker that was told to stop may take until its next step."""

PREVIEW_SECONDS = 2.0
PREVIEW_FILE = "preview.nrrd"


def main() -> None:
    """Do the job whose file is the last argument, and exit as the command line does: 0, 2, 130 or 1."""
    share_cores()
    lines = EventLines(os.fdopen(os.dup(1), "w", encoding="utf-8", newline="\n"))
    os.dup2(2, 1)
    lines.write("started", pid=os.getpid())
    stop = threading.Event()
    threading.Thread(target=_stop_when_input_ends, args=(stop,), daemon=True).start()
    try:
        with lines.ending():
            _work(Job.read(Path(sys.argv[-1])), lines, stop.is_set)
    except InputError:
        code = 2
    except (KeyboardInterrupt, Cancelled):
        code = 130
    except BaseException:
        traceback.print_exc()
        code = 1
    else:
        code = 0
    sys.stderr.flush()
    os._exit(code)  # nothing is left to tidy up, and no thread of a library may keep the process


def _stop_when_input_ends(stop: threading.Event) -> None:
    while sys.stdin.buffer.read(1):
        pass
    stop.set()
    time.sleep(GRACE_SECONDS)
    if sys.platform == "win32":
        os._exit(130)
    os.killpg(0, signal.SIGKILL)  # with whatever it started


def _work(job: Job, lines: EventLines, cancelled: Callable[[], bool]) -> None:
    if _runs_a_network(job):
        from ..devices import working_device

        device, trouble = working_device(job.parameters.get("device", "auto"))
        if trouble:
            lines.write("notice", message=f"{trouble}: this runs on the CPU instead.")
        lines.write("device", device=device)
        job = Job(job.kind, {**job.parameters, "device": device}, job.folder)
    previews = _Previews(job.folder, lines)
    progress = Progress(lines.progress, cancelled, value_listener=lines.values, preview_listener=previews.offer)
    results = job.run(progress=progress)
    progress.report(1.0)
    job.conclude(results)


def _runs_a_network(job: Job) -> bool:
    """Whether it matters which device computes; looking for one imports torch, which takes seconds."""
    given = job.parameters
    if job.kind == "fill":
        return given.get("method") == "dip"
    if job.kind == "stitch":
        from ..pipeline import tries_loftr

        return tries_loftr(given.get("loftr_weights"), given.get("matcher", "auto"))
    return job.kind in ("translate", "register")


class _Previews:
    """Writes a picture of the moment now and then, always to the same file, which is whole at any time."""

    def __init__(self, folder: Path, lines: EventLines) -> None:
        self._path = folder / PREVIEW_FILE
        self._lines = lines
        self._last = time.monotonic()

    def offer(self, stage: str, picture: Callable[[], Volume]) -> None:
        if time.monotonic() - self._last < PREVIEW_SECONDS:
            return
        draft = self._path.with_name(f"draft-{PREVIEW_FILE}")
        picture().write(draft)
        draft.replace(self._path)
        self._lines.write("preview", stage=stage, file=PREVIEW_FILE)
        self._last = time.monotonic()


if __name__ == "__main__":
    main()
