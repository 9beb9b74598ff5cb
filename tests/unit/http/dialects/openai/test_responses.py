"""Bodies of /v1/responses, the conversation their items mean, and the events and objects that answer them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from puna.errors import CloudDisabled, InvalidRequest
from puna.events import Answer, Done, Event, Text, Thinking, ToolCalled
from puna.http.dialects.openai import replies
from puna.http.dialects.openai.responses.decode import Call, decode
from puna.http.dialects.openai.responses.encode import Words
from puna.http.dialects.openai.responses.items import items, messages
from puna.types import ChatRequest, Message, ToolCall, Usage

CALL = ToolCall("weather", {"city": "Paris"}, "call_1", 0)
END = Done("stop", Usage(5, 3, 2, 1))


def call(**fields: Any) -> Call:
    return decode(json.dumps({"model": "m", **fields}).encode(), "resp_1", 100)


def asked(**fields: Any) -> ChatRequest:
    return call(**fields).asked([])


def test_a_text_is_what_the_user_says() -> None:
    """Instructions are the system's message."""
    request = asked(input="Hi", instructions="Be brief", max_output_tokens=5, temperature=0)
    assert (Message("system", "Be brief"), Message("user", "Hi")) == request.messages
    assert {"num_predict": 5, "temperature": 0} == request.options


def test_items_make_turns() -> None:
    """Reasoning, text and calls of one turn are one message, and a result knows its tool."""
    turn = [
        {"role": "user", "content": [{"type": "input_text", "text": "Weather?"}]},
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "Hm."},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Let me see."}]},
        {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": '{"city":"Paris"}'},
        {"type": "function_call", "call_id": "c2", "name": "weather", "arguments": '{"city":"Rome"}'},
        {"type": "function_call_output", "call_id": "c2", "output": "20C"},
        {"type": "web_search_call"},
        {"type": "message", "role": "developer", "content": "Be kind"},
    ]
    calls = ToolCall("weather", {"city": "Paris"}, "c1"), ToolCall("weather", {"city": "Rome"}, "c2", 1)
    assert messages("", turn) == (
        Message("user", "Weather?"),
        Message("assistant", "Let me see.", thinking="Hm.", tool_calls=calls),
        Message("tool", "20C", tool_name="weather", tool_call_id="c2"),
        Message("system", "Be kind"),
    )


def test_the_parts_of_a_text_are_one_text() -> None:
    """A text that was told in several parts is the same when it is sent back."""
    parts = [{"type": "output_text", "text": "Sun"}, {"type": "output_text", "text": "day"}]
    said = {"type": "message", "role": "assistant", "content": parts}
    output = {"type": "function_call_output", "call_id": "c", "output": parts}
    expected = Message("assistant", "Sunday"), Message("tool", "Sunday", tool_call_id="c")
    assert expected == messages("", [said, output])


def test_calls_after_reasoning_are_a_message() -> None:
    """Reasoning belongs to what follows it, and one that nothing follows stands alone."""
    thought = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]}
    called = {"type": "function_call", "call_id": "c", "name": "ping", "arguments": ""}
    expected = Message("assistant", thinking="Hm.", tool_calls=(ToolCall("ping", {}, "c"),))
    assert (expected, Message("assistant", thinking="Hm.")) == messages("", [thought, called, thought])


