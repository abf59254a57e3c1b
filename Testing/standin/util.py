"""slicer.util without a window: its own code, with messages taken down and modules opened in the stand-in."""

import logging
from typing import Any

import slicer
import slicer.util

from .dialogs import pressed
from .record import record

LEVELS = {logging.INFO: "info", logging.WARNING: "warning", logging.ERROR: "error"}


def install(standin: Any) -> None:
    """Replace the functions of slicer.util that would open a window."""

    def messageDisplay(
        level: int,
        text: str,
        testingReturnValue: Any,
        mainWindowNeeded: bool = False,
        parent: Any = None,
        windowTitle: Any = None,
        **options: Any,
    ) -> Any:
        logging.log(level, text)
        buttons = options["standardButtons"]
        asks = testingReturnValue is not None
        record.messages.append(("confirm" if asks else LEVELS[level], text))
        return int(pressed(buttons.member).value)

    def messageBox(text: str, parent: Any = None, **options: Any) -> Any:
        import qt

        buttons = options.get("standardButtons") or qt.QMessageBox.Ok
        record.messages.append(("info", text))
        return int(pressed(buttons.member).value)

    def delayDisplay(message: str, autoCloseMsec: int = 1000, parent: Any = None, **options: Any) -> None:
        record.messages.append(("delay", message))
        slicer.app.processEvents()

    def showStatusMessage(message: str, duration: int = 0) -> bool:
        record.messages.append(("status", message))
        return True

    def selectModule(module: Any) -> None:
        standin.openModule(module if isinstance(module, str) else module.name)

    def pip_install(requirements: Any, *_values: Any, **options: Any) -> None:
        names = [requirements] if isinstance(requirements, str) else [str(item) for item in requirements]
        record.messages.append(("install", ", ".join(names)))
        if completed := options.get("completedCallback"):
            completed(0)

    slicer.packaging.pip_install = pip_install
    for function in (messageBox, delayDisplay, showStatusMessage, selectModule):
        setattr(slicer.util, function.__name__, function)
    slicer.util._messageDisplay = messageDisplay
