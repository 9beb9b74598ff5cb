"""What the cases of Harmony cannot say: how a chat is prepared for its template."""

from __future__ import annotations

import pytest

from puna import families
from puna.events import Text, ToolCalled
from puna.families import Chat
from puna.families.harmony import identifiers, prepared
from puna.types import Message, Tool, ToolCall


def tool(name: str) -> Tool:
    return Tool(name, {"type": "function", "function": {"name": name, "description": "D"}})


@pytest.mark.parametrize(
    ("name", "identifier"),
    [
        ("get_weather", "get_weather"),
        ("get weather", "get_weather"),
        ("get-weather.now", "get_weather_now"),
        ("get weather!", "get_weather"),
        ("a🫠bc", "abc"),
        ("🫠", "unnamed"),
        ("123", "_123"),
        ("ⓞⓛ123", "_123"),
        ("$", "$"),
        ("größe", "größe"),
        ("browser.search", "browser.search"),
        ("python", "python"),
    ],
)
def test_a_name_becomes_an_identifier(name: str, identifier: str) -> None:
    """The template declares tools as TypeScript; the model's own keep their names."""
    assert {name: identifier} == identifiers([name])


def test_two_names_never_become_one() -> None:
    """Else a call to one tool would reach the other."""
    names = ["get weather", "get-weather", "get_weather", "get weather", "get_weather_2"]
    assert {
        "get weather": "get_weather",
        "get-weather": "get_weather_2",
        "get_weather": "get_weather_3",
        "get_weather_2": "get_weather_2_2",
    } == identifiers(names)


def test_a_chat_uses_one_name_for_a_tool_throughout() -> None:
    """On offer, in calls and in results; what has a valid name is left alone."""
    chat = Chat(
        (
            Message("user", "Hi"),
            Message("assistant", tool_calls=(ToolCall("get weather", {"a": 1}, id="c"), ToolCall("old tool", {}))),
            Message("tool", "18C", tool_name="get weather"),
        ),
        (tool("get weather"), tool("ping")),
    )
    expected = Chat(
        (
            Message("user", "Hi"),
            Message("assistant", tool_calls=(ToolCall("get_weather", {"a": 1}, id="c"), ToolCall("old_tool", {}))),
            Message("tool", "18C", tool_name="get_weather"),
        ),
        (tool("get_weather"), tool("ping")),
    )
    assert expected == families.parsers()["harmony"].prepare(chat)


@pytest.mark.parametrize(("asked", "told"), [("max", "high"), ("low", "low"), (True, True), (None, None)])
def test_the_most_effort_it_knows_is_high(asked: object, told: object) -> None:
    """Asking for more is no error."""
    chat = Chat((Message("user", "Hi"),), think=asked)  # type: ignore[arg-type]
    assert told == prepared(chat).think


def test_a_call_is_found_when_its_message_ends() -> None:
    """A client that streams can begin its work while the model writes the next message."""
    parser = families.parsers()["harmony"].parser(Chat((Message("user", "Hi"),), (tool("get weather"),)), "")
    message = "<|channel|>commentary to=functions.get_weather<|message|>{}"
    assert [] == [found for found in parser.feed(message) if not isinstance(found, Text)]
    assert [ToolCalled(ToolCall("get weather", {}))] == list(parser.feed("<|end|>"))


def test_the_engine_stops_where_a_call_ends() -> None:
    """The token at the end of a call has to stay a token that ends the answer; the others are read."""
    expected = {"<|start|>", "<|end|>", "<|message|>", "<|channel|>", "<|constrain|>"}
    assert expected == set(families.parsers()["harmony"].tokens)
