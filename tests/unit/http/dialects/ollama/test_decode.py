"""Bodies of Ollama's API become puna's requests, and mistakes in them clear refusals."""

from __future__ import annotations

import json
from typing import Any

import pytest

from puna.durations import FOREVER
from puna.errors import CloudDisabled, InvalidRequest, ModelNotFound, PunaError
from puna.http.dialects.ollama import decode
from puna.http.dialects.ollama.decode import Reply
from puna.types import ChatRequest, CreateRequest, GenerateRequest, Message, Tool, ToolCall


def generate(**body: Any) -> decode.Call[GenerateRequest]:
    return decode.generate(json.dumps({"model": "smol", "prompt": "Hi", **body}).encode())


def chat(**body: Any) -> decode.Call[ChatRequest]:
    messages = [{"role": "user", "content": "Hi"}]
    return decode.chat(json.dumps({"model": "smol", "messages": messages, **body}).encode())


def refusal(call: Any) -> tuple[type[PunaError], str]:
    with pytest.raises(PunaError) as caught:
        call()
    return type(caught.value), str(caught.value)


def test_a_prompt_is_enough():
    """Everything but the model and the prompt has a default; replies stream."""
    call = generate()

    assert GenerateRequest("smol", prompt="Hi") == call.request
    assert ("smol", Reply.STREAM, None) == (call.model, call.reply, call.fault)


def test_every_field_of_generate_arrives():
    """Nothing a caller says is lost."""
    call = generate(
        suffix="after",
        system="be brief",
        template="{{ .Prompt }}",
        context=[1, 2],
        stream=False,
        raw=True,
        format={"type": "object"},
        keep_alive="10m",
        images=["aGk="],
        options={"Seed": 1, "temperature": 0},
        think="high",
        truncate=False,
        shift=False,
        logprobs=True,
        top_logprobs=3,
    )

    assert Reply.WHOLE is call.reply
    assert (
        GenerateRequest(
            "smol",
            options={"Seed": 1, "temperature": 0},
            keep_alive=600.0,
            format={"type": "object"},
            think="high",
            truncate=False,
            shift=False,
            logprobs=True,
            top_logprobs=3,
            prompt="Hi",
            suffix="after",
            system="be brief",
            template="{{ .Prompt }}",
            context=(1, 2),
            raw=True,
            images=(b"hi",),
        )
        == call.request
    )


def test_every_field_of_a_message_arrives():
    """Roles are lower-cased, images decoded, and arguments keep their keys and order."""
    call = chat(
        messages=[
            {"Role": "USER", "Content": "look", "images": ["aGk="]},
            {"role": "assistant", "thinking": "hm", "tool_calls": [
                {"ID": "call_1", "Function": {"Name": "f", "Index": 1, "arguments": {"B": 1, "a": {"C": None}}}},
                {"function": {"name": "g"}},
            ]},
            {"role": "tool", "content": "18", "tool_name": "f", "tool_call_id": "call_1"},
            None,
        ]
    )  # fmt: skip

    assert (
        Message("user", "look", images=(b"hi",)),
        Message(
            "assistant",
            thinking="hm",
            tool_calls=(ToolCall("f", {"B": 1, "a": {"C": None}}, "call_1", 1), ToolCall("g", {})),
        ),
        Message("tool", "18", tool_name="f", tool_call_id="call_1"),
        Message(""),
    ) == call.request.messages
    assert ["B", "a"] == list(call.request.messages[1].tool_calls[0].arguments)


def test_tools_keep_their_definition():
    """What puna does not know of a tool is passed on; only the fields it knows have no case."""
    definition = {"Type": "function", "function": {"NAME": "f", "parameters": {"Type": "object"}, "strict": True}}
    call = chat(tools=[definition])

    assert (
        Tool(
            "f",
            {"type": "function", "function": {"name": "f", "parameters": {"Type": "object"}, "strict": True}},
        ),
    ) == call.request.tools


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (0, 0.0),
        (1.5, 1.5),
        (-1, FOREVER),
        (10**400, FOREVER),
        ("5m", 300.0),
        ("1h30m", 5400.0),
        ("0", 0.0),
        ("-1m", FOREVER),
    ],
)
def test_keep_alive_is_seconds_or_a_duration(value, expected):
    """Numbers are seconds, texts Go durations, negative means for ever."""
    assert expected == generate(keep_alive=value).request.keep_alive


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("10", 'time: missing unit in duration "10"'),
        ("soon", 'time: invalid duration "soon"'),
        (True, "Unsupported type: 'bool'"),
        ([], "Unsupported type: '[]interface {}'"),
        ({}, "Unsupported type: 'map[string]interface {}'"),
    ],
)
def test_other_keep_alives_are_refused(value, expected):
    """A keep-alive that is neither is a mistake worth a word."""
    assert (InvalidRequest, expected) == refusal(lambda: chat(keep_alive=value))


