"""What is sent to llama-server for a prompt, and what its replies mean."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from puna.engine import Generated, Sampling, Stopped, protocol
from puna.engine.schema import ANY_OBJECT, ANY_OBJECT_GRAMMAR, enforceable
from puna.errors import ContextTooLong, GenerationFailed, InvalidRequest, PunaError, Unsupported
from puna.events import Piece, PromptProgress
from puna.media import shielded
from puna.options import Options
from puna.types import Conversation, Prompt, TokenLogprob, ToolCall, Usage

SCHEMA = {"type": "object", "properties": {"age": {"type": "integer"}}}
HI = Prompt("Hi")
TALK = Conversation([{"role": "user", "content": "Hi"}])


def sampling(max_tokens: int = 8, **said: Any) -> Sampling:
    return Sampling(said.pop("options", Options()), max_tokens=max_tokens, num_ctx=512, **said)


def sent(prompt: Prompt | Conversation, how: Sampling) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(protocol.request(prompt, how)[1])
    return body


def decoded(*events: Any, **said: Any) -> list[Generated]:
    decoder = protocol.Decoder(sampling(**said))
    return [item for event in events for item in decoder.feed(json.dumps(event).encode())]


def chat(content: str | None = None, finish: str | None = None, **said: Any) -> dict[str, Any]:
    delta = {"content": content, **said.pop("delta", {})}
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish, **said.pop("choice", {})}], **said}


TIMINGS = {"cache_n": 3, "prompt_n": 4, "prompt_ms": 500.0, "predicted_n": 5, "predicted_ms": 2500.0}


@pytest.mark.parametrize("prompt", [HI, TALK])
def test_every_sampling_option_reaches_the_engine(prompt: Prompt | Conversation) -> None:
    """Each under the engine's name for it, with the prompt cache, a stream, and progress reports."""
    options = Options(
        seed=7,
        temperature=0.1,
        top_k=2,
        top_p=0.3,
        min_p=0.4,
        typical_p=0.5,
        repeat_penalty=1.6,
        repeat_last_n=17,
        presence_penalty=0.8,
        frequency_penalty=0.9,
        stop=("END", "\n"),
        num_keep=10,
    )
    expected = {
        "stream": True,
        "return_progress": True,
        "cache_prompt": True,
        "seed": 7,
        "temperature": 0.1,
        "top_k": 2,
        "top_p": 0.3,
        "min_p": 0.4,
        "typical_p": 0.5,
        "repeat_penalty": 1.6,
        "repeat_last_n": 17,
        "presence_penalty": 0.8,
        "frequency_penalty": 0.9,
        "stop": ["END", "\n"],
        "n_keep": 10,
    }

    assert (
        expected.items()
        <= {key: value for key, value in sent(prompt, sampling(options=options)).items() if key in expected}.items()
    )


@pytest.mark.parametrize(("seed", "wire"), [(-1, 2**32 - 1), (0, 0), (42, 42), (2**32 + 5, 5)])
def test_a_seed_is_always_one_the_engine_can_hold(seed: int, wire: int) -> None:
    """-1 is the engine's own word for a random one."""
    assert wire == sent(HI, sampling(options=Options(seed=seed)))["seed"]


def test_a_prompt_is_completed_as_it_is() -> None:
    """Text goes to the completion route with its limit; a conversation to the chat route, which renders it."""
    assert "/completion" == protocol.request(HI, sampling())[0]
    body = sent(HI, sampling(max_tokens=3))
    assert ("Hi", 3) == (body["prompt"], body["n_predict"])
    assert not {"grammar", "json_schema", "n_probs", "messages"} & set(body)


def test_special_tokens_that_are_read_are_asked_for() -> None:
    """The engine leaves all others out of the text: without them a tool call in special tokens is no call."""
    assert ["[CALL]", "</think>"] == sent(Prompt("Hi", preserved_tokens=("[CALL]", "</think>")), sampling())[
        "preserved_tokens"
    ]
    assert "preserved_tokens" not in sent(HI, sampling())


def test_tokens_are_a_prompt_too() -> None:
    """They come before the text, and nothing is put before them."""
    assert [5, 6] == sent(Prompt("", tokens=(5, 6)), sampling())["prompt"]
    assert [5, 6, "more"] == sent(Prompt("more", tokens=(5, 6)), sampling())["prompt"]


