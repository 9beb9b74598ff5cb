"""LangChain by its integration for Ollama: chats, texts, vectors, tools, forms and thinking."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Literal

import ollama
import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_ollama import ChatOllama, OllamaEmbeddings, OllamaLLM
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
def weather(city: str, days: int = 1) -> str:
    """The weather of a city."""
    return f"{days} days of rain in {city}"


def chat(url: str, model: str = "smollm2", **fields: Any) -> ChatOllama:
    return ChatOllama(base_url=url, model=model, temperature=0, seed=1, **{"num_predict": 12, **fields})


def test_a_conversation_is_answered(real: str) -> None:
    """By a real model, whole and in pieces, with why it ended and what it took."""
    model = chat(real, validate_model_on_init=True)
    whole = model.invoke(CONVERSATION)
    assert whole.content
    first, *others = model.stream(CONVERSATION)
    total = sum(others, first)
    assert len(others) > 5
    for reply in (whole, total):
        assert "length" == reply.response_metadata["done_reason"]
        assert reply.usage_metadata
        assert 12 == reply.usage_metadata["output_tokens"]
        assert reply.usage_metadata["input_tokens"] == whole.usage_metadata["input_tokens"] > 20


def test_every_way_gives_the_same_answer(scripted: str, answer: Answer, prompt: Callable[[], str]) -> None:
    """Whole, streamed, asynchronously and in a batch: all of the conversation is heard."""
    said = "Bo — of course.\n  🦊"
    asked = [*CONVERSATION, HumanMessage(answer(said))]
    model = chat(scripted, "able", num_predict=100)

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


def test_a_text_goes_on(real: str, scripted: str, answer: Answer) -> None:
    """The older interface, whole and streamed, with a stop."""
    asked = "Count: one two three"
    model = OllamaLLM(base_url=real, model="smollm2", temperature=0, seed=1, num_predict=12)
    whole = model.invoke(asked)
    assert whole
    word = whole.split()[0]
    assert word not in model.invoke(asked, stop=[word])
    able = OllamaLLM(base_url=scripted, model="able", num_predict=100)
    assert "four five" == "".join(able.stream(answer("four five"))) == asyncio.run(able.ainvoke(answer("four five")))


def test_vectors(real: str) -> None:
    """A query's is that of the same document, whatever the interface."""
    model = OllamaEmbeddings(base_url=real, model="smollm2")
    documents = model.embed_documents(["a cat", "a dog"])
    assert [576, 576] == [len(vector) for vector in documents]
    assert documents[0] == pytest.approx(model.embed_query("a cat"), abs=1e-3)
    assert documents[0] == pytest.approx(asyncio.run(model.aembed_query("a cat")), abs=1e-3)


@pytest.mark.parametrize("way", ["whole", "streamed", "asynchronous"])
def test_tools_are_called_and_answered(
    scripted: str, answer: Answer, call: Call, prompt: Callable[[], str], way: str
) -> None:
    """The model is shown the function, its calls come with their arguments, and their results are heard."""
    model = chat(scripted, "able", num_predict=100).bind_tools([weather])
    wanted = "Let me see." + call("weather", city="Oslo", days=3) + call("weather", city="Rome")
    messages: list[Any] = [HumanMessage(f"How is it there? {answer(wanted)}")]
    if way == "whole":
        called = model.invoke(messages)
    elif way == "asynchronous":
        called = asyncio.run(model.ainvoke(messages))
    else:
        first, *others = model.stream(messages)
        called = sum(others, first)
    assert '"description":"The weather of a city."' in prompt().replace('": "', '":"')
    assert "Let me see." == called.content
    assert [("weather", {"city": "Oslo", "days": 3}), ("weather", {"city": "Rome"})] == [
        (one["name"], one["args"]) for one in called.tool_calls
    ]
    messages += [called, *(weather.invoke(one) for one in called.tool_calls)]
    messages[-1].content += " " + answer("It rains.")
    assert isinstance(messages[-1], ToolMessage)
    done = model.invoke(messages)
    assert ("It rains.", []) == (done.content, done.tool_calls)
    assert "3 days of rain in Oslo" in prompt()


@pytest.mark.parametrize("streamed", [False, True])
def test_an_answer_has_a_form(real: str, streamed: bool) -> None:
    """By its schema, as an object of the caller's type."""
    model = chat(real, num_predict=100).with_structured_output(Colour, method="json_schema")
    found = [*model.stream("Name a colour.")][-1] if streamed else model.invoke("Name a colour.")
    assert isinstance(found, Colour)


def test_an_answer_is_json(real: str) -> None:
    """Without a schema it is JSON of any form."""
    model = chat(real, num_predict=60, format="json")
    assert "{" == str(model.invoke("Name a colour, as a JSON object.").content).strip()[0]


def test_a_form_by_way_of_a_call(scripted: str, answer: Answer, call: Call) -> None:
    """A call of the form's name is the form."""
    model = chat(scripted, "able", num_predict=100).with_structured_output(Colour, method="function_calling")
    assert Colour(name="red", strength=3) == model.invoke(answer(call("Colour", name="red", strength=3)))


def test_thinking_comes_apart(scripted: str, answer: Answer) -> None:
    """Beside the answer, whole and streamed."""
    model = chat(scripted, "able", num_predict=100, reasoning=True)
    said = answer("<think>10 and 20…</think>33")
    whole = model.invoke(said)
    assert ("10 and 20…", "33") == (whole.additional_kwargs["reasoning_content"], whole.content)
    first, *others = model.stream(said)
    total = sum(others, first)
    assert ("10 and 20…", "33") == (total.additional_kwargs["reasoning_content"], total.content)


def test_a_picture_is_seen(real: str, picture: str) -> None:
    """Its tokens are in the prompt."""
    text = {"type": "text", "text": "What?"}
    image = {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{picture}"}}
    model = chat(real, "eyes", num_predict=2)
    seen, blind = (model.invoke([HumanMessage(parts)]).usage_metadata for parts in ([text, image], [text]))
    assert seen
    assert blind
    assert seen["input_tokens"] > blind["input_tokens"] + 15


def test_a_stream_may_be_left(real: str) -> None:
    """Long before its end, and the model is free for the next."""
    stream = chat(real, num_predict=-1).stream("Tell me a long story.")
    assert isinstance(next(stream), AIMessage)
    stream.close()
    assert chat(real).invoke(CONVERSATION).content


def test_errors_say_what_was_wrong(real: str) -> None:
    """They are those of Ollama's own client."""
    with pytest.raises(ollama.ResponseError, match="model 'nope' not found") as missing:
        chat(real, "nope").invoke("Hi")
    assert 404 == missing.value.status_code
    with pytest.raises(ollama.ResponseError, match="does not support tools"):
        chat(real).bind_tools([weather]).invoke("Hi")
