"""Loading .ui files as Slicer's QUiLoader does, with the stand-ins for the classes that Qt does not know."""

import xml.etree.ElementTree as ET
from typing import Any

from PySide6.QtCore import QBuffer, QByteArray, QIODevice
from PySide6.QtUiTools import QUiLoader as Loader
from PySide6.QtWidgets import QWidget

from .declared import Declared
from .facade import Wrapper, unwrap, wrap

CUSTOM: dict[str, type] = {}
"""Stand-in classes by name."""


class _Loader(Loader):
    def createWidget(self, name: str, parent: QWidget | None = None, label: str = "") -> QWidget:
        if name not in CUSTOM:
            return super().createWidget(name, parent, label)
        widget = CUSTOM[name](parent)
        widget.setObjectName(label)
        return widget


class QUiLoader:
    """Makes widgets from a .ui file. What a class does not have is an error, where Qt only prints a warning."""

    def load(self, file: Wrapper, parent: Wrapper | None = None) -> Any:
        """The root widget that an open QFile describes."""
        root = ET.fromstring(file.readAll().data())
        known = Loader().availableWidgets()
        own: list[tuple[str, ET.Element]] = []
        dynamic: list[tuple[str, str, str]] = []
        for element in root.iter("widget"):
            kind, name = element.get("class", ""), element.get("name", "")
            if kind not in CUSTOM and kind not in known and kind != "Line":
                raise RuntimeError(f"no widget class {kind} for {name}")
            base = _native(CUSTOM[kind]) if kind in CUSTOM else None
            native = set() if base is None else _properties(base)
            for item in element.findall("property"):
                label = item.get("name", "")
                if item.get("stdset") == "0" and kind not in CUSTOM:
                    continue
                if base is not None and label not in native:
                    element.remove(item)
                    if item.get("stdset") == "0" and label not in _properties(CUSTOM[kind]):
                        dynamic.append((name, label, item[0].text or ""))
                    else:
                        own.append((name, item))
        links = [
            tuple(c.findtext(k, "") for k in ("sender", "signal", "receiver", "slot")) for c in root.iter("connection")
        ]
        for connections in root.findall("connections"):
            root.remove(connections)
        buffer = QBuffer()
        buffer.setData(QByteArray(ET.tostring(root)))
        buffer.open(QIODevice.OpenModeFlag.ReadOnly)
        loaded = _Loader().load(buffer, unwrap(parent))
        if loaded is None:
            return None
        widgets = {w.objectName(): w for w in [loaded, *loaded.findChildren(QWidget)]}
        keep = {name: wrap(widget) for name, widget in widgets.items()}
        for name, label, text in dynamic:
            widgets[name].setProperty(label, text)
        for name, item in own:
            setattr(keep[name], item.get("name", ""), _value(item[0], CUSTOM[type(widgets[name]).__name__]))
        actions = {a.objectName(): a for a in loaded.actions()}
        for sender, signal, receiver, slot in links:
            source = keep.get(sender) or wrap(actions[sender])
            target = keep.get(receiver) or wrap(actions[receiver])
            source.connect(signal, target, slot)
        loaded._keep = keep
        return wrap(loaded)


def _properties(qtClass: Any) -> set[str]:
    meta = qtClass.staticMetaObject
    return {meta.property(index).name() for index in range(meta.propertyCount())}


def _value(element: ET.Element, kind: Any) -> Any:
    text = element.text or ""
    if element.tag == "bool":
        return text == "true"
    if element.tag in ("number", "longLong", "uInt"):
        return int(text)
    if element.tag in ("double", "float"):
        return float(text)
    if element.tag in ("string", "cstring"):
        return text
    if element.tag == "stringlist":
        return tuple(item.text or "" for item in element)
    if element.tag in ("enum", "set"):
        total = 0
        for part in filter(None, text.split("|")):
            total |= int(_constant(part.strip().split("::"), kind))
        return total
    raise RuntimeError(f"a property of {kind.__name__} is given as <{element.tag}>, which the stand-in cannot read")


def _constant(path: list[str], kind: Any) -> int:
    from .facade import facadeOf, lookUp

    if path[0] == "Qt":
        from .facade import QtCore

        return getattr(facadeOf(QtCore.Qt), path[-1])
    owner = facadeOf(CUSTOM[path[0]]) if path[0] in CUSTOM else lookUp(path[0])
    return getattr(owner, path[-1])


def _native(kind: type) -> Any:
    return next(c for c in kind.__mro__ if hasattr(c, "staticMetaObject") and not isinstance(c, Declared))
