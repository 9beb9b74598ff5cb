"""Calls in ``atem:`` elements: what is written is read again, and what is no call is none."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.toolcalls import atem
from puna.types import Tool, ToolCall

SCHEMA = {
    "text": {"type": "string"},
    "number": {"type": "number"},
    "yes": {"type": "boolean"},
    "list": {"type": "array"},
    "object": {"type": "object"},
    "choice": {"anyOf": [{"type": "null"}, {"type": "string"}]},
}
TOOL = Tool("f.g", {"type": "function", "function": {"name": "f.g", "parameters": {"properties": SCHEMA}}})

TEXTS = st.text(max_size=12).filter(lambda text: text.strip().lower() != "null" and "</atem" not in text)
ARGUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "text": TEXTS,
        "number": st.integers(-(10**9), 10**9) | st.sampled_from([0.5, -2.25]),
        "yes": st.booleans(),
        "list": st.lists(TEXTS, max_size=3),
        "object": st.dictionaries(TEXTS, st.integers(0, 9), max_size=3),
        "choice": st.none() | TEXTS,
    },
)


@given(arguments=ARGUMENTS)
def test_what_is_written_is_read_again(arguments: dict[str, Any]) -> None:
    """With the types that the schema asks for."""
    block = atem.written(ToolCall("f.g", arguments))
    assert "f.g" == atem.name_of(block)
    assert arguments == atem.arguments_of(block, [TOOL], "f.g")


@pytest.mark.parametrize(
    "inside",
    [
        "",
        "f.g",
        '<atem:invoke name="f.g">',
        '<atem:invoke name="f.g">x</atem:invoke>',
        '<atem:invoke name="f.g"><atem:parameter name="text">x</atem:invoke>',
        '<atem:invoke name="f.g"><atem:parameter>x</atem:parameter></atem:invoke>',
        "<atem:invoke>x</atem:invoke>",
    ],
)
def test_what_is_malformed_is_no_call(inside: str) -> None:
    """The caller shows it as text."""
    assert atem.arguments_of(f"{atem.OPEN}{inside}{atem.CLOSE}", [TOOL], "f.g") is None


def test_values_keep_their_white_space() -> None:
    """Indentation matters in code."""
    parameter = '<atem:parameter name="text">\n  x </atem:parameter>'
    block = f'{atem.OPEN}<atem:invoke name="f.g">{parameter}</atem:invoke>{atem.CLOSE}'
    assert {"text": "\n  x "} == atem.arguments_of(block, [TOOL], "f.g")
