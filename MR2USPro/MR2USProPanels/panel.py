"""What a module's panel is made of: sections one below the other, all showing the current case."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ctk
import qt
import slicer
import vtk
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleWidget
from slicer.util import VTKObservationMixin

from .case import ATTRIBUTE, currentCase
from .section import Section


class Panel(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The widget of a module. A module derives from it and says which sections it has.

    Attributes:
        sections: from top to bottom.
        buttons: the collapsible button of each section.
    """

    def __init__(self, parent: Any = None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.sections: list[Section] = []
        self.buttons: list[Any] = []
        self._entered = False
        self._soon = qt.QTimer()
        self._soon.setSingleShot(True)
        self._soon.setInterval(0)
        self._soon.connect("timeout()", self._onSoon)

    def makeSections(self) -> Sequence[Section]:
        """The sections of this panel, from top to bottom."""
        raise NotImplementedError

    def setup(self) -> None:
        """Build the panel; looks at no case before it is entered."""
        ScriptedLoadableModuleWidget.setup(self)
        self.sections = list(self.makeSections())
        for section in self.sections:
            button = ctk.ctkCollapsibleButton()
            button.text = section.title
            button.connect("contentsCollapsed(bool)", section.setCollapsed)
            layout = qt.QVBoxLayout(button)
            layout.addWidget(section.widget)
            self.layout.addWidget(button)
            self.buttons.append(button)
        self.layout.addStretch(1)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self._onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self._onSceneChanged)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndImportEvent, self._onSceneChanged)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.NodeAboutToBeRemovedEvent, self._onNodeLeaves)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.NodeRemovedEvent, self._onNodeRemoved)

    def enter(self) -> None:
        """Show the current case."""
        self._entered = True
        self.showCurrentCase()

    def exit(self) -> None:
        """Stop following the case while the panel is not seen."""
        self._entered = False
        self._show(None)

    def cleanup(self) -> None:
        """Let go of everything."""
        self._soon.stop()
        self.removeObservers()
        for section in self.sections:
            section.cleanup()

    def showCurrentCase(self) -> None:
        """Show the current case in all sections."""
        self._show(currentCase())

    def _show(self, case: Any) -> None:
        for section in self.sections:
            section.setCase(case)

    def _onSceneStartClose(self, caller: Any, event: Any) -> None:
        self._show(None)

    def _onSceneChanged(self, caller: Any, event: Any) -> None:
        # Not at once: selectors may hear of the scene's nodes after this, and a scene that is opened is closed first.
        self._soon.start()

    @vtk.calldata_type(vtk.VTK_OBJECT)  # type: ignore[untyped-decorator]
    def _onNodeLeaves(self, caller: Any, event: Any, node: Any) -> None:
        if any(section.case is not None and section.case.parameterNode is node for section in self.sections):
            self._show(None)  # as long as the case still knows its nodes: its MR goes back to where it was

    @vtk.calldata_type(vtk.VTK_OBJECT)  # type: ignore[untyped-decorator]
    def _onNodeRemoved(self, caller: Any, event: Any, node: Any) -> None:
        if node.GetAttribute(ATTRIBUTE):  # a case, which may be the one that is shown
            self._soon.start()

    def _onSoon(self) -> None:
        if self._entered:
            self.showCurrentCase()
