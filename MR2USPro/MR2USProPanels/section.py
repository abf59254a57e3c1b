"""One part of a panel: its widgets, bound to the case, and what it still needs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import qt
import slicer
import vtk

from .case import Case

if TYPE_CHECKING:
    from .jobRow import JobRow

UI = Path(__file__).resolve().parents[1] / "Resources" / "UI"


class Section:
    """A part of a panel that shows and changes the current case.

    Widgets whose ``SlicerParameterName`` names a field of the case are bound to it; for all else there is
    :meth:`refresh`, which is called once after any number of changes.

    Attributes:
        title: heading of the section.
        widget: the section's widget, to be put into a panel's layout.
        ui: its named child widgets.
        logic: what does the work.
        case: what is shown; None before :meth:`setCase`.
        collapsed: whether the panel shows no more of the section than its heading.
        row: where its job is started and seen; None where it has none.
        isChecked: whether the section shows a result that is to be looked at before going on.
    """

    title = ""
    isChecked = False
    row: JobRow | None = None

    def __init__(self, uiName: str, logic: Any) -> None:
        self.logic = logic
        self.widget = slicer.util.loadUI(str(UI / f"{uiName}.ui"))
        self.widget.setMRMLScene(slicer.mrmlScene)
        self.ui = slicer.util.childWidgetVariables(self.widget)
        self.case: Case | None = None
        self.collapsed = False
        self._caseNode: Any = None
        self._guiTag: int | None = None
        self._nodeTag: int | None = None
        self._refreshing = qt.QTimer()
        self._refreshing.setSingleShot(True)
        self._refreshing.setInterval(0)
        self._refreshing.connect("timeout()", self._refreshNow)

    def setCase(self, case: Case | None) -> None:
        """Show another case, or none."""
        if case is not None and case.parameterNode is not self._caseNode:
            self._caseNode = case.parameterNode
            self.forget()
        self._letGo()
        self.case = case
        if self.row is not None:
            self.row.showFor(case)
        if case is not None:
            self._guiTag = case.connectGui(self.ui)
            self._nodeTag = case.parameterNode.AddObserver(vtk.vtkCommand.ModifiedEvent, self.changed)
        self._refreshNow()

    def forget(self) -> None:
        """Let go of what the panel alone knows of the case that was shown last: another one is shown from now on.

        Not called when the module is left, nor when it comes back to the same case.
        """

    def shows(self, case: Case | None) -> bool:
        """Whether this case is the one that is shown."""
        return case is not None and self.case is not None and case.parameterNode is self.case.parameterNode

    def changed(self, *_: Any) -> None:
        """Have the section brought up to date soon."""
        self._refreshing.start()

    def setCollapsed(self, collapsed: bool) -> None:
        """Hear that the section was closed or opened."""
        self.collapsed = collapsed
        self.changed()

    def refresh(self) -> None:
        """Bring the widgets in line with the case; there is one."""

    def need(self) -> str:
        """What is still missing before this step can run, in a few words; empty where nothing is."""
        return ""

    def done(self) -> bool:
        """Whether this step has a result."""
        return False

    def cleanup(self) -> None:
        """Let go of the case."""
        self._refreshing.stop()
        self._letGo()
        self.case = None

    def _letGo(self) -> None:
        if self.case is None:
            return
        if self._guiTag is not None:
            self.case.disconnectGui(self._guiTag)
        if self._nodeTag is not None:
            self.case.parameterNode.RemoveObserver(self._nodeTag)
        self._guiTag = self._nodeTag = None

    def _refreshNow(self) -> None:
        if self.case is not None and slicer.mrmlScene.IsNodePresent(self.case.parameterNode):
            self.refresh()
