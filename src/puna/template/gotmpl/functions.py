"""The functions every template has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote_plus

from puna.template.gotmpl import comparison
from puna.template.gotmpl.formatting import display, sprint, sprintln
from puna.template.gotmpl.literals import from_bytes, to_bytes, well_formed
from puna.template.gotmpl.printf import sprintf
from puna.template.gotmpl.signatures import Function, FunctionError
from puna.template.gotmpl.values import ABSENT, Kind, kind_of, length, truth, type_name


def _index(item: Any, *indexes: Any) -> Any:
    if kind_of(item) is Kind.NIL:
        raise FunctionError("index of untyped nil")
    for index in indexes:
        item = _element(item, index)
    return item


def _element(item: Any, index: Any) -> Any:
    match kind_of(item):
        case Kind.NIL:
            raise FunctionError("index of nil pointer")
        case Kind.STRING:
            raw = to_bytes(item)
            return raw[_inside(index, len(raw), "string")]
        case Kind.LIST:
            return item[_inside(index, len(item), "slice")]
        case Kind.MAP:
            if kind_of(index) is Kind.NIL:
                raise FunctionError("value is nil; should be of type string")
            if not isinstance(index, str):
                raise FunctionError(f"value has type {type_name(index)}; should be string")
            return item.get(index)
        case _:
            raise FunctionError(f"can't index item of type {type_name(item)}")


def _inside(index: Any, size: int, kind: str) -> int:
    position = _position(index, size)
    if position == size:
        raise FunctionError(f"reflect: {kind} index out of range")
    return position


def _position(index: Any, size: int) -> int:
    if kind_of(index) is Kind.NIL:
        raise FunctionError("cannot index slice/array with nil")
    if kind_of(index) is not Kind.INT:
        raise FunctionError(f"cannot index slice/array with type {type_name(index)}")
    if not 0 <= index <= size:
        raise FunctionError(f"index out of range: {index}")
    return int(index)


def _slice(item: Any, *indexes: Any) -> Any:
    kind = kind_of(item)
    if kind is Kind.NIL:
        raise FunctionError("slice of untyped nil")
    if len(indexes) > 3:
        raise FunctionError(f"too many slice indexes: {len(indexes)}")
    if kind is Kind.STRING:
        if len(indexes) == 3:
            raise FunctionError("cannot 3-index slice a string")
        raw = to_bytes(item)
        return from_bytes(raw[_bounds(indexes, len(raw))])
    if kind is not Kind.LIST:
        raise FunctionError(f"can't slice item of type {type_name(item)}")
    return item[_bounds(indexes, len(item))]


def _bounds(indexes: Sequence[Any], size: int) -> slice:
    stated = [_position(index, size) for index in indexes]
    bounds = stated + [0, size, size][len(stated) :]
    for low, high in ((bounds[0], bounds[1]), (bounds[1], bounds[2])):
        if low > high:
            raise FunctionError(f"invalid slice index: {low} > {high}")
    return slice(bounds[0], bounds[1])


def _len(item: Any) -> int:
    if kind_of(item) is Kind.NIL:
        raise FunctionError("len of nil pointer")
    size = length(item)
    if size is None:
        raise FunctionError(f"len of type {type_name(item)}")
    return size


def _call(function: Any, *_arguments: Any) -> Any:
    if kind_of(function) is Kind.NIL:
        raise FunctionError("call of nil")
    raise FunctionError(f"non-function of type {type_name(function)}")


def _last(*values: Any) -> Any:
    return values[-1]


def _not(value: Any) -> bool:
    return not truth(value)


_HTML = str.maketrans(
    {"\0": "\N{REPLACEMENT CHARACTER}", '"': "&#34;", "'": "&#39;", "&": "&amp;", "<": "&lt;", ">": "&gt;"}
)
_JS_ESCAPES = {"\\": "\\\\", "'": "\\'", '"': '\\"'} | {char: f"\\u{ord(char):04X}" for char in "<>&="}


class _JSTable(dict[int, str]):
    """Escapes by code point, worked out as they are met."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        escape = _JS_ESCAPES.get(char, char if char.isprintable() else f"\\u{code:04X}")
        self[code] = escape
        return escape


def _text(values: Sequence[Any]) -> str:
    """What the escaping functions work on: a string as it is, anything else as an action prints it."""
    if len(values) == 1 and isinstance(values[0], str):
        return values[0]
    return sprint([display(ABSENT) if kind_of(value) is Kind.NIL else value for value in values])


def _html(*values: Any) -> str:
    return _text(values).translate(_HTML)


def _js(*values: Any) -> str:
    return well_formed(_text(values)).translate(_JSTable())


def _urlquery(*values: Any) -> str:
    return quote_plus(to_bytes(_text(values)), safe="")


BUILTINS: Mapping[str, Function] = {
    "and": Function(_last, ("any", "any"), variadic=True, stops=_not),
    "call": Function(_call, ("any", "any"), variadic=True),
    "eq": Function(comparison.eq, ("any", "any"), variadic=True),
    "ge": Function(comparison.ge, ("any", "any")),
    "gt": Function(comparison.gt, ("any", "any")),
    "html": Function(_html, ("any",), variadic=True, weight=4),
    "index": Function(_index, ("any", "any"), variadic=True),
    "js": Function(_js, ("any",), variadic=True, weight=4),
    "le": Function(comparison.le, ("any", "any")),
    "len": Function(_len, ("any",)),
    "lt": Function(comparison.lt, ("any", "any")),
    "ne": Function(comparison.ne, ("any", "any")),
    "not": Function(_not, ("any",)),
    "or": Function(_last, ("any", "any"), variadic=True, stops=truth),
    "print": Function(lambda *values: sprint(values), ("any",), variadic=True),
    "printf": Function(lambda form, *values: sprintf(form, values), ("string", "any"), variadic=True, weight=16),
    "println": Function(lambda *values: sprintln(values), ("any",), variadic=True),
    "slice": Function(_slice, ("any", "any"), variadic=True),
    "urlquery": Function(_urlquery, ("any",), variadic=True),
}
