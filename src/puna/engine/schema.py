"""JSON Schemas for constrained answers: checked, and made to mean what they mean to Ollama.

llama.cpp hands a schema to llguidance and, when that refuses it, logs the fact and generates without any constraint.
So puna asks the same library first: a schema that cannot be followed is the caller's error, not a silent surprise.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec

from puna.errors import InvalidRequest

_GUIDANCE: Mapping[str, Any] = {
    # Keywords that llguidance does not know are ignored, as Ollama ignores them.
    "lenient": True,
    # Where white space is free, small models write nothing else until their limit.
    "whitespace_flexible": False,
    "item_separator": ", ",
    "key_separator": ": ",
}

_DATA = frozenset({"const", "default", "enum", "examples", "required"})
"""Keywords whose values are data, not schemas."""

_BY_NAME = frozenset({"$defs", "definitions", "dependentSchemas", "patternProperties", "properties"})
"""Keywords whose values are schemas by a name of the author's."""

ANY_OBJECT: Mapping[str, Any] = {"type": "object", "x-guidance": _GUIDANCE}
"""The schema of ``format: "json"``, where the engine takes no grammar."""

ANY_OBJECT_GRAMMAR = r"""
root   ::= "{" ws (pair ("," ws pair)*)? "}"
pair   ::= string ":" ws value
value  ::= object | array | string | number | ("true" | "false" | "null") ws
object ::= "{" ws (pair ("," ws pair)*)? "}" ws
array  ::= "[" ws (value ("," ws value)*)? "]" ws
string ::= "\"" char* "\"" ws
char   ::= [^"\\\x00-\x1F\x7F] | "\\" (["\\/bfnrt] | "u" [0-9a-fA-F]{4})
number ::= "-"? ("0" | [1-9] [0-9]{0,15}) ("." [0-9]{1,15})? ([eE] [-+]? [0-9]{1,3})? ws
ws     ::= | " " | "\n" [ \t]{0,20}
"""
"""The same in llama.cpp's own notation (GBNF), with room for the layout that models like: nothing forces them to find
a key right after the brace, as a schema without names would."""


def enforceable(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema to give to the engine for ``schema``.

    An object has no properties but those it names, unless it says otherwise: that is how Ollama reads a schema, and
    what programs written for it expect.

    Raises:
        InvalidRequest: no answer can be held to the schema, and why.
    """
    prepared = {**_closed(schema), "x-guidance": _GUIDANCE}
    if problem := _problem(msgspec.json.encode(prepared).decode()):
        raise InvalidRequest(f"format: the JSON Schema cannot be followed: {problem}")
    return prepared


def _closed(schema: Any, *, part: bool = False) -> Any:
    """``schema`` with its objects closed; a ``part`` of an allOf stays open, since its siblings add to it."""
    if isinstance(schema, list):
        return [_closed(one, part=part) for one in schema]
    if not isinstance(schema, Mapping):
        return schema
    closed = {key: _value(key, one) for key, one in schema.items()}
    if isinstance(schema.get("properties"), Mapping) and not part:
        closed.setdefault("additionalProperties", False)
    return closed


def _value(key: str, value: Any) -> Any:
    if key in _DATA:
        return value
    if key in _BY_NAME and isinstance(value, Mapping):
        return {name: _closed(one) for name, one in value.items()}
    return _closed(value, part=key == "allOf")


@lru_cache(maxsize=256)
def _problem(schema: str) -> str:
    from llguidance import LLMatcher  # noqa: PLC0415 -- a tenth of a second that only structured answers need

    message: str = LLMatcher.validate_grammar("%llguidance {}\nstart: %json " + schema)
    # The first line says what is wrong; the rest quotes a grammar the caller never wrote.
    return message.partition("\n")[0].rpartition("JSON schema: ")[2] or message
