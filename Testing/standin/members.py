"""What a wrapper class has: slots, signals and properties, with PythonQt's manners."""

import functools
from collections.abc import Callable
from typing import Any

from PySide6 import QtCore

from .enums import EnumValue
from .signals import BoundSignal
from .values import Wrapped, unwrap, wrap

OVERRIDES: dict[tuple[str, str], Callable] = {}
"""(class, method) -> function(PySide6 object or None, *arguments): what may not be left to Qt, as modal dialogs."""


class Shell:
    """Marks the PySide6 classes made for classes that are derived in Python."""

    _wrapper: Wrapped


def _call(name: str, function: Callable, values: tuple, options: dict) -> Any:
    if options:
        raise ValueError(f"{name} does not take keyword arguments; PythonQt passes positional ones only")
    if any(callable(value) and not isinstance(value, (Wrapped, type)) for value in values):
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

    def __get__(self, instance: Any, owner: type) -> Callable:
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

    def __get__(self, instance: Any, owner: type) -> Any:
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

    def __get__(self, instance: Any, owner: type) -> Any:
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

    def __set__(self, instance: Any, value: Any) -> None:
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

    def __get__(self, instance: Any, owner: type) -> Any:
        return self if instance is None else instance._alive().objectName()

    def __set__(self, instance: Any, value: str) -> None:
        instance._alive().setObjectName(value)
