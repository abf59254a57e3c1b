"""Modal dialogs, which nobody would close in a test: they are recorded, and answered as the test has said."""

from typing import Any

from PySide6.QtWidgets import QMessageBox

from .members import OVERRIDES
from .record import record

Button = QMessageBox.StandardButton
YES = (Button.Ok, Button.Yes, Button.Retry, Button.Save, Button.YesToAll, Button.Apply, Button.Open)


def openFile(_target: Any, *_values: Any) -> str:
    """The file that the user picks."""
    return str(record.answers["openFile"])


def openFiles(_target: Any, *_values: Any) -> tuple[str, ...]:
    """The files that the user picks."""
    return tuple(map(str, record.answers["openFiles"]))


def saveFile(_target: Any, *_values: Any) -> str:
    """The file name that the user enters."""
    return str(record.answers["saveFile"])


def openFolder(_target: Any, *_values: Any) -> str:
    """The folder that the user picks."""
    return str(record.answers["openFolder"])


def pressed(buttons: Button) -> Button:
    """The button that the user presses among these: one that agrees, or one that does not."""
    offered = [button for button in Button if button.value and button in buttons] or [Button.Ok]
    agreeing = [button for button in offered if button in YES]
    others = [button for button in offered if button not in YES]
    return ((agreeing or others) if record.answers["confirm"] else (others or agreeing))[0]


LEVELS = {
    QMessageBox.Icon.Information: "info",
    QMessageBox.Icon.Warning: "warning",
    QMessageBox.Icon.Critical: "error",
    QMessageBox.Icon.Question: "confirm",
    QMessageBox.Icon.NoIcon: "info",
}


def runDialog(target: Any) -> int:
    """exec_ of a dialog: a message box is answered, any other by the function that the test gave."""
    if isinstance(target, QMessageBox):
        record.messages.append((LEVELS[target.icon()], target.text()))
        return pressed(target.standardButtons()).value
    answer = record.answers.get("dialog")
    if answer is None:
        raise AssertionError(f"a modal {type(target).__name__} opens: give app.answers['dialog'] a function to run it")
    from .values import wrap

    return int(answer(wrap(target)))


def _static(level: str, default: Button) -> Any:
    def ask(_target: Any, *values: Any) -> Button:
        buttons = next((v for v in values if isinstance(v, Button)), default)
        record.messages.append((level, values[2]))
        return pressed(buttons)

    return ask


def _openUrl(_target: Any, url: Any) -> bool:
    record.openedUrls.append(url.toString())
    return True


def _text(_target: Any, *_values: Any) -> str:
    return str(record.answers["text"])


OVERRIDES.update(
    {
        ("QFileDialog", "getOpenFileName"): openFile,
        ("QFileDialog", "getOpenFileNames"): openFiles,
        ("QFileDialog", "getSaveFileName"): saveFile,
        ("QFileDialog", "getExistingDirectory"): openFolder,
        ("QDialog", "exec_"): runDialog,
        ("QDialog", "exec"): runDialog,
        ("QInputDialog", "getText"): _text,
        ("QMessageBox", "information"): _static("info", Button.Ok),
        ("QMessageBox", "warning"): _static("warning", Button.Ok),
        ("QMessageBox", "critical"): _static("error", Button.Ok),
        ("QMessageBox", "question"): _static("confirm", Button.Yes | Button.No),
        ("QDesktopServices", "openUrl"): _openUrl,
    }
)
