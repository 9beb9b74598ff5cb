"""The official Anthropic client's asynchronous side against real servers, and streams that are left."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Literal

import anthropic
import pydantic
import pytest

Answer = Callable[[str], str]

WEATHER: anthropic.types.ToolParam = {
    "name": "weather",
    "description": "The weather of a city",
    "input_schema": {"type": "object", "required": ["city"], "properties": {"city": {"enum": ["Oslo", "Rome"]}}},
}
CALL = '<tool_call>\n{"name": "weather", "arguments": {"city": "Oslo"}}\n</tool_call>'


def user(content: Any) -> Any:
    return {"role": "user", "content": content}


def run(url: str, talk: Callable[[anthropic.AsyncAnthropic], Coroutine[Any, Any, Any]]) -> Any:
    """Talk to a server by the asynchronous client."""

    async def scene() -> Any:
        async with anthropic.AsyncAnthropic(base_url=url, api_key="any", max_retries=0) as client:
            return await talk(client)

    return asyncio.run(scene())


@pytest.mark.parametrize("streamed", [False, True])
def test_tools_are_called_and_answered(scripted: Any, answer: Answer, streamed: bool) -> None:
    """The two rounds of every agent."""

    async def talk(client: anthropic.AsyncAnthropic) -> str:
        async def ask(messages: list[Any]) -> anthropic.types.Message:
            asked: Any = {"model": "able", "max_tokens": 100, "tools": [WEATHER], "messages": messages}
            if not streamed:
                return await client.messages.create(**asked)
            async with client.messages.stream(**asked) as stream:
                return await stream.get_final_message()

        messages = [user(f"Weather in Oslo? {answer('Let me look. ' + CALL)}")]
        called = await ask(messages)
        [use] = [block for block in called.content if block.type == "tool_use"]
        assert ("tool_use", "weather", {"city": "Oslo"}) == (called.stop_reason, use.name, use.input)
        result = {"type": "tool_result", "tool_use_id": use.id, "content": "18 degrees"}
        text = {"type": "text", "text": answer("It is warm.")}
        done = await ask([*messages, {"role": "assistant", "content": called.content}, user([result, text])])
        assert "end_turn" == done.stop_reason
        return "".join(block.text for block in done.content if block.type == "text")

    assert "It is warm." == run(scripted.url, talk)
    assert "weather gave: 18 degrees" in scripted.prompt()


def test_functions_are_run(scripted: Any, answer: Answer) -> None:
    """The client's own runner calls them and goes on until there is an answer."""
    ran = []

    @anthropic.beta_async_tool
    async def weather(city: str) -> str:
        """The weather of a city."""
        ran.append(city)
        return f"18 degrees {answer('It is warm.')}"

    async def talk(client: anthropic.AsyncAnthropic) -> str:
        runner = client.beta.messages.tool_runner(
            model="able", max_tokens=100, tools=[weather], messages=[user(answer(CALL))]
        )
        last = await runner.until_done()
        return "".join(block.text for block in last.content if block.type == "text")

    assert ("It is warm.", ["Oslo"]) == (run(scripted.url, talk), ran)


def test_a_schema_binds_the_answer(server: Any) -> None:
    """Structured output with pydantic, whole and streamed; tokens are counted."""

    class Colour(pydantic.BaseModel):
        name: Literal["red", "green", "blue"]
        strong: bool

    async def talk(client: anthropic.AsyncAnthropic) -> list[Any]:
        asked: Any = {"model": "smollm2", "messages": [user("Name a colour.")]}
        counted = await client.messages.count_tokens(**asked)
        bound: Any = asked | {"max_tokens": 100, "extra_body": {"temperature": 0}, "output_format": Colour}
        whole = await client.messages.parse(**bound)
        async with client.messages.stream(**bound) as stream:
            streamed = await stream.get_final_message()
        usage = whole.usage
        assert counted.input_tokens == usage.input_tokens + (usage.cache_read_input_tokens or 0)
        return [whole.parsed_output, streamed.parsed_output]

    assert [Colour, Colour] == [type(found) for found in run(server.url, talk)]


def test_a_stream_that_is_left_costs_nothing_more(server: Any, until_idle: Callable[[], None]) -> None:
    """The model stops writing, by either client."""
    asked: Any = {"model": "smollm2", "max_tokens": 8000, "messages": [user("Tell me a long story.")]}
    until_idle()
    with anthropic.Anthropic(base_url=server.url, api_key="any") as client:
        with client.messages.stream(**asked) as stream:
            next(stream.text_stream)
            assert server.call("GET", "/api/requests")["requests"]
        until_idle()

    async def talk(client: anthropic.AsyncAnthropic) -> None:
        async def listen(begun: asyncio.Event) -> None:
            async with client.messages.stream(**asked) as stream:
                async for _ in stream.text_stream:
                    begun.set()

        begun = asyncio.Event()
        listening = asyncio.create_task(listen(begun))
        await begun.wait()
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)

    run(server.url, talk)
    until_idle()


def test_errors_are_the_clients_own(server: Any, scripted: Any) -> None:
    """Before a stream and within."""

    async def lost(client: anthropic.AsyncAnthropic) -> None:
        await client.messages.create(model="nope", max_tokens=3, messages=[user("Hi")], stream=True)

    async def broken(client: anthropic.AsyncAnthropic) -> None:
        asked = [user("x say:Hello fail now")]
        async with client.messages.stream(model="able", max_tokens=9, messages=asked) as stream:
            await stream.until_done()

    with pytest.raises(anthropic.NotFoundError, match="model 'nope' not found"):
        run(server.url, lost)
    with pytest.raises(anthropic.APIStatusError, match="it failed"):
        run(scripted.url, broken)
