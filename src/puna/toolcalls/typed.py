"""Arguments that a model writes as bare text, given the type that the tool's JSON schema asks for."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from puna.toolcalls.jsontext import decoded
from puna.types import Tool

_INTEGER = re.compile(r"[+-]?[0-9]{1,40}")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_INT64 = range(-(1 << 63), 1 << 63)


def typed(text: str, schema: Mapping[str, Any]) -> Any:
    """``text`` as the first of null, boolean, integer, number, array and object that ``schema`` allows and fits.

    Null is always allowed. What fits nothing that is allowed, or has no type at all, stays the text that it is.
    """
    bare = text.strip()
    if bare.lower() == "null":
        return None
    types = set(_types(schema))
    if "boolean" in types and bare.lower() in {"true", "false"}:
        return bare.lower() == "true"
    if "integer" in types and _INTEGER.fullmatch(bare) and int(bare) in _INT64:
        return int(bare)
    if "number" in types and _NUMBER.fullmatch(bare) and math.isfinite(number := float(bare)):
        return int(number) if number.is_integer() and int(number) in _INT64 else number
    if types & {"array", "object"}:
        value = decoded(bare)
        if ("array" in types and isinstance(value, list)) or ("object" in types and isinstance(value, dict)):
            return value
    return text


def parameters_of(tools: Sequence[Tool], name: str) -> Mapping[str, Any]:
    """The schema of each parameter of the tool ``name``, references to ``$defs`` resolved; none for an unknown tool."""
    for tool in tools:
        if tool.name == name:
            schema = _mapping(_mapping(tool.definition.get("function")).get("parameters"))
            definitions = _mapping(schema.get("$defs"))
            return {
                parameter: _resolved(_mapping(value), definitions)
                for parameter, value in _mapping(schema.get("properties")).items()
            }
    return {}


def _types(schema: Mapping[str, Any]) -> Iterator[str]:
    match schema.get("type"):
        case str() as name:
            yield name
        case [*names]:
            yield from (name for name in names if isinstance(name, str))
    for choice in _choices(schema):
        yield from _types(_mapping(choice))


def _choices(schema: Mapping[str, Any]) -> Iterator[Any]:
    for keyword in ("anyOf", "oneOf"):
        if isinstance(choices := schema.get(keyword), list):
            yield from choices


def _resolved(
    schema: Mapping[str, Any], definitions: Mapping[str, Any], followed: frozenset[str] = frozenset()
) -> Mapping[str, Any]:
    """``schema`` with references in it, and in its choices, replaced; one that leads to itself is left."""
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference not in followed:
        name = reference.removeprefix("#/$defs/")
        return _resolved(_mapping(definitions.get(name)), definitions, followed | {reference})
    if choices := list(_choices(schema)):
        return {**schema, "anyOf": [_resolved(_mapping(choice), definitions, followed) for choice in choices]}
    return schema


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
