"""JSON Schemas are checked before the engine sees them, mean what they do to Ollama, and are kept to the letter."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import jsonschema
import pytest

from puna.engine.schema import Guard, enforceable
from puna.errors import InvalidRequest
from support.bound_text import draw
from support.json_schema_cases import CASES

PERSON = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
CAT = {"type": "object", "properties": {"kind": {"const": "cat"}}, "required": ["kind"]}
TEXT = {"type": "string"}


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({"type": "nonsense"}, "Invalid type: nonsense"),
        ({"$ref": "#/nowhere"}, "nowhere"),
        ({"type": "string", "const": "a", "minLength": 3}, "Unsatisfiable"),
    ],
)
def test_a_schema_that_cannot_be_followed_is_refused(schema: dict[str, Any], reason: str) -> None:
    """The error says what is wrong with it."""
    with pytest.raises(InvalidRequest, match=reason):
        enforceable(schema)


@pytest.mark.parametrize(
    ("pointer", "schema"),
    [
        ("/not", {"not": TEXT}),
        ("/uniqueItems", {"type": "array", "items": TEXT, "uniqueItems": True}),
        ("/properties/a~1b/contains", {"type": "object", "properties": {"a/b": {"contains": TEXT}}}),
        ("/$defs/x~0y/if", {"$defs": {"x~y": {"if": TEXT, "then": {"minLength": 1}}}, "$ref": "#/$defs/x~0y"}),
        ("/anyOf/1/propertyNames", {"anyOf": [TEXT, {"type": "object", "propertyNames": {"maxLength": 3}}]}),
        ("/items/dependentRequired", {"type": "array", "items": {"dependentRequired": {"a": ["b"]}}}),
        ("/allOf/0/unevaluatedProperties", {"allOf": [{"unevaluatedProperties": False}]}),
        ("/properties/a/format", {"type": "object", "properties": {"a": {"type": "string", "format": "regex"}}}),
        ("/format", {"type": ["string", "null"], "format": "phone"}),
        ("/prefixItems/0/pattern", {"type": "array", "prefixItems": [{"type": "string", "pattern": "(?=a)b"}]}),
        ("/exclusiveMinimum", {"type": "integer", "minimum": 3, "exclusiveMinimum": True}),
        ("/minProperties", {"type": "object", "minProperties": 3}),
        ("/properties/b/oneOf", {"properties": {"a": {"oneOf": [PERSON, TEXT]}, "b": {"oneOf": [CAT, {}]}}}),
        ("/additionalProperties/uniqueItems", {"additionalProperties": {"uniqueItems": True}}),
        ("/properties/a/$ref", {"properties": {"a": {"$ref": "https://example.com/other.json"}}}),
        ("/items/$ref", {"items": {"$ref": "#/$defs/gone"}, "$defs": {}}),
        ("/$ref", {"$ref": "#name"}),
        (
            "/items/$ref",
            {"items": {"$ref": "#/$defs/a"}, "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}},
        ),
        ("/$dynamicAnchor", {"$dynamicAnchor": "a"}),
        ("/more/a/uniqueItems", {"items": {"$ref": "#/more/a"}, "more": {"a": {"uniqueItems": True}}}),
        ("/properties/a", {"properties": {"a": {"type": "integer", "multipleOf": 0}, "b": TEXT}}),
        ("/anyOf/1/prefixItems/0", {"anyOf": [TEXT, {"prefixItems": [{"type": "string", "minLength": -1}]}]}),
    ],
)
def test_a_keyword_that_cannot_be_enforced_is_named(pointer: str, schema: dict[str, Any]) -> None:
    """A caller learns from a JSON pointer which of their keywords it is, instead of getting what it forbids."""
    with pytest.raises(InvalidRequest) as refused:
        enforceable(schema)
    assert f"cannot be followed: {pointer}: " in str(refused.value)


@pytest.mark.parametrize(
    "extra",
    [
        {"title": "x"},
        {"description": "y"},
        {"default": ["a"]},
        {"examples": [["a"]]},
        {"x-order": 3},
        {"nullable": True},
        {"uniqueItems": False},
        {"$schema": "https://json-schema.org/draft/2020-12/schema"},
    ],
)
def test_what_says_nothing_of_the_answer_is_ignored(extra: dict[str, Any]) -> None:
    """Notes for people and other programs do not refuse a request."""
    enforceable({"type": "array", "items": {"type": "string"}, **extra})


@pytest.mark.parametrize("name", ["binary", "directory-path", "file-path", "password", "path"])
def test_a_format_that_every_text_has_is_no_constraint(name: str) -> None:
    """Pydantic writes so for paths, bytes and secrets."""
    assert "format" not in enforceable({"type": "string", "format": name})


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ({"type": "string", "format": ["date"]}, "/format: the format"),
        ({"type": "object", "allOf": False}, "allOf must be an array"),
        ({"properties": {"a": {"allOf": None, "properties": {}}}}, "/properties/a: allOf must be an array"),
        ({"type": "object", "minProperties": 3, "required": 1}, "/minProperties: "),
    ],
)
def test_a_schema_that_is_none_is_refused(schema: dict[str, Any], why: str) -> None:
    """As the caller's mistake."""
    with pytest.raises(InvalidRequest, match=f"cannot be followed: {why}"):
        enforceable(schema)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "integer", "format": {}},
        {"type": "integer", "$ref": "#/$defs/a", "$defs": {"a": {}}, "x": {"$defs": {"c": {"properties": True}}}},
    ],
)
def test_what_no_answer_can_break_is_ignored(schema: dict[str, Any]) -> None:
    """Even where it is no schema."""
    assert Guard(schema).accepts("1")


