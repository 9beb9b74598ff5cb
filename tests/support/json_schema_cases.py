"""JSON Schemas that use one keyword, or several that meddle with each other, each as a program might write it."""

from __future__ import annotations

from typing import Any

_NODE = {
    "type": "object",
    "properties": {"n": {"type": "integer"}, "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}},
    "required": ["n", "next"],
}


_TEXT = {"type": "string"}


def _object(required: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": required, "required": list(required), **more}


CASES: dict[str, dict[str, Any]] = {
    "types": _object({"a": {"type": "integer"}, "b": {"type": "boolean"}, "c": {"type": ["number", "null"]}}),
    "const": _object({"a": {"const": "x/y"}, "b": {"const": [1, None]}, "c": {"const": {"k": True}}}),
    "enum": _object({"a": {"enum": ["red", "green", 3, None]}}),
    "enum of a type": _object({"a": {"type": "string", "enum": ["red", 3]}}),
    "minLength maxLength": _object({"a": {"type": "string", "minLength": 3, "maxLength": 5}}),
    "pattern": _object({"a": {"type": "string", "pattern": "^[A-Z]{2}-[0-9]{3}$"}}),
    "pattern inside": _object({"a": {"type": "string", "pattern": "[0-9]", "maxLength": 8}}),
    "pattern and length": _object({"a": {"type": "string", "pattern": "^[a-z]+$", "minLength": 2, "maxLength": 4}}),
    "minimum maximum": _object({"a": {"type": "integer", "minimum": -3, "maximum": 12}}),
    "exclusive bounds": _object({"a": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}}),
    "bounds of numbers": _object({"a": {"type": "number", "minimum": 0.5, "maximum": 2.25}}),
    "multipleOf": _object({"a": {"type": "integer", "multipleOf": 5, "minimum": 0, "maximum": 100}}),
    "minItems maxItems": _object({"a": {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 3}}),
    "prefixItems": _object(
        {
            "a": {
                "type": "array",
                "prefixItems": [{"type": "string"}, {"type": "integer"}],
                "minItems": 2,
                "items": False,
            }
        }
    ),
    "additionalProperties": {"type": "object", "additionalProperties": {"type": "integer"}, "maxProperties": 2},
    "patternProperties": {
        "type": "object",
        "patternProperties": {"^k[0-9]$": {"type": "boolean"}},
        "additionalProperties": False,
        "maxProperties": 3,
    },
    "optional properties": {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "null"}}},
    "minProperties": {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "null"}},
        "minProperties": 1,
    },
    "anyOf": _object({"a": {"anyOf": [{"type": "integer"}, {"type": "string", "maxLength": 4}]}}),
    "anyOf beside properties": {
        **_object({"a": {"type": "integer"}}),
        "anyOf": [_object({"b": {"type": "integer"}}), _object({"c": {"type": "integer"}})],
        "additionalProperties": {"type": "integer"},
        "maxProperties": 3,
    },
    "oneOf": _object(
        {
            "a": {
                "oneOf": [
                    _object({"kind": {"const": "cat"}, "lives": {"type": "integer"}}),
                    _object({"kind": {"const": "dog"}, "tricks": {"type": "boolean"}}),
                ]
            }
        }
    ),
    "allOf": {"allOf": [_object({"a": {"type": "integer"}}), _object({"b": {"type": "boolean"}})], "maxProperties": 3},
    "allOf narrows": _object({"a": {"allOf": [{"type": "integer"}, {"minimum": 3}, {"maximum": 7}]}}),
    "allOf of a base": {
        "allOf": [{"$ref": "#/$defs/base"}, _object({"b": {"type": "boolean"}})],
        "$defs": {"base": _object({"a": {"type": "integer"}})},
        "maxProperties": 3,
    },
    "$ref": _object({"a": {"$ref": "#/$defs/short"}}, **{"$defs": {"short": {"type": "string", "maxLength": 3}}}),
    "$ref narrowed": _object(
        {"a": {"$ref": "#/$defs/text", "maxLength": 3}}, **{"$defs": {"text": {"type": "string", "minLength": 2}}}
    ),
    "definitions": _object({"a": {"$ref": "#/definitions/n"}}, definitions={"n": {"type": "integer"}}),
    "recursion": {"$ref": "#/$defs/node", "$defs": {"node": _NODE}},
    "$anchor": _object({"a": {"$ref": "#short"}}, **{"$defs": {"s": {"$anchor": "short", "maxLength": 3, **_TEXT}}}),
    "$ref to a property": _object({"a": {"type": "integer", "maximum": 9}, "b": {"$ref": "#/properties/a"}}),
    "$id": _object({"a": {"$ref": "n.json"}}, **{"$defs": {"n": {"$id": "n.json", "type": "integer", "maximum": 9}}}),
    "multipleOf a fraction": _object({"a": {"type": "number", "multipleOf": 0.25, "minimum": 0, "maximum": 4}}),
    "no type": _object({"a": {"minimum": 3, "maximum": 7, "maxLength": 4, "maxItems": 1, "maxProperties": 1}}),
    "properties beside patterns": {
        "type": "object",
        "properties": {"a": {"type": "integer"}},
        "patternProperties": {"^x-": {"type": "boolean"}},
        "additionalProperties": False,
        "required": ["a"],
        "maxProperties": 2,
    },
    "names with signs": _object({"a/b": {"type": "integer"}, 'c~"d': {"type": "null"}}),
    "boolean schemas": {"type": "object", "properties": {"a": True, "b": False}, "required": ["a"], "maxProperties": 1},
    **{
        f"format {form}": _object({"a": {"type": "string", "format": form, "maxLength": 60}})
        for form in ("date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "time", "uri", "uuid")
    },
}
"""A schema by what it is about; all of them can be enforced."""
