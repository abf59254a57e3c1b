"""PySide6's classes with the manners of PythonQt, Slicer's bridge between Qt and Python.

A PySide6 object is never handed out: a wrapper is, whose attributes are what PythonQt offers, and nothing else.
Properties are attributes, a name that does not exist cannot be written, keyword arguments are refused, lists come
back as tuples, enumerations are integers. Where PythonQt prints and goes on, the facade raises.
"""

import ctypes
import enum
import functools
import sys
import weakref
from collections.abc import Callable
from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets
from shiboken6 import Shiboken

from .enums import EnumValue, enumAttributes, enumValue
from .signals import BoundSignal, connections, normalized, signatures

QObject = QtCore.QObject
if sys.version_info < (3, 12):
    # PySide6 6.12 gives away references to these that it does not own, as in every method without a result. From Python
    # 3.12 on that does no harm; here, after some ten thousand calls, the interpreter would lose None.
    for lasting in (None, True, False):
        ctypes.c_ssize_t.from_address(id(lasting)).value += 1 << 40
HIDDEN = {"emit", "connect", "disconnect", "tr", "receivers", "sender", "isSignalConnected", "staticMetaObject"}
OVERRIDES: dict[tuple[str, str], Callable] = {}
"""(class, method) -> function(PySide6 object or None, *arguments): what may not be left to Qt, as modal dialogs."""


def wrap(value: Any) -> Any:
    """A value from PySide6 as PythonQt would give it."""
    if isinstance(value, enum.Enum):
        return enumValue(value)
    if isinstance(value, (list, tuple)):
        return tuple(wrap(item) for item in value)
    if isinstance(value, dict):
        return {key: wrap(item) for key, item in value.items()}
    if isinstance(value, Shiboken.Object):
        return _wrapped(value)
    return value


def unwrap(value: Any) -> Any:
    """The PySide6 object, member or plain value behind an argument."""
    if isinstance(value, Wrapper):
        return value._alive()
    if isinstance(value, EnumValue):
        return value.member
    if isinstance(value, (list, tuple)):
        return [unwrap(item) for item in value]
    if isinstance(value, dict):
        return {key: unwrap(item) for key, item in value.items()}
    return value


_wrappers: "weakref.WeakValueDictionary[int, Wrapper]" = weakref.WeakValueDictionary()


def _wrapped(source: Any) -> "Wrapper":
    owner = getattr(source, "_wrapper", None)  # an object of a class derived in Python keeps its one wrapper
    if owner is not None:
        return owner
    known = _wrappers.get(id(source))
    if known is not None and known._qt is source:
        return known
    wrapper = object.__new__(facadeOf(type(source)))
    wrapper._adopt(source)
    return wrapper


def _call(name: str, function: Callable, values: tuple, options: dict) -> Any:
    if options:
        raise ValueError(f"{name} does not take keyword arguments; PythonQt passes positional ones only")
    if any(callable(value) and not isinstance(value, (Wrapper, type)) for value in values):
        raise ValueError(f"Could not find matching overload of {name} for a Python function; use connect()")
    try:
        return wrap(function(*[unwrap(value) for value in values]))
    except TypeError as error:
        raise ValueError(f"Could not find matching overload of {name}: {error}") from error
    except RuntimeError as error:
        raise ValueError(f"{name}: {error}") from error


class Method:
    """A slot, invokable or static method."""

    def __init__(self, qtClass: type, name: str) -> None:
        self.qtClass, self.name = qtClass, name

    def __get__(self, instance: "Wrapper | None", owner: type) -> Callable:
        label = f"{self.qtClass.__name__}.{self.name}"
        override = next((o for c in self.qtClass.__mro__ if (o := OVERRIDES.get((c.__name__, self.name)))), None)
        if override:
            target = None if instance is None else instance._alive()
            return BoundMethod(label, functools.partial(override, target), instance)
        if instance is None:
            return BoundMethod(label, getattr(self.qtClass, self.name), None)
        if isinstance(instance._qt, Shell):  # not virtual: an override may call what it overrides
            return BoundMethod(label, functools.partial(getattr(self.qtClass, self.name), instance._alive()), instance)
        return BoundMethod(label, getattr(instance._alive(), self.name), instance)


