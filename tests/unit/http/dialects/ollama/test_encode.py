"""Events and nouns are said in Ollama's words, byte for byte where clients look."""

from __future__ import annotations

import json

import pytest

from puna.events import Answer, Done, Progress, PromptProgress, Rendered, Text, Thinking, ToolCalled
from puna.http.dialects.ollama import encode
from puna.http.dialects.ollama.encode import ChatWords, GenerateWords
from puna.types import (
    Details,
    Message,
    ModelDetails,
    ModelSummary,
    RunningModel,
    Tensor,
    Timings,
    TokenLogprob,
    ToolCall,
    Usage,
)

NOW = 1_795_293_665_742_011_800
CREATED = '"created_at":"2026-11-21T20:41:05.7420118Z"'
METRICS = (
    '"total_duration":1500000000,"load_duration":1000000,"prompt_eval_count":10,'
    '"prompt_eval_duration":250000000,"eval_count":3,"eval_duration":125000000'
)
DONE = Done("stop", Usage(10, 3), Timings(1.5, 0.001, 0.25, 0.125))
CALL = ToolCall("add", {"b": 2, "a": 1}, "call_m8ejbhc3", 1)
DETAILS = Details("smol:latest", "gguf", "llama", ("llama",), "134.52M", "Q4_1", 8192, 576)
DETAILS_JSON = (
    '"format":"gguf","family":"llama","families":["llama"],"parameter_size":"134.52M","quantization_level":"Q4_1"'
)


def chat() -> ChatWords:
    return ChatWords("smol", clock=lambda: NOW)


def generate() -> GenerateWords:
    return GenerateWords("smol", clock=lambda: NOW)


@pytest.mark.parametrize(
    ("nanoseconds", "expected"),
    [
        (NOW, "2026-11-21T20:41:05.7420118Z"),
        (1_795_293_665_000_000_000, "2026-11-21T20:41:05Z"),
        (1_795_293_665_000_000_001, "2026-11-21T20:41:05.000000001Z"),
        (0, "1970-01-01T00:00:00Z"),
    ],
)
def test_timestamps_have_no_trailing_zeros(nanoseconds, expected):
    """As Go prints them: nanoseconds, trimmed."""
    assert expected == encode.timestamp(nanoseconds)


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (Text("Hi"), '"message":{"role":"assistant","content":"Hi"},"done":false'),
        (Thinking("hm"), '"message":{"role":"assistant","content":"","thinking":"hm"},"done":false'),
        (
            ToolCalled(CALL),
            (
                '"message":{"role":"assistant","content":"","tool_calls":[{"id":"call_m8ejbhc3","function":'
                '{"index":1,"name":"add","arguments":{"b":2,"a":1}}}]},"done":false'
            ),
        ),
        (DONE, '"message":{"role":"assistant","content":""},"done":true,"done_reason":"stop",' + METRICS),
        (
            Text("I", (TokenLogprob("I", -2.25, (73,), (TokenLogprob("I", -2.25, (73,)), TokenLogprob("", -3.0))),)),
            (
                '"message":{"role":"assistant","content":"I"},"done":false,"logprobs":[{"token":"I","logprob":-2.25,'
                '"bytes":[73],"top_logprobs":[{"token":"I","logprob":-2.25,"bytes":[73]},{"token":"","logprob":-3.0}]}]'
            ),
        ),
    ],
)
def test_lines_of_a_chat(event, said):
    """One object per event; nothing that is empty is said."""
    assert f'{{"model":"smol",{CREATED},{said}}}\n' == chat().line(event).decode()


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (Text("Hi"), '"response":"Hi","done":false'),
        (Thinking("hm"), '"response":"","thinking":"hm","done":false'),
        (DONE, '"response":"","done":true,"done_reason":"stop",' + METRICS),
        (
            Done("length", context=(1, 2), prompt_truncated=True),
            '"response":"","done":true,"done_reason":"length","prompt_truncated":true,"context":[1,2]',
        ),
    ],
)
def test_lines_of_a_generation(event, said):
    """The same with "response", and the context at the end."""
    assert f'{{"model":"smol",{CREATED},{said}}}\n' == generate().line(event).decode()


def test_a_call_that_was_certain_only_at_the_end_of_a_chat_comes_with_it():
    """As Ollama says it; one that was certain before has been said by then."""
    words = chat()

    assert b"" == words.line(ToolCalled(CALL, at_end=True))
    last = json.loads(words.line(DONE))
    assert (True, ["call_m8ejbhc3"]) == (last["done"], [call["id"] for call in last["message"]["tool_calls"]])


def test_tool_calls_of_generate_come_last_and_have_no_id():
    """Its only place for them is the last object."""
    words = generate()

    assert b"" == words.line(ToolCalled(CALL))
    last = json.loads(words.line(DONE))
    assert [{"function": {"index": 1, "name": "add", "arguments": {"b": 2, "a": 1}}}] == last["tool_calls"]


@pytest.mark.parametrize("words", [chat, generate])
def test_the_progress_of_a_prompt_says_nothing(words):
    """Ollama's API has no word for it."""
    assert b"" == words().line(PromptProgress(512, 4096))


def test_lines_are_ascii():
    """A line separator in a text does not end the line."""
    line = generate().line(Text("é\u2028"))

    assert rb'"response":"\u00e9\u2028"' in line
    assert 1 == len(line.decode().splitlines())


