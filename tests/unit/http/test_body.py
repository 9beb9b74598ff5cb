"""JSON bodies are read as leniently as Ollama reads them, and refused in words that name the field."""

from __future__ import annotations

import base64
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.errors import InvalidRequest
from puna.http.body import Fields, first_value


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"a": 1}', {"a": 1}),
        (b' \n{"a": 1} trailing', {"a": 1}),
        (b'{"a": 1}{"b": 2}', {"a": 1}),
        (b"null", None),
        (b'{"a": "\xff"}', {"a": "\ufffd"}),
        (b'{"a": "\\ud83d"}', {"a": "\ufffd"}),
        (b'{"a": "\\ud83d\\ude00"} x', {"a": "😀"}),
        (b'{"a": 1, "a": 2}', {"a": 2}),
    ],
)
def test_the_first_value_is_taken(body, expected):
    """What follows the first value is ignored, and broken text is repaired."""
    assert expected == first_value(body)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", "missing request body"),
        (b" \r\n\t", "missing request body"),
        (b"{", "unexpected EOF"),
        (b'{"model": "smol", ', "unexpected EOF"),
        (b"not json", "invalid JSON: Expecting value: line 1 column 1 (char 0)"),
        (b"{'a': 1}", "invalid JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        (b'{"a": NaN}', "invalid JSON: NaN is not a JSON value"),
        (b'{"a": 1e999}', "invalid JSON: 1e999 is out of range"),
        (b"[" * 100_000, "the JSON is nested too deeply"),
        (b"[" * 100_000 + b"]" * 100_000, "the JSON is nested too deeply"),
        (b'{"a": ' * 101 + b"1" + b"}" * 101, "the JSON is nested too deeply"),
    ],
)
def test_what_is_not_json_is_refused(body, expected):
    """The error says what is wrong, never "internal error"."""
    with pytest.raises(InvalidRequest) as caught:
        first_value(body)

    assert expected == str(caught.value)


def test_a_hundred_levels_are_not_too_deep():
    """Nor is anything with many lists side by side."""
    assert [[]] * 1000 == first_value(b"[" + b",".join([b"[]"] * 1000) + b"]")
    value = first_value(b"[" * 100 + b"]" * 100)
    for _ in range(99):
        [value] = value
    assert [] == value


@given(st.one_of(st.binary(max_size=40), st.builds(lambda text: b'{"a": "' + text + b'"}', st.binary(max_size=10))))
def test_no_body_is_a_surprise(body):
    """Any bytes at all are a value or a refusal."""
    with suppress(InvalidRequest):
        first_value(body)


def fields(**values: object) -> Fields:
    return Fields(values, "GenerateRequest")


def test_names_have_no_case_and_null_is_absence():
    """The way clients in Go, C# and PowerShell spell fields works."""
    found = Fields({"MODEL": "smol", "Stream": False, "Prompt": None}, "GenerateRequest")

    assert ("smol", False, "") == (found.text("model"), found.flag("stream", default=True), found.text("prompt"))


def test_absent_fields_have_defaults():
    """Nothing but the name of the model is needed."""
    empty = Fields(None, "GenerateRequest")

    assert ("", True, 0, None, (), (), (), None) == (
        empty.text("a"),
        empty.flag("a", default=True),
        empty.whole("a"),
        empty.mapping("a"),
        empty.wholes("a"),
        empty.texts("a"),
        empty.blobs("a"),
        empty.texts_by_text("a"),
    )


def test_free_maps_keep_their_keys():
    """Options, schemas and arguments are not fields: their case is the caller's."""
    assert {"Temperature": 1} == fields(options={"Temperature": 1}).mapping("options")


@pytest.mark.parametrize(
    ("getter", "value", "expected"),
    [
        ("text", 3, "number into Go struct field GenerateRequest.x of type string"),
        ("text", ["a"], "array into Go struct field GenerateRequest.x of type string"),
        ("flag", "no", "string into Go struct field GenerateRequest.x of type bool"),
        ("flag", 1, "number into Go struct field GenerateRequest.x of type bool"),
        ("whole", 1.5, "number 1.5 into Go struct field GenerateRequest.x of type int"),
        ("whole", True, "bool into Go struct field GenerateRequest.x of type int"),
        ("mapping", "x", "string into Go struct field GenerateRequest.x of type map[string]interface {}"),
        ("texts_by_text", {"a": 1}, "number into Go struct field GenerateRequest.x of type string"),
        ("wholes", [1, "2"], "string into Go struct field GenerateRequest.x of type int"),
        ("texts", [{}], "object into Go struct field GenerateRequest.x of type string"),
        ("blobs", ["!!!"], "string into GenerateRequest.x.0 of type api.ImageData: illegal base64 data"),
        (
            "blobs",
            ["data:image/png;base64,AAAA"],
            "string into GenerateRequest.x.0 of type api.ImageData: illegal base64 data",
        ),
    ],
)
def test_a_wrong_type_is_named(getter, value, expected):
    """The error names the field, what it got and what it takes."""
    with pytest.raises(InvalidRequest) as caught:
        getattr(fields(x=value), getter)("x")

    assert f"json: cannot unmarshal {expected}" == str(caught.value)


def test_a_list_is_no_object():
    """A body that is not an object is refused with the name of what it should have been."""
    with pytest.raises(InvalidRequest) as caught:
        Fields([], "GenerateRequest")

    assert "json: cannot unmarshal array into Go value of type api.GenerateRequest" == str(caught.value)


def test_wrapped_base64_is_read():
    """Line ends inside base64, as some encoders make them, are no error."""
    content = bytes(range(200))
    wrapped = base64.encodebytes(content).decode()

    assert "\n" in wrapped
    assert (content,) == fields(images=[wrapped]).blobs("images")
