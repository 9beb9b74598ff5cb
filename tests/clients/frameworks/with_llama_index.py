"""LlamaIndex by its integrations for Ollama: texts, chats, tools, forms, thinking and vectors."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Literal

import ollama
import pytest
from llama_index.core import Document, VectorStoreIndex
from llama_index.core.base.llms.types import ChatMessage, ImageBlock, TextBlock, ThinkingBlock
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool
from llama_index.embeddings.ollama import OllamaEmbedding
from llama_index.llms.ollama import Ollama
from pydantic import BaseModel, Field

Answer = Callable[[str], str]
Call = Callable[..., str]

CONVERSATION = [
    ChatMessage(role="system", content="Answer briefly."),
    ChatMessage(role="user", content="My name is Bo."),
    ChatMessage(role="assistant", content="Hello Bo."),
    ChatMessage(role="user", content="Who?"),
]


class Colour(BaseModel):
    """A colour, and how strong it is."""

    name: Literal["red", "green", "blue"]
    strength: int = Field(ge=0, le=9)


def weather(city: str, days: int = 1) -> str:
    """The weather of a city."""
    return f"{days} days of rain in {city}"


def model(url: str, name: str = "smollm2", limit: int = 12, **fields: Any) -> Ollama:
    options = {"num_predict": limit, "seed": 1}
    asked = {"context_window": 1024, "temperature": 0, "request_timeout": 120, **fields}
    return Ollama(base_url=url, model=name, additional_kwargs=options, **asked)


def test_a_conversation_is_answered(real: str) -> None:
    """By a real model, whole and in pieces, with what it took."""
    llm = model(real)
    whole = llm.chat(CONVERSATION)
    assert whole.message.content
    pieces = list(llm.stream_chat(CONVERSATION))
    assert len(pieces) > 5
    assert pieces[-1].message.content == "".join(piece.delta or "" for piece in pieces)
    for reply in (whole, pieces[-1]):
        assert 12 == reply.raw["usage"]["completion_tokens"]
        assert reply.raw["usage"]["prompt_tokens"] == whole.raw["usage"]["prompt_tokens"] > 20


def test_the_context_is_that_of_the_model(real: str) -> None:
    """It is asked of the server where the caller does not say."""
    assert 8192 == model(real, context_window=-1).metadata.context_window


def test_every_way_gives_the_same_answer(scripted: str, answer: Answer, prompt: Callable[[], str]) -> None:
    """Chats and texts, whole, streamed and asynchronously: all of the conversation is heard."""
    said = "Bo — of course.\n  🦊"
    asked = [*CONVERSATION, ChatMessage(role="user", content=answer(said))]
    llm = model(scripted, "able", 100)

    async def later() -> list[str | None]:
        streamed = "".join([piece.delta or "" async for piece in await llm.astream_chat(asked)])
        return [streamed, (await llm.achat(asked)).message.content, (await llm.acomplete(answer(said))).text]

    assert said == llm.chat(asked).message.content
    assert "assistant\nHello Bo." in prompt()
    assert said == "".join(piece.delta or "" for piece in llm.stream_chat(asked))
    assert said == llm.complete(answer(said)).text
    assert said == "".join(piece.delta or "" for piece in llm.stream_complete(answer(said)))
    assert [said] * 3 == asyncio.run(later())


@pytest.mark.parametrize("streamed", [False, True])
def test_tools_are_called_and_answered(
    scripted: str, answer: Answer, call: Call, prompt: Callable[[], str], streamed: bool
) -> None:
    """The model is shown the function, its calls come with their arguments, and their results are heard."""
    llm = model(scripted, "able", 100)
    tools = [FunctionTool.from_defaults(weather)]
    wanted = call("weather", city="Oslo", days=3) + call("weather", city="Rome")
    asked = ChatMessage(role="user", content=f"How is it there? {answer(wanted)}")
    if streamed:
        *_, called = llm.stream_chat_with_tools(tools, asked, allow_parallel_tool_calls=True)
    else:
        called = llm.chat_with_tools(tools, asked, allow_parallel_tool_calls=True)
    assert "The weather of a city." in prompt()
    calls = llm.get_tool_calls_from_response(called)
    assert [("weather", {"city": "Oslo", "days": 3}), ("weather", {"city": "Rome"})] == [
        (one.tool_name, one.tool_kwargs) for one in calls
    ]
    results = [
        ChatMessage(role="tool", content=weather(**one.tool_kwargs), additional_kwargs={"tool_call_id": one.tool_id})
        for one in calls
    ]
    last = ChatMessage(role="user", content=answer("It rains."))
    assert "It rains." == llm.chat([asked, called.message, *results, last]).message.content
    assert "3 days of rain in Oslo" in prompt()


def test_a_tool_is_run(scripted: str, answer: Answer, call: Call) -> None:
    """The model's call goes straight to the function."""
    tool = FunctionTool.from_defaults(weather)
    reply = model(scripted, "able", 100).predict_and_call([tool], answer(call("weather", city="Oslo")))
    assert "1 days of rain in Oslo" == str(reply)


