"""Calls written in Python's way are read without evaluating anything."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.toolcalls.jsontext import compact, spaced
from puna.toolcalls.pythonic import read_call, reader, written
from puna.types import ToolCall

Read = Callable[..., list[Any]]


def value(text: str) -> Any:
    found = read_call(f"f(x={text})")
    assert found is not None
    assert found[1] == len(f"f(x={text})")
    return found[0].arguments["x"]


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
    assert read_call(text) is None


def test_a_call_is_found_as_soon_as_it_is_complete(read_calls: Read) -> None:
    """A caller can start with the first of several calls while the second is being written."""
    assert [] == read_calls(reader("<end>"), "[a(x='1'", ended=False)
    assert [ToolCall("a", {"x": "1"})] == read_calls(reader("<end>"), "[a(x='1')", ended=False)
    found = [ToolCall("a", {}), ToolCall("b.c-d", {"x": 1, "y": "z"})]
    assert found == read_calls(reader("<end>"), '[a(), b.c-d(x=1, y="z"),\n e(f=', ended=False)
    assert [*found, ",\n e(f="] == read_calls(reader("<end>"), '[a(), b.c-d(x=1, y="z"),\n e(f=')


def test_marks_in_strings_are_text(read_calls: Read) -> None:
    """In strings of all kinds."""
    for text in ("a <end> (b", "it's )", 'say "<end>"', "'"):
        for quoted in (repr(text), json.dumps(text), f'"""{text} """'):
            [call] = read_calls(reader("<end>"), f"f(x={quoted})<end>")
            assert text == call.arguments["x"].removesuffix(" ")


def test_what_is_no_call_is_text(read_calls: Read) -> None:
    """From where it is clear, with its tag."""
    assert ["<tag>so (x)", "<end>"] == read_calls(reader("<end>"), ["so (x)<end>"])
    assert ["<tag>so<end>", " so"] == read_calls(reader("<end>"), ["so<end> so"])
    assert [ToolCall("a", {}), "\nso<end>"] == read_calls(reader("<end>"), ["a()\nso<end>"])
    assert ["<tag>["] == read_calls(reader("<end>"), ["["])


def test_a_block_without_calls_says_nothing(read_calls: Read) -> None:
    """Nor does what stands around calls, nor a part of the closing tag."""
    assert [] == read_calls(reader("<end>"), "[]<end>")
    assert [ToolCall("a", {})] == read_calls(reader("<end>"), "[a()]<en")


def test_a_long_argument_costs_no_more_than_its_length(read_calls: Read) -> None:
    """A file of code that is written by a tool call arrives in thousands of pieces, most of them with brackets."""
    code = "print(f(x))\n" * 4000
    text = f"write(text={code!r}, at={[(1, 2)] * 4000})<end>"
    [call] = read_calls(reader("<end>"), (text[at : at + 4] for at in range(0, len(text), 4)), ended=False)
    assert {"text": code, "at": [[1, 2]] * 4000} == call.arguments


def test_arguments_keep_their_order() -> None:
    """As the model wrote them."""
    found = read_call("f(z=1, a=2, m=3)")
    assert found is not None
    assert ["z", "a", "m"] == list(found[0].arguments)


def test_a_call_is_written_as_models_were_taught_to() -> None:
    """Names in order, values as JSON, with spaces or without."""
    call = ToolCall("f", {"b": ["é", None], "a": {"x": True}})
    assert 'f(a={"x":true}, b=["é",null])' == written(call, compact, comma=", ")
    assert 'f(a={"x": true},b=["é", null])' == written(call, spaced, comma=",")


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**18), 10**18)
    | st.text()
    | st.floats(allow_nan=False).filter(math.isfinite),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), JSON, max_size=4), st.sampled_from([compact, spaced])
)
def test_what_is_written_is_read_again(arguments: dict[str, Any], encode: Callable[[Any], str]) -> None:
    """Whatever the arguments are."""
    text = written(ToolCall("f", arguments), encode, comma=",")
    found = read_call(text)
    assert found is not None
    assert json.dumps(arguments, sort_keys=True) == json.dumps(dict(found[0].arguments), sort_keys=True)
    assert len(text) == found[1]


@given(st.text("f(a=)[]{},:\"'\\ 1\n", max_size=40))
def test_no_text_is_an_error(text: str) -> None:
    """Whatever the model writes, reading it ends; a call has an end in it."""
    found = read_call(text)
    assert found is None or ")" == text[found[1] - 1]
