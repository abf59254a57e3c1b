"""Connections as PythonQt makes them: by signature, with trimmed arguments, holding on to what they call."""

import functools
import inspect
import re
import sys
from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QMetaMethod, QObject
from shiboken6 import Shiboken

from .record import remember


def normalized(signature: str) -> str:
    """A signal's or slot's signature without what does not tell overloads apart."""
    return re.sub(r"\bconst\b|&|\s", "", signature)


def arguments(signature: str) -> list[str]:
    """The argument types in a signature."""
    inside = signature.partition("(")[2].rstrip(")")
    return inside.split(",") if inside else []


@functools.cache
def signatures(qtClass: type) -> dict[str, tuple[str, str]]:
    """All signals of a class: normalized signature -> (attribute that holds it, full signature there)."""
    found: dict[str, tuple[str, str]] = {}
    for owner in qtClass.__mro__:
        for signature, attribute in vars(owner).get("_signals", {}).items():
            found.setdefault(signature, (attribute, signature))
    declared = {attribute for attribute, _ in found.values()}
    meta = qtClass.staticMetaObject  # type: ignore[attr-defined]
    longest: dict[str, str] = {}
    native = []
    for index in range(meta.methodCount()):
        method = meta.method(index)
        name = method.name().data().decode()
        if method.methodType() == QMetaMethod.MethodType.Signal and name not in declared:
            signature = normalized(method.methodSignature().data().decode())
            native.append((name, signature))
            if len(arguments(signature)) >= len(arguments(longest.get(name, ""))):
                longest[name] = signature
    for name, signature in native:
        full = longest[name]
        if arguments(full)[: len(arguments(signature))] != arguments(signature):
            full = signature
        found.setdefault(signature, (name, full))
    return found


def positionalCount(function: Callable) -> int | None:
    """How many arguments a Python function takes at most, defaults included; None: whatever comes."""
    bound = inspect.ismethod(function)
    code = getattr(function.__func__ if bound else function, "__code__", None)  # type: ignore[attr-defined]
    if code is None or code.co_flags & inspect.CO_VARARGS:
        return None
    return code.co_argcount - bound


class Connections:
    """Every connection made through the facade, so that it can be undone and lives as long as its sender."""

    def __init__(self) -> None:
        self._slots: dict[int, list[tuple[str, Any, Callable]]] = {}

    def connect(self, sender: QObject, signature: str, function: Callable, wrap: Callable) -> None:
        """Call the function, with arguments in the facade's terms, whenever the sender emits this signal."""
        attribute, full = resolve(sender, signature)
        count = len(arguments(signature))
        limit = positionalCount(function)
        count = count if limit is None else min(count, limit)

        def slot(*values: Any) -> None:
            try:
                function(*[wrap(value) for value in values[:count]])
            except Exception:
                remember(*sys.exc_info())

        _instance(sender, attribute, full).connect(slot)
        key = Shiboken.getCppPointer(sender)[0]
        if key not in self._slots:
            self._slots[key] = []
            sender.destroyed.connect(lambda: self._slots.pop(key, None))
        self._slots[key].append((signature, function, slot))

    def disconnect(self, sender: QObject, signature: str, function: Callable | None) -> bool:
        """Undo the connections of this signal to this function, to all where it is None. False if there were none."""
        attribute, full = resolve(sender, signature)
        key = Shiboken.getCppPointer(sender)[0]
        found = [
            entry
            for entry in self._slots.get(key, [])
            if entry[0] == signature and (function is None or entry[1] == function)
        ]
        for entry in found:
            _instance(sender, attribute, full).disconnect(entry[2])
            self._slots[key].remove(entry)
        return bool(found)


def resolve(sender: QObject, signature: str) -> tuple[str, str]:
    """Attribute and full signature of a signal; a name that does not exist is an error here, unlike in Slicer."""
    known = signatures(type(sender))
    if signature not in known:
        name = signature.partition("(")[0]
        similar = (
            sorted(known)
            if not any(k.startswith(name + "(") for k in known)
            else sorted(k for k in known if k.startswith(name + "("))
        )
        raise ValueError(f"{sender.metaObject().className()} has no signal {signature}; it has {', '.join(similar)}")
    return known[signature]


def _instance(sender: QObject, attribute: str, full: str) -> Any:
    instance = getattr(sender, attribute)
    if hasattr(type(sender), "_signals"):
        return instance
    types = arguments(full)
    default = normalized(str(instance).removesuffix(")"))  # e.g. <PySide6.QtCore.SignalInstance clicked(bool) at ...>
    if f"{attribute}({','.join(types)})" in default:
        return instance
    return instance[",".join(types)]


connections = Connections()


class BoundSignal:
    """A signal of one object as an attribute: to connect, to disconnect, and to emit by calling it."""

    def __init__(self, sender: Any, name: str) -> None:
        self._sender = sender
        self._signature = next(s for s in signatures(type(sender._qt)) if s.partition("(")[0] == name)

    def connect(self, function: Callable) -> bool:
        """Call this function at every emission."""
        return self._sender.connect(self._signature, function)

    def disconnect(self, function: Callable | None = None) -> bool:
        """Stop calling this function."""
        if function is None:
            return self._sender.disconnect(self._signature)
        return self._sender.disconnect(self._signature, function)

    def __call__(self, *values: Any) -> None:
        from .values import unwrap

        attribute, full = resolve(self._sender._qt, self._signature)
        _instance(self._sender._qt, attribute, full).emit(*[unwrap(value) for value in values])
