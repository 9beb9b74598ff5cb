"""What renderers and parsers are given, and that they are found."""

from __future__ import annotations

from typing import Any

import pytest

from puna import families
from puna.families import Chat
from puna.types import Message, ToolCall

USER = Message("user", "Hi", images=(b"a", b"b"))


def test_a_last_message_of_the_assistants_is_the_beginning_of_the_answer() -> None:
    """An earlier one is history."""
    begun = Message("assistant", "Sure, ")
    assert begun is Chat((USER, begun)).prefill
    assert Chat((begun, USER)).prefill is None
    assert Chat(()).prefill is None


def test_what_there_is_to_go_on_with_is_no_turn() -> None:
    """Of it there may be nothing yet; an answer that calls tools is complete."""
    begun, called = Message("assistant"), Message("assistant", "Sure", tool_calls=(ToolCall("f", {}),))
    assert (begun, (USER,)) == (Chat((USER, begun)).begun, Chat((USER, begun)).turns)
    assert (None, (USER, called)) == (Chat((USER, called)).begun, Chat((USER, called)).turns)
    assert (None, (USER,)) == (Chat((USER,)).begun, Chat((USER,)).turns)


def test_images_are_counted_through_the_conversation() -> None:
    """So that each marker stands for one picture, whichever message has it."""
    chat = Chat((USER, Message("assistant", "Oh"), Message("user", images=(b"c",))))
    assert ["[img-0][img-1] Hi", "Oh", "[img-2]"] == [chat.content(index) for index in range(3)]


def test_a_long_conversation_without_images_takes_no_counting() -> None:
    """No message is looked at for the markers of another; thousands of them would take seconds."""

    class Messages(tuple[Message, ...]):
        __slots__ = ()

        def __getitem__(self, at: Any) -> Any:
            assert isinstance(at, int)
            return super().__getitem__(at)

    assert "Hi" == Chat(Messages((Message("user", "Hi"),) * 3)).content(2)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("a [img] b [img] c", "a [img-0] b [img-1] c"),
        ("a [img] b", "[img-1] a [img-0] b"),
        ("[img] a [img] b [img]", "[img-0] a [img-1] b [img]"),
        (" a", "[img-0][img-1] a"),
        ("[img-1] a", "[img-1] a"),
    ],
)
def test_images_stand_where_the_caller_put_them(content: str, expected: str) -> None:
    """And else in front; whoever writes markers has placed them all."""
    chat = Chat((Message("user", content, images=(b"a", b"b")),))
    assert expected == chat.content(0)
    assert expected == Chat((Message("user", "!", images=(b"a", b"b")),)).content(0, content)


def test_families_are_found_by_the_names_in_a_models_config() -> None:
    """Every module's, without a list of them; the two fallbacks have no name."""
    assert "qwen3-coder" in families.renderers()
    assert "qwen3-coder" in families.parsers()
    assert not {"generic", "native", ""} & {*families.renderers(), *families.parsers()}
