"""Bodies of /v1/chat/completions say what they say to OpenAI, and what puna adds; replies are in OpenAI's words."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from puna.errors import CloudDisabled, InvalidRequest
from puna.events import Answer, Done, Event, PromptProgress, Rendered, Text, Thinking, ToolCalled
from puna.http.dialects.openai import replies
from puna.http.dialects.openai.chat import decode, seeded
from puna.http.dialects.openai.encode import ChatWords
from puna.types import ChatRequest, Message, TokenLogprob, ToolCall, ToolChoice, Usage

PNG = b"\x89PNG\r\n\x1a\n"
PNG_URL = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
SAY_HI = {"role": "user", "content": "Hi"}
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}


def asked(**fields: Any) -> ChatRequest:
    return decode(json.dumps({"model": "m", "messages": [SAY_HI]} | fields).encode()).request


def refusal(**fields: Any) -> str:
    with pytest.raises(InvalidRequest) as refused:
        asked(**fields)
    return str(refused.value)


def test_a_chat_that_says_nothing_more_is_sampled_as_with_openai() -> None:
    """Temperature and top_p are 1, whatever the model's own are."""
    request = asked()
    assert {"temperature": 1.0, "top_p": 1.0} == request.options
    assert (Message("user", "Hi"),) == request.messages
    assert (None, None, ToolChoice()) == (request.format, request.think, request.tool_choice)


def test_sampling_has_openais_names() -> None:
    """Each field sets the option that is the same to Ollama."""
    options = asked(
        temperature=0, top_p=0.5, frequency_penalty=0.1, presence_penalty=-0.2, seed=7, stop="x", max_tokens=9
    ).options
    expected = {"temperature": 0, "top_p": 0.5, "frequency_penalty": 0.1, "presence_penalty": -0.2}
    assert {**expected, "seed": 7, "stop": ["x"], "num_predict": 9} == options


def test_the_newer_name_of_a_limit_wins() -> None:
    """Programs that send both mean the newer."""
    assert asked(max_tokens=9, max_completion_tokens=3).options["num_predict"] == 3


def test_options_of_ollama_may_stand_beside() -> None:
    """What a field says wins over the same option, and an option over what OpenAI would take."""
    request = asked(options={"top_k": 5, "temperature": 0.3, "seed": 1}, seed=2, num_ctx=512, keep_alive="10m")
    assert {"top_k": 5, "temperature": 0.3, "seed": 2, "num_ctx": 512, "top_p": 1.0} == request.options
    assert request.keep_alive == 600


@pytest.mark.parametrize(
    ("effort", "think"),
    [("none", False), ("minimal", "low"), ("low", "low"), ("medium", "medium"), ("xhigh", "max"), ("ultra", "max")],
)
def test_effort_is_thinking(effort: str, think: Any) -> None:
    """In either of the two places where OpenAI has it."""
    assert think == asked(reasoning_effort=effort).think
    assert think == asked(reasoning={"effort": effort}).think


def test_think_is_taken_too() -> None:
    """As Ollama's own routes take it."""
    assert asked(think=False, reasoning_effort="high").think is False


@pytest.mark.parametrize(
    ("value", "choice"),
    [
        (None, ToolChoice()),
        ("auto", ToolChoice()),
        ("none", ToolChoice("none")),
        ("required", ToolChoice("required")),
        ({"type": "function", "function": {"name": "weather"}}, ToolChoice("required", ("weather",), parallel=False)),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [WEATHER]}},
            ToolChoice("auto", ("weather",)),
        ),
        (
            {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "weather"}]},
            ToolChoice("required", ("weather",)),
        ),
        ({"type": "allowed_tools", "mode": "auto", "tools": [{"type": "web_search"}]}, ToolChoice("none")),
    ],
)
def test_tool_choice(value: Any, choice: ToolChoice) -> None:
    """A named function is called exactly once; of allowed tools, those that run here, in either form."""
    assert choice == asked(tools=[WEATHER], tool_choice=value).tool_choice


