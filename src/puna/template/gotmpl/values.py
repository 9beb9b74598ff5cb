"""The values templates work on, seen with Go's eyes: their kinds, type names and truth.

A template sees ``str``, ``bool``, ``int``, ``float``, ``None``, ``bytes``, lists and tuples, mappings from text, and
``Struct``; anything else is opaque. Nothing of Python is reachable by name: a field is a key of a mapping or one
of the names a ``Struct`` lists.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from puna.template.gotmpl.literals import to_bytes


class Absent(Enum):
    """No value at all, as when a name holds nothing; prints ``<no value>``. ``None`` is Go's nil."""

    ABSENT = "<no value>"


ABSENT = Absent.ABSENT


class Printed(ABC):
    """A value with a printed form of its own, as Go types have with a String method.

    Mixed into ``Struct``, or into a list or dict, which then also has the name of its type.
    """

    __slots__ = ()

    type_name: str

    @abstractmethod
    def go_string(self) -> str:
        """What printing the value yields."""


@dataclass(frozen=True, slots=True)
class Struct:
    """A Go struct: the name of its type for messages, and its fields in the order they print.

    Asking for a field it does not list is an error, where a mapping has the zero value.
    """

    type_name: str
    fields: Mapping[str, Any]


class Kind(Enum):
    """What kind of thing a value is to the language."""

    NIL = "nil"
    BOOL = "bool"
    INT = "int"
    FLOAT = "float"
    STRING = "string"
    LIST = "list"
    MAP = "map"
    STRUCT = "struct"
    OTHER = "other"


_KINDS: dict[type, Kind] = {
    str: Kind.STRING,
    bool: Kind.BOOL,
    int: Kind.INT,
    float: Kind.FLOAT,
    type(None): Kind.NIL,
    Absent: Kind.NIL,
    list: Kind.LIST,
    tuple: Kind.LIST,
    bytes: Kind.LIST,
    dict: Kind.MAP,
    Struct: Kind.STRUCT,
}
_BASES: tuple[tuple[type, Kind], ...] = (
    (Struct, Kind.STRUCT),
    (Mapping, Kind.MAP),
    (str, Kind.STRING),
    (int, Kind.INT),
    (float, Kind.FLOAT),
    (list, Kind.LIST),
    (tuple, Kind.LIST),
    (bytes, Kind.LIST),
)

_TYPE_NAMES = {
    Kind.NIL: "<nil>",
    Kind.BOOL: "bool",
    Kind.INT: "int",
    Kind.FLOAT: "float64",
    Kind.STRING: "string",
    Kind.LIST: "[]interface {}",
    Kind.MAP: "map[string]interface {}",
}


def kind_of(value: Any) -> Kind:
    """The kind of ``value``."""
    known = _KINDS.get(type(value))
    if known is None:
        known = next((kind for base, kind in _BASES if isinstance(value, base)), Kind.OTHER)
        _KINDS[type(value)] = known
    return known


def type_name(value: Any) -> str:
    """The name of the type of ``value`` as Go's messages give it."""
    if isinstance(value, Struct | Printed):
        return value.type_name
    if isinstance(value, bytes):
        return "[]uint8"
    return _TYPE_NAMES.get(kind_of(value), "struct")


def truth(value: Any) -> bool:
    """Whether a condition on ``value`` holds: not for false, 0, nil, or what is empty. A struct always holds."""
    kind = kind_of(value)
    if kind is Kind.NIL:
        return False
    if kind in (Kind.STRUCT, Kind.OTHER):
        return True
    return bool(value)


def length(value: Any) -> int | None:
    """The number of elements of a list or map, or of bytes of a string; None for what has no length."""
    kind = kind_of(value)
    if kind is Kind.STRING:
        return len(value) if value.isascii() else len(to_bytes(value))
    return len(value) if kind in (Kind.LIST, Kind.MAP) else None


def sorted_keys(mapping: Mapping[str, Any]) -> list[str]:
    """The keys of ``mapping`` in the order Go visits them."""
    return sorted(mapping)
