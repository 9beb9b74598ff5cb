"""The official Anthropic client for Python against real servers: everything its users do works here."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anthropic
import pydantic
import pytest

Answer = Callable[[str], str]

WEATHER: anthropic.types.ToolParam = {
    "name": "get_weather",
    "description": "Get the weather",
    "input_schema": {"type": "object", "required": ["city"], "properties": {"city": {"type": "string"}}},
}
CALL = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n</tool_call>'
THOUGHT, SAID = "tens, then ones… that is\n33. <b>", "**33**, of course."
ANSWER = f"<think>\n{THOUGHT}</think>\n\n{SAID}"


@pytest.fixture(scope="module")
def client(server: Any) -> Iterator[anthropic.Anthropic]:
    """Talks to the server with the real models."""
    with anthropic.Anthropic(base_url=server.url, api_key="any", max_retries=0) as client:
        yield client


@pytest.fixture(scope="module")
def actor(scripted: Any) -> Iterator[anthropic.Anthropic]:
    """Talks to the server whose model `able` says what it is told to."""
    with anthropic.Anthropic(base_url=scripted.url, api_key="any", max_retries=0) as client:
        yield client


def user(content: Any) -> Any:
    return {"role": "user", "content": content}


def test_a_message_is_answered(client: anthropic.Anthropic) -> None:
    """With text, a reason to stop, and counts that add up to the prompt's."""
    message = client.messages.create(
        model="smollm2", max_tokens=6, extra_body={"temperature": 0}, messages=[user("Count: one two")]
    )

    assert ("message", "assistant", "smollm2", "max_tokens") == (
        message.type,
        message.role,
        message.model,
        message.stop_reason,
    )
    assert ["text"] == [block.type for block in message.content]
    assert 6 == message.usage.output_tokens
    assert message._request_id is not None
    assert message._request_id.startswith("req_")


def test_the_same_prompt_is_read_from_the_cache(client: anthropic.Anthropic) -> None:
    """What the engine had kept is told apart from what it read, as Anthropic's users know it."""
    text = "Once upon a time there was a king who had three daughters and a golden ball. " * 3
    asked: Any = {"model": "smollm2", "max_tokens": 2, "messages": [user(text)]}
    client.messages.create(**asked)
    usage = client.messages.create(**asked).usage

    assert usage.cache_read_input_tokens is not None
    assert usage.cache_read_input_tokens > usage.input_tokens
    counted = client.messages.count_tokens(model="smollm2", messages=[user(text)]).input_tokens
    assert counted == usage.cache_read_input_tokens + usage.input_tokens


@pytest.mark.parametrize("system", ["Answer in French.", [{"type": "text", "text": "Answer in French."}]])
def test_tokens_are_counted_exactly(client: anthropic.Anthropic, system: Any) -> None:
    """As many as the answer's usage says afterwards, with a system prompt, several turns, and a beginning to go on."""
    messages: Any = [user("Hi"), {"role": "assistant", "content": "Hello!"}, user("How are you — ça va?")]
    counted = client.messages.count_tokens(model="smollm2", system=system, messages=messages)
    usage = client.messages.create(model="smollm2", max_tokens=1, system=system, messages=messages).usage

    assert usage.input_tokens + (usage.cache_read_input_tokens or 0) == counted.input_tokens


def test_a_stream_has_the_same_message(client: anthropic.Anthropic) -> None:
    """The events come in Anthropic's order, and add up to what comes without a stream; the prompt is known first."""
    asked: Any = {
        "model": "smollm2",
        "max_tokens": 12,
        "extra_body": {"temperature": 0},
        "messages": [user("Count: one two")],
    }
    whole = client.messages.create(**asked)
    with client.messages.stream(**asked) as stream:
        kinds = [event.type for event in stream if event.type != "text"]
        streamed = stream.get_final_message()

    assert ["message_start", "content_block_start"] == kinds[:2]
    assert ["content_block_stop", "message_delta", "message_stop"] == kinds[-3:]
    assert {"content_block_delta"} == set(kinds[2:-3])
    assert whole.content[0].type == streamed.content[0].type == "text"
    assert whole.content[0].text == streamed.content[0].text
    assert whole.stop_reason == streamed.stop_reason
    counted = client.messages.count_tokens(model="smollm2", messages=asked["messages"])
    with client.messages.create(**asked, stream=True) as raw:
        first = next(iter(raw))
    assert "message_start" == first.type
    usage = first.message.usage
    assert counted.input_tokens == usage.input_tokens + (usage.cache_read_input_tokens or 0)


