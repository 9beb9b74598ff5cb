"""LiteLLM by each of its ways to puna: `ollama/`, `ollama_chat/` and `openai/`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, Literal

import litellm
import pytest
from pydantic import BaseModel, Field

Answer = Callable[[str], str]
Call = Callable[..., str]

CONVERSATION = [
    {"role": "system", "content": "Answer briefly."},
    {"role": "user", "content": "My name is Bo."},
    {"role": "assistant", "content": "Hello Bo."},
    {"role": "user", "content": "Who?"},
]
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"enum": ["Oslo", "Rome"]}}, "required": ["city"]},
    },
}
CHATS = ("ollama_chat", "openai")
PROVIDERS = ("ollama", *CHATS)


class Colour(BaseModel):
    """A colour, and how strong it is."""

    name: Literal["red", "green", "blue"]
    strength: int = Field(ge=0, le=9)


def user(content: Any) -> list[Any]:
    return [{"role": "user", "content": content}]


def to(provider: str, url: str, model: str = "smollm2", **fields: Any) -> dict[str, Any]:
    """What every call of a test says."""
    where = {"api_base": f"{url}/v1", "api_key": "none"} if provider == "openai" else {"api_base": url}
    limit = {} if "input" in fields else {"max_tokens": 12, "temperature": 0}
    return {"model": f"{provider}/{model}", "num_retries": 0, **where, **limit, **fields}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_conversation_is_answered(real: str, provider: str) -> None:
    """By a real model, whole and in pieces, with what it took."""
    asked = to(provider, real, messages=CONVERSATION, seed=1)
    whole = litellm.completion(**asked)
    assert whole.choices[0].message.content
    if provider != "ollama":  # there LiteLLM makes every reason "stop"
        assert "length" == whole.choices[0].finish_reason
    pieces = list(litellm.completion(**asked, stream=True, stream_options={"include_usage": True}))
    assert len(pieces) > 5
    assert "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices)
    assert 12 == whole.usage.completion_tokens
    assert whole.usage.prompt_tokens > 20


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_way_gives_the_same_answer(
    scripted: str, provider: str, answer: Answer, prompt: Callable[[], str]
) -> None:
    """Whole, streamed and asynchronously: all of the conversation is heard."""
    said = "Bo — of course.\n  🦊"
    asked = to(provider, scripted, "able", messages=[*CONVERSATION, *user(answer(said))], max_tokens=100)

    async def later() -> list[str | None]:
        whole = (await litellm.acompletion(**asked)).choices[0].message.content
        pieces = [piece async for piece in await litellm.acompletion(**asked, stream=True)]
        return [whole, "".join(piece.choices[0].delta.content or "" for piece in pieces)]

    assert said == litellm.completion(**asked).choices[0].message.content
    assert "Hello Bo." in prompt()
    pieces = list(litellm.completion(**asked, stream=True))
    assert said == "".join(piece.choices[0].delta.content or "" for piece in pieces)
    assert "stop" == pieces[-1].choices[0].finish_reason
    assert [said] * 2 == asyncio.run(later())


@pytest.mark.parametrize("provider", CHATS)
@pytest.mark.parametrize("streamed", [False, True])
def test_tools_are_called_and_answered(
    scripted: str, *, provider: str, answer: Answer, call: Call, prompt: Callable[[], str], streamed: bool
) -> None:
    """The calls come with their arguments, and their results are heard."""
    cities = ["Oslo", "Rome"]
    if streamed and provider == "ollama_chat":  # there LiteLLM takes all calls for pieces of one
        cities.pop()
    wanted = "".join(call("weather", city=city) for city in cities)
    messages = user(f"How is it there? {answer(wanted)}")
    asked = to(provider, scripted, "able", max_tokens=100, tools=[WEATHER])
    if streamed:
        pieces = list(litellm.completion(**asked, messages=messages, stream=True))
        reply = litellm.stream_chunk_builder(pieces, messages=messages)
    else:
        reply = litellm.completion(**asked, messages=messages)
    assert "The weather of a city" in prompt()
    message = reply.choices[0].message
    assert [("weather", {"city": city}) for city in cities] == [
        (one.function.name, json.loads(one.function.arguments)) for one in message.tool_calls
    ]
    assert "tool_calls" == reply.choices[0].finish_reason
    results = [{"role": "tool", "tool_call_id": one.id, "content": "rain"} for one in message.tool_calls]
    messages += [message.model_dump(), *results, *user(answer("It rains."))]
    assert "It rains." == litellm.completion(**asked, messages=messages).choices[0].message.content
    assert "rain<|im_end|>" in prompt()


def test_a_tool_that_must_be_called_is(real: str) -> None:
    """By a real model, with arguments that its parameters allow."""
    asked = to("openai", real, "tooled", messages=user("Say hello."), tools=[WEATHER], max_tokens=60)
    [called] = litellm.completion(**asked, tool_choice="required").choices[0].message.tool_calls
    assert json.loads(called.function.arguments)["city"] in {"Oslo", "Rome"}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_answer_has_a_form(real: str, provider: str) -> None:
    """By its schema."""
    asked = to(provider, real, messages=user("Name a colour."), max_tokens=100)
    reply = litellm.completion(**asked, response_format=Colour)
    assert Colour.model_validate_json(reply.choices[0].message.content)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_answer_is_json(scripted: str, provider: str, answer: Answer) -> None:
    """Without a schema it is JSON of any form."""
    said = json.dumps({"name": "red"})
    asked = to(provider, scripted, "able", messages=user(answer(said)), max_tokens=100)
    reply = litellm.completion(**asked, response_format={"type": "json_object"})
    assert said == reply.choices[0].message.content


@pytest.mark.parametrize("provider", CHATS)
def test_thinking_comes_apart(scripted: str, provider: str, answer: Answer) -> None:
    """Beside the answer, whole and streamed."""
    messages = user(answer("<think>10 and 20…</think>33"))
    asked = to(provider, scripted, "able", messages=messages, max_tokens=100, reasoning_effort="high")
    if provider == "openai":
        asked["allowed_openai_params"] = ["reasoning_effort"]
    whole = litellm.completion(**asked).choices[0].message
    assert ("10 and 20…", "33") == (whole.reasoning_content, whole.content)
    built = litellm.stream_chunk_builder(list(litellm.completion(**asked, stream=True)))
    message = built.choices[0].message
    assert ("10 and 20…", "33") == (message.reasoning_content, message.content)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_picture_is_seen(real: str, provider: str, picture: str) -> None:
    """Its tokens are in the prompt."""
    text = {"type": "text", "text": "What?"}
    image = {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{picture}"}}
    seen, blind = (
        litellm.completion(**to(provider, real, "eyes", messages=user(parts), max_tokens=2)).usage.prompt_tokens
        for parts in ([text, image], [text])
    )
    assert seen > blind + 15


@pytest.mark.parametrize("provider", ["ollama", "openai"])
def test_vectors(real: str, provider: str) -> None:
    """One for each text, the same one asynchronously."""
    found = litellm.embedding(**to(provider, real, input=["a cat", "a dog"]))
    vectors = [one["embedding"] for one in found.data]
    assert [576, 576] == [len(vector) for vector in vectors]
    later = asyncio.run(litellm.aembedding(**to(provider, real, input=["a cat"])))
    assert vectors[0] == pytest.approx(later.data[0]["embedding"], abs=1e-3)


def test_a_text_goes_on(scripted: str, answer: Answer) -> None:
    """OpenAI's older interface."""
    asked = to("text-completion-openai", f"{scripted}/v1", "able", prompt=answer("Because."))
    reply = litellm.text_completion(**asked, api_key="none")
    assert "Because." == reply.choices[0].text


@pytest.mark.parametrize("provider", PROVIDERS)
def test_errors_say_what_was_wrong(real: str, provider: str) -> None:
    """A model that is not there is named, and the exception is one that its users catch."""
    with pytest.raises(litellm.NotFoundError, match="model 'nope' not found"):
        litellm.completion(**to(provider, real, "nope", messages=user("Hi")))