def test_an_error_counts_as_the_caller_does() -> None:
    """Items of earlier responses are not theirs to correct."""
    with pytest.raises(InvalidRequest) as refused:
        messages("", [{"role": "user", "content": "a"}, {"type": "video"}], 1)
    assert str(refused.value) == 'input[0]: unknown input item type: "video"'


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"input": 5}, "input must be a string or array: json: cannot unmarshal number"),
        ({"input": [{"role": "user", "content": [{"type": "input_file"}]}]}, "file inputs are not currently supported"),
        ({"input": [{"role": "user", "content": 5}]}, "input[0]: content must be a string or array"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_text", "text": "a"}, {"type": "video"}]}]},
            "input[0]: content[1]: unknown content type: video",
        ),
        (
            {"input": [{"type": "function_call_output", "call_id": "c", "output": [{"type": "video"}]}]},
            "input[0]: output[0]: unknown content type: video",
        ),
        ({"input": "x", "tools": {}}, "tools must be a list"),
        (
            {"input": "x", "tools": [{"type": "namespace", "name": "n", "tools": 5}]},
            "ResponsesTool.tools of type []openai.ResponsesTool",
        ),
        (
            {"input": "x", "tools": [{"type": "namespace", "name": "n", "tools": [5]}]},
            "ResponsesTool.tools of type openai.ResponsesTool",
        ),
        ({"input": [{"type": "reasoning", "summary": 5}]}, "ResponsesInput.summary"),
        ({"input": "x", "conversation": "conv_1"}, "conversation is not supported"),
        ({"input": "x", "background": True}, "background is not supported"),
        ({"input": "x", "truncation": "some"}, "truncation must be"),
        ({"input": "x", "model": ""}, "model is required"),
        ({"input": "x", "text": {"format": {"type": "json_schema"}}}, "text.format: a json_schema needs a schema"),
    ],
)
def test_what_cannot_be_done_is_refused(fields: dict[str, Any], text: str) -> None:
    """The error says which field it is."""
    with pytest.raises(InvalidRequest) as refused:
        asked(**fields)
    assert text in str(refused.value)


def test_nothing_asked_is_no_message() -> None:
    """The model is only loaded."""
    assert () == asked().messages
    assert [] == items("")


def test_tools_are_offered_and_repeated() -> None:
    """Members of a namespace have its name; what only OpenAI can run is not offered."""
    add = {"type": "function", "name": "add", "parameters": {"type": "object"}}
    wanted = call(input="x", tools=[add, {"type": "namespace", "name": "n", "tools": [add]}, {"type": "web_search"}])
    assert ["add", "n.add"] == [tool.name for tool in wanted.request.tools]
    assert {**add, "description": None, "strict": None} == wanted.echo.tools[0]
    assert {"type": "web_search"} == wanted.echo.tools[2]


def test_a_tool_of_no_type_is_a_function() -> None:
    """What else could have a name and parameters?"""
    wanted = call(input="x", tools=[{"name": "ping"}])
    assert ["ping"] == [tool.name for tool in wanted.request.tools]
    assert {"type": "function", "name": "ping"}.items() <= wanted.echo.tools[0].items()


def test_the_reply_repeats_what_was_asked() -> None:
    """And is kept unless that is not wanted."""
    echo = call(input="x", metadata={"a": "b"}, previous_response_id="resp_0", tool_choice="none", store=False).echo
    assert ({"a": "b"}, "resp_0", "none", False) == (
        echo.metadata,
        echo.previous_response_id,
        echo.tool_choice,
        echo.store,
    )
    assert call(input="x").echo.store


def test_a_reply_has_the_settings_that_were_not_said() -> None:
    """A limit of nothing is one, reasoning without words is none, and a text always has a format."""
    text = {"format": {"type": "text"}}
    echo = call(input="x", max_output_tokens=0, reasoning={}, text={"verbosity": "low"}).echo
    assert (0, None, {"verbosity": "low", **text}) == (echo.max_output_tokens, echo.reasoning, echo.text)
    assert (None, text) == (call(input="x").echo.max_output_tokens, call(input="x").echo.text)


def test_a_cloud_model_is_refused_before_all_else() -> None:
    """Whatever else is wrong: it would not help to mend it."""
    with pytest.raises(CloudDisabled):
        call(model="m:cloud", input=5)


def test_cutting_is_the_callers_choice() -> None:
    """Where they say that nothing may be cut, nothing is."""
    assert not asked(input="x", truncation="disabled").truncate
    assert asked(input="x", truncation="auto").truncate


def stream(*events: Event) -> list[Any]:
    words = Words(call(input="x").echo, lambda: 200)
    said = b"".join(piece for event in events for piece in words.events(event)) + words.last()
    found = []
    for block in said.decode().split("\n\n")[:-1]:
        name, data = block.split("\n")
        found.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {found[-1]['type']}"
    assert list(range(len(found))) == [event["sequence_number"] for event in found]
    return found


