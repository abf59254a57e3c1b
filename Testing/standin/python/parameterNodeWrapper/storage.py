"""How values of each type are kept in a vtkMRMLScriptedModuleNode: as text, and nodes as references."""

import dataclasses
import enum
import json
import pathlib
import types
import typing
from collections.abc import Callable
from typing import Any

import slicer

from .annotations import split


@dataclasses.dataclass
class FloatRange:
    """Two numbers, the first not above the second."""

    minimum: float = 0.0
    maximum: float = 0.0

    def __post_init__(self) -> None:
        if not self.minimum <= self.maximum:
            raise ValueError(f"a range needs minimum <= maximum: {self.minimum}, {self.maximum}")


def _observed(base: type, mutators: tuple[str, ...]) -> type:
    def changing(name: str) -> Callable:
        def method(self: Any, *values: Any, **options: Any) -> Any:
            result = getattr(base, name)(self, *values, **options)
            self._store(self)
            return result

        return method

    return type(f"Observed{base.__name__.capitalize()}", (base,), {name: changing(name) for name in mutators})


ObservedList = _observed(
    list,
    (
        "append",
        "extend",
        "insert",
        "pop",
        "remove",
        "clear",
        "sort",
        "reverse",
        "__setitem__",
        "__delitem__",
        "__iadd__",
    ),
)
ObservedDict = _observed(dict, ("__setitem__", "__delitem__", "update", "pop", "popitem", "clear", "setdefault"))


def isNode(kind: Any) -> bool:
    """Whether a type is a class of MRML nodes."""
    return isinstance(kind, type) and issubclass(kind, slicer.vtkMRMLNode)


class Storage:
    """Reads, writes and checks one type. Raises TypeError for a type that cannot be kept."""

    def __init__(self, annotated: Any) -> None:
        self.type, _ = split(annotated)
        self.optional = False
        if typing.get_origin(self.type) in (typing.Union, types.UnionType):
            members = typing.get_args(self.type)
            self.optional = type(None) in members
            self.members = tuple(split(member)[0] for member in members if member is not type(None))
            if len(self.members) > 1 and not all(isNode(member) for member in self.members):
                raise TypeError(f"{self.type} cannot be kept in a parameter node")
        else:
            self.members = (self.type,)
        self.node = isNode(self.members[0])
        origin, inner = typing.get_origin(self.members[0]), typing.get_args(self.members[0])
        self.nodes = origin in (list, dict) and isNode(split(inner[-1])[0])  # a list or dictionary of nodes
        if self.nodes and origin is dict and inner[0] is not str:
            raise TypeError(f"{self.type} cannot be kept in a parameter node")
        if not self.node and not self.nodes:
            self._codec(self.members[0])

    def default(self) -> Any:
        """The value of a parameter without a default."""
        if self.node or self.optional:
            return None
        kind = self.members[0]
        origin = typing.get_origin(kind) or kind
        if origin is tuple:
            return tuple(Storage(member).default() for member in typing.get_args(kind))
        return next(iter(kind)) if isinstance(kind, type) and issubclass(kind, enum.Enum) else origin()

    def check(self, value: Any) -> None:
        """Raise where a value is not of the type."""
        if value is None:
            if self.optional or self.node:
                return
            raise ValueError("Value must not be None")
        for kind in self.members:
            origin = typing.get_origin(kind) or kind
            accepted = (int, float) if origin is float else pathlib.PurePath if origin is pathlib.Path else origin
            if isinstance(value, accepted):
                return
        raise TypeError(f"{value!r} is of {type(value)}, not of {self.type}")

    def isIn(self, node: Any, name: str) -> bool:
        """Whether the node has the parameter."""
        return bool(node.HasParameter(name))

    def write(self, node: Any, name: str, value: Any) -> None:
        """Put the value into the node."""
        with slicer.util.NodeModify(node):
            if self.node:
                node.SetParameter(name, "")
                node.SetNodeReferenceID(name, value.GetID() if value is not None else None)
            elif self.nodes:
                self._writeNodes(node, name, value)
            else:
                encode = self._codec(self.members[0])[0]
                text = "" if value is None else encode(value)
                if self.optional:
                    text = "" if value is None else f"={text}"
                elif not isinstance(text, str):
                    text = json.dumps(text)
                node.SetParameter(name, text)

    def read(self, node: Any, name: str) -> Any:
        """The value in the node."""
        if self.node:
            return node.GetNodeReference(name)
        if self.nodes:
            return self._readNodes(node, name)
        text = node.GetParameter(name)
        if self.optional:
            if not text:
                return None
            text = text[1:]
        value = self._codec(self.members[0])[1](text)
        if isinstance(value, (ObservedList, ObservedDict)):
            value._store = lambda changed: self.write(node, name, changed)
        return value

    def _writeNodes(self, node: Any, name: str, value: Any) -> None:
        keys = list(value) if isinstance(value, dict) else None
        node.RemoveNodeReferenceIDs(name)
        for index, item in enumerate(value.values() if keys is not None else value):
            node.SetNthNodeReferenceID(name, index, item.GetID())
        node.SetParameter(name, json.dumps(keys))

    def _readNodes(self, node: Any, name: str) -> Any:
        keys = json.loads(node.GetParameter(name))
        found = [node.GetNthNodeReference(name, index) for index in range(node.GetNumberOfNodeReferences(name))]
        value = ObservedList(found) if keys is None else ObservedDict(zip(keys, found, strict=False))
        value._store = lambda changed: self.write(node, name, changed)
        return value

    @classmethod
    def _codec(cls, kind: Any) -> tuple[Callable, Callable]:
        """Functions to and from text."""
        kind = split(kind)[0]
        origin, inner = typing.get_origin(kind) or kind, typing.get_args(kind)
        if kind is bool:
            return (lambda v: "True" if v else "False"), (lambda t: t == "True")
        if kind in (int, float):
            return (lambda v: repr(kind(v))), (lambda t: kind(t))
        if kind is str:
            return (lambda v: v), (lambda t: t)
        if isinstance(kind, type) and issubclass(kind, pathlib.PurePath):
            return (lambda v: str(v)), (lambda t: kind(t))
        if isinstance(kind, type) and issubclass(kind, enum.Enum):
            return (lambda v: v.name), (lambda t: kind[t])
        if kind is FloatRange:
            return (lambda v: json.dumps([v.minimum, v.maximum])), (lambda t: FloatRange(*json.loads(t)))
        if origin is list and inner:
            encode, decode = cls._codec(inner[0])
            return (
                lambda v: json.dumps([encode(item) for item in v]),
                lambda t: ObservedList(decode(item) for item in json.loads(t)),
            )
        if origin is tuple and inner:
            codecs = [cls._codec(member) for member in inner]
            return (
                lambda v: json.dumps([c[0](item) for c, item in zip(codecs, v, strict=True)]),
                lambda t: tuple(c[1](item) for c, item in zip(codecs, json.loads(t), strict=True)),
            )
        if origin is dict and inner:
            (encodeKey, decodeKey), (encode, decode) = cls._codec(inner[0]), cls._codec(inner[1])
            return (
                lambda v: json.dumps({encodeKey(k): encode(item) for k, item in v.items()}),
                lambda t: ObservedDict((decodeKey(k), decode(item)) for k, item in json.loads(t).items()),
            )
        raise TypeError(f"{kind} cannot be kept in a parameter node")
