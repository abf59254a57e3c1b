"""The section that shows what the worker runs on and installs what it lacks."""

from __future__ import annotations

from typing import Any

import qt
from slicer.i18n import tr as _

from .environment import DEVICE_SETTING, device, environment, install
from .section import Section
from .telling import told

DEVICES = ("auto", "cpu", "cuda")


class EnvironmentSection(Section):
    """Packages, PyTorch, device and memory as the worker sees them."""

    title = _("Environment")

    def __init__(self) -> None:
        super().__init__("Environment", None)
        self._environment = environment()
        self._environment.watchers.append(self.show)
        self.ui.deviceComboBox.connect("currentIndexChanged(int)", self._onDevice)
        self.ui.lookButton.connect("clicked(bool)", self._onLook)
        self.ui.installButton.connect("clicked(bool)", self._onInstall)
        header = self.ui.packagesTable.horizontalHeader()
        header.setSectionResizeMode(0, qt.QHeaderView.Stretch)
        self.show()

    def cleanup(self) -> None:
        """Let go of the case and of the environment."""
        self._environment.watchers.remove(self.show)
        super().cleanup()

    def show(self) -> None:
        """Bring the widgets in line with what is known."""
        state, box = self._environment, self.ui.deviceComboBox
        wasBlocked = box.blockSignals(True)
        box.currentIndex = DEVICES.index(device())  # which may have been chosen in another panel
        box.blockSignals(wasBlocked)
        looking = state.runner.busy
        self.ui.lookButton.enabled = not looking
        self.ui.lookButton.text = _("Checking ...") if looking else _("Check again") if state.found else _("Check")
        self.ui.installButton.enabled = bool(state.missing() or state.trouble) and not looking
        self.ui.environmentLabel.text = self._summary()
        self._showPackages(state.found.get("packages", []))

    def _summary(self) -> str:
        state = self._environment
        found = state.found
        if state.trouble:
            return state.trouble
        if not found:
            return _("Not checked yet. A check starts the worker for a few seconds and changes nothing.")
        lines = []
        missing = state.missing()
        if missing:
            lines.append(_("Missing: {names}. Install them before the first run.").format(names=", ".join(missing)))
        else:
            lines.append(_("Everything that MR2USPro needs is installed."))
        name = {"cuda": found.get("device_name"), "cpu": _("CPU, {n} cores").format(n=found["cores"])}
        torch = found["torch"] or _("not installed")
        lines.append(_("Python {python}, PyTorch {torch}").format(python=found["python"], torch=torch))
        lines.append(_("Computes on: {device}").format(device=name[found["device"]]))
        if found["memory_gb"] is not None:
            free = found["memory_free_gb"]
            text = _("Memory: {total:.1f} GB") if free is None else _("Memory: {free:.1f} of {total:.1f} GB free")
            lines.append(text.format(free=free, total=found["memory_gb"]))
        if found["trouble"] and device() != "cpu":
            lines.append(_("{trouble}: the CPU is used.").format(trouble=found["trouble"]))
        return "\n".join(lines)

    def _showPackages(self, packages: list[dict[str, Any]]) -> None:
        table = self.ui.packagesTable
        table.setRowCount(len(packages))
        for row, package in enumerate(packages):
            installed = package["installed"] or _("missing")
            if package["installed"] and not package["enough"]:
                installed = _("{version} (too old)").format(version=installed)
            for column, text in enumerate((package["name"], package["required"], installed)):
                table.setItem(row, column, qt.QTableWidgetItem(text))
        table.visible = bool(packages)

    def _onDevice(self, index: int) -> None:
        qt.QSettings().setValue(DEVICE_SETTING, DEVICES[index])
        self._environment.tell()

    def _onLook(self, checked: bool = False) -> None:
        self._environment.look()

    def _onInstall(self, checked: bool = False) -> None:
        with told(_("The packages were not installed."), waitCursor=False):
            install()
        self._environment.look()
