"""Thinking with the official Python client: apart from the answer, in levels, off, and together with a format."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any, Literal

import ollama
import pydantic
import pytest

Answer = Callable[[str], str]
Level = Literal["low", "medium", "high"]

THOUGHT, SAID = "10 + 23: tens, then ones… that is\n33. <b>", "**33**, of course."
ANSWER = f"<think>\n{THOUGHT}</think>\n\n{SAID}"

TEMPLATE = """\
{{- range .Messages }}<|im_start|>{{ .Role }}
{{ if .Thinking }}<think>{{ .Thinking }}</think>
{{ end }}{{ .Content }}<|im_end|>
{{ end }}<|im_start|>assistant
"""
EXAMPLES = {"Spain": "Madrid", "Italy": "Rome", "Japan": "Tokyo"}


@pytest.fixture(scope="module")
def client(scripted: Any) -> Iterator[ollama.Client]:
    client = ollama.Client(host=scripted.url)
    yield client
    client.close()


@pytest.fixture(scope="module")
def thinker(server: Any) -> Iterator[ollama.Client]:
    """A client of a server whose model `thinker`, a real one, has learned from examples to think in tags first."""
    examples = []
    for country, capital in EXAMPLES.items():
        answer = json.dumps({"country": country, "capital": capital})
        examples += [
            {"role": "user", "content": f"What is the capital of {country}?"},
            {"role": "assistant", "content": f"<think>The user asks about {country}.</think>\n{answer}"},
        ]
    client = ollama.Client(host=server.url)
    client.create("thinker", from_="smollm2", template=TEMPLATE, messages=examples, parameters={"temperature": 0})
    yield client
    client.delete("thinker")
    client.close()


def test_thinking_comes_apart_from_the_answer(client: ollama.Client, answer: Answer) -> None:
    """In chat and generate alike, asked for or not: a model that thinks does so unless it is told otherwise."""
    for think in (True, None):
        chat = client.chat("able", messages=[{"role": "user", "content": answer(ANSWER)}], think=think)
        assert (THOUGHT, SAID) == (chat.message.thinking, chat.message.content)
        generated = client.generate("able", answer(ANSWER), think=think)
        assert (THOUGHT, SAID) == (generated.thinking, generated.response)


def test_thinking_is_streamed_before_the_answer(client: ollama.Client, answer: Answer) -> None:
    """As it comes, and never mixed with it."""
    messages = [{"role": "user", "content": answer(ANSWER)}]
    chat = [
        (chunk.message.thinking, chunk.message.content)
        for chunk in client.chat("able", messages=messages, think=True, stream=True)
    ]
    generated = [
        (one.thinking, one.response) for one in client.generate("able", answer(ANSWER), think=True, stream=True)
    ]
    for pieces in (chat, generated):
        thoughts = [thought for thought, _ in pieces if thought]
        said = [text for _, text in pieces if text]
        assert (THOUGHT, SAID) == ("".join(thoughts), "".join(said))
        assert len(thoughts) > 5
        assert len(said) > 3
        assert [bool(thought) for thought, _ in pieces] == sorted((bool(one) for one, _ in pieces), reverse=True)
        assert not any(thought and text for thought, text in pieces)


@pytest.mark.parametrize("level", ["low", "medium", "high"])
def test_levels_reach_the_model(client: ollama.Client, scripted: Any, answer: Answer, level: Level) -> None:
    """The template is told which one, and the answer is read as ever."""
    reply = client.chat("able", messages=[{"role": "user", "content": answer(ANSWER)}], think=level)
    assert scripted.prompt().endswith(f"<|im_start|>assistant\n({level}) ")
    assert (THOUGHT, SAID) == (reply.message.thinking, reply.message.content)


def test_thinking_can_be_turned_off(client: ollama.Client, scripted: Any, answer: Answer) -> None:
    """The template is told, and the answer has no thinking."""
    reply = client.chat("able", messages=[{"role": "user", "content": answer(SAID)}], think=False)
    assert scripted.prompt().endswith("<|im_start|>assistant\n<think></think>")
    assert (None, SAID) == (reply.message.thinking, reply.message.content)


def test_earlier_thoughts_go_back_to_the_model(scripted: Any, answer: Answer) -> None:
    """With the message of a reply, as the client's examples append it; with the asynchronous client."""

    async def talk() -> list[str]:
        client = ollama.AsyncClient(host=scripted.url)
        messages: list[Any] = [{"role": "user", "content": answer(ANSWER)}]
        reply = await client.chat("able", messages=messages, think=True)
        messages += [reply.message, {"role": "user", "content": answer("<think>sure</think>Yes.")}]
        stream = await client.chat("able", messages=messages, think=True, stream=True)
        said = [chunk.message.thinking or chunk.message.content or "" async for chunk in stream]
        await client.close()
        return said

    assert "sureYes." == "".join(asyncio.run(talk()))
    assert f"<|im_start|>assistant\n<think>{THOUGHT}</think>{SAID}<|im_end|>" in scripted.prompt()


def test_a_model_that_does_not_think_refuses_to(server: Any) -> None:
    """With a 400 that says so; that it shall not think is no trouble."""
    client = ollama.Client(host=server.url)
    messages = [{"role": "user", "content": "Hi"}]
    for think in (True, "high"):
        with pytest.raises(ollama.ResponseError, match='"smollm2" does not support thinking') as refused:
            client.chat("smollm2", messages=messages, think=think)
        assert 400 == refused.value.status_code
    assert client.chat("smollm2", messages=messages, think=False, options={"num_predict": 2}).message.content
    client.close()


class Capital(pydantic.BaseModel):
    """Nothing like what the examples show the model."""

    model_config = pydantic.ConfigDict(extra="forbid")

    city: str = pydantic.Field(max_length=20)
    inhabitants: int = pydantic.Field(ge=0, le=99)


def test_a_format_binds_the_answer_and_not_the_thinking(thinker: ollama.Client) -> None:
    """The model thinks as freely as it does without the format; in chat and generate, whole and streamed."""
    question = "What is the capital of France?"
    messages = [{"role": "user", "content": question}]
    free = thinker.chat("thinker", messages=messages, options={"num_predict": 60})
    form: dict[str, Any] = {"think": True, "format": Capital.model_json_schema()}
    chat = thinker.chat("thinker", messages=messages, **form)
    chunks = list(thinker.chat("thinker", messages=messages, **form, stream=True))
    generated = thinker.generate("thinker", question, **form)
    answers = [
        (chat.message.thinking, chat.message.content),
        ("".join(one.message.thinking or "" for one in chunks), "".join(one.message.content or "" for one in chunks)),
        (generated.thinking, generated.response),
    ]
    for thinking, content in answers:
        assert free.message.thinking == thinking == "The user asks about France."
        assert "Paris" in Capital.model_validate_json(content or "").city
    assert "inhabitants" not in (free.message.content or "inhabitants")
    assert (free.prompt_eval_count, "stop") == (chat.prompt_eval_count, chat.done_reason)


def test_a_format_without_thinking_binds_from_the_first_letter(thinker: ollama.Client) -> None:
    """A model that shall not think cannot begin to."""
    messages = [{"role": "user", "content": "What is the capital of France?"}]
    reply = thinker.chat("thinker", messages=messages, think=False, format=Capital.model_json_schema())
    assert reply.message.thinking is None
    assert Capital.model_validate_json(reply.message.content or "").city
