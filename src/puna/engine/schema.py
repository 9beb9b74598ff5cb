"""JSON Schemas for constrained answers: checked, and made to mean what they mean to Ollama.

llama.cpp hands a schema to llguidance and, when that refuses it, logs the fact and generates without any constraint.
So puna asks the same library first, and what it can enforce only in part is looked for here: a schema that cannot be
followed to the letter is the caller's error, not a silent surprise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache, partial
from itertools import islice
from typing import Any
from urllib.parse import quote

import msgspec

from puna.engine.compiling import Remembered
from puna.engine.references import reached, unresolved
from puna.engine.spelling import Spelling
from puna.engine.subschemas import changed, walk
from puna.errors import InvalidRequest

_GUIDANCE: Mapping[str, Any] = {
    # Where white space is free, small models write nothing else until their limit.
    "whitespace_flexible": False,
    "item_separator": ", ",
    "key_separator": ": ",
}

_UNENFORCEABLE = (
    "$dynamicAnchor",
    "$dynamicRef",
    "$recursiveRef",
    "contains",
    "dependencies",
    "dependentRequired",
    "dependentSchemas",
    "else",
    "if",
    "maxContains",
    "minContains",
    "not",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
    "uniqueItems",
)
"""Keywords of JSON Schema that need to know more of an answer than what may come next."""

_TRIVIAL: Mapping[str, Any] = {"propertyNames": {"type": "string"}, "uniqueItems": False}
"""Values with which such a keyword says nothing; some programs that write schemas write them always."""

_FORMATS = frozenset(
    {"date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "time", "uri", "uuid"},
)

_ANY_TEXT = frozenset({"binary", "directory-path", "file-path", "password", "path"})
"""Formats that every text has: they tell programs what to do with it."""

_URI = (
    "^[A-Za-z][A-Za-z0-9+.-]*:(//[A-Za-z0-9.-]+(:[0-9]{1,5})?(/P*)*|/?(P+(/P*)*)?)([?](P|[/?])*)?(#(P|[/?])*)?$"
).replace("P", "([A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})")
"""RFC 3986's URIs, without IP literals and user names. Not every engine knows the format by its name."""

_PATTERNS: Mapping[str, str] = {
    # Leap seconds are valid at times that nobody knows beforehand, and no program expects one.
    "date-time": "^[0-9-]{10}[tT][0-9]{2}:[0-9]{2}:[0-5][0-9]",
    "time": "^[0-9]{2}:[0-9]{2}:[0-5][0-9]",
    "uri": _URI,
}
"""What a text of a format must be beside it."""

_REMEMBERED = 1 << 20
"""Characters of the schemas whose outcome is remembered; the schema made ready takes ten times that memory."""

_MOST_PARTS = 100
"""Parts of a schema that are looked through for the one that something is wrong with."""

_COMBINING = ("$ref", "allOf", "anyOf", "oneOf")

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


def enforceable(schema: Mapping[str, Any], *, what: str = "format") -> Mapping[str, Any]:
    """The schema to give to the engine for ``schema``; ``what`` errors call it.

    An object has no properties but those it names, unless it says otherwise: that is how Ollama reads a schema, and
    what programs written for it expect.

    Raises:
        InvalidRequest: no answer can be held to the schema; the text says why, and where as a JSON pointer.
    """
    return _known_prepared(_encoded(schema), what)


def _prepared(text: str, what: str) -> Mapping[str, Any]:
    """The schema that is ``text``, made ready."""
    schema = msgspec.json.decode(text)
    for pointer, why in _unenforceable(schema):
        raise InvalidRequest(f"{what}: the JSON Schema cannot be followed: {pointer}: {why}")
    prepared = {**_closed(schema), **_extended(schema), "x-guidance": _GUIDANCE}
    if problem := _problem(_encoded(prepared)):
        where = next(_not_disjoint(prepared), "") if "oneOf" in problem else ""
        told = f"{where}: more than one of the alternatives could hold" if where else _placed(problem, prepared)
        raise InvalidRequest(f"{what}: the JSON Schema cannot be followed: {told}")
    return prepared


# It is asked for before a model is loaded, and again by its engine.
_known_prepared = Remembered(_prepared, characters=_REMEMBERED)


def _placed(problem: str, schema: Mapping[str, Any]) -> str:
    """``problem`` after the JSON pointer to the smallest part of ``schema`` that has it."""
    root = {"$id": "schema:root", **schema}
    having = [
        pointer
        for pointer, _ in islice(walk(schema), _MOST_PARTS)
        if _problem(_encoded({"$ref": f"{root['$id']}#{quote(pointer)}", "$defs": {"root": root}})) == problem
    ]
    smallest = max(having, key=lambda pointer: pointer.count("/"), default="")
    return f"{smallest}: {problem}" if smallest else problem


