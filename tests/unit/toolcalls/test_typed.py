"""What a model wrote as bare text becomes what the tool's schema asks for."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.toolcalls.typed import parameters_of, typed
from puna.types import Tool


def schema(*types: str) -> dict[str, Any]:
    return {"type": types[0] if len(types) == 1 else list(types)} if types else {}


def tool(name: str, **parameters: Any) -> Tool:
    return Tool(name, {"type": "function", "function": {"name": name, "parameters": {"type": "object", **parameters}}})


@pytest.mark.parametrize(
    ("text", "types", "value"),
    [
        ("null", ["string"], None),
        ("NULL", ["integer"], None),
        ("true", ["boolean"], True),
        ("False", ["string", "boolean"], False),
        ("yes", ["boolean"], "yes"),
        ("42", ["integer"], 42),
        (" -007\n", ["integer"], -7),
        ("42.0", ["integer"], "42.0"),
        ("9223372036854775807", ["integer"], 9223372036854775807),
        ("9223372036854775808", ["integer"], "9223372036854775808"),
        ("3.14", ["number"], 3.14),
        ("1.5e-3", ["number"], 0.0015),
        (".5", ["integer", "number"], 0.5),
        ("100.0", ["number"], 100),
        ("1.23e5", ["number"], 123000),
        ("1e20", ["number"], 1e20),
        ("1e999", ["number"], "1e999"),
        ("nan", ["number"], "nan"),
        ("1_000", ["integer", "number"], "1_000"),
        ("1" * 5000, ["integer", "number"], "1" * 5000),
        ("٣", ["integer", "number"], "٣"),
        ("3.14.159", ["number"], "3.14.159"),
        ('["a", 1, null]', ["array"], ["a", 1, None]),
        ('{"a": {"b": 1}}', ["object"], {"a": {"b": 1}}),
        ("[1]", ["object"], "[1]"),
        ("{}", ["array"], "{}"),
        ("[1, 2, open", ["array"], "[1, 2, open"),
        ("[" * 100_000, ["array"], "[" * 100_000),
        ("12345", ["string"], "12345"),
        ('{"a": 1}', ["string"], '{"a": 1}'),
        (" as it is\n", ["string"], " as it is\n"),
        (" as it is\n", [], " as it is\n"),
        ("42", ["string", "integer"], 42),
        ("hello", ["string", "number", "boolean", "null"], "hello"),
    ],
)
def test_the_narrowest_type_that_fits_is_taken(text: str, types: list[str], value: Any) -> None:
    """null, boolean, integer, number, array, object, in this order; else the text itself."""
    found = typed(text, schema(*types))
    assert (value, type(value)) == (found, type(found))


@pytest.mark.parametrize("keyword", ["anyOf", "oneOf"])
def test_any_of_several_schemas_may_fit(keyword: str) -> None:
    """As Pydantic writes ``list[int] | bool | None``."""
    choices = {keyword: [schema("array"), {"anyOf": [schema("boolean")]}, schema("null")]}
    assert [[1], True, None, "x"] == [typed(text, choices) for text in ("[1]", "true", "null", "x")]


@given(st.text(), st.sets(st.sampled_from(["null", "boolean", "integer", "number", "array", "object", "string", "?"])))
def test_whatever_was_written_becomes_something_that_json_can_say(text: str, types: set[str]) -> None:
    """No text is an error, and no value keeps a reply from being sent."""
    value = typed(text, {"type": sorted(types)})
    assert isinstance(value, str | int | float | bool | list | dict | None)
    json.dumps(value, allow_nan=False)


def test_the_parameters_are_those_of_the_tool_that_is_called() -> None:
    """By its name; the first, if there are two."""
    tools = [tool("a", properties={"x": schema("integer")}), tool("b", properties={"x": schema("string")})]
    assert {"x": schema("string")} == parameters_of(tools, "b")
    assert {"x": schema("integer")} == parameters_of([*tools, tool("a")], "a")


def test_references_are_followed() -> None:
    """As Pydantic writes models and enums in arguments, alone or optional."""
    address = {"type": "object", "properties": {}}
    found = parameters_of(
        [
            tool(
                "a",
                properties={
                    "home": {"$ref": "#/$defs/Address"},
                    "work": {"anyOf": [{"$ref": "#/$defs/Address"}, schema("null")]},
                    "loop": {"$ref": "#/$defs/Loop"},
                    "lost": {"$ref": "#/$defs/Lost"},
                },
                **{"$defs": {"Address": address, "Loop": {"$ref": "#/$defs/Loop"}}},
            )
        ],
        "a",
    )
    assert ({}, {}, "x", "x") == (
        typed("{}", found["home"]),
        typed("{}", found["work"]),
        typed("x", found["loop"]),
        typed("x", found["lost"]),
    )


@pytest.mark.parametrize(
    "definition",
    [
        {},
        {"function": None},
        {"function": {"parameters": []}},
        {"function": {"parameters": {"properties": None}}},
        {"function": {"parameters": {"properties": []}}},
    ],
)
def test_a_tool_without_parameters_has_none(definition: dict[str, Any]) -> None:
    """However little a caller said of it; the same goes for a tool that nobody offered."""
    assert {} == parameters_of([Tool("a", definition)], "a")
    assert {} == parameters_of([Tool("a", definition)], "b")


def test_a_schema_that_is_none_says_nothing() -> None:
    """What a caller sends as a schema may be anything."""
    odd = {"x": True, "y": {"type": {"a": 1}, "anyOf": {"a": 1}}, "z": {"type": [1], "oneOf": [1]}}
    found = parameters_of([tool("a", properties=odd)], "a")
    assert ["1", "1", "1"] == [typed("1", found[name]) for name in odd]
