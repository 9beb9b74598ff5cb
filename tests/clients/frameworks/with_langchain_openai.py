"""LangChain by its integration for OpenAI: chats and responses, tools, forms and vectors."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, Literal

import openai
import pytest
import tiktoken
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAI, OpenAIEmbeddings
from pydantic import BaseModel, Field

Answer = Callable[[str], str]
Call = Callable[..., str]

CONVERSATION = [
    SystemMessage("Answer briefly."),
    HumanMessage("My name is Bo."),
    AIMessage("Hello Bo."),
    HumanMessage("Who?"),
]


class Colour(BaseModel):
    """A colour, and how strong it is."""

    name: Literal["red", "green", "blue"]
    strength: int = Field(ge=0, le=9)


@tool
def weather(city: Literal["Oslo", "Rome"]) -> str:
    """The weather of a city."""
    return f"rain in {city}"


def chat(url: str, model: str = "smollm2", **fields: Any) -> ChatOpenAI:
    asked = {"temperature": 0, "seed": 1, "max_tokens": 12, "max_retries": 0, **fields}
    return ChatOpenAI(base_url=f"{url}/v1", api_key="none", model=model, **asked)


def test_a_conversation_is_answered(real: str) -> None:
    """By a real model, whole and in pieces, with why it ended and what it took."""
    model = chat(real, stream_usage=True)
    whole = model.invoke(CONVERSATION)
    assert whole.content
    first, *others = model.stream(CONVERSATION)
    total = sum(others, first)
    assert len(others) > 5
    for reply in (whole, total):
        assert "length" == reply.response_metadata["finish_reason"]
        assert "smollm2" == reply.response_metadata["model_name"]
        assert reply.usage_metadata
        assert 12 == reply.usage_metadata["output_tokens"]
        assert reply.usage_metadata["input_tokens"] == whole.usage_metadata["input_tokens"] > 20


def test_every_way_gives_the_same_answer(scripted: str, answer: Answer, prompt: Callable[[], str]) -> None:
    """Whole, streamed, asynchronously and in a batch: all of the conversation is heard."""
    said = "Bo — of course.\n  🦊"
    asked = [*CONVERSATION, HumanMessage(answer(said))]
    model = chat(scripted, "able", max_tokens=100)

    async def later() -> list[Any]:
        streamed = "".join([str(chunk.content) async for chunk in model.astream(asked)])
        return [
            streamed,
            (await model.ainvoke(asked)).content,
            *(one.content for one in await model.abatch([asked] * 2)),
        ]

    assert said == model.invoke(asked).content
    assert "assistant\nHello Bo." in prompt()
    assert said == "".join(str(chunk.content) for chunk in model.stream(asked))
    assert [said] * 4 == asyncio.run(later())


def test_a_text_goes_on(scripted: str, answer: Answer) -> None:
    """The older interface, whole and streamed."""
    model = OpenAI(base_url=f"{scripted}/v1", api_key="none", model="able", max_tokens=100)
    asked = f"Why is grass green? {answer('Because.')}"
    assert "Because." == model.invoke(asked) == "".join(model.stream(asked))


@pytest.mark.parametrize("streamed", [False, True])
def test_tools_are_called_and_answered(
    scripted: str, answer: Answer, call: Call, prompt: Callable[[], str], streamed: bool
) -> None:
    """Text and calls come apart, and the results are heard."""
    model = chat(scripted, "able", max_tokens=200).bind_tools([weather])
    wanted = "Let me see." + call("weather", city="Oslo") + call("weather", city="Rome")
    messages: list[Any] = [HumanMessage(f"How is it there? {answer(wanted)}")]
    if streamed:
        first, *others = model.stream(messages)
        called: Any = sum(others, first)
    else:
        called = model.invoke(messages)
    assert "Let me see." == called.content
    assert [("weather", {"city": "Oslo"}), ("weather", {"city": "Rome"})] == [
        (one["name"], one["args"]) for one in called.tool_calls
    ]
    messages += [called, *(weather.invoke(one) for one in called.tool_calls)]
    messages[-1].content += " " + answer("It rains.")
    done = model.invoke(messages)
    assert ("It rains.", []) == (done.content, done.tool_calls)
    assert "rain in Oslo" in prompt()


@pytest.mark.parametrize("choice", ["any", "weather"])
def test_a_tool_that_must_be_called_is(real: str, choice: str) -> None:
    """By a real model, with arguments that its parameters allow."""
    model = chat(real, "tooled", max_tokens=60).bind_tools([weather], tool_choice=choice, strict=True)
    [called] = model.invoke("Say hello.").tool_calls
    assert weather.invoke(called).content in {"rain in Oslo", "rain in Rome"}


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
@pytest.mark.parametrize("include_raw", [False, True])
def test_an_answer_has_a_form(real: str, method: str, include_raw: bool) -> None:
    """By its schema or by way of a call, as an object of the caller's type."""
    model = chat(real, "tooled", max_tokens=100)
    found: Any = model.with_structured_output(Colour, method=method, include_raw=include_raw).invoke("Name a colour.")
    if include_raw:
        assert found["parsing_error"] is None
        assert isinstance(found["raw"], AIMessage)
        found = found["parsed"]
    assert isinstance(found, Colour)