@pytest.mark.parametrize("value", [True, False, None, "high", "medium", "low", "max"])
def test_think_is_a_switch_or_a_level(value):
    """All the values Ollama takes."""
    assert value == generate(think=value).request.think


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("banana", 'invalid think value: "banana" (must be "high", "medium", "low", "max", true, or false)'),
        (1, 'think must be a boolean or string ("high", "medium", "low", "max", true, or false)'),
    ],
)
def test_other_thoughts_are_refused(value, expected):
    """Anything else is named in the error."""
    assert (InvalidRequest, expected) == refusal(lambda: chat(think=value))


@pytest.mark.parametrize(
    ("value", "expected"), [(None, None), ("", None), ("json", "json"), ({"type": "object"}, {"type": "object"})]
)
def test_format_is_nothing_json_or_a_schema(value, expected):
    """The three forms of a format."""
    call = generate(format=value)

    assert (expected, None) == (call.request.format, call.fault)


@pytest.mark.parametrize(("value", "raw"), [(5, "5"), (True, "true"), (["json"], r"[\"json\"]"), ("xml", r"\"xml\"")])
def test_other_formats_are_a_fault_for_later(value, raw):
    """A bad format is an error only for a model that exists, so it does not hide that one does not."""
    call = chat(format=value)

    assert f'invalid format: "{raw}"; expected "json" or a valid JSON Schema object' == str(call.fault)
    assert call.request.format is None


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"prompt": ""}, Reply.WHOLE),
        ({"prompt": "", "stream": True}, Reply.WHOLE),
        ({"prompt": "", "keep_alive": 5}, Reply.WHOLE),
        ({"prompt": "", "_debug_render_only": True}, Reply.WHOLE),
        ({"prompt": "", "keep_alive": 0}, Reply.UNLOADED),
        ({"prompt": "", "keep_alive": "0s"}, Reply.UNLOADED),
        ({"keep_alive": 0}, Reply.STREAM),
        ({"_debug_render_only": True}, Reply.RENDERED),
        ({"stream": False}, Reply.WHOLE),
        ({"stream": None}, Reply.STREAM),
    ],
)
def test_the_shape_of_the_reply(body, expected):
    """Loading, unloading and rendering answer with one object even where a stream is asked for."""
    assert expected is generate(**body).reply


def test_a_chat_without_messages_loads_or_unloads():
    """As a generate without a prompt does."""
    assert (Reply.WHOLE, Reply.UNLOADED) == (chat(messages=[]).reply, chat(messages=None, keep_alive=0).reply)


def test_a_bad_format_does_not_hinder_loading():
    """Where nothing is generated, the format is not looked at."""
    assert generate(prompt="", format=5).fault is None


