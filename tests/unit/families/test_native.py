"""Conversations as the engine's chat route takes them."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from puna.families import Chat
from puna.families.native import conversation
from puna.types import Message, Think, Tool, ToolCall

PNG, JPEG, WAV, MP3 = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"RIFF\0\0\0\0WAVE", b"ID3\x04"
USER = Message("user", "Hi")
WEATHER = {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}


def wire(*messages: Message) -> list[dict[str, Any]]:
    return [dict(message) for message in conversation(Chat(messages)).messages]


def assistant(*calls: ToolCall, content: str = "") -> Message:
    return Message("assistant", content, tool_calls=calls)


def test_messages_are_handed_over_as_they_are() -> None:
    """With the reasoning of earlier turns, for templates that want it."""
    earlier = Message("assistant", "Hello", thinking="Hm")
    assert [
        {"role": "system", "content": "be kind"},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello", "reasoning_content": "Hm"},
        {"role": "user", "content": "Hi"},
    ] == wire(Message("system", "be kind"), USER, earlier, USER)


def test_a_call_and_its_result_are_tied_by_their_id() -> None:
    """Arguments go as JSON text, in their own order; the result says which tool it is of."""
    call = ToolCall("get_weather", {"z": 1, "city": "Zürich"}, id="call_1")
    said, result = wire(USER, assistant(call, content="Let me see."), Message("tool", "12 °C", tool_call_id="call_1"))[
        1:
    ]

    assert "Let me see." == said["content"]
    [sent] = said["tool_calls"]
    assert ("call_1", "function", "get_weather") == (sent["id"], sent["type"], sent["function"]["name"])
    assert '{"z":1,"city":"Zürich"}' == sent["function"]["arguments"]
    assert {"role": "tool", "content": "12 °C", "tool_call_id": "call_1", "name": "get_weather"} == result


def ids(*messages: Message) -> tuple[list[str], list[tuple[str, str]]]:
    sent = wire(*messages)
    calls = [call["id"] for one in sent for call in one.get("tool_calls", ())]
    return calls, [(one.get("tool_call_id", ""), one["content"]) for one in sent if one["role"] == "tool"]


def test_calls_without_ids_get_ids_that_their_results_share() -> None:
    """Nine letters and digits, as the strictest templates want; results by name, else in order."""
    first = assistant(ToolCall("add", {}), ToolCall("get_weather", {}))
    again = assistant(ToolCall("add", {}))
    results = Message("tool", "12 °C", tool_name="get_weather"), Message("tool", "3")
    calls, answered = ids(USER, first, *results, again, Message("tool", "4"), USER)

    assert ["call00001", "call00002", "call00003"] == calls
    assert [("call00002", "12 °C"), ("call00001", "3"), ("call00003", "4")] == answered


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (Message("tool", "x", tool_call_id="other", tool_name="other"), {"tool_call_id": "other", "name": "other"}),
        (Message("tool", "x", tool_name="other"), {"name": "other"}),
        (Message("tool", "x", tool_call_id="b"), {"tool_call_id": "b", "name": "get_weather"}),
    ],
)
def test_a_result_keeps_what_the_caller_said_of_it(result: Message, expected: dict[str, str]) -> None:
    """Also where no such call is known."""
    calls = assistant(ToolCall("add", {}, "a"), ToolCall("get_weather", {}, "b"))
    assert {"role": "tool", "content": "x", **expected} == wire(USER, calls, result)[2]


def test_a_template_that_is_strict_about_ids_gets_such_as_it_takes() -> None:
    """A call and its result still share one, and those that are right already stay."""
    calls = assistant(ToolCall("add", {}, "call_abc"), ToolCall("add", {}, "Ab3dE6gh9"))
    results = Message("tool", "1", tool_call_id="Ab3dE6gh9"), Message("tool", "2", tool_call_id="call_abc")
    sent = conversation(Chat((calls, *results)), template="{%- if tool_call.id|length != 9 %}").messages
    assert ["call00001", "Ab3dE6gh9"] == [call["id"] for call in sent[0]["tool_calls"]]
    assert ["Ab3dE6gh9", "call00001"] == [one["tool_call_id"] for one in sent[1:]]


def test_a_result_without_a_call_is_handed_over() -> None:
    """A caller may have cut its history."""
    assert {"role": "tool", "content": "x"} == wire(Message("tool", "x"))[0]


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (PNG, {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}),
        (JPEG, {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,/9j/4A=="}}),
        (b"?", {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,Pw=="}}),
        (WAV, {"type": "input_audio", "input_audio": {"data": base64.b64encode(WAV).decode(), "format": "wav"}}),
        (MP3, {"type": "input_audio", "input_audio": {"data": "SUQzBA==", "format": "mp3"}}),
    ],
)
def test_pictures_and_sound_follow_the_text(data: bytes, part: dict[str, Any]) -> None:
    """Each as what its first bytes say that it is."""
    [message] = wire(Message("user", "What is it?", images=(data,)))
    assert [{"type": "text", "text": "What is it?"}, part] == message["content"]
    [message] = wire(Message("user", images=(data, data)))
    assert [part, part] == message["content"]


def tool(definition: dict[str, Any]) -> dict[str, Any]:
    [sent] = conversation(Chat((USER,), (Tool("get_weather", definition),))).tools
    return dict(sent)


def test_a_tool_is_handed_over_as_it_was_defined() -> None:
    """Every keyword of its schema, in its order."""
    definition = {"type": "function", "function": {**WEATHER, "strict": True}}
    assert json.dumps(definition) == json.dumps(tool(definition))


@pytest.mark.parametrize(
    "definition",
    [
        {"function": WEATHER},
        {"type": "", "function": {**WEATHER, "description": None}},
        {"type": "function", "function": {**WEATHER, "parameters": {**WEATHER["parameters"], "required": None}}},  # type: ignore[dict-item]
    ],
)
def test_what_the_engine_would_stumble_over_is_left_out_of_a_tool(definition: dict[str, Any]) -> None:
    """Clients write null for what is not there, and not all say that a tool is a function."""
    assert {"type": "function", "function": WEATHER} == tool(definition)


@pytest.mark.parametrize(
    ("think", "kwargs"),
    [
        (None, {}),
        (True, {"enable_thinking": True}),
        (False, {"enable_thinking": False}),
        ("low", {"enable_thinking": True, "reasoning_effort": "low"}),
        ("max", {"enable_thinking": True, "reasoning_effort": "max"}),
    ],
)
def test_what_was_said_of_thinking_reaches_the_template(think: Think, kwargs: dict[str, Any]) -> None:
    """On, off, a level, or nothing at all."""
    assert kwargs == conversation(Chat((USER,), think=think)).template_kwargs


def test_an_answer_that_the_caller_began_is_one_message() -> None:
    """The engine goes on with one message of the assistant's and refuses two; earlier turns are left alone."""
    earlier = Message("assistant", "A"), Message("assistant", "B"), USER
    begun = (
        Message("assistant", "Sure", thinking="Hm"),
        Message("assistant"),
        Message("assistant", "here", thinking="So"),
    )

    assert [
        {"role": "assistant", "content": "A"},
        {"role": "assistant", "content": "B"},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Sure\n\nhere", "reasoning_content": "Hm\n\nSo"},
    ] == wire(*earlier, *begun)


def test_an_answer_begun_with_nothing_is_not_begun() -> None:
    """An empty last message would leave the assistant's turn unopened."""
    assert [{"role": "user", "content": "Hi"}] == wire(USER, Message("assistant"))
