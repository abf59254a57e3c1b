"""Loading .ui files as Slicer's QUiLoader does, with the stand-ins for the classes that Qt does not know."""

import functools
import xml.etree.ElementTree as ET
from typing import Any

from PySide6.QtCore import QBuffer, QByteArray, QIODevice, QObject, Qt
from PySide6.QtUiTools import QUiLoader as Loader
from PySide6.QtWidgets import QWidget

from .declared import Declared
from .facade import Wrapper, facadeOf, lookUp
from .values import unwrap, wrap

CUSTOM: dict[str, type] = {}
"""Stand-in classes by name."""


class _Loader(Loader):
    def createWidget(self, name: str, parent: QWidget | None = None, label: str = "") -> QWidget:
        if name not in CUSTOM:
            return super().createWidget(name, parent, label)
        widget = CUSTOM[name](parent)
        widget.setObjectName(label)
        return widget


DESIGNERS = {"buddy"}
"""Names that .ui files give as properties, and that Qt's loader understands, without being properties of Qt."""


class QUiLoader:
    """Makes widgets from a .ui file. What a class does not have is an error, where Qt only prints a warning."""

    def load(self, file: Wrapper, parent: Wrapper | None = None) -> Any:
        """The root widget that an open QFile describes."""
        root = ET.fromstring(file.readAll().data())
        own = [item for element in root.iter("widget") for item in _taken(element)]
        links = [
            [link.findtext(part, "") for part in ("sender", "signal", "receiver", "slot")]
            for link in root.iter("connection")
        ]
        for connections in root.findall("connections"):
            root.remove(connections)
        buffer = QBuffer()
        buffer.setData(QByteArray(ET.tostring(root)))
        buffer.open(QIODevice.OpenModeFlag.ReadOnly)
        loaded = _Loader().load(buffer, unwrap(parent))
        if loaded is None:
            return None
        named = {each.objectName(): wrap(each) for each in [loaded, *loaded.findChildren(QObject)]}
        for name, item in own:
            label, kind = item.get("name", ""), type(unwrap(named[name]))
            if label in _properties(kind):
                setattr(named[name], label, _value(item[0], kind))
            else:
                named[name].setProperty(label, item[0].text or "")
        for sender, signal, receiver, slot in links:
            named[sender].connect(signal, named[receiver], slot)
        return wrap(loaded)


def _taken(element: ET.Element) -> list[tuple[str, ET.Element]]:
    """Take out of a widget's element the properties that Qt's loader cannot set; refuse what the class lacks."""
    kind, name = element.get("class", ""), element.get("name", "")
    if kind == "Line":
        return []
    if kind not in CUSTOM and kind not in _known():
        raise RuntimeError(f"no widget class {kind} for {name}")
    qtClass = CUSTOM[kind] if kind in CUSTOM else lookUp(kind)._qtClass
    native, taken = _properties(_native(qtClass)), []
    for item in element.findall("property"):
        label = item.get("name", "")
        if item.get("stdset") != "0" and label not in _properties(qtClass) | DESIGNERS:
            raise RuntimeError(f"{kind} ({name}) has no property {label}")
        if kind in CUSTOM and label not in native | DESIGNERS:
            element.remove(item)
            taken.append((name, item))
    return taken


@functools.cache
def _known() -> frozenset[str]:
    """Qt's own classes of widgets; asking for them takes milliseconds."""
    return frozenset(Loader().availableWidgets())


@functools.cache
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
    if path[0] == "Qt":
        return getattr(facadeOf(Qt), path[-1])
    owner = facadeOf(CUSTOM[path[0]]) if path[0] in CUSTOM else lookUp(path[0])
    return getattr(owner, path[-1])


def _native(kind: type) -> Any:
    return next(c for c in kind.__mro__ if hasattr(c, "staticMetaObject") and not isinstance(c, Declared))
