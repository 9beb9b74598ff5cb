"""Every keyword of JSON Schema 2020-12 that is not refused lets the right texts through, and none of the wrong ones."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from puna.engine.schema import Guard, enforceable

FORMATS = jsonschema.Draft202012Validator.FORMAT_CHECKER


def text(pattern: str) -> dict[str, Any]:
    return {"type": "string", "pattern": pattern}


def one_format(name: str) -> dict[str, Any]:
    return {"type": "string", "format": name}


NESTED = {"$ref": "#/$defs/n", "$defs": {"n": {"type": "array", "items": {"$ref": "#/$defs/n"}, "maxItems": 1}}}
TREE = {"type": "object", "properties": {"next": {"$ref": "#"}}}
A_INT = {"type": "object", "properties": {"a": {"type": "integer"}}}

CASES: list[tuple[dict[str, Any], list[str], list[str]]] = [
    ({"type": "null"}, ["null"], ["0", '""']),
    ({"type": ["integer", "string"]}, ["3", '"x"'], ["3.5", "null", "[]"]),
    ({"type": "integer"}, ["0", "-12"], ["1.5", "01", "1e2"]),
    ({"type": "number"}, ["1e5", "-0.5"], [".5", "NaN", "+1"]),
    ({"enum": [1, "1", None]}, ["1", '"1"', "null"], ["2", "true"]),
    ({"const": {"a": [1]}}, ['{"a": [1]}'], ['{"a": [2]}', "{}"]),
    ({"minimum": 3}, ["3", '"x"'], ["2", "2.5", "-4"]),
    ({"maximum": 3}, ["3", "-4"], ["3.5", "4", "1e5"]),
    ({"exclusiveMinimum": 3}, ["4", "3.5"], ["3", "3.0"]),
    ({"exclusiveMaximum": 3}, ["2", "2.5"], ["3", "3.0"]),
    ({"type": "number", "multipleOf": 0.01}, ["0.25", "3"], ["0.015", "1e-3"]),
    ({"type": "integer", "multipleOf": 5}, ["-10", "0"], ["11"]),
    ({"maxLength": 1}, ['"😀"', '""', "12"], ['"ab"']),
    ({"minLength": 2}, ['"ab"'], ['"😀"', '""']),
    (text("^[a-c]+$"), ['"abc"'], ['"abd"', '""', '"abc\\n"']),
    (text("b"), ['"abc"'], ['"ac"']),
    (text(r"^\d$"), ['"3"'], ['"٣"', '"33"']),
    (text(r"^\w$"), ['"a"'], ['"é"', '"-"']),
    (text("^.$"), ['"a"'], ['"\\n"', '"ab"']),
    ({"items": {"type": "integer"}}, ["[]", "[1, 2]", '"x"'], ['["a"]', "[1, null]"]),
    ({"type": "array", "items": False}, ["[]"], ["[1]"]),
    ({"type": "array", "prefixItems": [{"type": "integer"}]}, ["[]", '[1, "x"]'], ['["x"]']),
    ({"type": "array", "prefixItems": [True], "items": {"type": "null"}}, ["[5, null]"], ["[5, 5]"]),
    ({"type": "array", "minItems": 1, "maxItems": 2}, ["[1]", "[1, 2]"], ["[]", "[1, 2, 3]"]),
    ({"required": ["a"]}, ['{"a": 1}', "3"], ["{}", '{"b": 1}']),
    (A_INT, ["{}", '{"a": 1}'], ['{"a": "x"}', '{"b": 1}', '{"a": 1, "a": 2}', '{"\\u0061": 1}']),
    ({**A_INT, "additionalProperties": {"type": "null"}}, ['{"a": 1, "b": null}'], ['{"b": 1}', '{"\\u0061": null}']),
    ({"properties": {"a": True, "b": False}}, ['{"a": [1]}', "3"], ['{"b": 1}']),
    (
        {"type": "object", "patternProperties": {"^a": {"type": "integer"}}, "additionalProperties": False},
        ["{}", '{"ab": 1}'],
        ['{"ab": "x"}', '{"b": 1}', '{"\\u0061b": null}'],
    ),
    ({"type": "object", "additionalProperties": {"type": "integer"}}, ['{"x": 1}'], ['{"x": "1"}']),
    ({"type": "object", "minProperties": 1, "maxProperties": 1}, ['{"x": 1}'], ["{}", '{"x": 1, "y": 2}']),
    ({"anyOf": [{"type": "integer"}, {"maxLength": 1}]}, ["12", '"a"'], ['"ab"']),
    ({"oneOf": [{"type": "integer"}, {"type": "string"}]}, ["12", '"a"'], ["null", "1.5"]),
    ({"allOf": [{"type": "integer"}, {"minimum": 3}, {"maximum": 5}]}, ["4"], ["2", "6", '"x"']),
    ({"$ref": "#/$defs/a", "minimum": 3, "$defs": {"a": {"type": "integer", "maximum": 5}}}, ["4"], ["2", "6"]),
    ({"$ref": "#/$defs/a~1b%25", "$defs": {"a/b%": {"type": "integer"}}}, ["1"], ['"x"']),
    ({"$ref": "#here", "$defs": {"a": {"$anchor": "here", "type": "integer"}}}, ["1"], ['"x"']),
    ({"$ref": "a.json", "$defs": {"a": {"$id": "a.json", "type": "integer"}}}, ["1"], ['"x"']),
    (NESTED, ["[]", "[[[]]]"], ["[1]", "[[], []]"]),
    (TREE, ['{"next": {"next": {}}}'], ['{"next": 1}', '{"next": {"x": {}}}']),
    (one_format("date"), ['"2026-02-28"'], ['"2026-02-30"', '"2026-13-01"', '"today"']),
    (one_format("time"), ['"23:59:59Z"', '"01:02:03.5+02:00"'], ['"24:00:00Z"', '"12:00"', '"12:00:00"']),
    (one_format("date-time"), ['"2026-02-28T10:00:00Z"'], ['"2026-02-28 10:00"', '"2026-02-28"']),
    (one_format("duration"), ['"P1DT2H"', '"P3W"'], ['"1 day"', '"P"', '"PT"']),
    (one_format("email"), ['"a.b@example.com"'], ['"a.b"', '"@x.com"', '"a b@x.com"']),
    (one_format("hostname"), ['"a-b.example.com"'], ['"-a.com"', '"a_b"', '"a..b"']),
    (one_format("ipv4"), ['"192.168.0.1"'], ['"256.1.1.1"', '"1.2.3"', '"01.2.3.4"']),
    (one_format("ipv6"), ['"::1"', '"2001:db8::8a2e:370:7334"'], ['"12345::"', '"::1::"', '"1.2.3.4"']),
    (one_format("uri"), ['"https://example.com/a?b=c#d"', '"mailto:a@b.c"'], ['"//x"', '"a b"', '"https://[::1"']),
    (
        one_format("uuid"),
        ['"123e4567-e89b-12d3-a456-426614174000"'],
        ['"123e4567"', '"g23e4567-e89b-12d3-a456-426614174000"'],
    ),
    ({"type": "integer", "format": "email"}, ["3"], ['"x"']),
    ({"type": "string", "contentEncoding": "base64", "contentMediaType": "text/plain"}, ['"%"'], ["3"]),
]


def allows(schema: dict[str, Any], whole: str) -> bool:
    """Whether an answer bound to ``schema`` may be ``whole``, and end there."""
    guard = Guard(schema)
    return guard.accepts(whole) and guard.is_complete()


@pytest.mark.parametrize(("schema", "right", "wrong"), CASES, ids=[json.dumps(case[0])[:60] for case in CASES])
def test_a_keyword_means_what_the_standard_says(schema: dict[str, Any], right: list[str], wrong: list[str]) -> None:
    """Texts that follow it can be written, in the opinion of an independent validator too; others cannot."""
    validator = jsonschema.Draft202012Validator(schema, format_checker=FORMATS)
    enforceable(schema)
    for one in right:
        assert allows(schema, one), one
        assert validator.is_valid(json.loads(one)), one
    for one in wrong:
        assert not allows(schema, one), one