def test_a_form_is_streamed(real: str) -> None:
    """What is there so far is an object, and the last is whole."""
    model = chat(real, max_tokens=100).with_structured_output(Colour, method="json_schema")
    assert isinstance([*model.stream("Name a colour.")][-1], Colour)


def test_a_form_by_json_alone(scripted: str, answer: Answer) -> None:
    """The model is trusted with the schema, and its answer is JSON."""
    model = chat(scripted, "able", max_tokens=100).with_structured_output(Colour, method="json_mode")
    assert Colour(name="blue", strength=1) == model.invoke(answer(json.dumps({"name": "blue", "strength": 1})))


def test_responses_go_on(real: str) -> None:
    """OpenAI's newer interface: the next turn knows the one before by its id."""
    model = chat(real, seed=None, use_responses_api=True, use_previous_response_id=True)
    first = model.invoke([HumanMessage("My name is Bo.")])
    assert first.text
    second = model.invoke([HumanMessage("My name is Bo."), first, HumanMessage("Who?")])
    assert first.usage_metadata
    assert second.usage_metadata
    assert second.usage_metadata["input_tokens"] > first.usage_metadata["input_tokens"]
    first, *others = model.stream("Count: one two")
    total = sum(others, first)
    assert len(others) > 5
    assert (True, 12) == (bool(total.text), total.usage_metadata["output_tokens"])


def test_responses_call_tools(scripted: str, answer: Answer, call: Call, prompt: Callable[[], str]) -> None:
    """Their results are heard there too."""
    model = chat(scripted, "able", seed=None, max_tokens=100, use_responses_api=True).bind_tools([weather])
    messages: list[Any] = [HumanMessage(answer("Let me see." + call("weather", city="Oslo")))]
    called = model.invoke(messages)
    assert ("Let me see.", [{"city": "Oslo"}]) == (called.text, [one["args"] for one in called.tool_calls])
    messages += [called, weather.invoke(called.tool_calls[0]), HumanMessage(answer("It rains."))]
    assert "It rains." == model.invoke(messages).text
    assert "rain in Oslo" in prompt()


def test_a_picture_is_seen(real: str, picture: str) -> None:
    """Its tokens are in the prompt."""
    text = {"type": "text", "text": "What?"}
    image = {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{picture}"}}
    model = chat(real, "eyes", max_tokens=2)
    seen, blind = (model.invoke([HumanMessage(parts)]).usage_metadata for parts in ([text, image], [text]))
    assert seen
    assert blind
    assert seen["input_tokens"] > blind["input_tokens"] + 15


def test_vectors_of_texts(real: str) -> None:
    """As its users are told to do with servers that are not OpenAI's: the texts themselves are sent."""
    model = OpenAIEmbeddings(
        base_url=f"{real}/v1", api_key="none", model="smollm2", check_embedding_ctx_length=False, max_retries=0
    )
    documents = model.embed_documents(["a cat", "a dog"])
    assert [576, 576] == [len(vector) for vector in documents]
    assert documents[0] == pytest.approx(model.embed_query("a cat"), abs=1e-3)
    assert documents[0] == pytest.approx(asyncio.run(model.aembed_query("a cat")), abs=1e-3)


def test_vectors_of_tokens(real: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it sends unless it is told otherwise: arrays of tokens, of an encoding that here needs no download."""
    ranks = {bytes([byte]): byte for byte in range(256)}
    encoding = tiktoken.Encoding("bytes", pat_str=r".", mergeable_ranks=ranks, special_tokens={})
    monkeypatch.setitem(tiktoken.registry.ENCODINGS, "cl100k_base", encoding)
    model = OpenAIEmbeddings(base_url=f"{real}/v1", api_key="none", model="smollm2", max_retries=0)
    documents = model.embed_documents(["a cat", "a dog", "a cat"])
    assert [576] * 3 == [len(vector) for vector in documents]
    assert documents[0] == pytest.approx(documents[2], abs=1e-3)
    assert documents[0] != pytest.approx(documents[1], abs=1e-3)


def test_errors_are_openais(real: str) -> None:
    """The exceptions that its users catch."""
    with pytest.raises(openai.NotFoundError, match="model 'nope' not found"):
        chat(real, "nope").invoke("Hi")
    with pytest.raises(openai.BadRequestError, match="does not support tools"):
        chat(real).bind_tools([weather]).invoke("Hi")
