"""Qt's enumerations as PythonQt gives them: integers, reachable from the class and from its instances."""

import enum
from typing import Any


class EnumValue(int):
    """One value of a Qt enumeration or set of flags."""

    member: enum.Enum

    def __or__(self, other: Any) -> Any:
        return self._combined(other, lambda a, b: a | b)

    def __and__(self, other: Any) -> Any:
        return self._combined(other, lambda a, b: a & b)

    def __invert__(self) -> Any:
        return enumValue(~self.member) if isinstance(self.member, enum.Flag) else ~int(self)

    def _combined(self, other: Any, operation: Any) -> Any:
        if isinstance(other, EnumValue) and isinstance(self.member, enum.Flag) and type(self) is type(other):
            return enumValue(operation(self.member, other.member))
        return operation(int(self), int(other))

    def __repr__(self) -> str:
        return f"{self.member.name} ({int(self)})"


_types: dict[type, type[EnumValue]] = {}


def enumType(source: type[enum.Enum]) -> type[EnumValue]:
    """The integer type that stands for this PySide6 enumeration."""
    if source not in _types:
        _types[source] = type(source.__name__, (EnumValue,), {})
    return _types[source]


def enumValue(member: enum.Enum) -> EnumValue:
    """The integer that stands for this member of a PySide6 enumeration."""
    value = enumType(type(member))(member.value)
    value.member = member
    return value


def enumAttributes(owner: type) -> dict[str, Any]:
    """What a class has through the enumerations declared in it: the types and all their values."""
    attributes: dict[str, Any] = {}
    for name, source in vars(owner).items():
        if isinstance(source, type) and issubclass(source, enum.Enum):
            attributes[name] = enumType(source)
            attributes.update({label: enumValue(member) for label, member in source.__members__.items()})
    return attributes
