import base64
import json
from typing import Any

import pytest

from puna.errors import CloudDisabled, InvalidRequest
from puna.http.dialects.anthropic import decode
from puna.types import ChatRequest, Message, Think, Tool, ToolCall, ToolChoice

HI = {"role": "user", "content": "Hi"}
PICTURE = {
    "type": "image",
    "source": {"type": "base64", "media_type": "image/png", "data": base64.b64encode(b"P").decode()},
}
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}


def request(**fields: Any) -> ChatRequest:
    return decode.messages(json.dumps({"model": "m", "max_tokens": 5, "messages": [HI]} | fields).encode()).request


def said(*messages: dict[str, Any], **fields: Any) -> tuple[Message, ...]:
    return request(messages=list(messages), **fields).messages


def test_the_settings_are_those_of_the_model() -> None:
    """Limits, sampling and stop sequences; what is not said is the model's own."""
    call = decode.messages(
        json.dumps(
            {
                "model": "M:local",
                "max_tokens": 5,
                "messages": [HI],
                "temperature": 0,
                "top_p": 0.5,
                "top_k": 3,
                "stop_sequences": ["END"],
                "stream": True,
                "metadata": {"user_id": "x"},
            }
        ).encode()
    )
    assert ("M:local", True, ("END",)) == (call.model, call.stream, call.stop_sequences)
    assert "M" == call.request.model
    assert {"num_predict": 5, "temperature": 0, "top_p": 0.5, "top_k": 3, "stop": ["END"]} == call.request.options
    assert {"num_predict": 5} == request().options


@pytest.mark.parametrize("system", ["Be brief.", [{"type": "text", "text": "Be "}, {"type": "text", "text": "brief."}]])
def test_a_system_prompt_leads(system: Any) -> None:
    """As one text or in blocks."""
    assert (Message("system", "Be brief."), Message("user", "Hi")) == said(HI, system=system)


def test_blocks_become_one_message() -> None:
    """Texts are joined, images kept, and what a model cannot be shown is left out."""
    text, more = {"type": "text", "text": "See "}, {"type": "text", "text": "this"}
    assert (Message("user", "See this", images=(b"P",)),) == said(
        {"role": "user", "content": [text, PICTURE, more, {"type": "redacted_thinking", "data": "x"}]}
    )


def test_documents_of_text_are_read() -> None:
    """A file that is not text cannot be, and is not silently ignored."""
    inner = {"type": "content", "content": [{"type": "text", "text": "b"}, PICTURE]}
    blocks = [{"type": "document", "source": source} for source in ({"type": "text", "data": "a"}, inner)]
    assert (Message("user", "ab", images=(b"P",)),) == said({"role": "user", "content": blocks})
    with pytest.raises(InvalidRequest, match="base64"):
        said({"role": "user", "content": [{"type": "document", "source": {"type": "base64", "data": ""}}]})


def test_a_round_of_tools_is_a_conversation() -> None:
    """Reasoning, call and result; results come before what the user says, and know the tool's name."""
    use = {"type": "tool_use", "id": "t1", "name": "add", "input": {"a": 1}}
    parts = [{"type": "text", "text": "one"}, PICTURE]
    results = [
        {"type": "text", "text": "Go on"},
        {"type": "tool_result", "tool_use_id": "t1", "content": parts},
        {"type": "tool_result", "tool_use_id": "t2", "content": "gone", "is_error": True},
        {"type": "tool_result", "tool_use_id": "t3"},
    ]
    thinking = {"type": "thinking", "thinking": "Hm", "signature": "x"}
    assert (
        Message("assistant", thinking="Hm", tool_calls=(ToolCall("add", {"a": 1}, "t1"),)),
        Message("tool", "one", tool_name="add", tool_call_id="t1"),
        Message("tool", "Error: gone", tool_call_id="t2"),
        Message("tool", tool_call_id="t3"),
        Message("user", "Go on", images=(b"P",)),
    ) == said({"role": "assistant", "content": [thinking, use]}, {"role": "user", "content": results})


def test_earlier_searches_are_shown() -> None:
    """Conversations that began elsewhere go on here."""
    use = {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "x"}}
    found = {
        "type": "web_search_tool_result",
        "tool_use_id": "s1",
        "content": [{"type": "web_search_result", "title": "T", "url": "U", "encrypted_content": "…"}],
    }
    assert (
        Message("assistant", tool_calls=(ToolCall("web_search", {"query": "x"}, "s1"),)),
        Message("tool", "- T: U", tool_name="web_search", tool_call_id="s1"),
    ) == said({"role": "assistant", "content": [use, found]})


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ({"type": "web_search_tool_result_error", "error_code": "max_uses_exceeded"}, "max_uses_exceeded"),
        ({"type": "web_search_tool_result_error"}, ""),
    ],
)
def test_a_search_that_failed_says_why(content: dict[str, str], text: str) -> None:
    """The model reads the name of the error, in Ollama's words."""
    (result,) = said({"role": "user", "content": [{"type": "web_search_tool_result", "content": content}]})
    assert ": ".join(filter(None, ("web_search_tool_result_error", text))) == result.content


def test_a_message_that_says_nothing_is_left_out() -> None:
    """Else a model would be shown an empty turn, and at the end go on from it."""
    assert (Message("user", "Hi"),) == said(HI, {"role": "assistant", "content": ""})
    assert () == said({"role": "user", "content": [{"type": "text", "text": ""}]})