def _unenforceable(schema: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Where ``schema`` has keywords that cannot be enforced, as JSON pointers, and why."""
    yield from unresolved(schema)
    for pointer, part in reached(schema):
        for keyword in _UNENFORCEABLE:
            if keyword in part and part[keyword] != _TRIVIAL.get(keyword, ...):
                yield f"{pointer}/{keyword}", "this keyword cannot be enforced"
        form, pattern = part.get("format"), part.get("pattern")
        known = isinstance(form, str) and form in _FORMATS | _ANY_TEXT
        if form is not None and not known and _may_be_text(part):
            yield f"{pointer}/format", f'the format "{form}" cannot be enforced'
        if pattern is not None and (problem := _problem(_encoded({"type": "string", "pattern": pattern}))):
            yield f"{pointer}/pattern", problem
        for keyword in ("exclusiveMinimum", "exclusiveMaximum"):
            if part.get(keyword) is True:
                yield f"{pointer}/{keyword}", "it must be a number"
        least = part.get("minProperties")
        if (
            isinstance(least, int | float)
            and least > max(1, len(_list(part.get("required"))))
            and _names_anything(part)
        ):
            # A name that is written twice is one property.
            yield f"{pointer}/minProperties", "it cannot be enforced where names are free"


def _list(value: Any) -> list[Any]:
    """``value`` if it is a list; what else a caller wrote in its place is llguidance's to refuse."""
    return value if isinstance(value, list) else []


def _may_be_text(schema: Mapping[str, Any]) -> bool:
    types = schema.get("type", "string")
    return "string" in types if isinstance(types, list) else types == "string"


def _names_anything(schema: Mapping[str, Any]) -> bool:
    """Whether an object may have properties that the schema does not name."""
    return (
        bool(schema.get("patternProperties"))
        or schema.get("additionalProperties", "properties" not in schema) is not False
    )


def _closed(schema: Any, *, part: bool = False) -> Any:
    """``schema`` made ready, with its objects closed; a ``part`` of another stays open: its siblings add to it."""
    if not isinstance(schema, Mapping):
        return schema
    combined = any(keyword in schema for keyword in _COMBINING)
    adds = part or isinstance(schema.get("properties"), Mapping)
    closed = {
        keyword: changed(keyword, value, partial(_closed, part=keyword == "allOf" or (adds and keyword in _COMBINING)))
        for keyword, value in schema.items()
        if keyword not in _TRIVIAL
    }
    if isinstance(schema.get("properties"), Mapping) and not part and not combined:
        closed.setdefault("additionalProperties", False)
    form = schema.get("format")
    form = form if isinstance(form, str) else ""
    if form in _PATTERNS and _may_be_text(schema):
        closed["allOf"] = [*closed.get("allOf", ()), {"pattern": _PATTERNS[form]}]
    if form == "uri" or form in _ANY_TEXT:
        del closed["format"]
    return closed


def _extended(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The definitions of ``schema`` made ready, those open that others add properties to."""
    bases: set[str] = set()
    for _, part in walk(schema):
        parts = _list(part.get("allOf"))
        if "properties" in part:
            parts = [*parts, part]
        if len(parts) > 1:
            bases |= {one["$ref"] for one in parts if isinstance(one, Mapping) and isinstance(one.get("$ref"), str)}
    return {
        keyword: {name: _closed(one, part=f"#/{keyword}/{name}" in bases) for name, one in schema[keyword].items()}
        for keyword in ("$defs", "definitions")
        if isinstance(schema.get(keyword), Mapping)
    }


def _not_disjoint(schema: Mapping[str, Any]) -> Iterator[str]:
    """The JSON pointers to the ``oneOf`` whose alternatives cannot be told apart."""
    for pointer, part in walk(schema):
        if "oneOf" in part:
            alone = {"oneOf": part["oneOf"], **{key: schema[key] for key in ("$defs", "definitions") if key in schema}}
            if "oneOf" in _problem(_encoded(_with_any_of(alone, keep=part["oneOf"]))):
                yield f"{pointer}/oneOf"


def _with_any_of(schema: Any, *, keep: Any) -> Any:
    """``schema`` with every ``oneOf`` but the one that is ``keep`` as ``anyOf``."""
    if not isinstance(schema, Mapping):
        return schema
    return {
        "anyOf" if keyword == "oneOf" and value is not keep else keyword: changed(
            keyword, value, partial(_with_any_of, keep=keep)
        )
        for keyword, value in schema.items()
    }


def _encoded(schema: Mapping[str, Any]) -> str:
    return msgspec.json.encode(schema).decode()


class Guard:
    """Tells whether a text keeps to a schema as it is written, whoever wrote it.

    An engine may know less of JSON Schema than puna does, and then says nothing.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        from llguidance import LLMatcher  # noqa: PLC0415

        loose = {**enforceable(schema), "x-guidance": {"whitespace_flexible": True}}
        self._matcher = LLMatcher(_bytes_as_tokens(), "%llguidance {}\nstart: %json " + _encoded(loose))
        self._spelling = Spelling(schema)
        self._begun = False

    def accepts(self, more: str) -> bool:
        """Whether the text still keeps to it with ``more`` of it; white space around it is free."""
        if not self._begun:
            more = more.lstrip()
            self._begun = bool(more)
        if self._spelling.misleads(more):
            return False
        content = more.encode()
        taken: int = self._matcher.try_consume_tokens(list(content))
        return taken == len(content) or (self.is_complete() and not content[taken:].strip())

    def is_complete(self) -> bool:
        """Whether the text may end here."""
        return bool(self._matcher.is_accepting())


@cache
def _bytes_as_tokens() -> Any:
    from llguidance import LLTokenizer  # noqa: PLC0415

    return LLTokenizer("byte")


def _found_problem(schema: str) -> str:
    """What llguidance says is wrong with ``schema``, "" if nothing."""
    from llguidance import LLMatcher  # noqa: PLC0415 -- a tenth of a second that only structured answers need

    message: str = LLMatcher.validate_grammar("%llguidance {}\nstart: %json " + schema)
    # The first line says what is wrong; the rest quotes a grammar the caller never wrote.
    return message.partition("\n")[0].rpartition("JSON schema: ")[2] or message


_problem = Remembered(_found_problem, characters=_REMEMBERED)
