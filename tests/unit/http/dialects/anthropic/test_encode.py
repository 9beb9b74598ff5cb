import json
from typing import Any

import pytest

from puna.errors import (
    BodyTooLarge,
    CloudDisabled,
    ContextTooLong,
    InvalidRequest,
    LoadFailed,
    ModelNotFound,
    QueueFull,
)
from puna.events import Answer, Done, Event, PromptProgress, Text, Thinking, ToolCalled
from puna.http.dialects.anthropic import encode
from puna.types import ToolCall, Usage

REPLY = encode.Reply("msg_1", "able", stop_sequences=("END",), estimate=9)
CALL = ToolCall("add", {"b": 2, "a": "é"}, "call_1")
DONE = Done("stop", Usage(10, 3, cached_tokens=4))


def streamed(*events: Event | None, now: Any = None) -> list[dict[str, Any]]:
    """The data of the server-sent events for ``events``; each is named by its type."""
    times = iter(now or [0.0] * 100)
    stream = encode.Stream(REPLY, ping_every=5.0, clock=lambda: next(times))
    blocks = b"".join(map(stream.encode, events)).decode("ascii").split("\n\n")
    found = []
    for block in blocks[:-1]:
        name, data = block.split("\n")
        found.append(json.loads(data.removeprefix("data: ")))
        assert f"event: {found[-1]['type']}" == name
    assert "" == blocks[-1]
    return found


def test_a_stream_is_in_anthropics_order() -> None:
    """Reasoning, text, a call and text again: blocks counted from 0, each opened, filled and closed before the next."""
    start, *blocks, delta, stop = streamed(
        PromptProgress(5, 10, cached=4),
        Thinking("Hm"),
        Thinking("…"),
        Text("So: "),
        ToolCalled(CALL),
        Text("Done"),
        DONE,
    )

    assert {"input_tokens": 6, "output_tokens": 0, "cache_read_input_tokens": 4} == start["message"]["usage"]
    assert [
        ("content_block_start", 0, {"type": "thinking", "thinking": "", "signature": ""}),
        ("content_block_delta", 0, {"type": "thinking_delta", "thinking": "Hm"}),
        ("content_block_delta", 0, {"type": "thinking_delta", "thinking": "…"}),
        ("content_block_delta", 0, {"type": "signature_delta", "signature": encode.SIGNATURE}),
        ("content_block_stop", 0, None),
        ("content_block_start", 1, {"type": "text", "text": ""}),
        ("content_block_delta", 1, {"type": "text_delta", "text": "So: "}),
        ("content_block_stop", 1, None),
        ("content_block_start", 2, {"type": "tool_use", "id": "call_1", "name": "add", "input": {}}),
        ("content_block_delta", 2, {"type": "input_json_delta", "partial_json": '{"b":2,"a":"é"}'}),
        ("content_block_stop", 2, None),
        ("content_block_start", 3, {"type": "text", "text": ""}),
        ("content_block_delta", 3, {"type": "text_delta", "text": "Done"}),
        ("content_block_stop", 3, None),
    ] == [(one["type"], one["index"], one.get("content_block") or one.get("delta")) for one in blocks]
    assert {"stop_reason": "tool_use"} == delta["delta"]
    assert {"input_tokens": 6, "output_tokens": 3, "cache_read_input_tokens": 4} == delta["usage"]
    assert {"type": "message_stop"} == stop


def test_an_engine_that_counts_later_has_its_prompt_guessed() -> None:
    """A stream begins with a count; the end corrects it."""
    start, *_, delta, _ = streamed(Text("Hi"), DONE)
    assert 9 == start["message"]["usage"]["input_tokens"]
    assert 6 == delta["usage"]["input_tokens"]


def test_an_empty_answer_is_a_whole_stream() -> None:
    """Without any block, and empty pieces make none."""
    assert ["message_start", "message_delta", "message_stop"] == [
        one["type"] for one in streamed(Text(""), Thinking(""), Done("length"))
    ]


def test_silence_is_filled_with_pings() -> None:
    """After the start of the message, and no more often than promised, however often the engine reports."""
    events = [None, PromptProgress(1, 9), PromptProgress(2, 9), PromptProgress(3, 9)]
    assert ["message_start", "ping", "ping"] == [
        one["type"] for one in streamed(*events, now=[0.0, 6.0, 6.0, 7.0, 8.0, 11.0, 11.0])
    ]


@pytest.mark.parametrize(
    ("done", "stop"),
    [
        (Done("stop"), {"stop_reason": "end_turn"}),
        (Done("length"), {"stop_reason": "max_tokens"}),
        (Done("stop", stop_sequence="END"), {"stop_reason": "stop_sequence", "stop_sequence": "END"}),
        (Done("stop", stop_sequence="<|im_end|>"), {"stop_reason": "end_turn"}),
    ],
)
def test_the_reason_of_the_end_is_told(done: Done, stop: dict[str, str]) -> None:
    """A stop sequence is named when it is the caller's; the model's own are its way to end."""
    *_, delta, _ = streamed(done)
    assert stop == delta["delta"]
    whole = json.loads(encode.message(REPLY, Answer("x", "", (), (), done)))
    assert stop.items() <= whole.items()


def test_a_whole_answer_has_its_blocks() -> None:
    """Reasoning, text, calls; nothing is an empty list, since clients walk through it."""
    whole = json.loads(encode.message(REPLY, Answer("Hi", "Hm", (CALL,), (), DONE)))
    assert {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "model": "able",
        "content": [
            {"type": "thinking", "thinking": "Hm", "signature": encode.SIGNATURE},
            {"type": "text", "text": "Hi"},
            {"type": "tool_use", "id": "call_1", "name": "add", "input": {"b": 2, "a": "é"}},
        ],
        "stop_reason": "tool_use",
        "usage": {"input_tokens": 6, "output_tokens": 3, "cache_read_input_tokens": 4},
    } == whole
    assert [] == json.loads(encode.message(REPLY, Answer("", "", (), (), DONE)))["content"]


def test_a_cut_conversation_says_so() -> None:
    """Beside the counts, streamed or not."""
    done = Done("stop", prompt_truncated=True)
    *_, delta, _ = streamed(done)
    assert delta["usage"]["prompt_truncated"]
    assert json.loads(encode.message(REPLY, Answer("", "", (), (), done)))["usage"]["prompt_truncated"]


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (InvalidRequest("bad"), 400, "invalid_request_error"),
        (CloudDisabled("it is"), 403, "permission_error"),
        (ModelNotFound("x"), 404, "not_found_error"),
        (BodyTooLarge(3, 2), 413, "request_too_large"),
        (QueueFull(), 503, "overloaded_error"),
        (LoadFailed("bad"), 500, "api_error"),
        (ValueError("a secret"), 500, "api_error"),
    ],
)
def test_an_error_is_of_anthropics_kinds(error: Exception, status: int, kind: str) -> None:
    """As a body and as an event; what nobody foresaw keeps its text to itself."""
    assert status == encode.said(error)[0]
    body = json.loads(encode.error(error, "req_1"))
    assert ("error", kind, "req_1") == (body["type"], body["error"]["type"], body["request_id"])
    assert "secret" not in body["error"]["message"]
    assert b"event: error\ndata: " + encode.error(error, "req_1") + b"\n\n" == encode.error_event(error, "req_1")


def test_a_prompt_too_long_is_said_as_programs_know_it() -> None:
    """They look for these words, and then shorten the conversation."""
    assert (400, "prompt is too long: 900 tokens > 512 maximum") == encode.said(ContextTooLong(900, 512))
