"""Bodies of /v1/completions and /v1/embeddings in all their forms, and the replies."""

from __future__ import annotations

import base64
import json
import struct
from array import array
from typing import Any

import pytest

from puna.errors import CloudDisabled, InvalidRequest, ModelNotFound
from puna.events import Answer, Done, Event, Text
from puna.http.dialects.openai import completions, embeddings
from puna.http.dialects.openai.completions import Words, decode
from puna.types import TokenLogprob, Usage


def call(**fields: Any) -> completions.Call:
    return decode(json.dumps({"model": "m", **fields}).encode())


def test_a_completion_that_says_nothing_more_is_sampled_as_with_openai() -> None:
    """Also a model's own penalties are none of it, unless they are asked for."""
    [request] = call(prompt="a").requests
    assert {"temperature": 1.0, "top_p": 1.0, "frequency_penalty": 0.0, "presence_penalty": 0.0} == request.options
    [request] = call(prompt="a", presence_penalty=0.5, options={"frequency_penalty": 0.25}).requests
    assert (0.5, 0.25) == (request.options["presence_penalty"], request.options["frequency_penalty"])


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a", [("a", ())]),
        (["a", "b"], [("a", ()), ("b", ())]),
        ([5, 6], [("", (5, 6))]),
        ([[5], [6, 7]], [("", (5,)), ("", (6, 7))]),
        (None, [("", ())]),
    ],
)
def test_prompts(prompt: Any, expected: Any) -> None:
    """One or several, as text or as tokens; tokens are the prompt as they are."""
    requests = call(prompt=prompt).requests
    assert expected == [(one.prompt, one.tokens) for one in requests]
    assert [bool(one.tokens) for one in requests] == [one.raw for one in requests]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"prompt": {"a": 1}}, "invalid prompt"),
        ({"prompt": [1, "a"]}, "invalid prompt"),
        ({"prompt": [[1], []]}, "invalid prompt"),
        ({"prompt": []}, "invalid prompt"),
        ({"prompt": 5, "model": ""}, "invalid prompt"),
        ({"stop": [1]}, "invalid type for 'stop' field: float64"),
        ({"n": 2, "best_of": 1}, "best_of must not be less than n"),
        ({"best_of": 2, "stream": True}, "cannot be streamed"),
        ({"prompt": "a", "echo": True, "logprobs": 1}, "logprobs must be left out"),
        ({"prompt": [1], "echo": True}, "has no text to be repeated"),
        ({"logprobs": 21}, "logprobs must be between 0 and 20"),
    ],
)
def test_what_cannot_be_done_is_refused(fields: dict[str, Any], text: str) -> None:
    """Rather than answered otherwise than was asked."""
    with pytest.raises(InvalidRequest, match=text):
        call(**fields)


def test_a_model_must_be_named() -> None:
    """The text is Ollama's."""
    with pytest.raises(ModelNotFound, match="model '' not found"):
        decode(b'{"prompt": "x"}')


def test_the_likeliest_text_is_the_best() -> None:
    """It is found by the probabilities of its tokens, which are not told if nobody asked."""
    asked = call(prompt="p", best_of=2, echo=True)
    assert asked.requests[0].logprobs
    end = Done("stop", Usage(2, 1))
    answers = [
        Answer("bad", "", (), (TokenLogprob("bad", -3.0),), end),
        Answer("good", "", (), (TokenLogprob("go", -1.0), TokenLogprob("od", -1.5)), end),
    ]
    reply = Words("cmpl-1", asked).whole(answers)
    assert [("pgood", 0)] == [(one.text, one.index) for one in reply.choices]
    assert json.loads(json.dumps(2)) == reply.usage.completion_tokens  # type: ignore[union-attr]


