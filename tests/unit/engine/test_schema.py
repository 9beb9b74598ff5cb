"""JSON Schemas are checked before the engine sees them, and mean what they mean to Ollama."""

from __future__ import annotations

from typing import Any

import pytest

from puna.engine.schema import enforceable
from puna.errors import InvalidRequest

PERSON = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({"type": "nonsense"}, "Invalid type: nonsense"),
        ({"type": "string", "pattern": "(?=a)b"}, "regex parse error"),
        ({"$ref": "#/nowhere"}, "nowhere"),
    ],
)
def test_a_schema_that_cannot_be_followed_is_refused(schema: dict[str, Any], reason: str) -> None:
    """The error says what is wrong with it."""
    with pytest.raises(InvalidRequest, match=reason):
        enforceable(schema)


@pytest.mark.parametrize("extra", [{"uniqueItems": True}, {"format": "weird"}, {"title": "x"}, {"description": "y"}])
def test_unknown_keywords_are_ignored(extra: dict[str, Any]) -> None:
    """What only narrows the answer further does not refuse the request."""
    enforceable({"type": "array", "items": {"type": "string"}, **extra})


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
    schema = enforceable({"type": "object", "properties": {"enum": PERSON, "properties": PERSON}})
    assert schema["properties"]["enum"]["additionalProperties"] is False
    assert schema["properties"]["properties"]["additionalProperties"] is False
    assert set(schema["properties"]) == {"enum", "properties"}


def test_parts_of_an_all_of_stay_open() -> None:
    """Each part adds its properties to the others'."""
    parts = enforceable({"allOf": [PERSON, {"type": "object", "properties": {"age": {"type": "integer"}}}]})
    assert all("additionalProperties" not in part for part in parts["allOf"])
