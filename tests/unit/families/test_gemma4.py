"""What the cases and renderings of Gemma 4 cannot say."""

from __future__ import annotations

import pytest

from puna import families
from puna.events import Text, Thinking, ToolCalled
from puna.families import Chat
from puna.types import Message, ToolCall

CALL = '<|tool_call>call:ping{to:<|"|>you<|"|>}<tool_call|>'


@pytest.mark.parametrize(
    ("model", "billions", "renderer"),
    [
        ("gemma4:e2b", 0, "gemma4-small"),
        ("gemma4:E4B-it-q4_K_M", 40, "gemma4-small"),
        ("gemma4:12b", 0, "gemma4-large"),
        ("someone/gemma4-26b:latest", 4, "gemma4-large"),
        ("gemma4:31b-it", 0, "gemma4-large"),
        ("assistant", 0, "gemma4-small"),
        ("assistant", 11.9, "gemma4-small"),
        ("assistant", 12, "gemma4-large"),
    ],
)
def test_a_model_of_the_family_gets_the_prompt_of_its_size(model: str, billions: float, renderer: str) -> None:
    """By the size in its name, else by its parameters; a model of which nothing is known counts as small."""
    assert renderer == families.resolved("gemma4", model, billions)


def test_a_call_is_found_before_the_answer_ends() -> None:
    """A client that streams can begin its work while the model writes the next call."""
    parser = families.parsers()["gemma4"].parser(Chat((Message("user", "Hi"),)), "")
    assert [] == [found for found in parser.feed(CALL[:-1]) if not isinstance(found, Text)]
    assert ToolCalled(ToolCall("ping", {"to": "you"})) in list(parser.feed(CALL[-1]))


def test_text_is_found_as_it_comes() -> None:
    """Nothing but what may belong to a tag waits."""
    parser = families.parsers()["gemma4"].parser(Chat((Message("user", "Hi"),), think=True), "")
    found = [
        event
        for piece in ("<|channel>", "thought\n", "h", "m<", "channel|>", "Hi", " <")
        for event in parser.feed(piece)
    ]
    assert [Thinking("h"), Thinking("m"), Text("Hi")] == [event for event in found if event.text]


def test_a_result_says_by_its_id_which_call_it_answers() -> None:
    """Results may come in any order."""
    calls = (ToolCall("one", {}, id="a"), ToolCall("two", {}, id="b"))
    results = (Message("tool", "2", tool_call_id="b"), Message("tool", "1", tool_call_id="a"))
    prompt = families.renderers()["gemma4-small"](Chat((Message("assistant", tool_calls=calls), *results)))
    assert prompt.endswith(
        '<|tool_response>response:two{value:<|"|>2<|"|>}<tool_response|>'
        '<|tool_response>response:one{value:<|"|>1<|"|>}<tool_response|>'
    )


def test_no_messages_make_the_shortest_prompt() -> None:
    """An empty conversation is no error."""
    assert "<bos><|turn>model\n" == families.renderers()["gemma4-small"](Chat(()))


def test_the_engine_shows_every_token_that_is_read() -> None:
    """A tag that the engine leaves out of the text could not be found."""
    expected = {"<|channel>", "<channel|>", "<|tool_call>", "<tool_call|>", "<|tool_response>", '<|"|>'}
    assert expected == set(families.parsers()["gemma4"].tokens) == set(families.parsers()["gemma4-no-thinking"].tokens)
