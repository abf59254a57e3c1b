"""What the worker runs on: its packages, its device, its memory; and how missing packages get there."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from MR2USProLib import __version__
from MR2USProLib.errors import InputError

from .jobRow import duration
from .jobRunner import Callbacks, JobRunner

REQUIREMENTS = Path(__file__).resolve().parents[1] / "Resources" / "requirements.txt"
DEVICE_SETTING = "MR2USPro/Device"
FOUND_SETTING = "MR2USPro/Environment"


class Environment:
    """What a look at the worker's environment found. The last look is remembered beyond the session.

    Attributes:
        found: what the job ``environment`` returns; empty before the first look.
        trouble: why the last look failed; empty where it did not.
        watchers: called without arguments when any of it changes.
    """

    def __init__(self) -> None:
        self.runner = JobRunner(outlivesScene=True)
        self.watchers: list[Callable[[], None]] = []
        self.trouble = ""
        self.found: dict[str, Any] = {}
        try:
            remembered = json.loads(slicer.util.settingsValue(FOUND_SETTING, ""))
        except ValueError:
            return
        here = {"python": ".".join(map(str, sys.version_info[:3])), "version": __version__}
        if isinstance(remembered, dict) and {key: remembered.get(key) for key in here} == here:
            self.found = {**remembered, "memory_free_gb": None}  # that was another time's

    def look(self) -> None:
        """Have the worker look at its environment, in the background; does nothing while it is looking."""
        if self.runner.busy:
            return
        self.trouble = ""
        self.runner.run(
            "environment",
            {},
            load=lambda run: run.results,
            callbacks=Callbacks(onDone=self._onFound, onFailed=self._onFailed, onCancelled=self.tell),
        )
        self.tell()

    def lookOnce(self) -> None:
        """Look, if nobody has yet."""
        if not self.found and not self.trouble:
            self.look()

    def _onFound(self, found: dict[str, Any]) -> None:
        self.found = found
        qt.QSettings().setValue(FOUND_SETTING, json.dumps({**found, "version": __version__}))
        self.tell()

    def _onFailed(self, error: InputError) -> None:
        self.trouble = str(error)
        self.tell()

    def tell(self) -> None:
        """Have the panels show what is known and chosen now."""
        for watcher in list(self.watchers):
            watcher()

    def missing(self) -> list[str]:
        """Names of the packages that the worker lacks or has in too old a version, as far as is known."""
        return [package["name"] for package in self.found.get("packages", []) if not package["enough"]]

    def presetText(self, preset: str, registration: str) -> str:
        """What a registration with this preset takes on this machine; empty as long as that is not known."""
        expected = self.found.get("presets", {}).get(registration, {}).get(preset)
        if expected is None:
            return ""
        text = _("about {time} and {memory:.1f} GB of memory").format(
            time=duration(expected["seconds"]), memory=expected["memory_gb"]
        )
        free = self.found.get("memory_free_gb")
        if free is not None and expected["memory_gb"] > free:
            text += _(" (only {free:.1f} GB are free: choose a smaller preset)").format(free=free)
        return text


_shared: Environment | None = None


def environment() -> Environment:
    """The one that all panels share."""
    global _shared
    if _shared is None:
        _shared = Environment()
    return _shared


def device() -> str:
    """The device that the user wants: auto, cpu or cuda."""
    wanted = slicer.util.settingsValue(DEVICE_SETTING, "auto")
    return wanted if wanted in ("auto", "cpu", "cuda") else "auto"


def install() -> None:
    """Ask, and install what the worker lacks into Slicer's Python.

    Raises:
        InputError: this Slicer is too old, the user declined, or the installation failed.
    """
    try:
        import slicer.packaging
    except ImportError as error:
        raise InputError(_("Packages are installed by 3D Slicer 5.12 or newer: update 3D Slicer.")) from error
    requirements = slicer.packaging.load_requirements(REQUIREMENTS)
    try:
        _installTorch([requirement for requirement in requirements if requirement.name == "torch"])
        slicer.packaging.pip_ensure(requirements, requester="MR2USPro")
    except Exception as error:  # pip's many ways to fail, and the user's no
        raise InputError(
            _("The packages were not installed ({reason}). MR2USPro cannot compute without them.").format(reason=error)
        ) from error


def _installTorch(requirements: list[Any]) -> None:
    """Install torch through Slicer's PyTorch extension where there is one: it chooses the build that fits the GPU."""
    if all(slicer.packaging.pip_check(requirement) for requirement in requirements):
        return
    try:
        import PyTorchUtils
    except ImportError:
        return  # pip takes the default build, with all the rest
    version = str(requirements[0].specifier)
    if PyTorchUtils.PyTorchUtilsLogic().installTorch(askConfirmation=True, torchVersionRequirement=version) is None:
        raise InputError(_("PyTorch was declined"))