@pytest.mark.parametrize("prompt", [Prompt("hi"), Conversation([{"role": "user", "content": "hi"}])])
def test_biases_are_by_token(prompt: Prompt | Conversation) -> None:
    """They are left out where nobody said any."""
    assert [[7, -100], [8, 0.5]] == sent(prompt, sampling(logit_bias={7: -100, 8: 0.5}))["logit_bias"]
    assert "logit_bias" not in sent(prompt, sampling())


def test_one_call_at_a_time_is_told_to_the_engine() -> None:
    """It need not write what nobody will read."""
    talk = Conversation([], tools=[{"type": "function"}], parallel_calls=False)
    assert sent(talk, sampling())["parallel_tool_calls"] is False


def test_a_conversation_is_sent_with_what_its_template_needs() -> None:
    """Messages, tools and variables as they are; what is empty is not mentioned."""
    assert "/v1/chat/completions" == protocol.request(TALK, sampling())[0]
    body = sent(TALK, sampling(max_tokens=3))
    assert ([{"role": "user", "content": "Hi"}], 3) == (body["messages"], body["max_tokens"])
    assert not {"tools", "chat_template_kwargs", "response_format", "logprobs", "prompt"} & set(body)

    tool = {"type": "function", "function": {"name": "now"}}
    body = sent(Conversation([], tools=[tool], template_kwargs={"enable_thinking": False}), sampling())
    assert ([tool], {"enable_thinking": False}) == (body["tools"], body["chat_template_kwargs"])


def test_tools_may_be_called_several_at_once() -> None:
    """Whatever the template's own default is; without tools there is no word of it."""
    tool = {"type": "function", "function": {"name": "now"}}
    assert sent(Conversation([], tools=[tool]), sampling())["parallel_tool_calls"] is True
    assert "parallel_tool_calls" not in sent(TALK, sampling())


def test_a_format_constrains_either_kind_of_prompt() -> None:
    """Any object, or what follows the caller's schema."""
    assert ANY_OBJECT_GRAMMAR == sent(HI, sampling(format="json"))["grammar"]
    assert enforceable(SCHEMA) == sent(HI, sampling(format=SCHEMA))["json_schema"]
    assert {"type": "json_object", "schema": ANY_OBJECT} == sent(TALK, sampling(format="json"))["response_format"]
    assert enforceable(SCHEMA) == sent(TALK, sampling(format=SCHEMA))["response_format"]["json_schema"]["schema"]


@pytest.mark.parametrize(("wanted", "asked"), [(0, 1), (1, 1), (5, 5)])
def test_log_probabilities_are_asked_for_when_they_are_wanted(wanted: int, asked: int) -> None:
    """At least one, without which the engine says nothing of the chosen token either."""
    assert asked == sent(HI, sampling(top_logprobs=wanted))["n_probs"]
    body = sent(TALK, sampling(top_logprobs=wanted))
    assert (True, asked) == (body["logprobs"], body["top_logprobs"])


def test_log_probabilities_go_together_with_tools() -> None:
    """The chat route refuses its own word for them there, and takes llama.cpp's."""
    body = sent(Conversation([], tools=[{"type": "function", "function": {"name": "now"}}]), sampling(top_logprobs=3))
    assert 3 == body["n_probs"]
    assert not {"logprobs", "top_logprobs"} & set(body)


def test_a_completion_becomes_pieces_and_an_end() -> None:
    """Progress, text, then why it ended, the tokens (cached ones too) and the seconds."""
    items = decoded(
        {"prompt_progress": {"total": 7, "cache": 3, "processed": 5, "time_ms": 1}},
        {"content": "Hel", "stop": False},
        {"content": "lo", "stop": False},
        {"content": "", "stop": True, "stop_type": "eos", "timings": TIMINGS},
    )

    assert [PromptProgress(5, 7, 3), Piece("Hel"), Piece("lo"), Stopped("stop", Usage(7, 5, 3), 0.5, 2.5)] == items


