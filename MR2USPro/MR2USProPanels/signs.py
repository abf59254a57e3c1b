"""Signs beside sentences, so that a glance tells good news from doubts and failures."""

from __future__ import annotations

from typing import Any

import qt
import slicer

ICONS = {
    "good": "SP_DialogApplyButton",
    "note": "SP_MessageBoxInformation",
    "check": "SP_MessageBoxWarning",
    "bad": "SP_MessageBoxCritical",
}
ICON_PX = 20


def show(label: Any, level: str) -> None:
    """Show the sign of a level in a label; an empty one shows none."""
    label.visible = bool(level)
    if level:
        icon = slicer.app.style().standardIcon(getattr(qt.QStyle, ICONS[level]))
        label.setPixmap(icon.pixmap(ICON_PX, ICON_PX))
