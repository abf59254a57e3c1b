"""What the stand-in remembers for the tests: messages, answers to dialogs, errors."""

import sys
import traceback
from typing import Any

from PySide6 import QtCore


class Record:
    """Messages shown, errors met, and the answers that dialogs get, which a test may change."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Start anew, with the answers a user gives who goes on and picks no file."""
        self.messages: list[tuple[str, str]] = []
        self.errors: list[str] = []
        self.openedUrls: list[str] = []
        self.answers: dict[str, Any] = {
            "confirm": True,
            "openFile": "",
            "openFiles": (),
            "saveFile": "",
            "openFolder": "",
            "text": "",
        }


record = Record()


def remember(kind: type, error: BaseException, trace: Any) -> None:
    """Take note of an exception that nobody caught, and print it."""
    record.errors.append("".join(traceback.format_exception(kind, error, trace)))
    sys.__excepthook__(kind, error, trace)


def listen() -> None:
    """Take note of exceptions in VTK's observers and of Qt's warnings; again, where others took that over."""

    def message(kind: Any, _context: Any, text: str) -> None:
        if kind != QtCore.QtMsgType.QtDebugMsg and "propagateSizeHints" not in text:
            record.errors.append(text)
            print(text, file=sys.stderr)

    sys.excepthook = remember
    QtCore.qInstallMessageHandler(message)
