"""Whole conversations with OpenAI's own Python library, and its asynchronous client, against real servers."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Literal

import openai
import pytest
from pydantic import BaseModel, Field

Answer = Callable[[str], str]

SMOLLM2 = "smollm2"
SAID = "Bo — of course.\n  🦊"
CALLS = "".join(
    f'<tool_call>\n{{"name": "Weather", "arguments": {{"city": "{city}"}}}}\n</tool_call>' for city in ("Oslo", "Rome")
)


class Colour(BaseModel):
    """A colour, and how strong it is."""

    name: Literal["red", "green", "blue"]
    strength: int = Field(ge=0, le=9)


class Weather(BaseModel):
    """The weather of a city."""

    city: Literal["Oslo", "Rome"]


def user(content: Any) -> Any:
    return {"role": "user", "content": content}


def run(url: str, talk: Callable[[openai.AsyncOpenAI], Coroutine[Any, Any, Any]]) -> Any:
    """Talk to a server by the asynchronous client."""

    async def scene() -> Any:
        async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
            return await talk(client)

    return asyncio.run(scene())


def test_tools_are_answered(scripted: Any, answer: Answer) -> None:
    """A whole round: the calls as objects of the caller's types, their results, and what the model makes of them."""
    messages: list[Any] = [user(f"How is it there? {answer('Let me see.' + CALLS)}")]
    tools = [openai.pydantic_function_tool(Weather)]
    with openai.OpenAI(base_url=f"{scripted.url}/v1", api_key="none") as client:
        called = client.chat.completions.parse(model="able", messages=messages, tools=tools).choices[0]
        found = called.message.tool_calls or []
        assert [Weather(city="Oslo"), Weather(city="Rome")] == [call.function.parsed_arguments for call in found]
        messages.append(called.message)
        messages += [{"role": "tool", "tool_call_id": call.id, "content": "rain"} for call in found]
        messages[-1]["content"] = f"fog {answer('Rain and fog.')}"
        done = client.chat.completions.create(model="able", messages=messages, tools=tools).choices[0]
    assert ("stop", "Rain and fog.", None) == (done.finish_reason, done.message.content, done.message.tool_calls)
    assert "Weather gave: rain" in scripted.prompt()


@pytest.mark.parametrize("past", ["sent", "named", "kept"])
def test_responses_hear_what_tools_gave(scripted: Any, answer: Answer, past: str) -> None:
    """Sent with the conversation, whole or by the ids of its items, or by going on from the response that called."""
    asked: Any = [user(answer("Let me see." + CALLS))]
    tools: Any = [openai.pydantic_function_tool(Weather)["function"] | {"type": "function"}]
    with openai.OpenAI(base_url=f"{scripted.url}/v1", api_key="none") as client:
        first = client.responses.create(model="able", input=asked, tools=tools, store=past != "sent")
        assert "Let me see." == first.output_text
        calls = [item for item in first.output if item.type == "function_call"]
        assert [{"city": "Oslo"}, {"city": "Rome"}] == [json.loads(call.arguments) for call in calls]
        results = [{"type": "function_call_output", "call_id": call.call_id, "output": "rain"} for call in calls]
        news: Any = [*results, user(answer("It rains."))]
        named = [{"type": "item_reference", "id": item.id} for item in first.output]
        before: Any = {
            "sent": {"input": [*asked, *first.output, *news]},
            "named": {"input": [*asked, *named, *news]},
            "kept": {"input": news, "previous_response_id": first.id},
        }[past]
        done = client.responses.create(model="able", tools=tools, store=False, **before)
    assert ("completed", "It rains.") == (done.status, done.output_text)
    assert "Weather gave: rain" in scripted.prompt()


def test_a_picture_is_seen(server: Any, eyes: str, photo: Path) -> None:
    """As a data URL, with chats and with responses."""
    url = f"data:image/jpeg;base64,{base64.b64encode(photo.read_bytes()).decode()}"
    text: Any = {"type": "text", "text": "What?"}
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client:
        blind, seen = (
            client.chat.completions.create(model=eyes, messages=[user(parts)], max_tokens=2).usage
            for parts in ([text], [text, {"type": "image_url", "image_url": {"url": url, "detail": "low"}}])
        )
        parts: Any = [{"type": "input_text", "text": "What?"}, {"type": "input_image", "image_url": url}]
        response = client.responses.create(model=eyes, input=[user(parts)], max_output_tokens=2, store=False).usage
        with pytest.raises(openai.BadRequestError, match="smollm2:latest does not support vision"):
            client.responses.create(model=SMOLLM2, input=[user(parts)], store=False)
    assert blind
    assert seen
    assert response
    assert seen.prompt_tokens == response.input_tokens
    assert seen.prompt_tokens > blind.prompt_tokens + 15


