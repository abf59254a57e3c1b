"""The last step: everything that came of a case as files that other programs read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import qt
from slicer.i18n import tr as _

from .case import Case
from .section import Section
from .telling import told


class ExportSection(Section):
    """Writes the results of the case to a folder."""

    title = _("Export")

    def __init__(self, logic: Any) -> None:
        super().__init__("Export", logic)
        self._folder: Path | None = None
        self.ui.exportPathEdit.connect("currentPathChanged(QString)", self.changed)
        self.ui.exportButton.connect("clicked(bool)", self._onExport)
        self.ui.openExportButton.connect("clicked(bool)", self._onOpen)

    def setCase(self, case: Case | None) -> None:
        """Show another case, of which nothing was written yet."""
        if case is not None and (self.case is None or case.parameterNode is not self.case.parameterNode):
            self._folder, self.ui.exportedLabel.text = None, ""
        super().setCase(case)

    def need(self) -> str:
        """What is missing before anything can be exported."""
        if self.case is None or not self.logic.exportable(self.case):
            return _("Nothing to export yet")
        return "" if self.ui.exportPathEdit.currentPath else _("Choose a folder")

    def refresh(self) -> None:
        """Say on the button what is missing."""
        need = self.need()
        self.ui.exportButton.enabled = not need
        self.ui.exportButton.text = need or _("Export")
        self.ui.openExportButton.visible = self._folder is not None
        self.ui.contentsLabel.text = "\n".join(self.logic.exportable(self.case)) or _("Nothing yet.")

    def _onExport(self, checked: bool = False) -> None:
        assert self.case is not None
        with told(_("The case was not exported.")):
            self._folder = Path(self.ui.exportPathEdit.currentPath)
            written = self.logic.export(self.case, self._folder, scene=self.ui.sceneCheckBox.checked)
            self.ui.exportPathEdit.addCurrentPathToHistory()
            self.ui.exportedLabel.text = _("{n} files were written.").format(n=len(written))
        self.refresh()

    def _onOpen(self, checked: bool = False) -> None:
        qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(self._folder)))