def test_one_call_at_a_time() -> None:
    """parallel_tool_calls is part of the choice."""
    assert ToolChoice(parallel=False) == asked(tools=[WEATHER], parallel_tool_calls=False).tool_choice


def test_formats() -> None:
    """A schema is passed on as it is."""
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    assert asked(response_format={"type": "json_object"}).format == "json"
    assert asked(response_format={"type": " JSON_object"}).format == "json"
    assert asked(response_format={"type": "text"}).format is None
    wanted = {"type": "json_schema", "json_schema": {"name": "a", "strict": True, "schema": schema}}
    assert schema == asked(response_format=wanted).format


def test_parts_are_one_message() -> None:
    """Text and picture of one turn stay together."""
    parts = [
        {"type": "text", "text": "What is"},
        {"type": "image_url", "image_url": {"url": PNG_URL}},
        {"type": "text", "text": "this?"},
        {"type": "image_url", "image_url": PNG_URL},
        {"type": "input_audio", "input_audio": {"data": base64.b64encode(b"RIFF").decode(), "format": "wav"}},
    ]
    request = asked(messages=[{"role": "user", "content": parts}])
    assert (Message("user", "What is\nthis?", images=(PNG, PNG, b"RIFF")),) == request.messages


def test_a_developer_speaks_as_the_system() -> None:
    """Models were made to know the system's messages."""
    assert asked(messages=[{"role": "developer", "content": "Be brief"}]).messages == (Message("system", "Be brief"),)


def test_a_result_is_its_tools() -> None:
    """Templates name the tool whose result it is, which OpenAI's messages do not."""
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Paris"}'}}
    history = [
        {"role": "assistant", "tool_calls": [call], "reasoning": "Hm."},
        {"role": "tool", "tool_call_id": "c1", "content": "18C"},
    ]
    assert asked(messages=history).messages == (
        Message("assistant", thinking="Hm.", tool_calls=(ToolCall("weather", {"city": "Paris"}, "c1"),)),
        Message("tool", "18C", tool_name="weather", tool_call_id="c1"),
    )


def test_an_empty_stop_ends_nothing() -> None:
    """Else the answer would have no text."""
    assert [[], ["END"]] == [asked(stop=stop).options["stop"] for stop in ("", ["", "END"])]


def test_a_message_may_have_no_calls_and_no_content() -> None:
    """Programs that send back what a model said leave the list of its calls empty."""
    assert (Message("assistant"),) == asked(
        messages=[{"role": "assistant", "content": None, "tool_calls": []}]
    ).messages


def test_logit_bias_is_by_token() -> None:
    """Keys of JSON are strings, tokens are numbers."""
    assert asked(logit_bias={"42": -100, "7": 0.5}).logit_bias == {42: -100, 7: 0.5}


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"messages": []}, "[] is too short - 'messages'"),
        ({"messages": "Hi"}, "ChatCompletionRequest.messages of type []openai.Message"),
        ({"tools": {}}, "ChatCompletionRequest.tools of type []api.Tool"),
        ({"model": ""}, "model is required"),
        ({"messages": [{"role": "user", "content": 5}]}, "invalid message content type: float64"),
        ({"messages": [{"role": "user"}]}, "invalid message content type: <nil>"),
        ({"messages": [{"role": "user", "content": [{"type": "video"}]}]}, "invalid message format"),
        ({"messages": [{"role": "user", "content": ["Hi"]}]}, "invalid message format"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "invalid message format"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": 5}]}]}, "invalid message format"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "invalid message format"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": 5}}]}]},
            "invalid message format",
        ),
        ({"temperature": "hot"}, "ChatCompletionRequest.temperature of type float64"),
        ({"top_logprobs": 21}, "top_logprobs must be between 0 and 20"),
        ({"n": 0}, "n must be between 1 and 128"),
        ({"stop": [1]}, "invalid type for 'stop' field: float64"),
        ({"reasoning_effort": "much"}, 'invalid reasoning value: "much"'),
        ({"response_format": {"type": "yaml"}}, 'invalid type "yaml"'),
        ({"response_format": {"type": "json_schema"}}, "needs a schema"),
        ({"tool_choice": "weather"}, "tool_choice must be"),
        ({"tools": [{"type": "function", "function": {}}]}, "must have a name"),
        ({"tools": [{"type": "custom", "name": "x"}]}, 'of the type "custom" are not supported'),
        ({"logit_bias": {"x": 1}}, '"x" is not the number of a token'),
        ({"logit_bias": {"1": 101}}, "from -100 to 100"),
    ],
)
def test_what_cannot_be_meant_is_refused(fields: dict[str, Any], text: str) -> None:
    """The error says which field it is."""
    assert text in refusal(**fields)


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("http://127.0.0.1/x.png", "image URLs are not currently supported, please use base64 encoded data instead"),
        ("data:image/png;base64,@@@", "invalid image input"),
        ("data:text/plain;base64,eA==", "invalid image input"),
        ("data:image/png;base64,", "invalid image input"),
    ],
)
def test_only_pictures_in_the_message_are_taken(url: str, text: str) -> None:
    """Nothing is fetched from anywhere."""
    assert text == refusal(messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}])


