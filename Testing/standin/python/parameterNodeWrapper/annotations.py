"""What Annotated[...] may say of a parameter: its default, the values it takes, how a widget shows it."""

import dataclasses
import typing
from collections.abc import Callable, Sequence
from typing import Any


def split(annotated: Any) -> tuple[Any, tuple]:
    """A type and its annotations."""
    if typing.get_origin(annotated) is typing.Annotated:
        return annotated.__origin__, annotated.__metadata__
    return annotated, ()


def unannotatedType(annotated: Any) -> Any:
    """The type without its annotations."""
    return split(annotated)[0]


def first(annotations: Sequence, kind: type) -> Any:
    """The first annotation of a kind, or None."""
    return next((item for item in annotations if isinstance(item, kind)), None)


class Default:
    """The value before any is set, or a function that makes it."""

    def __init__(self, value: Any = None, *, generator: Callable[[], Any] | None = None) -> None:
        self._value, self._generator = value, generator

    @property
    def value(self) -> Any:
        """The default."""
        return self._generator() if self._generator else self._value


@dataclasses.dataclass
class Decimals:
    """Digits after the point in the widget."""

    value: int


@dataclasses.dataclass
class SingleStep:
    """Step of the widget."""

    value: float


class Validator:
    """Base of what checks values."""

    def validate(self, value: Any) -> None:
        """Raise ValueError for a value that is not allowed."""
        raise NotImplementedError


class NotNone(Validator):
    """No None."""

    def validate(self, value: Any) -> None:
        if value is None:
            raise ValueError("Value must not be None")


class IsInstance(Validator):
    """Values of a class, or None."""

    def __init__(self, classtype: Any) -> None:
        self.classtype = classtype

    def validate(self, value: Any) -> None:
        if value is not None and not isinstance(value, self.classtype):
            raise TypeError(f"{value!r} is of {type(value)}, not of {self.classtype}")


@dataclasses.dataclass
class WithinRange(Validator):
    """Numbers from minimum to maximum."""

    minimum: float
    maximum: float

    def validate(self, value: Any) -> None:
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"{value} is not within {self.minimum} and {self.maximum}")


@dataclasses.dataclass
class Minimum(Validator):
    """Numbers not below this."""

    minimum: float

    def validate(self, value: Any) -> None:
        if value < self.minimum:
            raise ValueError(f"{value} is below {self.minimum}")


@dataclasses.dataclass
class Maximum(Validator):
    """Numbers not above this."""

    maximum: float

    def validate(self, value: Any) -> None:
        if value > self.maximum:
            raise ValueError(f"{value} is above {self.maximum}")


@dataclasses.dataclass
class Choice(Validator):
    """One of these."""

    choices: Sequence

    def validate(self, value: Any) -> None:
        if value not in self.choices:
            raise ValueError(f"{value!r} is none of {self.choices}")


@dataclasses.dataclass
class Exclude(Validator):
    """None of these."""

    excludedValues: Sequence

    def validate(self, value: Any) -> None:
        if value in self.excludedValues:
            raise ValueError(f"{value!r} is excluded")


@dataclasses.dataclass
class RangeBounds(Validator):
    """Ranges within minimum and maximum."""

    minimum: float
    maximum: float

    def validate(self, value: Any) -> None:
        if not (self.minimum <= value.minimum and value.maximum <= self.maximum):
            raise ValueError(f"{value} is not within {self.minimum} and {self.maximum}")
