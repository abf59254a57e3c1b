"""Stand-ins for the widgets of CTK and Slicer: Qt classes with exactly the properties and signals of the real ones.

``api.json`` lists them, as the headers of Slicer and CTK declare them. A stand-in class is written as a PySide6 class
of the same name. For each declared property NAME it may define ``_read_NAME`` and ``_write_NAME``; a property without
them keeps what is written to it, starts as ``_defaults`` says and calls ``_on_NAME`` after each change.
"""

import functools
import json
import pathlib
from typing import Any

from PySide6.QtCore import Property, QObject, Signal

from .signals import arguments, normalized

API: dict[str, dict[str, Any]] = json.loads((pathlib.Path(__file__).parent / "api.json").read_text())
TYPES: dict[str, type | str] = {"bool": bool, "int": int, "double": float, "QString": str, "QStringList": "QStringList"}
EMPTY: dict[str, Any] = {"bool": False, "int": 0, "double": 0.0, "QString": "", "QStringList": ()}


def _names(signatures: list[str]) -> set[str]:
    return {signature.partition("(")[0] for signature in signatures}


@functools.cache
def offeredInSlicer(qtClass: type, name: str) -> bool:
    """Whether the real class, or a base of it, has this name."""
    return any(
        name in API[c.__name__]["properties"] or name in _names(_callables(c.__name__) + API[c.__name__]["signals"])
        for c in qtClass.__mro__
        if c.__name__ in API
    )


def _callables(name: str) -> list[str]:
    return API[name]["slots"] + API[name]["invokables"]


def _property(name: str, kind: str, writable: bool, namespace: dict[str, Any], default: Any) -> Property:
    reader, writer = namespace.get(f"_read_{name}"), namespace.get(f"_write_{name}")

    def read(self: Any) -> Any:
        return self.__dict__.get(f"_{name}", default)

    def write(self: Any, value: Any) -> None:
        value = {"double": float, "QStringList": tuple}.get(kind, lambda v: v)(value)
        changed = read(self) != value
        self.__dict__[f"_{name}"] = value
        hook = getattr(self, f"_on_{name}", None)
        if changed and hook:
            hook(value)

    return Property(TYPES.get(kind, object), reader or read, (writer or write) if writable else None)


class Declared(type(QObject)):  # type: ignore[misc]
    """Metaclass that gives a stand-in the properties and signals declared for the class of its name."""

    def __new__(mcs, name: str, bases: tuple, namespace: dict[str, Any]) -> Any:
        """Add what api.json lists for this name."""
        entry = API[name]
        defaults = namespace.get("_defaults", {})
        for key, value in entry["properties"].items():
            default = defaults.get(key, EMPTY.get(value["type"]))
            namespace[key] = _property(key, value["type"], value["writable"], namespace, default)
        signals: dict[str, str] = {}
        for signature in map(normalized, entry["signals"]):
            label, types = signature.partition("(")[0], arguments(signature)
            attribute = label if label not in signals.values() else f"{label}_{types[0].strip('*')}"
            signals[signature] = attribute
            namespace[attribute] = Signal(*[TYPES.get(t, object) if t != "QStringList" else object for t in types])
        namespace["_signals"] = signals
        namespace["_offered"] = sorted(
            (_names(_callables(name)) & set(namespace)) | _names(entry["signals"]) | set(entry["properties"])
        )
        return super().__new__(mcs, name, bases, namespace)
