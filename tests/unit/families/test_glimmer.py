"""What the cases and renderings of Glimmer cannot say."""

from __future__ import annotations

import datetime as dt

from puna import families
from puna.events import Text, Thinking, ToolCalled
from puna.families import Chat
from puna.families.glimmer import render
from puna.types import Message, Tool, ToolCall

PING = Tool("ping", {"type": "function", "function": {"name": "ping"}})
CALL = '<atem:function_calls>\n<atem:invoke name="ping">\n</atem:invoke>\n</atem:function_calls>'


def test_a_model_without_a_system_message_is_told_the_date() -> None:
    """As it was trained."""
    assert (
        "<|begin_of_text|><|start|>system<|message|>You are a helpful AI assistant.\n"
        "Knowledge cutoff: 2026-01-04.\n"
        "Current date: 2026-07-29.\n"
        "\n"
        "Reasoning strength: high.\n"
        "\n"
        '# Valid recipients: "self", "user".<|eot|><|start|>user<|message|>Hi<|eot|><|start|>assistant'
    ) == render(Chat((Message("user", "Hi"),)), today=dt.date(2026, 7, 29))


def test_the_date_is_todays() -> None:
    """Whoever does not say the date means the clock's."""
    days = {dt.datetime.now(dt.UTC).astimezone().date()}
    prompt = families.renderers()["glimmer"](Chat((Message("user", "Hi"),)))
    days.add(dt.datetime.now(dt.UTC).astimezone().date())
    assert prompt in {render(Chat((Message("user", "Hi"),)), today=day) for day in days}


def test_a_call_is_found_before_its_message_ends() -> None:
    """A client that streams can begin its work while the model writes the next message."""
    parser = families.parsers()["glimmer"].parser(Chat((Message("user", "Hi"),), (PING,)), "")
    assert [] == list(parser.feed(" to=ping<|message|>" + CALL[:-1]))
    assert [ToolCalled(ToolCall("ping", {}))] == list(parser.feed(CALL[-1]))


def test_text_is_found_as_it_comes() -> None:
    """Nothing but what may belong to a tag, or be a call, waits."""
    parser = families.parsers()["glimmer"].parser(Chat((Message("user", "Hi"),), (PING,)), "")
    pieces = (" to=self", "<|message|>", "h", "m<|eom", "|><|start|>assistant to=user<|message|>", "Hi", " <|start|>")
    found = [event for piece in pieces for event in parser.feed(piece)]
    assert [Thinking("h"), Thinking("m"), Text("Hi"), Text(" ")] == [
        event for event in found if not isinstance(event, ToolCalled) and event.text
    ]


def test_the_engine_shows_every_token_that_is_read() -> None:
    """A tag that the engine leaves out of the text could not be found."""
    assert {"<|start|>", "<|message|>", "<|eom|>", "<|eot|>"} == set(families.parsers()["glimmer"].tokens)
