"""PySide6's classes with the manners of PythonQt, Slicer's bridge between Qt and Python.

A PySide6 object is never handed out: a wrapper is, whose attributes are what PythonQt offers, and nothing else.
Properties are attributes, a name that does not exist cannot be written, keyword arguments are refused, lists come
back as tuples, enumerations are integers. Where PythonQt prints and goes on, the facade raises.
"""

import ctypes
import functools
import sys
from collections.abc import Callable
from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets
from shiboken6 import Shiboken

from .enums import enumAttributes
from .members import Method, Name, Property, Shell, Signal
from .signals import connections, normalized, signatures
from .values import Wrapped, unwrap, wrap, wrappers

QObject = QtCore.QObject
if sys.version_info < (3, 12):
    # PySide6 6.12 gives away references to these that it does not own, as in every method without a result. From Python
    # 3.12 on that does no harm; here, after some ten thousand calls, the interpreter would lose None.
    for lasting in (None, True, False):
        ctypes.c_ssize_t.from_address(id(lasting)).value += 1 << 40
HIDDEN = {"emit", "connect", "disconnect", "tr", "receivers", "sender", "isSignalConnected", "staticMetaObject"}


class Wrapper(Wrapped):
    """What PythonQt calls PythonQtInstanceWrapper: the one base of all wrapper classes."""

    _qtClass: type

    def __init__(self, *values: Any, **options: Any) -> None:
        cls = type(self)
        if options:
            raise ValueError(f"{cls.__name__}() does not take keyword arguments")
        try:
            if cls.__dict__.get("_exact"):
                self._adopt(self._qtClass(*[unwrap(value) for value in values]))
            else:
                self._adopt(_shellOf(cls)(*[unwrap(value) for value in values]))
                self._qt._wrapper = self
        except TypeError as error:
            raise ValueError(f"Could not find a matching constructor of {cls.__name__}: {error}") from error

    def _adopt(self, source: Any) -> None:
        object.__setattr__(self, "_qt", source)
        wrappers[id(source)] = self

    def __setattr__(self, name: str, value: Any) -> None:
        attribute = next((vars(c)[name] for c in type(self).__mro__ if name in vars(c)), None)
        if isinstance(attribute, (Property, Name)):
            attribute.__set__(self, value)
        elif not type(self).__dict__.get("_exact"):
            object.__setattr__(self, name, value)
        elif isinstance(self._qt, QObject) and name.encode() in self._qt.dynamicPropertyNames():
            self._qt.setProperty(name, unwrap(value))
        else:
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}' that can be set")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name in ("exec_", "print_", "raise_", "import_", "pass_", "from_"):
            with_ = name if name in dir(type(self)) else name[:-1]
            if with_ in dir(type(self)):
                return getattr(self, with_)
        source = self._alive()
        if isinstance(source, QObject):
            if name.encode() in [bytes(n.data()) for n in source.dynamicPropertyNames()]:
                return wrap(source.property(name))
            for child in source.children():
                if child.objectName() == name:
                    return wrap(child)
        raise AttributeError(_missing(type(self), name))

    def className(self) -> str:
        """Name of the C++ class."""
        meta = getattr(self._alive(), "metaObject", None)
        return meta().className() if meta else self._qtClass.__name__

    def help(self) -> None:
        """Print the names that this object has."""
        print("\n".join(name for name in dir(type(self)) if not name.startswith("_")))

    def __bool__(self) -> bool:
        return Shiboken.isValid(self._qt)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Wrapper):
            return NotImplemented
        return self._qt is other._qt or (not isinstance(self._qt, QObject) and self._qt == other._qt)

    def __hash__(self) -> int:
        return id(self._qt)

    def __repr__(self) -> str:
        return f"{type(self).__name__} ({self._qtClass.__name__} at: {hex(id(self._qt))})"


def _missing(cls: type, name: str) -> str:
    from .declared import offeredInSlicer

    if offeredInSlicer(cls._qtClass, name):  # type: ignore[attr-defined]
        return f"{cls.__name__}.{name} exists in Slicer, but its stand-in does not have it yet"
    return f"'{cls.__name__}' object has no attribute '{name}'"


def _connect(self: Wrapper, *values: Any) -> bool:
    """connect(signal, function) or connect(signal, receiver, slot)."""
    signature, function = _target(values)
    connections.connect(self._alive(), signature, function, wrap)
    return True


def _disconnect(self: Wrapper, *values: Any) -> bool:
    """disconnect(signal[, function]) or disconnect(signal, receiver, slot)."""
    signature, function = (normalized(values[0]), None) if len(values) == 1 else _target(values)
    return connections.disconnect(self._alive(), signature, function)