def test_a_stream_of_two_prompts() -> None:
    """The prompt is repeated once if it is to be; with usage, every chunk has one, and the last the real one."""
    words = Words("cmpl-1", call(prompt=["a", "b"], echo=True, stream=True, stream_options={"include_usage": True}))
    events: list[tuple[int, Event]] = [
        (1, Text("x")),
        (0, Done("stop", Usage(2, 0))),
        (1, Text("y")),
        (1, Done("length", Usage(3, 2))),
    ]
    blocks = b"".join(words.chunks(at, event) for at, event in events).decode().split("\n\n")
    assert ["data: [DONE]", ""] == blocks[-2:]
    chunks = [json.loads(block[6:]) for block in blocks[:-2]]
    texts = ["", ""]
    for chunk in chunks:
        for choice in chunk["choices"]:
            texts[choice["index"]] += choice["text"]
    assert ["a", "bxy"] == texts
    assert (5, 2) == (chunks[-1]["usage"]["prompt_tokens"], chunks[-1]["usage"]["completion_tokens"])
    assert {0} == {chunk["usage"]["total_tokens"] for chunk in chunks[:-1]}


def test_probabilities_say_where_in_the_text_they_are() -> None:
    """Also in a stream, where offsets go on from chunk to chunk."""
    words = Words("cmpl-1", call(prompt="a", logprobs=1, stream=True))
    alternatives = (TokenLogprob("q", -2.0),)
    chunks = [words.chunks(0, Text(text, (TokenLogprob(text, -1.0, (), alternatives),))) for text in ("xy", "z")]
    told = [json.loads(chunk[6:])["choices"][0]["logprobs"] for chunk in chunks]
    expected = {"tokens": ["z"], "token_logprobs": [-1.0], "top_logprobs": [{"q": -2.0}], "text_offset": [2]}
    assert [0, expected] == [told[0]["text_offset"][0], told[1]]


@pytest.mark.parametrize(
    ("value", "inputs"),
    [("a", ("a",)), ("", ("",)), (["a", ""], ("a", "")), ([1, 2], ((1, 2),)), ([[1], [2, 3]], ((1,), (2, 3)))],
)
def test_inputs(value: Any, inputs: Any) -> None:
    """One or several, as text or as tokens."""
    request, model, _ = embeddings.decode(json.dumps({"model": "m", "input": value}).encode())
    assert (inputs, "m") == (request.inputs, model)


@pytest.mark.parametrize(("value", "text"), [(None, "invalid input"), ([], "invalid input"), ([1.5], "input type")])
def test_inputs_that_are_none(value: Any, text: str) -> None:
    """There must be something to make a vector of."""
    with pytest.raises(InvalidRequest, match=text):
        embeddings.decode(json.dumps({"model": "m", "input": value}).encode())


def test_inputs_are_looked_at_before_the_model() -> None:
    """The first error is of the body, and only then is a model missed; a cloud model comes before both."""
    with pytest.raises(InvalidRequest, match="invalid input"):
        embeddings.decode(b"{}")
    with pytest.raises(ModelNotFound, match="model '' not found"):
        embeddings.decode(b'{"input": "x"}')
    for refuse in (embeddings.decode, decode):
        with pytest.raises(CloudDisabled):
            refuse(b'{"model": "m:cloud", "input": [], "prompt": []}')


def test_vectors_in_either_form() -> None:
    """Base64 holds the same numbers, the lowest byte first."""
    vector = array("f", [0.25, -1.5])
    *_, numbers = embeddings.decode(b'{"model": "m", "input": "a"}')
    *_, packed = embeddings.decode(b'{"model": "m", "input": "a", "encoding_format": "BASE64"}')
    assert [0.25, -1.5] == json.loads(bytes(numbers(vector)))
    assert (0.25, -1.5) == struct.unpack("<2f", base64.b64decode(packed(vector)))


def test_a_form_that_there_is_not() -> None:
    """The text is the one OpenAI's clients know."""
    with pytest.raises(InvalidRequest) as refused:
        embeddings.decode(b'{"model": "m", "input": "a", "encoding_format": "hex"}')
    assert "'encoding_format' = hex. Supported values: ['float', 'base64']." in str(refused.value)
