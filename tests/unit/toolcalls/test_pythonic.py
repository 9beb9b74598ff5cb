"""Calls written in Python's way are read without evaluating anything."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.toolcalls.pythonic import read, written
from puna.types import ToolCall


def value(text: str) -> Any:
    calls, rest = read(f"f(x={text})")
    assert rest == ""
    return calls[0].arguments["x"]


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        ("hello", '"hello"'),
        ("hello", "'hello'"),
        ("", '""'),
        ("", "''"),
        ('say "hi", it\'s me', '"say \\"hi\\", it\'s me"'),
        ("a\nb", '"a\\nb"'),
        ("a\nb", '"a\nb"'),
        ('two "quoted"\nlines', '"""two "quoted"\nlines"""'),
        ("it's", "'''it's'''"),
        ("C:\\dir \\d", '"C:\\\\dir \\d"'),
        ("é 🌍 \N{GRINNING FACE}", '"\\xe9 \\U0001F30D \\ud83d\\ude00"'),
        ("\N{REPLACEMENT CHARACTER}", '"\\ud83d"'),
        (42, "42"),
        (-10, "-10"),
        (3.14, "3.14"),
        (0.5, ".5"),
        (1000.0, "1e3"),
        (True, "true"),
        (True, "True"),
        (False, "False"),
        (None, "None"),
        (None, "null"),
        ([], "[]"),
        ([1, "a", [True]], "[1, 'a', [True],]"),
        ([1, 2], "(1, 2)"),
        ({}, "{}"),
        ({"a": {"b": [1]}, "c": None}, "{\"a\": {b: [1]}, 'c': None}"),
        (["a", "b"], "[a, b]"),
        ("2024-01-15", "2024-01-15"),
        ("hello world", "hello world"),
        ("sin(x, 1) + 1", "sin(x, 1) + 1"),
        ("02139", "02139"),
        ("10:30", "10:30"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("1e999", "1e999"),
        ("nan", "nan"),
    ],
)
def test_a_value_is_what_the_model_meant(expected: object, text: str) -> None:
    """Literals of Python and of JSON, and words whose quotes were forgotten."""
    assert (expected, type(expected)) == (value(text), type(value(text)))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "get_weather",
        "get_weather(",
        'get_weather(city="Paris"',
        'get_weather(city="Par',
        'get_weather("Paris")',
        "get_weather(city)",
        "get_weather(city=)",
        'get_weather(="Paris")',
        "get_weather(city='Paris)",
        "get_weather(city=[1, 2)",
        "get_weather(city=(1])",
        'get_weather(city="a" + "b")',
        "get_weather(a=b\nping()",
        '("Paris")',
        "f(x=" + "[" * 5000 + "]" * 5000 + ")",
        "f(x={" * 5000,
    ],
)
def test_what_is_no_call_is_left_as_it_is(text: str) -> None:
    """Nothing is guessed, and no nesting is too deep to refuse."""
    assert ((), text) == (tuple(read(text)[0]), read(text)[1])


def test_several_calls_and_what_follows_them() -> None:
    """The complete calls are found while another one is still being written."""
    calls, rest = read('[a(), b.c-d(x=1, y="z"),\n e(f=')
    assert [ToolCall("a", {}), ToolCall("b.c-d", {"x": 1, "y": "z"})] == calls
    assert ",\n e(f=" == rest


def test_arguments_keep_their_order() -> None:
    """As the model wrote them."""
    assert ["z", "a", "m"] == list(read("f(z=1, a=2, m=3)")[0][0].arguments)


def test_a_call_is_written_as_models_were_taught_to() -> None:
    """Names in order, values as JSON."""
    call = ToolCall("f", {"b": ["é", None], "a": {"x": True}})
    assert 'f(a={"x": true}, b=["é", null])' == written(call, comma=", ")


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**18), 10**18)
    | st.text()
    | st.floats(allow_nan=False).filter(math.isfinite),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), JSON, max_size=4))
def test_what_is_written_is_read_again(arguments: dict[str, Any]) -> None:
    """Whatever the arguments are."""
    calls, rest = read(written(ToolCall("f", arguments), comma=","))
    assert (json.dumps(arguments, sort_keys=True), "") == (json.dumps(dict(calls[0].arguments), sort_keys=True), rest)


@given(st.text("f(a=)[]{},:\"'\\ 1\n", max_size=40))
def test_no_text_is_lost(text: str) -> None:
    """Whatever the model writes, reading it ends, and what is no call stays."""
    calls, rest = read(text)
    assert text.endswith(rest)
    assert calls or text == rest
