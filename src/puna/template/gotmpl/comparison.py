"""``eq`` and its kin: comparison of values of one kind, nothing else."""

from __future__ import annotations

from typing import Any

from puna.template.gotmpl.formatting import plain
from puna.template.gotmpl.signatures import FunctionError
from puna.template.gotmpl.values import Kind, kind_of, type_name

_BASIC = frozenset({Kind.BOOL, Kind.INT, Kind.FLOAT, Kind.STRING})
_ORDERED = frozenset({Kind.INT, Kind.FLOAT, Kind.STRING})


def eq(first: Any, *others: Any) -> bool:
    """Whether ``first`` equals any of ``others``.

    Raises:
        FunctionError: it cannot be compared with one of them.
    """
    if not others:
        raise FunctionError("missing argument for comparison")
    return any(_equal(first, other) for other in others)


def ne(first: Any, second: Any) -> bool:
    """Whether the two differ."""
    return not eq(first, second)


def lt(first: Any, second: Any) -> bool:
    """Whether ``first`` comes before ``second``.

    Raises:
        FunctionError: the two have no order.
    """
    kind = kind_of(first)
    for value in (first, second):
        if kind_of(value) not in _BASIC:
            raise FunctionError("invalid type for comparison")
    if kind is not kind_of(second):
        raise FunctionError("incompatible types for comparison")
    if kind not in _ORDERED:
        raise FunctionError("invalid type for comparison")
    return bool(first < second)


def le(first: Any, second: Any) -> bool:
    """Whether ``first`` comes before ``second`` or equals it."""
    return lt(first, second) or eq(first, second)


def gt(first: Any, second: Any) -> bool:
    """Whether ``first`` comes after ``second``."""
    return not le(first, second)


def ge(first: Any, second: Any) -> bool:
    """Whether ``first`` comes after ``second`` or equals it."""
    return not lt(first, second)


def _equal(first: Any, other: Any) -> bool:
    kinds = kind_of(first), kind_of(other)
    if Kind.NIL in kinds:
        return kinds[0] is kinds[1]
    if kinds[0] is not kinds[1] and (kinds[0] in _BASIC or kinds[1] in _BASIC):
        raise FunctionError("incompatible types for comparison")
    if kinds[0] in _BASIC:
        return bool(first == other)
    for value in (first, other):
        if kind_of(value) is not Kind.STRUCT:
            raise FunctionError(f"non-comparable type {plain(value)}: {type_name(value)}")
    return first is other