def test_the_asynchronous_client_streams(scripted: Any, answer: Answer) -> None:
    """Chats, calls, texts and responses, several at once."""

    async def talk(client: openai.AsyncOpenAI) -> list[str]:
        async def chat() -> str:
            async with client.chat.completions.stream(model="able", messages=[user(answer(SAID))]) as stream:
                pieces = [event.delta async for event in stream if event.type == "content.delta"]
                assert len(pieces) > 3
                return "".join(pieces)

        async def call() -> str:
            tools = [openai.pydantic_function_tool(Weather)]
            asked = [user(answer(CALLS))]
            async with client.chat.completions.stream(model="able", messages=asked, tools=tools) as stream:
                (await stream.until_done())
                message = (await stream.get_final_completion()).choices[0].message
            return " ".join(one.function.parsed_arguments.city for one in message.tool_calls or ())

        async def text() -> str:
            stream = await client.completions.create(model="able", prompt=answer(SAID), stream=True, max_tokens=100)
            return "".join([chunk.choices[0].text async for chunk in stream if chunk.choices])

        async def response() -> str:
            async with client.responses.stream(model="able", input=answer(SAID), store=False) as stream:
                return "".join([event.delta async for event in stream if event.type == "response.output_text.delta"])

        return await asyncio.gather(chat(), call(), text(), response())

    assert [SAID, "Oslo Rome", SAID, SAID] == run(scripted.url, talk)


def test_the_asynchronous_client_gets_its_own_types(server: Any) -> None:
    """By chats, streams and responses; and vectors."""

    async def talk(client: openai.AsyncOpenAI) -> list[Any]:
        asked: Any = {"model": SMOLLM2, "temperature": 0}
        messages = [user("Name a colour.")]
        chat = await client.chat.completions.parse(messages=messages, response_format=Colour, max_tokens=100, **asked)
        async with client.chat.completions.stream(
            messages=messages, response_format=Colour, max_tokens=100, **asked
        ) as stream:
            streamed = await stream.get_final_completion()
        response = await client.responses.parse(
            input="Name a colour.", text_format=Colour, max_output_tokens=100, store=False, **asked
        )
        vectors = await client.embeddings.create(model=SMOLLM2, input=["a cat", "a dog"], dimensions=32)
        assert [32, 32] == [len(one.embedding) for one in vectors.data]
        return [chat.choices[0].message.parsed, streamed.choices[0].message.parsed, response.output_parsed]

    assert [Colour] * 3 == [type(found) for found in run(server.url, talk)]


def test_a_stream_that_is_left_costs_nothing_more(server: Any, until_idle: Callable[[], None]) -> None:
    """The model stops writing, by either client."""
    asked: Any = {"model": SMOLLM2, "messages": [user("Tell me a long story.")], "stream": True}
    until_idle()
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none") as client:
        stream = client.chat.completions.create(**asked)
        next(stream)
        assert server.call("GET", "/api/requests")["requests"]
        stream.close()
        until_idle()

    async def talk(client: openai.AsyncOpenAI) -> None:
        async def listen(begun: asyncio.Event) -> None:
            async for _ in await client.chat.completions.create(**asked):
                begun.set()

        begun = asyncio.Event()
        listening = asyncio.create_task(listen(begun))
        await begun.wait()
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)

    run(server.url, talk)
    until_idle()


def test_errors_reach_the_asynchronous_client(server: Any, scripted: Any) -> None:
    """Each kind is the exception that programs catch, before a stream and within."""

    async def lost(client: openai.AsyncOpenAI) -> None:
        await client.chat.completions.create(model="nope", messages=[user("Hi")], stream=True)

    async def broken(client: openai.AsyncOpenAI) -> None:
        async for _ in await client.completions.create(model="able", prompt="say:hello fail now", stream=True):
            pass

    with pytest.raises(openai.NotFoundError, match="model 'nope' not found"):
        run(server.url, lost)
    with pytest.raises(openai.APIError, match="it failed"):
        run(scripted.url, broken)