def test_the_async_client_streams_too(server: Any) -> None:
    """Several conversations at once, each with its own text."""

    async def talk() -> list[str]:
        async with anthropic.AsyncAnthropic(base_url=server.url, api_key="any") as client:

            async def one(number: int) -> str:
                asked = user(f"Say {number}")
                async with client.messages.stream(model="smollm2", max_tokens=8, messages=[asked]) as stream:
                    return "".join([text async for text in stream.text_stream])

            return await asyncio.gather(*map(one, range(3)))

    assert all(asyncio.run(talk()))


def test_a_stop_sequence_is_named(client: anthropic.Anthropic) -> None:
    """The one of several that ended the answer; its text is not in it."""
    asked = [user("Count from 1 to 9, with commas."), {"role": "assistant", "content": "1, 2, 3,"}]
    message = client.messages.create(
        model="smollm2", max_tokens=40, extra_body={"temperature": 0}, messages=asked, stop_sequences=["zzz", "7"]
    )

    assert ("stop_sequence", "7") == (message.stop_reason, message.stop_sequence)
    assert all("7" not in block.text for block in message.content if block.type == "text")


def test_tools_are_called_and_answered(actor: anthropic.Anthropic, scripted: Any, answer: Answer) -> None:
    """The two rounds of every agent: the call comes with its arguments, its result reaches the model."""
    asked = user(f"Weather in Paris? {answer('Let me look. ' + CALL)}")
    called = actor.messages.create(model="able", max_tokens=100, tools=[WEATHER], messages=[asked])
    text, use = called.content
    assert ("tool_use", "text", "Let me look. ") == (called.stop_reason, text.type, text.text)
    assert use.type == "tool_use"
    assert ("get_weather", {"city": "Paris"}) == (use.name, use.input)

    image = {"type": "text", "text": "18 degrees"}
    result: Any = {"type": "tool_result", "tool_use_id": use.id, "content": [image]}
    done = actor.messages.create(
        model="able",
        max_tokens=100,
        tools=[WEATHER],
        messages=[
            asked,
            {"role": "assistant", "content": called.content},
            user([result, {"type": "text", "text": answer("It is warm.")}]),
        ],
    )
    assert ["It is warm."] == [block.text for block in done.content if block.type == "text"]
    assert "end_turn" == done.stop_reason
    assert "tool\nget_weather gave: 18 degrees" in scripted.prompt()
    assert '{"name": "get_weather", "arguments": {"city":"Paris"}}' in scripted.prompt()


def test_a_streamed_call_has_its_arguments(actor: anthropic.Anthropic, answer: Answer) -> None:
    """Text, a call, and another call: a block each, in their order."""
    asked = user(answer("Let me look. " + CALL + CALL.replace("Paris", "Rome")))
    with actor.messages.stream(model="able", max_tokens=100, tools=[WEATHER], messages=[asked]) as stream:
        message = stream.get_final_message()

    assert ["text", "tool_use", "tool_use"] == [block.type for block in message.content]
    assert [{"city": "Paris"}, {"city": "Rome"}] == [
        block.input for block in message.content if block.type == "tool_use"
    ]
    assert "tool_use" == message.stop_reason


def test_tools_that_may_not_be_called_are_not_offered(
    actor: anthropic.Anthropic, scripted: Any, answer: Answer
) -> None:
    """tool_choice none: the model never hears of them."""
    actor.messages.create(
        model="able", max_tokens=9, tools=[WEATHER], tool_choice={"type": "none"}, messages=[user(answer("Hm."))]
    )
    assert "get_weather" not in scripted.prompt()


@pytest.mark.parametrize("choice", [{"type": "any"}, {"type": "tool", "name": "get_weather"}])
def test_a_tool_that_must_be_called_is(client: anthropic.Anthropic, tooled: str, choice: Any) -> None:
    """By any model, streamed or not, with arguments that follow its schema."""
    # Without a bound, a small model writes at a city until its limit cuts the call.
    city = {"type": "string", "maxLength": 12}
    tool = WEATHER | {"input_schema": {"type": "object", "required": ["city"], "properties": {"city": city}}}
    asked: Any = {"model": tooled, "max_tokens": 60, "tools": [tool], "tool_choice": choice}
    asked["messages"] = [user("Say hello.")]
    whole = client.messages.create(**asked)
    with client.messages.stream(**asked) as stream:
        streamed = stream.get_final_message()

    for message in (whole, streamed):
        (use,) = message.content
        assert use.type == "tool_use"
        assert "get_weather" == use.name
        assert isinstance(use.input["city"], str)
        assert "tool_use" == message.stop_reason


def test_a_failed_tool_says_so(actor: anthropic.Anthropic, scripted: Any, answer: Answer) -> None:
    """The model learns that what it reads is an error."""
    use: Any = {"type": "tool_use", "id": "t1", "name": "get_weather", "input": {"city": "X"}}
    result: Any = {"type": "tool_result", "tool_use_id": "t1", "content": "no such city", "is_error": True}
    messages: Any = [user("W?"), {"role": "assistant", "content": [use]}, user([result])]
    actor.messages.create(model="able", max_tokens=5, tools=[WEATHER], messages=messages)
    assert "Error: no such city" in scripted.prompt()


