"""Calls as JSON, read and written."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.toolcalls.calls import CALL, CALLED
from puna.toolcalls.hermes import HermesSyntax, written
from puna.types import ToolCall


@given(
    st.dictionaries(
        st.text(),
        st.recursive(
            st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 63) - 1) | st.text(),
            lambda values: st.lists(values, max_size=2) | st.dictionaries(st.text(), values, max_size=2),
            max_leaves=4,
        ),
        max_size=3,
    )
)
def test_what_was_written_is_read_again(arguments: dict[str, Any]) -> None:
    """Whatever stands in the strings."""
    call = ToolCall('say "f"', arguments)
    assert [call] == HermesSyntax().read(written(call).removeprefix(CALL).removesuffix(CALLED))


def test_a_call_is_written_as_the_models_were_trained_on_it() -> None:
    """JSON with a space after colons and commas, letters as they are."""
    assert written(ToolCall("f", {"a": 1, "é": [True, None]})) == (
        '<tool_call>\n{"name": "f", "arguments": {"a": 1, "é": [true, null]}}\n</tool_call>'
    )


@pytest.mark.parametrize(
    ("value", "arguments"),
    [
        ({"name": "f"}, {}),
        ({"name": "f", "arguments": None}, {}),
        ({"arguments": {"b": 1, "a": 2}, "name": "f", "id": 7}, {"b": 1, "a": 2}),
        ({"name": "f", "arguments": '{"a": 1}'}, {"a": 1}),
    ],
)
def test_arguments_may_be_missing_or_a_string(value: dict[str, Any], arguments: dict[str, Any]) -> None:
    """Small models write them so."""
    assert [ToolCall("f", arguments)] == HermesSyntax().read(json.dumps(value))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        '{"name": 1}',
        '{"name": ""}',
        '{"name": "f", "arguments": 1}',
        '{"name": "f", "arguments": "x"}',
        '{"name": "f"} and so on',
        '{"name": NaN}',
        '{"name": "f", "arguments": ' + '{"a":' * 10_000,
    ],
)
def test_what_cannot_be_read_is_no_call(text: str) -> None:
    """No guess is made, and no text is an error."""
    assert [] == HermesSyntax().read(text)