def test_arguments_must_be_json() -> None:
    """They go into the prompt as an object."""
    call = {"id": "c", "function": {"name": "f", "arguments": "{"}}
    assert refusal(messages=[{"role": "assistant", "tool_calls": [call]}]) == "invalid tool call arguments"


def test_a_cloud_model_is_refused_in_ollamas_words() -> None:
    """This error alone has the form that Ollama gives it on every route."""
    with pytest.raises(CloudDisabled) as refused:
        asked(model="gpt-oss:120b-cloud", messages=[])
    reply = replies.refuse(refused.value)
    assert reply.status_code == 403
    assert {"error": "ollama cloud is disabled: remote model is unavailable"} == json.loads(bytes(reply.body))


def test_each_of_several_answers_has_a_seed_of_its_own() -> None:
    """Else all would be the same."""
    assert [7, 8] == [seeded({"seed": 7}, at)["seed"] for at in range(2)]
    assert seeded({"seed": -1}, 3) == {"seed": -1}


def words(*, include_usage: bool = False) -> ChatWords:
    return ChatWords("chatcmpl-1", "m", include_usage=include_usage)


def said(events: list[Event], *, include_usage: bool = False) -> list[Any]:
    speaker = words(include_usage=include_usage)
    blocks = b"".join(speaker.chunks(0, 1, event) for event in events).decode().split("\n\n")
    assert blocks.pop() == ""
    assert blocks.pop() == "data: [DONE]"
    return [json.loads(block.removeprefix("data: ")) for block in blocks]


CALL = ToolCall("weather", {"city": "Paris"}, "call_1", 0)
END = Done("stop", Usage(5, 3, 2, 1))


def test_a_stream() -> None:
    """The role is said once, content is always a string, and the end has a reason and nothing else."""
    chunks = said([PromptProgress(1, 5), Thinking("Hm"), Text("a"), Text("b"), END])
    assert [
        {"role": "assistant", "content": "", "reasoning": "Hm"},
        {"content": "a"},
        {"content": "b"},
        {},
    ] == [chunk["choices"][0]["delta"] for chunk in chunks]
    assert [None, None, None, "stop"] == [chunk["choices"][0]["finish_reason"] for chunk in chunks]
    assert {("chatcmpl-1", "chat.completion.chunk", "m", "fp_ollama")} == {
        (chunk["id"], chunk["object"], chunk["model"], chunk["system_fingerprint"]) for chunk in chunks
    }
    assert not any("usage" in chunk for chunk in chunks)


