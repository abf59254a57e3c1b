"""Long work for the logics: one job at a time in the worker, its results put into the scene when it is done."""

from __future__ import annotations

import logging
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import qt
import slicer
from slicer.i18n import tr as _

from MR2USProLib.errors import InputError
from MR2USProLib.jobs.run import Event, JobFailed, Run, State

from .words import forPanel

T = TypeVar("T")
POLL_MS = 100


def _nothing(*_: Any) -> None:
    """Do nothing."""


@dataclass(frozen=True)
class Callbacks:
    """Who is told about a job that runs in the background. All are called in Slicer's own thread.

    Attributes:
        onDone: with what the logic's method returns when it blocks.
        onFailed: with an error whose text says what is wrong and what to do.
        onCancelled: without anything.
        onEvent: with each event of the worker, a dictionary; see MR2USProLib.events.
    """

    onDone: Callable[[Any], None] = _nothing
    onFailed: Callable[[InputError], None] = _nothing
    onCancelled: Callable[[], None] = _nothing
    onEvent: Callable[[Event], None] = _nothing


def workerPython() -> str:
    """The Python that runs the worker: Slicer's own, which has the packages that were installed into it."""
    return shutil.which("PythonSlicer") or sys.executable


class JobRunner:
    """Runs one job after another.

    Attributes:
        current: the run that is under way, or the last one that ended; None before the first.
        caseNode: of the case that the job was started for; None where it was started for none.
        watchers: called without arguments whenever ``current`` has changed, by panels that show it.
    """

    _all: ClassVar[list[JobRunner]] = []

    def __init__(self, outlivesScene: bool = False) -> None:
        """Make a runner.

        Args:
            outlivesScene: whether its jobs go on when the scene is closed, because they have nothing to do with it.
        """
        self.current: Run | None = None
        self.caseNode: Any = None
        self.watchers: list[Callable[[], None]] = []
        self._load: Callable[[Run], Any] = _nothing
        self._callbacks = Callbacks()
        self._timer = qt.QTimer()
        self._timer.setInterval(POLL_MS)
        self._timer.connect("timeout()", self._poll)
        self._sceneTag = 0
        if not outlivesScene:
            self._sceneTag = slicer.mrmlScene.AddObserver(slicer.vtkMRMLScene.StartCloseEvent, self._onSceneClose)
        slicer.app.connect("aboutToQuit()", self.kill)
        self._all.append(self)

    @property
    def busy(self) -> bool:
        """Whether a job is under way."""
        return self.current is not None and not self.current.ended

    def isAt(self, caseNode: Any) -> bool:
        """Whether a job is under way whose result may be one of this case."""
        return self.busy and self.caseNode in (None, caseNode)

    def run(
        self,
        kind: str,
        parameters: Mapping[str, Any],
        *,
        load: Callable[[Run], T],
        prepare: Callable[[Path], Mapping[str, Any]] = lambda folder: {},
        callbacks: Callbacks | None = None,
    ) -> T | None:
        """Do a job.

        Args:
            kind: one of MR2USProLib.jobs.job.STAGES.
            parameters: keyword arguments of the command.
            load: puts the results into the scene and returns what the caller wants; the job's folder is deleted after.
            prepare: writes the job's input files into its folder and returns the parameters that name them.
            callbacks: whom to tell; without them this blocks until the job is done and returns what ``load`` returns.

        Raises:
            InputError: a job is under way already, here or of the same kind for this case in another module, or
                ``prepare`` refused its input.
            JobFailed: the job failed (blocking only).
            Cancelled: the job was cancelled (blocking only).
        """
        if self.busy:
            raise InputError("Another job is under way: wait for it to end, or cancel it.")
        if self.caseNode is not None and any(other._doesFor(self.caseNode, kind) for other in self._all):
            raise InputError("Another module does this for the case already: wait for it to end, or cancel it there.")
        folder = Path(tempfile.mkdtemp(prefix=f"MR2USPro-{kind}-", dir=slicer.app.temporaryPath))
        try:
            parameters = {**parameters, **prepare(folder)}
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise InputError(
                f"The input of the job could not be written to {folder} ({error.strerror or error}): free some space "
                "or choose another temporary folder in Slicer's settings."
            ) from error
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        run = self.current = Run(kind, parameters, folder, [workerPython()])
        if callbacks is None:
            return loadAndRemove(run.wait(), load)
        self._load, self._callbacks = load, callbacks
        logging.info("MR2USPro: %s started.", kind)
        run.start()
        self._timer.start()
        self._tell()
        return None

    def cancel(self) -> None:
        """Ask the job to stop; it ends within two seconds."""
        if self.current is not None:
            self.current.cancel()
            self._tell()

    def kill(self) -> None:
        """End the job now and tell nobody, as when the scene or Slicer closes."""
        self._timer.stop()
        self.caseNode = None
        if self.current is not None and self.busy:
            self.current.kill()
            self.current.remove()
            self._tell()

    def cleanup(self) -> None:
        """End the job and let go of the scene."""
        self.kill()
        self._all.remove(self)
        self.watchers.clear()
        slicer.mrmlScene.RemoveObserver(self._sceneTag)
        slicer.app.disconnect("aboutToQuit()", self.kill)

    def _doesFor(self, caseNode: Any, kind: str) -> bool:
        return self.busy and self.caseNode is caseNode and self.current is not None and self.current.job.kind == kind

    def _onSceneClose(self, caller: Any, event: Any) -> None:
        self.kill()

    def _tell(self) -> None:
        for watcher in list(self.watchers):
            watcher()

    def _poll(self) -> None:
        run = self.current
        assert run is not None
        callbacks = self._callbacks
        for event in run.poll():
            callbacks.onEvent(event)
        if not run.ended:
            self._tell()
            return
        self._timer.stop()
        self.caseNode = None  # now, as a callback may start the next job
        logging.info("MR2USPro: %s ended: %s.", run.job.kind, run.state.value)
        try:
            self._conclude(run, callbacks)
        finally:
            self._tell()

    def _conclude(self, run: Run, callbacks: Callbacks) -> None:
        if run.state is State.CANCELLED:
            run.remove()
            callbacks.onCancelled()
        elif run.state is State.FAILED:
            run.message = forPanel(run.message)
            callbacks.onFailed(JobFailed(run.message, run.failure, run.job.folder))
        else:
            try:
                callbacks.onDone(loadAndRemove(run, self._load))
            except InputError as error:
                self._fail(run, callbacks, str(error))
            except Exception as error:  # a fault of ours, of which the user would hear nothing from a timer's slot
                logging.exception("MR2USPro: %s could not be shown.", run.job.kind)
                run.log = [*run.log, *traceback.format_exc().splitlines()]
                text = _("A fault of the program kept the result out of the scene ({error}): please report it.")
                self._fail(run, callbacks, text.format(error=error or type(error).__name__))

    def _fail(self, run: Run, callbacks: Callbacks, message: str) -> None:
        run.state, run.message = State.FAILED, message
        callbacks.onFailed(JobFailed(message, "fault", run.job.folder))


def loadAndRemove(run: Run, load: Callable[[Run], T]) -> T:
    """Put the results into the scene, drawing the views once, and delete the job's folder."""
    try:
        with slicer.util.RenderBlocker():
            return load(run)
    finally:
        run.remove()