class BoundMethod:
    """A method of one object, which two look-ups give as equals."""

    def __init__(self, label: str, function: Callable, instance: Any) -> None:
        self._label, self._function, self._instance = label, function, instance

    def __call__(self, *values: Any, **options: Any) -> Any:
        return _call(self._label, self._function, values, options)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BoundMethod) and (self._label, self._instance) == (other._label, other._instance)

    def __hash__(self) -> int:
        return hash(self._label)

    def __repr__(self) -> str:
        return f"<slot {self._label}>"


class Signal:
    """A signal as a class attribute."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, instance: "Wrapper | None", owner: type) -> Any:
        return self if instance is None else BoundSignal(instance, self.name)


ACCEPTED = {
    "bool": (bool, int),
    "int": int,
    "uint": int,
    "double": (int, float),
    "float": (int, float),
    "QString": str,
    "QStringList": (tuple, list),
}


class Property:
    """A Qt property: read and written as an attribute, whether it has accessors in PySide6 or not."""

    def __init__(self, qtClass: type, meta: Any) -> None:
        self.name, self.type = meta.name(), meta.typeName()
        declared = getattr(qtClass, self.name, None)  # Qt knows only the first of properties that override each other
        self.writable = declared.fset is not None if isinstance(declared, QtCore.Property) else meta.isWritable()
        self.isEnum = meta.isEnumType()

    def __get__(self, instance: "Wrapper | None", owner: type) -> Any:
        if instance is None:
            return self
        source = instance._alive()
        capital = self.name[0].upper() + self.name[1:]
        for candidate in (self.name, f"is{capital}", f"has{capital}"):
            reader = getattr(source, candidate, None)
            if isinstance(getattr(type(source), candidate, None), QtCore.Property):
                return wrap(reader)
            if callable(reader):
                return wrap(reader())
        if self.name in ("plainText", "html", "markdown"):
            return getattr(source, f"to{capital}")()
        return wrap(source.property(self.name))

    def __set__(self, instance: "Wrapper", value: Any) -> None:
        source = instance._alive()
        if not self.writable:
            raise AttributeError(f"Property '{self.name}' of {instance.className()} is read-only")
        accepted = ACCEPTED.get(self.type, object)
        if not isinstance(value, accepted) or (
            self.type == "QStringList" and not all(isinstance(v, str) for v in value)
        ):
            raise AttributeError(
                f"Property '{self.name}' of type '{self.type}' of {instance.className()} does not accept an object of "
                f"type {type(value).__name__} ({value})"
            )
        if isinstance(getattr(type(source), self.name, None), QtCore.Property):
            setattr(source, self.name, unwrap(value))
            return
        setter = getattr(source, f"set{self.name[0].upper()}{self.name[1:]}", None)
        try:
            if setter is not None and not (self.isEnum and not isinstance(value, EnumValue)):
                setter(unwrap(value))
            else:
                source.setProperty(self.name, int(value) if self.isEnum else unwrap(value))
        except TypeError as error:
            raise AttributeError(f"Property '{self.name}' of type '{self.type}': {error}") from error


class Name:
    """objectName by its short name."""

    def __get__(self, instance: "Wrapper | None", owner: type) -> Any:
        return self if instance is None else instance._alive().objectName()

    def __set__(self, instance: "Wrapper", value: str) -> None:
        instance._alive().setObjectName(value)


class Shell:
    """Marks the PySide6 classes made for classes that are derived in Python."""

    _wrapper: "Wrapper"


class Wrapper:
    """What PythonQt calls PythonQtInstanceWrapper: the one base of all wrapper classes."""

    _qtClass: type
    _qt: Any

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
        _wrappers[id(source)] = self

    def _alive(self) -> Any:
        if not Shiboken.isValid(self._qt):
            raise ValueError(f"Trying to use a {type(self).__name__} that was deleted")
        return self._qt

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
