"""The row under a step: one button that runs and cancels, how far the job is, and what to do when it failed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from MR2USProLib.errors import InputError
from MR2USProLib.jobs.run import Run, State

from . import signs
from .case import Case
from .jobRunner import JobRunner
from .section import UI
from .words import forPanel


class JobRow:
    """Shows the runner's job where it was started from this row, and offers to start one where none is under way.

    Attributes:
        onRun: called when the button is pressed while no job is under way.
    """

    def __init__(self, layout: Any, runner: JobRunner) -> None:
        """Add the row to a layout.

        Args:
            layout: of the area of the section that holds the row alone.
            runner: the runner of the section's logic.
        """
        self.widget = slicer.util.loadUI(str(UI / "JobRow.ui"))
        self.ui = slicer.util.childWidgetVariables(self.widget)
        layout.addWidget(self.widget)
        self._followInTabOrder(layout.parentWidget())
        self.onRun: Callable[[], None] = lambda: None
        self._runner = runner
        self._own: Run | None = None
        self._caseNode: Any = None
        self._ownNode: Any = None
        self._text, self._enabled, self._toolTip = _("Run"), False, ""
        self._pressed = 0.0
        runner.watchers.append(self.refresh)
        self.ui.runButton.connect("clicked(bool)", self._onButton)
        self.ui.openFolderButton.connect("clicked(bool)", self._onOpenFolder)
        self.ui.showLogButton.connect("toggled(bool)", self._onShowLog)

    def offer(self, text: str, enabled: bool, toolTip: str = "") -> None:
        """Say what the button does, or what is missing before it can do it."""
        self._text, self._enabled, self._toolTip = text, enabled, toolTip or text
        self.refresh()

    def tell(self, message: str) -> None:
        """Show a sentence under the button; an empty one hides what was there."""
        self._own = None
        self.refresh()
        self._hide()
        self._say(message, "bad" if message else "")

    def showFor(self, case: Case | None) -> None:
        """Show nothing of a job that belongs to another case; one that has ended is forgotten."""
        node = None if case is None else case.parameterNode
        if node is None or node is self._caseNode:
            return
        self._caseNode = node
        if self._runner.busy or node is self._ownNode:
            self.refresh()
        else:
            self.tell("")

    def start(self, begin: Callable[[], None]) -> None:
        """Call what starts a job, and show that job in this row."""
        before = self._runner.current
        if not self._runner.busy:
            self._runner.caseNode = self._caseNode
        try:
            with slicer.util.tryWithErrorDisplay(_("The job was not started as it should be.")):
                try:
                    begin()
                except InputError as error:
                    self.tell(forPanel(str(error)))
        finally:  # what was started can be cancelled, whatever else went wrong
            if self._runner.current is not before:
                self._own, self._ownNode = self._runner.current, self._caseNode
            elif not self._runner.busy:
                self._runner.caseNode = None
            self.refresh()

    def refresh(self) -> None:
        """Bring the row in line with the runner."""
        run, busy = self._runner.current, self._runner.busy
        here = self._ownNode is self._caseNode
        own = busy and here and run is self._own
        button = self.ui.runButton
        if own and run is not None:
            stopping = run.state is State.CANCELLING
            button.text = _("Stopping ...") if stopping else _("Cancel")
            button.enabled = not stopping
        else:
            button.text = self._others() if busy else self._text
            button.enabled = self._enabled and not busy
            button.toolTip = button.text if busy else self._toolTip  # where the name of a case may be too long for it
        self.ui.progressBar.visible = own
        if self._own is not None and here:
            self._show(self._own)
        elif self._own is not None:
            self._hide()

    def _others(self) -> str:
        """What is offered while a job is under way that this row cannot cancel."""
        node = self._runner.caseNode
        if node is None or node is self._caseNode:
            return _("Wait for the other job to end, or cancel it")
        return _("Busy with {name}: choose it to cancel").format(name=node.GetName())

    def _show(self, run: Run) -> None:
        if not run.ended:
            self.ui.progressBar.value = round(1000 * run.fraction)
            left = run.seconds_left
            text = "%p %" if left is None else _("%p %, {time} left").format(time=duration(left))
            self.ui.progressBar.setFormat(text)
        failed = run.state is State.FAILED
        doing = run.message or _("Starting the worker ...")
        texts = [run.notice, "" if run.state is State.DONE else doing]
        self._say("\n".join(filter(None, texts)), "bad" if failed else "note" if run.notice else "")
        self.ui.openFolderButton.visible = failed and run.job.folder.is_dir()
        self.ui.showLogButton.visible = failed and bool(run.log)
        if not failed:
            self.ui.showLogButton.checked = False

    def _hide(self) -> None:
        self._say("", "")
        self.ui.openFolderButton.visible = self.ui.showLogButton.visible = self.ui.showLogButton.checked = False

    def _say(self, message: str, level: str) -> None:
        self.ui.messageLabel.text = message
        self.ui.messageLabel.visible = bool(message)
        signs.show(self.ui.messageIcon, level)

    def _followInTabOrder(self, area: Any) -> None:
        """Have the keyboard reach the row where it is seen, and not after all else in the section."""
        area.focusPolicy = qt.Qt.TabFocus  # only for now: Qt puts nothing behind what takes no focus
        before = area
        for widget in (self.ui.runButton, self.ui.openFolderButton, self.ui.showLogButton, self.ui.logText):
            qt.QWidget.setTabOrder(before, widget)
            before = widget
        area.focusPolicy = qt.Qt.NoFocus

    def _onButton(self, checked: bool = False) -> None:
        if not self._runner.busy:
            self.start(self.onRun)
            self._pressed = time.monotonic()
        elif 1000 * (time.monotonic() - self._pressed) > slicer.app.doubleClickInterval:
            self._runner.cancel()  # a second press of a double click does not

    def _onOpenFolder(self, checked: bool = False) -> None:
        if self._own is not None:
            qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(self._own.job.folder)))

    def _onShowLog(self, shown: bool) -> None:
        self.ui.logText.visible = shown
        if shown and self._own is not None:
            self.ui.logText.setPlainText("\n".join(self._own.log))


def duration(seconds: float) -> str:
    """A time in words that fit a button: 45 s, 3 min, 1 h 10 min."""
    if seconds < 90:
        return _("{n} s").format(n=max(1, round(seconds)))
    minutes = round(seconds / 60)
    if minutes < 60:
        return _("{n} min").format(n=minutes)
    return _("{h} h {m} min").format(h=minutes // 60, m=minutes % 60)