def test_a_stream_of_text() -> None:
    """The events are OpenAI's, in their order."""
    events = stream(Text("a"), Text("b"), END)
    assert [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ] == [event["type"] for event in events]
    assert "in_progress" == events[0]["response"]["status"]
    assert "ab" == events[6]["text"]
    last = events[-1]["response"]
    assert ("completed", 200, "ab") == (last["status"], last["completed_at"], last["output"][0]["content"][0]["text"])
    assert {"input_tokens": 5, "output_tokens": 3, "total_tokens": 8} == {
        key: last["usage"][key] for key in ("input_tokens", "output_tokens", "total_tokens")
    }
    assert last["usage"]["input_tokens_details"] == {"cached_tokens": 2}
    assert {"reasoning_tokens": 1} == last["usage"]["output_tokens_details"]


def test_a_stream_of_everything() -> None:
    """Reasoning, text and calls are items of their own, each ended before the next; nothing is dropped."""
    events = stream(Thinking("H"), Thinking("m"), Text("See."), ToolCalled(CALL), Text("Then"), END)
    output = events[-1]["response"]["output"]
    assert ["reasoning", "message", "function_call", "message"] == [item["type"] for item in output]
    assert ("Hm", "Hm") == (output[0]["encrypted_content"], output[0]["summary"][0]["text"])
    assert ("call_1", '{"city":"Paris"}') == (output[2]["call_id"], output[2]["arguments"])
    open_item = None
    for event in events:
        if event["type"] == "response.output_item.added":
            assert open_item is None
            open_item = event["output_index"]
        if event["type"] == "response.output_item.done":
            assert open_item == event["output_index"]
            open_item = None
    assert [item["id"] for item in output] == [
        event["item"]["id"] for event in events if event["type"] == "response.output_item.added"
    ]


def test_reasoning_is_repeated_for_the_caller_once_it_is_whole() -> None:
    """An item that has only begun has nothing to send back."""
    added, done = (
        event["item"]
        for event in stream(Thinking("H"), Thinking("m"), END)
        if event["type"].startswith("response.output_item") and event["item"]["type"] == "reasoning"
    )
    assert {"type": "reasoning", "id": done["id"], "summary": []} == added
    assert "Hm" == done["encrypted_content"]


def test_nothing_said_is_an_empty_message() -> None:
    """A response has output in every case."""
    assert "" == stream(END)[-1]["response"]["output"][0]["content"][0]["text"]


def test_a_cut_answer_is_not_called_complete() -> None:
    """It says so, and why."""
    last = stream(Text("a"), Done("length", Usage(5, 1)))[-1]
    assert "response.incomplete" == last["type"]
    response = last["response"]
    assert ("incomplete", {"reason": "max_output_tokens"}) == (response["status"], response["incomplete_details"])
    assert "incomplete" == response["output"][0]["status"]


def test_an_error_is_the_end_of_a_stream() -> None:
    """What had been said is still there, and not called complete; nothing of it is kept."""
    words = Words(call(input="x").echo, lambda: 200)
    said = list(words.events(Text("a")))
    failed = json.loads(words.failed(InvalidRequest("it broke")).decode().split("data: ")[1])
    assert len(said) == failed["sequence_number"]
    response = failed["response"]
    assert ("failed", "it broke", False) == (response["status"], response["error"]["message"], response["store"])
    assert [("incomplete", "a")] == [(item["status"], item["content"][0]["text"]) for item in response["output"]]


def test_a_whole_reply() -> None:
    """It has the items that a stream would have had."""
    words = Words(call(input="x").echo, lambda: 200)
    reply = json.loads(bytes(replies.json(words.whole(Answer("See.", "Hm", (CALL,), (), END))).body))
    assert ["reasoning", "message", "function_call"] == [item["type"] for item in reply["output"]]
    assert {"format": {"type": "text"}} == reply["text"]
