"""What renderers and parsers are given, and that they are found."""

from __future__ import annotations

from puna import families
from puna.families import Chat
from puna.types import Message

USER = Message("user", "Hi", images=(b"a", b"b"))


def test_a_last_message_of_the_assistants_is_the_beginning_of_the_answer() -> None:
    """An earlier one is history."""
    begun = Message("assistant", "Sure, ")
    assert begun is Chat((USER, begun)).prefill
    assert Chat((begun, USER)).prefill is None
    assert Chat(()).prefill is None


def test_images_are_counted_through_the_conversation() -> None:
    """So that each marker stands for one picture, whichever message has it."""
    chat = Chat((USER, Message("assistant", "Oh"), Message("user", images=(b"c",))))
    assert ["[img-0][img-1]", "", "[img-2]"] == [chat.image_markers(index) for index in range(3)]


def test_families_are_found_by_the_names_in_a_models_config() -> None:
    """Every module's, without a list of them; the two fallbacks have no name."""
    assert "qwen3-coder" in families.renderers()
    assert "qwen3-coder" in families.parsers()
    assert not {"generic", "native", ""} & {*families.renderers(), *families.parsers()}