def test_reasoning_is_a_block_that_goes_back(actor: anthropic.Anthropic, scripted: Any, answer: Answer) -> None:
    """Signed, or clients would not send it back; streamed or not it is the same."""
    asked: Any = {
        "model": "able",
        "max_tokens": 2000,
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "messages": [user(answer(ANSWER))],
    }
    whole = actor.messages.create(**asked)
    with actor.messages.stream(**asked) as stream:
        kinds = [event.type for event in stream]
        streamed = stream.get_final_message()

    assert [block.type for block in whole.content] == [block.type for block in streamed.content]
    assert whole.content[0] == streamed.content[0]
    thinking, text = whole.content
    assert thinking.type == "thinking"
    assert text.type == "text"
    assert (THOUGHT, SAID, True) == (thinking.thinking, text.text, bool(thinking.signature))
    assert kinds.index("thinking") < kinds.index("signature") < kinds.index("text")

    again: Any = [*asked["messages"], {"role": "assistant", "content": whole.content}, user(answer("Yes."))]
    actor.messages.create(**{**asked, "messages": again})
    assert f"<think>{THOUGHT}</think>" in scripted.prompt()


def test_thinking_is_left_out_where_a_model_knows_none(client: anthropic.Anthropic) -> None:
    """Programs turn it on for whatever model they are given."""
    message = client.messages.create(
        model="smollm2",
        max_tokens=4,
        thinking={"type": "enabled", "budget_tokens": 1024},
        messages=[user("Hi")],
    )
    assert ["text"] == [block.type for block in message.content]


def test_images_are_seen(client: anthropic.Anthropic, eyes: str, photo: Path) -> None:
    """In what a user says and in what a tool gave; their tokens count, exactly."""
    data = base64.b64encode(photo.read_bytes()).decode()
    image: Any = {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": data}}
    messages: Any = [user([image, {"type": "text", "text": "What is it?"}])]
    plain: Any = [user("What is it?")]
    counted = client.messages.count_tokens(model=eyes, messages=messages).input_tokens
    usage = client.messages.create(model=eyes, max_tokens=3, messages=messages).usage

    assert counted == usage.input_tokens + (usage.cache_read_input_tokens or 0)
    assert counted > client.messages.count_tokens(model=eyes, messages=plain).input_tokens


def test_a_schema_binds_the_answer(client: anthropic.Anthropic) -> None:
    """Structured output with pydantic, by the client's own helper."""

    class City(pydantic.BaseModel):
        name: str
        inhabitants: int

    parsed = client.messages.parse(
        model="smollm2",
        max_tokens=100,
        extra_body={"temperature": 0},
        messages=[user("Tell me about Rome.")],
        output_format=City,
    )
    assert isinstance(parsed.parsed_output, City)


@pytest.mark.parametrize(
    ("fields", "error", "text"),
    [
        ({"model": "nope"}, anthropic.NotFoundError, "model 'nope' not found"),
        ({"max_tokens": 0}, anthropic.BadRequestError, "max_tokens is required and must be positive"),
        ({"tools": [{"type": "bash_20250124", "name": "bash"}]}, anthropic.BadRequestError, "bash_20250124"),
        ({"tools": [WEATHER]}, anthropic.BadRequestError, "does not support tools"),
        (
            {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
            anthropic.PermissionDeniedError,
            "web search",
        ),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_errors_are_the_clients_own(
    client: anthropic.Anthropic, fields: dict[str, Any], error: type[anthropic.APIStatusError], text: str, stream: bool
) -> None:
    """Each kind is the exception that programs catch, with a text that says what to do."""
    asked: dict[str, Any] = {"model": "smollm2", "max_tokens": 3, "messages": [user("Hi")], "stream": stream}
    with pytest.raises(error) as raised:
        client.messages.create(**(asked | fields))
    assert isinstance(raised.value.body, dict)
    assert text in raised.value.body["error"]["message"]
    assert raised.value.body["request_id"] == raised.value.request_id


def test_an_error_in_mid_stream_reaches_the_client(actor: anthropic.Anthropic) -> None:
    """What was said before stays; then comes the error, not the end of an answer."""
    said: list[str] = []
    with (
        pytest.raises(anthropic.APIStatusError, match="it failed"),
        actor.messages.stream(model="able", max_tokens=9, messages=[user("x say:Hello fail now")]) as stream,
    ):
        said.extend(stream.text_stream)
    assert ["Hello"] == said
