"""Calls in braces: what is written is read again, and what is no call is none."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.events import Text, ToolCalled
from puna.toolcalls.braces import Braces, OpenCall
from puna.types import ToolCall

BRACES = Braces(quote="<q>", open="<call>", close="</call>")

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


def test_nesting_has_a_limit_and_no_error() -> None:
    """A model that repeats itself does not break the server."""
    assert BRACES.read("call:f{a:" + "[" * 100_000, (), closed=True) is None


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("call:f{a:1}", False),
        ("call:f{a:<q>x", True),
        ("call:f{a:<q>x<q>", False),
        ("call:f{a:<q>x<q>,b:<q>", True),
        ('call:f{a:"x', True),
        ('call:f{a: "x\\"', True),
        ('call:f{a:"x<q>"', False),
        ('call:f{a:<q>"<q>', False),
        ('call:f{a:it"s', False),
    ],
)
def test_a_tag_inside_a_string_is_no_tag(text: str, *, inside: bool) -> None:
    """Strings stand between the family's quotes, or JSON's."""
    assert inside == BRACES.ends_in_string(text)


@pytest.mark.parametrize(
    ("text", "tag", "found"),
    [
        ("call:f{a:1}", "</call>", (ToolCalled(ToolCall("f", {"a": 1})), "")),
        ("call:f{a:1} so", "<call>", (ToolCalled(ToolCall("f", {"a": 1})), " so")),
        ("call:f{a:1", "</call>", (ToolCalled(ToolCall("f", {"a": 1})), "")),
        ("call:f{a:1", "<call>", (Text("<call>call:f{a:1"), "")),
        ("call:f", "</call>", (Text("<call>call:f</call>"), "")),
        ("call:f{a:1} so", "</call>", (Text("<call>call:f{a:1} so</call>"), "")),
    ],
)
def test_a_tag_ends_a_call(text: str, tag: str, found: tuple[Text | ToolCalled, str]) -> None:
    """A closing tag stands for braces that the model forgot, another one does not."""
    call = OpenCall(BRACES, ())
    assert call.add(text, tag)
    assert found == call.found(tag)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("call:f{a:1}", (ToolCalled(ToolCall("f", {"a": 1})), "")),
        ("call:f{a:1}</ca", (ToolCalled(ToolCall("f", {"a": 1})), "</ca")),
        ("call:f{a:<q>x}</call> so", (ToolCalled(ToolCall("f", {"a": "x"})), " so")),
        ("call:f{a:<q>x", (Text("<call>call:f{a:<q>x"), "")),
    ],
)
def test_an_answer_may_end_in_a_call(text: str, found: tuple[Text | ToolCalled, str]) -> None:
    """It is a call where its arguments are complete, else it is text."""
    assert found == OpenCall(BRACES, ()).unfinished(text)
