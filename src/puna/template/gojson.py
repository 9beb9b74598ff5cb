"""JSON as Go encodes it: compact, maps sorted by key, ``<``, ``>`` and ``&`` escaped, structs named by their tags."""

from __future__ import annotations

import base64
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from puna.template.gotmpl.formatting import json_float
from puna.template.gotmpl.literals import well_formed
from puna.template.gotmpl.values import Kind, Printed, Struct, kind_of, sorted_keys

_ESCAPES = str.maketrans({char: f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"})

_LARGEST_EXACT = 1 << 53


@dataclass(frozen=True, slots=True)
class Tagged(Struct):
    """A struct whose fields have other names in JSON: ``tags`` are as in Go, ``name`` or ``name,omitempty``."""

    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PrintedTagged(Tagged, Printed):
    """A struct that prints as its JSON."""

    def go_string(self) -> str:
        """The JSON of the struct."""
        return encode(self)


class Encoded(ABC):
    """A value with a JSON form of its own."""

    __slots__ = ()

    @abstractmethod
    def json_value(self) -> Any:
        """The value to encode in its stead."""


class Ordered(dict[str, Any]):
    """An object whose keys keep their order."""

    __slots__ = ()


def encode(value: Any) -> str:
    """``value`` as JSON.

    Raises:
        ValueError: JSON has no such value.
    """
    if isinstance(value, Encoded):
        value = value.json_value()
    match kind_of(value):
        case Kind.NIL:
            return "null"
        case Kind.BOOL:
            return "true" if value else "false"
        case Kind.INT:
            return str(value)
        case Kind.FLOAT:
            return json_float(value)
        case Kind.STRING:
            return _string(value)
        case Kind.LIST if isinstance(value, bytes):
            return f'"{base64.b64encode(value).decode()}"'
        case Kind.LIST:
            return f"[{','.join(map(encode, value))}]"
        case Kind.MAP:
            keys = value if isinstance(value, Ordered) else sorted_keys(value)
            return _object((key, value[key]) for key in keys)
        case Kind.STRUCT:
            return _object(_fields(value))
        case _:
            raise ValueError("unsupported type")


def _string(text: str) -> str:
    return json.dumps(well_formed(text), ensure_ascii=False).translate(_ESCAPES)


def _object(items: Iterable[tuple[str, Any]]) -> str:
    return f"{{{','.join(f'{_string(name)}:{encode(value)}' for name, value in items)}}}"


def _fields(struct: Struct) -> Iterator[tuple[str, Any]]:
    tags = struct.tags if isinstance(struct, Tagged) else {}
    for field, value in struct.fields.items():
        name, _, option = tags.get(field, field).partition(",")
        if not (option and kind_of(value) is not Kind.STRUCT and not value):
            yield name, value


def decoded(value: Any) -> Any:
    """A value that Python decoded from JSON, as Go would have it: numbers are floats.

    Whole numbers that no float holds exactly stay what they are, since corrupting an identifier helps nobody.
    """
    match value:
        case bool() | str() | None:
            return value
        case int():
            return float(value) if abs(value) <= _LARGEST_EXACT else value
        case list() | tuple():
            return [decoded(item) for item in value]
        case Mapping():
            return {str(key): decoded(item) for key, item in value.items()}
        case _:
            return value