def test_a_chat_becomes_pieces_and_an_end() -> None:
    """Reasoning and answer are told apart; roles, empty pieces and what follows the end say nothing."""
    items = decoded(
        {"choices": [], "prompt_progress": {"total": 7, "processed": 7}},
        chat(delta={"role": "assistant"}),
        chat(delta={"reasoning_content": "Hm"}),
        chat("Hello"),
        chat(finish="stop", timings=TIMINGS),
        {"choices": [], "usage": {"completion_tokens": 5}},
    )

    assert [
        PromptProgress(7, 7),
        Piece(thinking="Hm"),
        Piece("Hello"),
        Stopped("stop", Usage(7, 5, 3), 0.5, 2.5),
    ] == items


def called(index: int, arguments: str, **said: Any) -> dict[str, Any]:
    """An event with a piece of a tool call."""
    function = {"arguments": arguments, **({"name": said.pop("name")} if "name" in said else {})}
    return chat(delta={"tool_calls": [{"index": index, "function": function, **said}]})


ADD = [called(0, "{", id="abc", type="function", name="add"), called(0, '"a": 1'), called(0, "}")]


def test_a_chats_tool_calls_are_pieces_of_their_own() -> None:
    """Whole, with the engine's ids, between what was said before and after them."""
    items = decoded(
        chat(delta={"reasoning_content": "Hm"}),
        chat("So. "),
        *ADD,
        called(1, "", id="def", type="function", name="ping"),
        chat("Done."),
        chat(finish="tool_calls"),
    )
    calls = [Piece(call=ToolCall("add", {"a": 1}, "abc")), Piece(call=ToolCall("ping", {}, "def"))]

    assert [Piece(thinking="Hm"), Piece("So. "), *calls, Piece("Done."), Stopped("stop", Usage(), 0.0, 0.0)] == items


@pytest.mark.parametrize(("finish", "reason"), [("length", "length"), ("tool_calls", "stop"), ("stop", "stop")])
def test_a_tool_call_that_was_cut_is_text(finish: str, reason: Any) -> None:
    """By a limit or a stop string; a whole one is a call all the same."""
    whole, cut = Piece(call=ToolCall("add", {"a": 1}, "abc")), Piece('{"name": "add", "arguments": {"a": 1')
    end = Stopped(reason, Usage(), 0.0, 0.0)

    assert [cut, end] == decoded(*ADD[:2], chat(finish=finish))
    assert [whole, end] == decoded(*ADD, chat(finish=finish))


def test_the_tokens_of_a_call_have_log_probabilities() -> None:
    """Though their text is no text of the answer."""
    event = called(0, "{}", id="abc", name="ping")
    event["choices"][0]["logprobs"] = {"content": [PROBABILITY]}
    logprob = TokenLogprob("é", -0.5, (195, 169))

    assert [Piece(logprobs=(logprob,)), Piece(call=ToolCall("ping", {}, "abc"))] == decoded(event, top_logprobs=0)


def test_with_a_limit_of_zero_nothing_is_called() -> None:
    """As nothing is said."""
    assert [Stopped("length", Usage(), 0.0, 0.0)] == decoded(*ADD, chat(finish="length"), max_tokens=0)


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ({"stop": True, "stop_type": "limit"}, "length"),
        ({"stop": True, "stop_type": "eos"}, "stop"),
        ({"stop": True, "stop_type": "word"}, "stop"),
        (chat(finish="length"), "length"),
        (chat(finish="stop"), "stop"),
        (chat(finish="tool_calls"), "stop"),
    ],
)
def test_the_reason_of_an_end_is_one_of_two(event: dict[str, Any], reason: str) -> None:
    """A limit was reached, or the model had done; without timings the counts are 0."""
    assert [Stopped(reason, Usage(), 0.0, 0.0)] == decoded(event)  # type: ignore[arg-type]


def test_text_of_the_last_event_is_not_lost() -> None:
    """An engine may end with a piece."""
    assert [Piece("lo"), Stopped("stop", Usage(), 0.0, 0.0)] == decoded({"content": "lo", "stop": True})
    assert [Piece("lo"), Stopped("stop", Usage(), 0.0, 0.0)] == decoded(chat("lo", "stop"))