def test_an_answer_has_a_form(real: str) -> None:
    """By its schema, as an object of the caller's type, whole, streamed and asynchronously."""
    llm, question = model(real, limit=100), PromptTemplate("Name a {thing}.")
    assert isinstance(llm.structured_predict(Colour, question, thing="colour"), Colour)
    assert isinstance(asyncio.run(llm.astructured_predict(Colour, question, thing="colour")), Colour)
    *_, last = llm.stream_structured_predict(Colour, question, thing="colour")
    assert Colour.model_validate(last.model_dump())
    reply = llm.as_structured_llm(Colour).complete("Name a colour.")
    assert isinstance(reply.raw, Colour)


def test_an_answer_is_json(real: str) -> None:
    """Without a schema it is JSON of any form."""
    assert "{" == model(real, limit=60, json_mode=True).complete("Name a colour, as a JSON object.").text.strip()[0]


def test_thinking_comes_apart(scripted: str, answer: Answer) -> None:
    """As a block of its own beside the answer."""
    llm = model(scripted, "able", 100, thinking=True)
    asked = [ChatMessage(role="user", content=answer("<think>10 and 20…</think>33"))]
    for reply in (llm.chat(asked), list(llm.stream_chat(asked))[-1]):
        [thought] = [block for block in reply.message.blocks if isinstance(block, ThinkingBlock)]
        assert ("10 and 20…", "33") == (thought.content, reply.message.content)


def test_a_picture_is_seen(real: str, picture: str) -> None:
    """Its tokens are in the prompt."""
    llm, text = model(real, "eyes", 2), TextBlock(text="What?")
    image = ImageBlock(image=picture.encode(), image_mimetype="image/jpeg")
    seen, blind = (
        llm.chat([ChatMessage(role="user", blocks=blocks)]).raw["usage"]["prompt_tokens"]
        for blocks in ([text, image], [text])
    )
    assert seen > blind + 15


def test_documents_are_found(real: str) -> None:
    """An index of vectors answers a question with the document that is nearest, here the same text."""
    embedding = OllamaEmbedding(base_url=real, model_name="smollm2")
    texts = ["Grass is green because of chlorophyll.", "1 + 1 = 2", "The moon goes round the earth."]
    index = VectorStoreIndex.from_documents([Document(text=text) for text in texts], embed_model=embedding)
    [found] = index.as_retriever(similarity_top_k=1).retrieve(texts[1])
    assert texts[1] == found.text
    assert embedding.get_text_embedding("a cat") == pytest.approx(embedding.get_query_embedding("a cat"), abs=1e-3)
    assert 576 == len(asyncio.run(embedding.aget_text_embedding("a cat")))


def test_errors_say_what_was_wrong(real: str) -> None:
    """They are those of Ollama's own client."""
    with pytest.raises(ollama.ResponseError, match="model 'nope' not found") as missing:
        model(real, "nope").complete("Hi")
    assert 404 == missing.value.status_code
