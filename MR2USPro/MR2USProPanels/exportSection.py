"""The last step: everything that came of a case as files that other programs read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from .exporting import holdsExport, leftOut
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

    def forget(self) -> None:
        """Forget the folder: another patient's files may lie there."""
        self._folder, self.ui.exportedLabel.text = None, ""
        self.ui.exportPathEdit.currentPath = ""

    def need(self) -> str:
        """What is missing before anything can be exported."""
        if self.case is None or not self.logic.exportable(self.case):
            return _("Nothing to export yet")
        return "" if self.ui.exportPathEdit.currentPath else _("Choose a folder")

    def refresh(self) -> None:
        """Say on the button what is missing."""
        assert self.case is not None
        need = self.need()
        self.ui.exportButton.enabled = not need
        self.ui.exportButton.text = need or _("Export")
        self.ui.openExportButton.visible = self._folder is not None
        self.ui.contentsLabel.text = "\n".join(self.logic.exportable(self.case)) or _("Nothing yet.")
        self.ui.leftOutLabel.text = leftOut(self.case)
        self.ui.leftOutLabel.visible = bool(self.ui.leftOutLabel.text)

    def _onExport(self, checked: bool = False) -> None:
        assert self.case is not None
        folder = Path(self.ui.exportPathEdit.currentPath)
        if folder != self._folder and holdsExport(folder):
            text = _("{folder} holds what was exported from another case or at another time. Replace it?")
            if not slicer.util.confirmOkCancelDisplay(text.format(folder=folder), _("Export")):
                return
        with told(_("The case was not exported.")):
            written = self.logic.export(self.case, folder, scene=self.ui.sceneCheckBox.checked)
            self._folder = folder
            self.ui.exportPathEdit.addCurrentPathToHistory()
            self.ui.exportedLabel.text = _("Files written: {n}").format(n=len(written))
        self.refresh()

    def _onOpen(self, checked: bool = False) -> None:
        qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(self._folder)))