def test_an_empty_stop_sequence_ends_nothing() -> None:
    """The others still do."""
    body = {"model": "m", "max_tokens": 5, "messages": [HI], "stop_sequences": ["", "END"]}
    call = decode.messages(json.dumps(body).encode())
    assert (["END"], ("END",)) == (call.request.options["stop"], call.stop_sequences)
    assert "stop" not in request(stop_sequences=[""]).options


def test_a_tool_is_offered_as_templates_know_it() -> None:
    """In OpenAI's form, with its schema; one without a schema takes nothing."""
    offered = request(
        tools=[{"name": "add", "description": "Adds", "input_schema": SCHEMA}, {"type": "custom", "name": "ping"}]
    ).tools
    nothing = {"type": "object", "properties": {}}
    assert (
        Tool("add", {"type": "function", "function": {"name": "add", "description": "Adds", "parameters": SCHEMA}}),
        Tool("ping", {"type": "function", "function": {"name": "ping", "parameters": nothing}}),
    ) == offered


@pytest.mark.parametrize(
    ("choice", "meant"),
    [
        (None, ToolChoice()),
        ({"type": "auto", "disable_parallel_tool_use": True}, ToolChoice(parallel=False)),
        ({"type": "none"}, ToolChoice("none")),
        ({"type": "any"}, ToolChoice("required")),
        ({"type": "tool", "name": "add", "disable_parallel_tool_use": True}, ToolChoice("required", ("add",), False)),
    ],
)
def test_the_choice_of_a_tool_is_kept(choice: Any, meant: ToolChoice) -> None:
    """In each of its forms."""
    assert meant == request(tool_choice=choice).tool_choice


@pytest.mark.parametrize(
    ("fields", "think"),
    [
        ({}, None),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, True),
        ({"thinking": {"type": "disabled"}, "output_config": {"effort": "high"}}, False),
        ({"thinking": {"type": "adaptive"}}, True),
        ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}, "low"),
        ({"output_config": {"effort": "xhigh"}}, "high"),
        ({"output_config": {"effort": "max"}}, "max"),
        ({"output_config": {"effort": "unheard of"}}, None),
    ],
)
def test_reasoning_is_asked_for_in_each_form(fields: dict[str, Any], think: Think) -> None:
    """And dropped where a model knows none."""
    asked = request(**fields)
    assert (think, True) == (asked.think, asked.think_if_able)


@pytest.mark.parametrize("name", ["output_config", "output_format"])
def test_an_answer_can_be_bound_to_a_schema(name: str) -> None:
    """In today's form and in the one before."""
    format_ = {"type": "json_schema", "schema": SCHEMA}
    assert SCHEMA == request(**{name: {"format": format_} if name == "output_config" else format_}).format


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"model": ""}, "model is required"),
        ({"max_tokens": None}, "max_tokens is required and must be positive"),
        ({"max_tokens": -1}, "max_tokens is required and must be positive"),
        ({"messages": []}, "messages is required"),
        ({"messages": "Hi"}, "messages: must be a list"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role"),
        ({"messages": [{"role": "user"}]}, "messages.0.content"),
        ({"messages": [{"role": "user", "content": [{"type": "image"}]}]}, "invalid image source"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": "x"}}]}]},
            "invalid image source type: url. Only base64 images are supported.",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "base64", "data": "@"}}]}]},
            "invalid base64 image data",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "base64"}}]}]},
            "invalid base64 image data",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "tool_result", "content": [{"type": "image"}]}]}]},
            "invalid tool_result image source",
        ),
        (
            {"messages": [{"role": "assistant", "content": [{"type": "tool_use", "name": "x"}]}]},
            "tool_use block missing required 'id' field",
        ),
        (
            {"messages": [{"role": "assistant", "content": [{"type": "tool_use", "id": "x"}]}]},
            "tool_use block missing required 'name' field",
        ),
        ({"system": 3}, "system"),
        ({"tools": {}}, "tools"),
        ({"tools": [{}]}, "tools.0.name"),
        ({"tools": [{"type": "bash_20250124", "name": "bash"}]}, "tools.0.type"),
        ({"tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ({"tool_choice": {"type": "all"}}, "tool_choice.type"),
        ({"output_config": {"format": {"type": "grammar"}}}, "output_config.format"),
    ],
)
def test_what_is_wrong_is_named(fields: dict[str, Any], text: str) -> None:
    """In Ollama's words where it has some."""
    with pytest.raises(InvalidRequest) as raised:
        request(**fields)
    assert text in str(raised.value)


def test_nothing_is_searched_in_the_web() -> None:
    """A tool that only Anthropic's servers have is refused, not forgotten."""
    with pytest.raises(CloudDisabled):
        request(tools=[{"type": "web_search_20250305", "name": "web_search"}])
    with pytest.raises(CloudDisabled):
        request(model="m:cloud", max_tokens=0)


def test_counting_needs_no_limit() -> None:
    """The same body without max_tokens."""
    asked = decode.count_tokens(json.dumps({"model": "m", "messages": [HI], "system": "Be brief."}).encode())
    assert (Message("system", "Be brief."), Message("user", "Hi")) == asked.messages
