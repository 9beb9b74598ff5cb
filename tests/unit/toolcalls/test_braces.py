"""Calls in braces: what is written is read again, and what is no call is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.toolcalls.braces import Braces
from puna.types import ToolCall

BRACES = Braces(quote="<q>", open="<call>", close="</call>")
F = ToolCall("f", {"a": 1})
Read = Callable[..., list[Any]]

NAMES = st.from_regex(r"\A[a-z_][a-z0-9_]{0,8}\Z")
TEXTS = st.text(max_size=12).filter(lambda text: "<q>" not in text)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.sampled_from([0.5, -2.25, 1e-7]) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


def body(call: ToolCall) -> str:
    return BRACES.call(call).removeprefix(BRACES.open).removesuffix(BRACES.close)


@given(name=NAMES, arguments=st.dictionaries(NAMES, VALUES, max_size=4))
def test_what_is_written_is_read_again(name: str, arguments: dict[str, Any]) -> None:
    """Whatever the strings in it say, and whether or not its end was marked."""
    call = ToolCall(name, arguments)
    assert (call, "") == BRACES.read(body(call), (), closed=True) == BRACES.read(body(call), (), closed=False)


@given(name=NAMES, arguments=st.dictionaries(NAMES, VALUES, max_size=4), data=st.data())
def test_half_a_call_is_none(name: str, arguments: dict[str, Any], data: st.DataObject) -> None:
    """Nobody's command is run up to where the answer was cut off."""
    written = body(ToolCall(name, arguments))
    cut = data.draw(st.integers(0, len(written) - 1))
    assert BRACES.read(written[:cut], (), closed=False) is None


@given(text=st.text(alphabet="call:f{}[],:'\" <q>1a\\", max_size=40))
def test_no_text_is_an_error(text: str) -> None:
    """It is a call, or it is none."""
    for closed in (True, False):
        read = BRACES.read(f"call:{text}", (), closed=closed)
        assert read is None or isinstance(read[0], ToolCall)


def test_arguments_keep_their_order() -> None:
    """As the model wrote them."""
    read = BRACES.read("call:f{b:1,a:2}", (), closed=True)
    assert read is not None
    assert ["b", "a"] == list(read[0].arguments)


@pytest.mark.parametrize(
    ("text", "value"), [("1" * 5000, "1" * 5000), ("1e999", "1e999"), ("9" * 30, int("9" * 30)), ("-1.0", -1)]
)
def test_a_number_beyond_all_is_text(text: str, value: Any) -> None:
    """A model that repeats itself does not lose its call."""
    read = BRACES.read(f"call:f{{a:{text}}}", (), closed=True)
    assert read is not None
    assert {"a": value} == read[0].arguments


def test_nesting_has_a_limit_and_no_error() -> None:
    """A model that repeats itself does not break the server."""
    assert BRACES.read("call:f{a:" + "[" * 100_000, (), closed=True) is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("<q></call><q>", "</call>"),
        ('"</call>\\"<call>"', '</call>"<call>'),
        ('<q>"<q>', '"'),
        ('"<q>"', "<q>"),
        ('it"s', 'it"s'),
    ],
)
def test_a_tag_inside_a_string_is_no_tag(read_calls: Read, text: str, value: str) -> None:
    """Strings stand between the family's quotes, or JSON's; elsewhere a quote is none."""
    found = [ToolCall("f", {"b": value, "a": 1}), " so"]
    assert found == read_calls(BRACES.reader(()), [f"call:f{{b: {text},a:1}}</call> so"])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("call:f{a:1}</call>", [F]),
        ("call:f{a:1} so<call>", [F, " so<call>"]),
        ("call:f{a:1}<stop> so", [F, " so"]),
        ("call:f{a:1</call>", [F]),
        ("call:f{a:1<call>", ["<tag>call:f{a:1", "<call>"]),
        ("call:f</call>", ["<tag>call:f</call>"]),
        ("call:f{a:1} so</call>", ["<tag>call:f{a:1} so</call>"]),
    ],
)
def test_a_tag_ends_a_call(read_calls: Read, text: str, found: list[Any]) -> None:
    """A closing tag stands for braces that the model forgot, another one does not."""
    assert found == read_calls(BRACES.reader((), "<stop>"), [text], ended=False)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("call:f{a:1}", [F]),
        ("call:f{a:1}</ca", [F, "</ca"]),
        ("call:f{a:<q>x}</call> so", [ToolCall("f", {"a": "x"}), " so"]),
        ("call:f{a:<q>x", ["<tag>call:f{a:<q>x"]),
    ],
)
def test_an_answer_may_end_in_a_call(read_calls: Read, text: str, found: list[Any]) -> None:
    """It is a call where its arguments are complete, else it is text."""
    assert [] == read_calls(BRACES.reader(()), text, ended=False)
    assert found == read_calls(BRACES.reader(()), text)
