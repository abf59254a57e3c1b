"""Values between PySide6 and what PythonQt would give: objects wrapped, enumerations as integers, lists as tuples."""

import enum
import weakref
from typing import Any

from shiboken6 import Shiboken

from .enums import EnumValue, enumValue


class Wrapped:
    """What stands for an object of PySide6: :class:`standin.facade.Wrapper`."""

    _qt: Any

    def _alive(self) -> Any:
        if not Shiboken.isValid(self._qt):
            raise ValueError(f"Trying to use a {type(self).__name__} that was deleted")
        return self._qt


wrappers: "weakref.WeakValueDictionary[int, Wrapped]" = weakref.WeakValueDictionary()
"""By the identity of the PySide6 object, which has one wrapper as long as anybody holds that."""


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
    if isinstance(value, Wrapped):
        return value._alive()
    if isinstance(value, EnumValue):
        return value.member
    if isinstance(value, (list, tuple)):
        return [unwrap(item) for item in value]
    if isinstance(value, dict):
        return {key: unwrap(item) for key, item in value.items()}
    return value


def _wrapped(source: Any) -> Wrapped:
    from .facade import facadeOf

    owner = getattr(source, "_wrapper", None)  # an object of a class derived in Python keeps its one wrapper
    if owner is not None:
        return owner
    known = wrappers.get(id(source))
    if known is not None and known._qt is source:
        return known
    wrapper = object.__new__(facadeOf(type(source)))
    wrapper._adopt(source)
    return wrapper