def test_the_decoder_knows_whether_the_end_has_come() -> None:
    """A stream that ends without is one that broke."""
    decoder = protocol.Decoder(sampling())
    list(decoder.feed(b'{"content":"Hi"}'))
    assert not decoder.stopped
    list(decoder.feed(b'{"stop":true}'))
    assert decoder.stopped
    assert [] == list(decoder.feed(b"[DONE]"))


def test_the_sequence_that_ended_a_completion_is_told() -> None:
    """Where one did, and the engine says which."""
    end = {"content": "", "stop": True, "stop_type": "word", "stopping_word": "END", "timings": TIMINGS}
    assert [Stopped("stop", Usage(7, 5, 3), 0.5, 2.5, "END")] == decoded(end)


def test_a_limit_of_zero_has_no_text() -> None:
    """The token the engine draws all the same is neither shown nor counted."""
    end = {"content": "x", "stop": True, "stop_type": "limit", "timings": TIMINGS}
    assert [Stopped("length", Usage(7, 0, 3), 0.5, 0.0)] == decoded({"content": "x"}, end, max_tokens=0)
    assert [Stopped("length", Usage(), 0.0, 0.0)] == decoded(chat("x"), chat(finish="length"), max_tokens=0)


PROBABILITY = {
    "id": 1,
    "token": "é",
    "logprob": -0.5,
    "bytes": [195, 169],
    "top_logprobs": [
        {"id": 1, "token": "é", "logprob": -0.5, "bytes": [195, 169]},
        {"id": 2, "token": "e", "logprob": -1.5},
    ],
}


@pytest.mark.parametrize("wanted", [0, 1, 2])
def test_log_probabilities_come_with_the_alternatives_that_were_wanted(wanted: int) -> None:
    """The chosen token always, the likeliest alternatives as many as asked, each with its bytes."""
    alternatives = (TokenLogprob("é", -0.5, (195, 169)), TokenLogprob("e", -1.5, (101,)))[:wanted]
    expected = [Piece("é", logprobs=(TokenLogprob("é", -0.5, (195, 169), alternatives),))]

    assert expected == decoded({"content": "é", "completion_probabilities": [PROBABILITY]}, top_logprobs=wanted)
    assert expected == decoded(chat("é", choice={"logprobs": {"content": [PROBABILITY]}}), top_logprobs=wanted)


def test_a_token_without_text_yet_still_has_its_log_probability() -> None:
    """Half a character is no text, but was drawn."""
    half = {"token": "", "logprob": -0.1, "bytes": [195]}
    expected = [Piece(logprobs=(TokenLogprob("", -0.1, (195,)),))]

    assert expected == decoded({"content": "", "completion_probabilities": [half]}, top_logprobs=0)
    assert expected == decoded(chat("", choice={"logprobs": {"content": [half]}}), top_logprobs=0)


def error(code: int | str, kind: str = "server_error", **said: Any) -> bytes:
    return json.dumps({"error": {"code": code, "message": "no", "type": kind, **said}}).encode()


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (400, error(400, "invalid_request_error"), InvalidRequest("no")),
        (422, error(422, "invalid_request_error"), InvalidRequest("no")),
        (500, error(500), GenerationFailed("no")),
        (501, error("not_supported"), Unsupported("no")),
        (400, b'{"error":{"code":400}}', InvalidRequest("the engine answered 400")),
        (503, b'{"error":{"code":503}}', GenerationFailed("the engine answered 503")),
        (404, b"not here", GenerationFailed("the engine answered 404: not here")),
        (500, b'{"error":{"message":"\xff"}}', GenerationFailed('the engine answered 500: {"error":{"message":"�"}}')),
        (502, b"x" * 1000, GenerationFailed("the engine answered 502: " + "x" * 500)),
    ],
)
def test_a_refusal_is_an_error_of_the_caller_or_of_the_engine(status: int, body: bytes, expected: PunaError) -> None:
    """In the engine's words, or its status and the beginning of what it said."""
    found = protocol.failure(status, body)
    assert (type(expected), str(expected)) == (type(found), str(found))


