"""JSON bodies as Ollama's clients send them: read the first value, and take typed fields out of objects.

Ollama's decoder is Go's, and clients rely on its leniency: the case of field names does not matter, null is as good as
absent, unknown fields and anything after the first value are ignored, and broken UTF-8 is repaired. Its words for a
value of the wrong type, which name the field, are kept too.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, TypeGuard, TypeVar

import msgspec

from puna.errors import InvalidRequest
from puna.types.nesting import DEEPEST, is_too_deep

T = TypeVar("T")


def first_value(body: bytes) -> Any:
    """The first JSON value of ``body``.

    Raises:
        InvalidRequest: there is none, it is not JSON, or nested more deeply than anyone means.
    """
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        value = _lenient_first_value(body)
    except RecursionError:
        raise InvalidRequest("the JSON is nested too deeply") from None
    # To count brackets costs next to nothing, and spares most bodies the walk.
    if body.count(b"{") + body.count(b"[") > DEEPEST and is_too_deep(value):
        raise InvalidRequest("the JSON is nested too deeply")
    return value


def _lenient_first_value(body: bytes) -> Any:
    """What ``first_value`` does, slower, for bodies that are not one well-formed value."""
    text = body.decode("utf-8", "replace").lstrip(" \t\r\n")
    if not text:
        raise InvalidRequest("missing request body")
    try:
        value, _ = _DECODER.raw_decode(text)
        # Half of a surrogate pair, left where a client cut a text, is the one thing Python's decoder lets through.
        repaired = json.dumps(value, ensure_ascii=False).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return msgspec.json.decode(repaired)
    except json.JSONDecodeError as error:
        if not text[error.pos :].strip():
            raise InvalidRequest("unexpected EOF") from error
        raise InvalidRequest(f"invalid JSON: {error}") from error
    except ValueError as error:
        raise InvalidRequest(f"invalid JSON: {error}") from error
    except RecursionError:
        raise InvalidRequest("the JSON is nested too deeply") from None


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON value")


def _finite(number: str) -> float:
    value = float(number)
    if math.isinf(value):
        raise ValueError(f"{number} is out of range")
    return value


_DECODER = json.JSONDecoder(parse_float=_finite, parse_constant=_refuse_constant)


class Fields:
    """The fields of one JSON object; ``struct`` is what the errors call it.

    Each getter raises ``InvalidRequest`` when the field has another type, and gives its default when it is absent.
    """

    __slots__ = ("_struct", "_values")

    def __init__(self, value: Any, struct: str) -> None:
        if not isinstance(value, dict | None):
            raise InvalidRequest(f"json: cannot unmarshal {_kind(value)} into Go value of type api.{struct}")
        self._struct = struct
        self._values = {name.lower(): field for name, field in (value or {}).items() if field is not None}

    def raw(self, name: str) -> Any:
        """The field's value of whatever type, or None."""
        return self._values.get(name)

    def text(self, name: str) -> str:
        """A string, "" by default."""
        return self._typed(name, str, "string") or ""

    def flag(self, name: str, *, default: bool = False) -> bool:
        """A boolean."""
        value = self._typed(name, bool, "bool")
        return default if value is None else value

    def whole(self, name: str) -> int:
        """An integer, 0 by default."""
        value = self._values.get(name, 0)
        return value if _is_whole(value) else self._mismatch(name, "int", value)

    def number(self, name: str) -> float | None:
        """A number, None by default."""
        value = self._values.get(name)
        if value is None or _is_whole(value) or isinstance(value, float):
            return value
        return self._mismatch(name, "float64", value)

    def mapping(self, name: str) -> Mapping[str, Any] | None:
        """An object whose keys are free, as it is."""
        return self._typed(name, dict, "map[string]interface {}")

    def texts_by_text(self, name: str) -> Mapping[str, str] | None:
        """An object of strings."""
        values = self._typed(name, dict, "map[string]string")
        for value in (values or {}).values():
            if not isinstance(value, str):
                self._mismatch(name, "string", value)
        return values

    def wholes(self, name: str) -> tuple[int, ...]:
        """A list of integers, empty by default."""
        return tuple(
            item if _is_whole(item) else self._mismatch(name, "int", item) for item in self._list(name, "[]int")
        )

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of strings, empty by default."""
        items = self._list(name, "[]string")
        return tuple(item if isinstance(item, str) else self._mismatch(name, "string", item) for item in items)

    def items(self, name: str) -> tuple[Any, ...]:
        """A list of whatever there is in it, empty by default."""
        return tuple(self._list(name, "[]interface {}"))

    def objects(self, name: str, go_type: str, decode: Callable[[Any], T]) -> tuple[T, ...]:
        """A list, each item decoded by ``decode``, empty by default."""
        items = self._list(name, f"[]{go_type}")
        for item in items:
            if not isinstance(item, dict | None):
                self._mismatch(name, go_type, item)
        return tuple(decode(item) for item in items)

    def blobs(self, name: str) -> tuple[bytes, ...]:
        """A list of base64 texts, decoded; empty by default."""
        return tuple(self._decoded(f"{name}.{at}", text) for at, text in enumerate(self.texts(name)))

    def blob(self, name: str) -> bytes:
        """A base64 text, decoded; empty by default."""
        return self._decoded(name, self.text(name))

    def _decoded(self, name: str, text: str) -> bytes:
        try:
            return base64.b64decode(text.replace("\n", "").replace("\r", ""), validate=True)
        except (binascii.Error, ValueError) as error:
            where = f"{self._struct}.{name}"
            raise InvalidRequest(
                f"json: cannot unmarshal string into {where} of type api.ImageData: illegal base64 data"
            ) from error

    def _typed(self, name: str, type_: type[T], go_type: str) -> T | None:
        value = self._values.get(name)
        return value if isinstance(value, type_ | None) else self._mismatch(name, go_type, value)

    def _list(self, name: str, go_type: str) -> list[Any]:
        return self._typed(name, list, go_type) or []

    def _mismatch(self, name: str, go_type: str, value: Any) -> NoReturn:
        raise InvalidRequest(
            f"json: cannot unmarshal {_kind(value)} into Go struct field {self._struct}.{name} of type {go_type}"
        )


def _is_whole(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _kind(value: Any) -> str:
    """What Go calls the type of a JSON value."""
    match value:
        case bool():
            return "bool"
        case float():
            return f"number {value}"
        case int():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case None:
            return "null"
        case _:
            return "object"
