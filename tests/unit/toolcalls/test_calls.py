"""Calls between tags, while they arrive."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from puna.toolcalls import hermes
from puna.toolcalls.arguments import ArgumentsSyntax
from puna.toolcalls.calls import CALL, CALLED, enclosed
from puna.types import ToolCall

Read = Callable[..., list[Any]]

F, G = ToolCall("f", {"a": "x"}), ToolCall("g", {"a": "</tool_call>"})
ONE, OTHER = ('{"name": "f", "arguments": {"a": "x"}}', '{"name": "g", "arguments": {"a": "</tool_call>"}}')


def test_a_call_is_found_when_its_tag_is_complete(read_calls: Read) -> None:
    """A caller can run the tool while the model goes on; a tag in a string ends nothing."""
    assert [] == read_calls(hermes.READER, OTHER + CALLED[:-1], ended=False)
    assert [G] == read_calls(hermes.READER, OTHER + CALLED, ended=False)
    assert [G, " so"] == read_calls(hermes.READER, [OTHER + CALLED + " so"])


@pytest.mark.parametrize("end", ["", "<", "</tool_call"])
def test_an_answer_may_end_before_the_closing_tag(read_calls: Read, end: str) -> None:
    """A stop string, or a limit, takes no call away that is whole."""
    assert [F] == read_calls(hermes.READER, ONE + end)


def test_what_cannot_become_a_call_is_put_back_at_once(read_calls: Read) -> None:
    """Prose that mentions the tag is not held back until the end."""
    assert ["<tag>", " a"] == read_calls(hermes.READER, " and so on", ended=False)
    assert ["<tag>", " and so on"] == read_calls(hermes.READER, [" and so on"])


def test_what_cannot_be_read_is_put_back_with_its_tag(read_calls: Read) -> None:
    """There may be a call in it."""
    assert ["<tag>", f"{{no}}{CALLED} so"] == read_calls(hermes.READER, [f"{{no}}{CALLED} so"])
    assert ["<tag>", ONE[:-1]] == read_calls(hermes.READER, ONE[:-1])


def test_a_call_may_be_followed_by_another_before_it_is_closed(read_calls: Read) -> None:
    """It is one all the same; the same once more is not another one."""
    assert [F, G] == read_calls(hermes.READER, [f"{ONE}\n{CALL}{OTHER}{CALLED}"])
    assert [F] == read_calls(hermes.READER, [f"{ONE}\n{CALL}{ONE}{CALLED}"])
    assert [F] == read_calls(hermes.READER, [f" {CALL}{ONE}{CALLED}"])
    assert [F, CALL, "so"] == read_calls(hermes.READER, [f"{ONE}{CALL}so"])


def test_a_tag_that_ends_all_calls_makes_it_none(read_calls: Read) -> None:
    """The model only thought of calling; in a string such a tag says nothing."""
    assert ["<tag>", f"{ONE}</think>"] == read_calls(hermes.READER, [f"{ONE}</think>"], ends=("</think>",))
    thought = '{"name": "f", "arguments": {"a": "</think>"}}'
    assert [ToolCall("f", {"a": "</think>"})] == read_calls(hermes.READER, [thought + CALLED], ends=("</think>",))


def test_a_name_alone_has_to_be_closed(read_calls: Read) -> None:
    """It may be half of one; running a tool without its arguments helps nobody."""
    reader = enclosed(ArgumentsSyntax([]))
    assert [ToolCall("f", {})] == read_calls(reader, ["f" + CALLED])
    assert ["<tag>", "f"] == read_calls(reader, ["f"])
    assert [ToolCall("ping", {})] == read_calls(hermes.READER, ['{"name": "ping"}'])


def test_a_model_that_goes_round_in_circles_is_not_followed(read_calls: Read) -> None:
    """What it repeats without end is text in the end, and costs no more than its length."""
    scattered = '{"name": "f", "arguments": {"a": "<tool_call>'
    assert scattered * 3000 == "".join(read_calls(hermes.READER, [scattered * 3000])).removeprefix("<tag>")
