"""Calls between DeepSeek's tokens."""

from __future__ import annotations

from typing import Any

import pytest

from puna.events import Text, ToolCalled
from puna.toolcalls.deepseek import CALL, CALL_END, CALLS, CALLS_END, READERS, SEPARATOR, read
from puna.toolcalls.tagged import TaggedParser
from puna.types import ToolCall

ONE = f"{CALL}a{SEPARATOR}{{}}{CALL_END}"
A = ToolCalled(ToolCall("a", {}))


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        (f'a{SEPARATOR}{{"x": 1}}', {"x": 1}),
        (f" a {SEPARATOR} \n", {}),
        (f'function{SEPARATOR}a\n```json\n{{"x": [1]}}\n```', {"x": [1]}),
        (f'function{SEPARATOR}a\n```\n{{"x": 1}}', {"x": 1}),
    ],
)
def test_a_call_is_read(text: str, arguments: dict[str, Any]) -> None:
    """With its kind and fences, or without."""
    assert ToolCall("a", arguments) == read(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        SEPARATOR,
        f"{SEPARATOR}{{}}",
        f"a{SEPARATOR}[1]",
        f"a{SEPARATOR}{{",
        f"so it is{SEPARATOR}a\n```{{}}```",
    ],
)
def test_what_cannot_be_read_is_none(text: str) -> None:
    """Then it stays text."""
    assert read(text) is None


def found(*pieces: str) -> list[list[Any]]:
    """What each piece brings, and the end."""
    parser = TaggedParser(READERS)
    return [*(list(parser.feed(piece)) for piece in pieces), list(parser.close())]


def test_the_next_call_of_a_list_is_found_before_the_list_ends() -> None:
    """Each when it is complete."""
    assert [[A], [A], [], []] == found(CALLS + ONE, "\n" + ONE, CALLS_END)


def test_a_call_needs_no_list() -> None:
    """Then the text goes on after it."""
    assert [[A, Text(" so")], []] == found(f"{ONE} so")


def test_a_list_without_calls_says_nothing() -> None:
    """But one that was cut off is text."""
    assert [[], [Text(" so")]] == [found(CALLS + CALLS_END)[0], found(CALLS + CALLS_END + " so")[0]]
    assert [[], [Text(CALLS)]] == found(CALLS)


def test_a_tag_in_a_string_is_the_strings() -> None:
    """A model may write about its own tags."""
    call = f'{CALL}a{SEPARATOR}{{"x": "{CALL_END}"}}{CALL_END}'
    assert [[ToolCalled(ToolCall("a", {"x": CALL_END}))], []] == found(call)


def test_one_call_that_cannot_be_read_costs_none_of_the_others() -> None:
    """It comes as text, with the tags around it."""
    bad = f"{CALL}b{SEPARATOR}{{{CALL_END}"
    assert [[A, Text(bad), A], []] == found(CALLS + ONE + bad + ONE)