def _target(values: tuple) -> tuple[str, Callable]:
    signature, *rest = values
    if len(rest) == 2:
        receiver, slot = rest
        return normalized(signature), getattr(receiver, slot.partition("(")[0])
    if len(rest) != 1 or not callable(rest[0]):
        raise ValueError(f"connect needs a signal and something to call, and got {values}")
    return normalized(signature), rest[0]


def _delete(self: Wrapper) -> None:
    """Delete the C++ object."""
    Shiboken.delete(self._alive())


def _findChildren(self: Wrapper, kind: Any = None, name: str = "") -> tuple:
    """All children below this object of a class, and with a name where one is given."""
    qtClass = QObject if kind is None else kind._qtClass
    return wrap(self._alive().findChildren(qtClass, name) if name else self._alive().findChildren(qtClass))


def _findChild(self: Wrapper, kind: Any = None, name: str = "") -> Any:
    """The first of findChildren, or None."""
    return next(iter(_findChildren(self, kind, name)), None)


@functools.cache
def facadeOf(qtClass: type) -> type[Wrapper]:
    """The wrapper class of a PySide6 class."""
    if issubclass(qtClass, Shell):
        return facadeOf(qtClass.__mro__[2])
    attributes: dict[str, Any] = {"_qtClass": qtClass, "_exact": True}
    isObject = issubclass(qtClass, QObject)
    for owner in reversed(qtClass.__mro__):
        if owner.__module__ in ("builtins", "Shiboken"):
            continue
        offered = vars(owner).get("_offered")  # a stand-in offers the names that are declared for it, no others
        for name in vars(owner) if offered is None else offered:
            value = vars(owner).get(name)
            if name.startswith("_") or name in HIDDEN or isinstance(value, (type, QtCore.Property)) or value is None:
                continue
            if type(value) is QtCore.Signal:  # PySide6 6.12 loses references to False in isinstance(…, Signal)
                attributes[name] = Signal(name)
            elif callable(value) or isinstance(value, (staticmethod, classmethod)):
                attributes[name] = Method(qtClass, name)
        attributes.update(enumAttributes(owner))
        attributes.update(vars(owner).get("_constants", {}))
    if isObject:
        meta = qtClass.staticMetaObject  # type: ignore[attr-defined]
        for index in range(meta.propertyCount()):
            attributes[meta.property(index).name()] = Property(qtClass, meta.property(index))
        for signature in signatures(qtClass):
            name = signature.partition("(")[0]
            if not isinstance(attributes.get(name), (Property, Method)):
                attributes[name] = Signal(name)
        attributes.update(
            name=Name(),
            connect=_connect,
            disconnect=_disconnect,
            delete=_delete,
            findChildren=_findChildren,
            findChild=_findChild,
        )
    if qtClass is QtCore.QTimer:
        attributes["singleShot"] = staticmethod(_singleShot)  # the static function hides the property
    if issubclass(qtClass, QtCore.Qt):
        attributes = {key: value for key, value in attributes.items() if not isinstance(value, Method)}
    return type(qtClass.__name__, (Wrapper,), attributes)


def _singleShot(milliseconds: int, function: Callable) -> None:
    """Call a function once, after a time."""
    timer = QtCore.QTimer()
    timer.setSingleShot(True)
    connections.connect(timer, "timeout()", function, wrap)
    _pending.add(timer)
    timer.timeout.connect(lambda: _pending.discard(timer))
    timer.start(milliseconds)


_pending: set[QtCore.QTimer] = set()


@functools.cache
def _shellOf(cls: type[Wrapper]) -> type:
    """A PySide6 class that hands virtual calls to the methods that a Python class overrides."""
    qtClass = cls._qtClass

    def forward(name: str) -> Callable:
        def virtual(self: Any, *values: Any) -> Any:
            return unwrap(getattr(self._wrapper, name)(*[wrap(value) for value in values]))

        return virtual

    overridden = {
        name: forward(name)
        for owner in cls.__mro__[: cls.__mro__.index(facadeOf(qtClass))]
        for name, value in vars(owner).items()
        if callable(value) and not name.startswith("_") and hasattr(qtClass, name)
    }
    return type(cls.__name__, (Shell, qtClass), overridden)


def lookUp(name: str) -> Any:
    """A class of Qt by its name, as the module qt has it."""
    if name.startswith("Q"):
        for module in (QtWidgets, QtGui, QtCore):
            found = getattr(module, name, None)
            if isinstance(found, type):
                return facadeOf(found)
    raise AttributeError(f"module 'qt' has no attribute '{name}'")