def test_a_template_that_refuses_a_conversation() -> None:
    """Of what llama.cpp says, only the template's own words, which are for the caller."""
    said = "\n------------\nWhile executing CallExpression at line 1\nError: Jinja Exception: roles must alternate\n"
    refused = protocol.failure(500, json.dumps({"error": {"code": 500, "message": said}}).encode())
    assert isinstance(refused, InvalidRequest)
    assert "the model's template refuses this conversation: roles must alternate" == str(refused)


def test_a_prompt_that_is_too_long_is_told_with_both_numbers() -> None:
    """As a refusal and within a stream."""
    body = error(400, "exceed_context_size_error", n_prompt_tokens=700, n_ctx=512)
    refused = protocol.failure(400, body)
    assert isinstance(refused, ContextTooLong)
    assert (700, 512) == (refused.prompt_tokens, refused.limit)
    with pytest.raises(ContextTooLong):
        decoded(json.loads(body))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (error(500), GenerationFailed),
        (error("odd"), GenerationFailed),
        (error(400), InvalidRequest),
        (b"error: " + error(500), GenerationFailed),
        (b"half an ev", GenerationFailed),
        (b'{"content":"\xff"}', GenerationFailed),
        (b'{"content":1}', GenerationFailed),
    ],
)
def test_an_error_within_a_stream_ends_it(data: bytes, expected: type[PunaError]) -> None:
    """Reported by the engine in either form, or an event that is none."""
    with pytest.raises(expected):
        list(protocol.Decoder(sampling()).feed(data))


MARKER = "<__media_7f3a__>"


def multimodal(text: str, *images: bytes, marker: str = MARKER) -> Any:
    return json.loads(protocol.request(Prompt(text, images=images), sampling(), marker)[1])["prompt"]


def test_images_stand_where_their_markers_do() -> None:
    """In the order of the text, whatever their numbers; one without a marker is not sent."""
    expected = {
        "prompt_string": f"a{MARKER}b{MARKER}",
        "multimodal_data": [base64.b64encode(image).decode() for image in (b"two", b"zero")],
    }
    assert expected == multimodal("a[img-2]b[img-0]", b"zero", b"one", b"two")


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        (f"[img-0]{MARKER}", shielded("[img-0]") + "[img-0]"),
        (f"[img-1]{MARKER}", "[img-1][img-0]"),
        (f"<\u200b__media_7f3a__>{MARKER}", f"{MARKER}[img-0]"),
    ],
)
def test_a_callers_text_asks_for_no_image(expected: str, text: str) -> None:
    """Markers that stand for themselves, numbers without an image, and the engine's own marker are only text."""
    assert {"prompt_string": expected, "multimodal_data": ["MA=="]} == multimodal(text, b"0")


def test_without_a_marker_in_the_text_the_prompt_is_text() -> None:
    """Also one that mentions what would be a marker."""
    assert "[img-0]" == multimodal(shielded("[img-0]"), b"0")
    assert "[img-0]" == sent(Prompt("[img-0]"), sampling())["prompt"]


def test_an_engine_that_takes_no_images_says_so_itself() -> None:
    """It is sent them all the same, with the marker that every llama.cpp knows."""
    assert "<__media__>" == multimodal("[img-0]", b"0", marker="")["prompt_string"]


def test_in_a_conversation_the_engines_marker_is_text() -> None:
    """There the engine puts the marker itself, and would miss an image for one a caller wrote."""
    talk = Conversation([{"role": "user", "content": f"say {MARKER}"}])
    body = json.loads(protocol.request(talk, sampling(), MARKER)[1])
    assert "say <\u200b__media_7f3a__>" == body["messages"][0]["content"]
    assert talk.messages == json.loads(protocol.request(talk, sampling())[1])["messages"]


@pytest.mark.parametrize(
    ("expected", "status", "body"),
    [
        ("<m>", 200, b'{"media_marker":"<m>","modalities":{"vision":true}}'),
        ("<__media__>", 200, b'{"modalities":{"vision":true}}'),
        ("<__media__>", 200, b"ok"),
        ("<__media__>", 404, b'{"error":{}}'),
    ],
)
def test_the_engine_tells_its_marker(expected: str, status: int, body: bytes) -> None:
    """One that does not is an older one, with the marker all of them had."""
    assert expected == protocol.media_marker(status, body)