def test_the_name_is_repeated_as_it_was_written():
    """Replies name the model as the caller did, the service gets what it means."""
    call = generate(model=" Smol:V1:local ")

    assert (" Smol:V1:local ", "Smol:V1") == (call.model, call.request.model)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: generate(model=None), (ModelNotFound, "model '' not found")),
        (lambda: generate(model=" "), (ModelNotFound, "model '' not found")),
        (lambda: chat(model=""), (InvalidRequest, "model is required")),
        (
            lambda: generate(model="gpt-oss:120b-cloud"),
            (CloudDisabled, "ollama cloud is disabled: remote model is unavailable"),
        ),
        (lambda: generate(top_logprobs=21, model=""), (InvalidRequest, "top_logprobs must be between 0 and 20")),
        (lambda: chat(top_logprobs=-1), (InvalidRequest, "top_logprobs must be between 0 and 20")),
        (
            lambda: chat(messages=[{"role": "user", "content": 3}]),
            (InvalidRequest, "json: cannot unmarshal number into Go struct field Alias.content of type string"),
        ),
        (
            lambda: chat(messages=["hi"]),
            (
                InvalidRequest,
                "json: cannot unmarshal string into Go struct field ChatRequest.messages of type api.Message",
            ),
        ),
        (
            lambda: chat(tools="t"),
            (InvalidRequest, "json: cannot unmarshal string into Go struct field ChatRequest.tools of type []api.Tool"),
        ),
        (lambda: chat(tools=[{"function": 3}]), (InvalidRequest, "a tool and its function must be JSON objects")),
        (
            lambda: chat(tools=[{"function": {"parameters": "none"}}]),
            (
                InvalidRequest,
                (
                    "json: cannot unmarshal string into Go struct field ToolFunction.parameters "
                    "of type map[string]interface {}"
                ),
            ),
        ),
        (
            lambda: chat(tools=[{"function": {"parameters": {"properties": ["a"]}}}]),
            (
                InvalidRequest,
                (
                    "json: cannot unmarshal array into Go struct field ToolFunctionParameters.properties "
                    "of type map[string]interface {}"
                ),
            ),
        ),
        (
            lambda: chat(tools=[{"function": {"parameters": {"properties": {"a": "string", "b": True}}}}]),
            (InvalidRequest, "ToolFunctionParameters.properties.a of a tool must be a JSON object"),
        ),
        (
            lambda: chat(tools=[{"type": 5}]),
            (InvalidRequest, "json: cannot unmarshal number into Go struct field Tool.type of type string"),
        ),
        (
            lambda: chat(tools=[{"function": {"parameters": {"properties": {"a": {"type": 5}}}}}]),
            (
                InvalidRequest,
                (
                    "json: cannot unmarshal number into Go struct field "
                    "ToolFunctionParameters.properties.a.type of type []string"
                ),
            ),
        ),
        (
            lambda: chat(tools=[{"function": {"parameters": {"properties": {"a": {"anyOf": [{"enum": "x"}]}}}}}]),
            (
                InvalidRequest,
                (
                    "json: cannot unmarshal string into Go struct field "
                    "ToolFunctionParameters.properties.a.anyOf.0.enum of type []interface {}"
                ),
            ),
        ),
        (
            lambda: chat(tools=[{"function": {"parameters": {"required": "a"}}}]),
            (
                InvalidRequest,
                "json: cannot unmarshal string into Go struct field ToolFunctionParameters.required of type []string",
            ),
        ),
        (
            lambda: chat(messages=[{"role": "user", "images": ["%%%"]}]),
            (
                InvalidRequest,
                "json: cannot unmarshal string into Alias.images.0 of type api.ImageData: illegal base64 data",
            ),
        ),
    ],
)
def test_mistakes_are_refused(call, expected):
    """Each with the words Ollama has for it."""
    assert expected == refusal(call)


def test_every_field_of_create_arrives():
    """Both spellings of the name and of quantize are taken, and one license or several."""
    body = {
        "name": "mine",
        "from": "smol",
        "files": {"a.gguf": "sha256:1"},
        "adapters": {"b.gguf": "sha256:2"},
        "template": "{{ .Prompt }}",
        "license": "MIT",
        "system": "be brief",
        "parameters": {"Temperature": 1},
        "messages": [{"role": "user", "content": "hi"}],
        "renderer": "r",
        "parser": "p",
        "requires": "0.14.0",
        "quantization": "q4_K_M",
        "stream": False,
    }

    assert (
        CreateRequest(
            "mine",
            "smol",
            {"a.gguf": "sha256:1"},
            {"b.gguf": "sha256:2"},
            "{{ .Prompt }}",
            "be brief",
            ("MIT",),
            {"Temperature": 1},
            (Message("user", "hi"),),
            "r",
            "p",
            "0.14.0",
            "q4_K_M",
        ),
        False,
    ) == decode.create(json.dumps(body).encode())


def test_what_create_is_not_told_is_not_said():
    """Empty files differ from no files; an empty system or template is as good as none."""
    assert (CreateRequest("mine", files={}), True) == decode.create(
        b'{"model": "mine", "files": {}, "system": "", "template": "", "license": []}'
    )