def test_usage_is_one_chunk_more() -> None:
    """It has no choices; it tells which of the tokens were kept from before, and which are reasoning."""
    assert {
        "prompt_tokens": 5,
        "completion_tokens": 3,
        "total_tokens": 8,
        "prompt_tokens_details": {"cached_tokens": 2},
        "completion_tokens_details": {"reasoning_tokens": 1},
    } == said([Text("a"), END], include_usage=True)[-1]["usage"]


def test_nothing_said_is_an_empty_message() -> None:
    """Clients get a message in every case."""
    assert {"role": "assistant", "content": ""} == said([END])[0]["choices"][0]["delta"]


def test_a_tool_call_comes_whole() -> None:
    """Its arguments are JSON in a string, and the reason says that there was one."""
    chunks = said([ToolCalled(CALL), END])
    expected = {"id": "call_1", "index": 0, "type": "function"}
    function = {"name": "weather", "arguments": '{"city":"Paris"}'}
    delta = {"role": "assistant", "content": "", "tool_calls": [{**expected, "function": function}]}
    assert delta == chunks[0]["choices"][0]["delta"]
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"


def test_a_stream_of_several_answers_ends_once() -> None:
    """Each has its role and its reason; what they took is told together."""
    speaker = words(include_usage=True)
    events: list[tuple[int, Event]] = [(1, Text("b")), (0, Text("a")), (1, Done("length", Usage(5, 1))), (0, END)]
    blocks = b"".join(speaker.chunks(at, 2, event) for at, event in events).decode().split("\n\n")
    chunks = [json.loads(block[6:]) for block in blocks[:-2]]
    told = [(one["index"], one["delta"].get("role"), one["finish_reason"]) for c in chunks for one in c["choices"]]
    expected = [(1, "assistant", None), (0, "assistant", None), (1, None, "length"), (0, None, "stop")]
    assert expected == told
    assert chunks[-1]["usage"]["completion_tokens"] == 4
    assert 1 == sum(block == "data: [DONE]" for block in blocks)


def test_a_whole_reply() -> None:
    """Reasoning, text, calls and probabilities of each answer, and what all took; the prompt counts once."""
    token = TokenLogprob("a", -0.5, (97,), (TokenLogprob("b", -1.5, (98,)),))
    answers = [Answer("a", "Hm", (CALL,), (token,), END), Answer("b", "", (), (), Done("length", Usage(5, 4)))]
    reply = json.loads(bytes(replies.json(words().whole(answers)).body))
    first, second = reply["choices"]
    assert first["message"]["reasoning"] == "Hm"
    assert first["finish_reason"] == "tool_calls"
    top = {"token": "b", "logprob": -1.5, "bytes": [98]}
    expected = {"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": [top]}
    assert {"content": [expected]} == first["logprobs"]
    assert {"index": 1, "message": {"role": "assistant", "content": "b"}, "finish_reason": "length"} == second
    assert (5, 7) == (reply["usage"]["prompt_tokens"], reply["usage"]["completion_tokens"])


def test_fields_are_in_ollamas_order() -> None:
    """For those who read a reply with their own eyes."""
    reply = json.loads(bytes(replies.json(words().whole([Answer("", "", (CALL,), (), END)])).body))
    fields = ["id", "object", "created", "model", "system_fingerprint", "choices", "usage"]
    assert fields == list(reply)
    (call,) = reply["choices"][0]["message"]["tool_calls"]
    assert ["id", "index", "type", "function"] == list(call)
    assert fields[:-1] == list(said([END])[0])


def test_a_cut_conversation_is_told() -> None:
    """It stands beside the counts, and only where it is so."""
    cut = Done("stop", Usage(5, 3), prompt_truncated=True)
    assert words().whole([Answer("a", "", (), (), cut)]).usage.prompt_truncated  # type: ignore[union-attr]


def test_a_rendered_prompt() -> None:
    """It comes beside an empty message."""
    reply = json.loads(bytes(replies.json(words().rendered(Rendered("<hi>", 1))).body))
    assert {"rendered_template": "<hi>", "image_count": 1} == reply["_debug_info"]
