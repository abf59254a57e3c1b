"""The modules qt and ctk, and the widget classes in slicer."""

import sys
import types
from typing import Any

import slicer
from PySide6.QtCore import Qt

from . import application, ctk, ctkSliders, dialogs, markups, modules, nodeComboBox, qmrml
from . import ui as forms
from .declared import Declared
from .facade import facadeOf, lookUp


class _Qt(types.ModuleType):
    Qt = facadeOf(Qt)
    QUiLoader = forms.QUiLoader

    def __getattr__(self, name: str) -> Any:
        return lookUp(name)


def install() -> None:
    """Make qt and ctk importable, and give slicer its Qt classes."""
    sys.modules["qt"] = _Qt("qt")
    module = types.ModuleType("ctk")
    sys.modules["ctk"] = module
    for source in (ctk, ctkSliders, qmrml, nodeComboBox, markups, modules, application, dialogs):
        for name, value in vars(source).items():
            if isinstance(value, Declared):
                forms.CUSTOM[name] = value
                setattr(module if name.startswith("ctk") else slicer, name, facadeOf(value))
