"""The parts of a JSON Schema that are schemas themselves, and where they stand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

_BY_NAME = frozenset({"$defs", "definitions", "dependentSchemas", "patternProperties", "properties"})
"""Keywords whose values are schemas by a name of the author's."""

_LISTS = frozenset({"allOf", "anyOf", "items", "oneOf", "prefixItems"})
"""Keywords whose values may be lists of schemas."""

_SINGLE = frozenset({"additionalItems", "additionalProperties", "items"})
"""Keywords whose values may be schemas."""


def walk(schema: Any, pointer: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """``schema`` and every schema in it that says what an answer must be, each after the JSON pointer to it."""
    if not isinstance(schema, Mapping):
        return
    yield pointer, schema
    for keyword, value in schema.items():
        for path, part in parts(keyword, value):
            yield from walk(part, f"{pointer}/{path}")


def parts(keyword: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The schemas that are the value of ``keyword``, each after the JSON pointer to it, which begins with that."""
    if keyword in _BY_NAME and isinstance(value, Mapping):
        yield from ((f"{keyword}/{escaped(name)}", part) for name, part in value.items())
    elif keyword in _LISTS and isinstance(value, list):
        yield from ((f"{keyword}/{at}", part) for at, part in enumerate(value))
    elif keyword in _SINGLE:
        yield keyword, value


def changed(keyword: str, value: Any, change: Callable[[Any], Any]) -> Any:
    """The value of ``keyword`` with each of its schemas replaced by what ``change`` makes of it."""
    if keyword in _BY_NAME and isinstance(value, Mapping):
        return {name: change(part) for name, part in value.items()}
    if keyword in _LISTS and isinstance(value, list):
        return [change(part) for part in value]
    return change(value) if keyword in _SINGLE else value


def escaped(name: str) -> str:
    """``name`` as a step of a JSON pointer."""
    return name.replace("~", "~0").replace("/", "~1")