def test_the_names_of_any_text_are_no_constraint() -> None:
    """Zod writes so for every record."""
    enforceable({"type": "object", "propertyNames": {"type": "string"}, "additionalProperties": {"type": "integer"}})


@pytest.mark.parametrize("name", CASES)
def test_whatever_is_written_follows_the_schema(name: str) -> None:
    """Even a model that knows nothing cannot write what a schema forbids."""
    schema, random, written = CASES[name], Random(name), 0
    validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
    ready = enforceable(schema)
    for _ in range(12):
        if (text := draw(ready, random)) is not None:
            validator.validate(json.loads(text))
            written += 1
    assert written > 1


def test_objects_have_the_properties_they_name() -> None:
    """At every level, unless the schema says otherwise."""
    nested = enforceable({"type": "object", "properties": {"who": PERSON, "list": {"type": "array", "items": PERSON}}})
    assert nested["additionalProperties"] is False
    assert nested["properties"]["who"]["additionalProperties"] is False
    assert nested["properties"]["list"]["items"]["additionalProperties"] is False
    assert enforceable({**PERSON, "additionalProperties": True})["additionalProperties"] is True
    assert "additionalProperties" not in enforceable({"type": "object"})


def test_a_property_may_be_called_like_a_keyword() -> None:
    """Names of properties are not keywords."""
    schema = enforceable({"type": "object", "properties": {"enum": PERSON, "properties": PERSON, "not": PERSON}})
    assert schema["properties"]["enum"]["additionalProperties"] is False
    assert schema["properties"]["properties"]["additionalProperties"] is False
    assert set(schema["properties"]) == {"enum", "properties", "not"}


def test_parts_of_an_all_of_stay_open() -> None:
    """Each part adds its properties to the others'."""
    parts = enforceable({"allOf": [PERSON, {"type": "object", "properties": {"age": {"type": "integer"}}}]})
    assert all("additionalProperties" not in part for part in parts["allOf"])


def test_an_engine_that_does_not_keep_to_a_schema_is_found_out() -> None:
    """With the first letter that cannot be; layout is free."""
    guard = Guard(PERSON)
    assert [True, True, True, True] == [guard.accepts(more) for more in ("  ", '\n{ "na', 'me"\n:"é', ", x")]
    assert not Guard(PERSON).accepts("Of course")
    assert not Guard(PERSON).accepts('{"age')
    whole = Guard(PERSON)
    assert whole.accepts('{"name": "Bo"}\n')
    assert whole.accepts("\n")
    assert not whole.accepts("And")
