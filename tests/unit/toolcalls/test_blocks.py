"""Blocks of calls in a stream: what is said when."""

from __future__ import annotations

from puna.events import Text, Thinking, ToolCalled
from puna.toolcalls import deepseek, pythonic
from puna.toolcalls.blocks import BlockParser, Blocks, Start
from puna.types import ToolCall

CALLS = Blocks("<calls>", "</calls>", pythonic.read, last=")", between=pythonic.BETWEEN)


def test_a_call_is_said_as_soon_as_it_is_complete() -> None:
    """A caller can start with the first of several calls while the second is being written."""
    parser = BlockParser(CALLS, Start.TEXT)
    assert [] == list(parser.feed("<calls>[a(x='1')"[:-1]))
    assert [ToolCalled(ToolCall("a", {"x": "1"}))] == list(parser.feed(")"))
    assert [ToolCalled(ToolCall("b", {}))] == list(parser.feed(", b()"))
    assert [Text("ok")] == list(parser.feed("]</calls>ok"))


def test_text_is_said_at_once_unless_a_marker_may_begin_in_it() -> None:
    """Streaming stays smooth: only the space and the beginning of a marker are held back."""
    parser = BlockParser(CALLS, Start.TEXT)
    assert [Text("Hi")] == list(parser.feed("Hi <ca"))
    assert [Text(" <cat>")] == list(parser.feed("t>"))


def test_reasoning_is_said_as_it_comes() -> None:
    """The space before its end tag is no part of it."""
    parser = BlockParser(None, Start.REASONING)
    assert [Thinking("hm")] == list(parser.feed("hm\n"))
    assert [Text("Hi")] == list(parser.feed("</think>\nHi"))


def test_the_next_call_of_a_list_is_said_before_the_list_ends() -> None:
    """Also with markers around the list."""
    parser = BlockParser(deepseek.BLOCKS, Start.TEXT)
    one = f"{deepseek.CALL}a{deepseek.SEPARATOR}{{}}{deepseek.CALL_END}"
    assert [ToolCalled(ToolCall("a", {}))] == list(parser.feed(deepseek.CALLS + one))
    assert [ToolCalled(ToolCall("a", {}))] == list(parser.feed(one))
    assert [] == [*parser.feed(deepseek.CALLS_END), *parser.close()]


def test_a_long_argument_costs_no_more_than_its_length() -> None:
    """A file of code that is written by a tool call arrives in thousands of pieces, most of them with brackets."""
    parser = BlockParser(CALLS, Start.TEXT)
    code = "print(f(x))\n" * 2000
    text = f"<calls>write(text={code!r})</calls>"
    found = [event for at in range(0, len(text), 4) for event in parser.feed(text[at : at + 4])]
    assert [ToolCalled(ToolCall("write", {"text": code}))] == found