ANSWER = Answer("Hi", "hm", (CALL,), (TokenLogprob("Hi", -1.5, (72, 105)),), DONE)


def test_a_whole_chat():
    """One object holds everything the stream would have said."""
    assert (
        f'{{"model":"smol",{CREATED},"message":{{"role":"assistant","content":"Hi","thinking":"hm","tool_calls":'
        '[{"id":"call_m8ejbhc3","function":{"index":1,"name":"add","arguments":{"b":2,"a":1}}}]},"done":true,'
        '"done_reason":"stop","logprobs":[{"token":"Hi","logprob":-1.5,"bytes":[72,105]}],' + METRICS + "}"
    ) == chat().whole(ANSWER).decode()


def test_a_whole_generation():
    """The same with "response"."""
    assert (
        f'{{"model":"smol",{CREATED},"response":"Hi","thinking":"hm","done":true,"done_reason":"stop",{METRICS},'
        '"tool_calls":[{"function":{"index":1,"name":"add","arguments":{"b":2,"a":1}}}],'
        '"logprobs":[{"token":"Hi","logprob":-1.5,"bytes":[72,105]}]}'
    ) == generate().whole(ANSWER).decode()


def test_loading_and_unloading_took_nothing():
    """Their replies say why they are there, and have no metrics."""
    loaded = Answer("", "", (), (), Done("load", timings=Timings(total=2.0, load=2.0)))

    assert f'{{"model":"smol",{CREATED},"response":"","done":true,"done_reason":"load"}}' == (
        generate().whole(loaded).decode()
    )
    assert (
        f'{{"model":"smol",{CREATED},"message":{{"role":"assistant","content":""}},"done":true,"done_reason":"unload"}}'
    ) == chat().unloaded().decode()


def test_a_rendered_prompt_is_said_by_nobody():
    """The prompt is beside an empty message without a role."""
    rendered = Rendered("<s>Hi", 2)

    assert (
        f'{{"model":"smol",{CREATED},"message":{{"role":"","content":""}},"done":false,'
        '"_debug_info":{"rendered_template":"<s>Hi","image_count":2}}'
    ) == chat().rendered(rendered).decode()
    assert (
        f'{{"model":"smol",{CREATED},"response":"","done":false,"_debug_info":{{"rendered_template":"<s>Hi"}}}}'
    ) == generate().rendered(Rendered("<s>Hi")).decode()


def test_progress_leaves_out_what_it_has_not():
    """A status alone, or with what is done of a blob."""
    assert b'{"status":"success"}' == encode.progress(Progress("success"))
    assert b'{"status":"copying","digest":"sha256:1","total":9,"completed":3}\n' == (
        encode.progress_line(Progress("copying", "sha256:1", 9, 3))
    )


def test_errors_are_one_key():
    """Whole or as a line."""
    assert (b'{"error":"no"}', b'{"error":"no"}\n') == (encode.error("no"), encode.error_line("no"))


def test_the_list_of_models():
    """The list has the lengths, under both names of the name."""
    model = ModelSummary("smol:latest", "2026-11-21T20:41:05.7+01:00", 91, "56", DETAILS, ("completion",))

    assert (
        '{"models":[{"name":"smol:latest","model":"smol:latest","modified_at":"2026-11-21T20:41:05.7+01:00","size":91,'
        f'"digest":"56","details":{{"parent_model":"smol:latest",{DETAILS_JSON},"context_length":8192,'
        '"embedding_length":576},"capabilities":["completion"]}]}'
    ) == encode.tags([model]).decode()
    assert b'{"models":[]}' == encode.tags([])


def test_the_models_in_memory():
    """No parent and no lengths, but the context each was loaded with."""
    model = RunningModel("smol:latest", 210, 0, "56", DETAILS, "2026-11-21T20:46:12.5Z", 4096)

    assert (
        '{"models":[{"name":"smol:latest","model":"smol:latest","size":210,"digest":"56","details":{"parent_model":"",'
        f'{DETAILS_JSON}}},"expires_at":"2026-11-21T20:46:12.5Z","size_vram":0,"context_length":4096}}]}}'
    ) == encode.ps([model]).decode()


def test_everything_of_a_model():
    """Empty parts are left out, but never model_info; the lengths are in there."""
    model = ModelDetails(
        "# Modelfile",
        DETAILS,
        {"general.architecture": "llama", "tokens": None},
        ("completion",),
        "2026-11-21T20:41:05Z",
        license="MIT",
        messages=(Message("user", "hi", thinking="not shown"),),
        tensors=(Tensor("a", "F32", (2, 3)),),
    )

    assert {
        "license": "MIT",
        "modelfile": "# Modelfile",
        "details": json.loads(f'{{"parent_model":"smol:latest",{DETAILS_JSON}}}'),
        "messages": [{"role": "user", "content": "hi"}],
        "model_info": {"general.architecture": "llama", "tokens": None},
        "tensors": [{"name": "a", "type": "F32", "shape": [2, 3]}],
        "capabilities": ["completion"],
        "modified_at": "2026-11-21T20:41:05Z",
    } == json.loads(encode.show(model))


def test_a_model_without_families_says_null():
    """As Ollama does for what it cannot read."""
    assert {"parent_model": "", "families": None} == {
        name: value
        for name, value in json.loads(encode.show(ModelDetails("", Details(), {}, (), "x")))["details"].items()
        if name in ("parent_model", "families")
    }
