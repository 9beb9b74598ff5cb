"""OpenAI's own Python library is served as by OpenAI: a real model, and one whose engine says what a test wants."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest
from pydantic import BaseModel

SMOLLM2 = "smollm2"
HI: Any = [{"role": "user", "content": "Hi"}]
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
CALL = '<tool_call>\n{"name": "weather", "arguments": {"city": "Paris"}}\n</tool_call>'


class Colour(BaseModel):
    red: int
    name: str


@pytest.fixture
def client(server: Any) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client:
        yield client


@pytest.fixture
def able(scripted: Any) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{scripted.url}/v1", api_key="none", max_retries=0) as client:
        yield client


def test_a_chat_whole_and_streamed(client: openai.OpenAI) -> None:
    """Both say the same, and what it took."""
    asked: Any = {"model": SMOLLM2, "messages": HI, "temperature": 0, "seed": 1, "max_completion_tokens": 8}
    whole = client.chat.completions.create(**asked)
    said, usage = "", None
    for chunk in client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}):
        said += "".join(choice.delta.content or "" for choice in chunk.choices)
        usage = chunk.usage or usage
    assert whole.choices[0].message.content == said
    assert "length" == whole.choices[0].finish_reason
    assert whole.usage
    assert usage
    assert (8, whole.usage.prompt_tokens) == (usage.completion_tokens, usage.prompt_tokens)


def test_several_answers(client: openai.OpenAI) -> None:
    """Each with a seed of its own, whole and streamed."""
    asked: Any = {"model": SMOLLM2, "messages": HI, "seed": 5, "max_tokens": 6, "n": 3}
    whole = client.chat.completions.create(**asked)
    assert [0, 1, 2] == [choice.index for choice in whole.choices]
    assert 1 < len({choice.message.content for choice in whole.choices})
    ended = [
        choice.index
        for chunk in client.chat.completions.create(**asked, stream=True)
        for choice in chunk.choices
        if choice.finish_reason
    ]
    assert [0, 1, 2] == sorted(ended)


def test_biases_and_probabilities(client: openai.OpenAI) -> None:
    """A token that has to come comes, however unlikely it was, and the likely ones are told."""
    reply = client.chat.completions.create(
        model=SMOLLM2,
        messages=HI,
        max_tokens=2,
        temperature=0,
        logit_bias={"100": 100},
        logprobs=True,
        top_logprobs=2,
    )
    told = reply.choices[0].logprobs
    assert told
    assert told.content
    assert [2, 2] == [len(token.top_logprobs) for token in told.content]
    assert told.content[0].token == told.content[1].token
    assert told.content[0].logprob < told.content[0].top_logprobs[0].logprob


def test_structured_output(client: openai.OpenAI) -> None:
    """The library makes the caller's own type of it."""
    asked: Any = [{"role": "user", "content": "Name a colour."}]
    reply = client.chat.completions.parse(
        model=SMOLLM2, messages=asked, response_format=Colour, temperature=0, max_tokens=60
    )
    assert isinstance(reply.choices[0].message.parsed, Colour)


def test_tools_are_called(able: openai.OpenAI, answer: Callable[[str], str]) -> None:
    """Whole and streamed, with text before the call; several calls unless only one is wanted."""
    asked: Any = [{"role": "user", "content": answer(f"Sure. {CALL}{CALL}")}]
    reply = able.chat.completions.create(model="able", messages=asked, tools=[WEATHER])
    message = reply.choices[0].message
    assert ("tool_calls", 2) == (reply.choices[0].finish_reason, len(message.tool_calls or ()))
    assert (message.content or "").startswith("Sure.")
    one = able.chat.completions.create(model="able", messages=asked, tools=[WEATHER], parallel_tool_calls=False)
    assert 1 == len(one.choices[0].message.tool_calls or ())
    with able.chat.completions.stream(model="able", messages=asked, tools=[WEATHER]) as stream:
        final = stream.get_final_completion()
    calls = final.choices[0].message.tool_calls or ()
    assert ['{"city":"Paris"}'] * 2 == [call.function.arguments for call in calls]


def test_the_choice_of_tools_is_kept(able: openai.OpenAI, answer: Callable[[str], str]) -> None:
    """A call that is required is what the answer has to be; one that is not wanted is not offered."""
    forced: Any = [{"role": "user", "content": answer('{"name": "weather", "arguments": {"city": "Oslo"}}')}]
    named: Any = {"type": "function", "function": {"name": "weather"}}
    for choice in ("required", named):
        reply = able.chat.completions.create(
            model="able", messages=forced, tools=[WEATHER], tool_choice=choice, extra_body={"think": False}
        )
        calls = reply.choices[0].message.tool_calls or ()
        assert [{"city": "Oslo"}] == [json.loads(call.function.arguments) for call in calls if call.type == "function"]
    text: Any = [{"role": "user", "content": answer(CALL)}]
    free = able.chat.completions.create(model="able", messages=text, tools=[WEATHER], tool_choice="none")
    assert (None, CALL) == (free.choices[0].message.tool_calls, free.choices[0].message.content)


def test_reasoning_is_told_apart(able: openai.OpenAI, answer: Callable[[str], str]) -> None:
    """It stands beside the answer, as programs written for Ollama expect, and its tokens are counted."""
    asked: Any = [{"role": "user", "content": answer("<think>Hm.</think>Yes.")}]
    reply = able.chat.completions.create(model="able", messages=asked, reasoning_effort="high")
    message = reply.choices[0].message
    assert ("Yes.", "Hm.") == (message.content, getattr(message, "reasoning", None))
    assert reply.usage
    assert reply.usage.completion_tokens_details
    assert 0 < (reply.usage.completion_tokens_details.reasoning_tokens or 0) < reply.usage.completion_tokens


def test_models(client: openai.OpenAI, server: Any) -> None:
    """Listed and shown, names with slashes too."""
    server.call("POST", "/api/copy", {"source": SMOLLM2, "destination": "team/smol:one"})
    try:
        assert {"smollm2:latest", "team/smol:one"} <= {model.id for model in client.models.list()}
        assert ("team/smol:one", "team") == (
            (found := client.models.retrieve("team/smol:one")).id,
            found.owned_by,
        )
    finally:
        server.call("DELETE", "/api/delete", {"model": "team/smol:one"})


def test_embeddings(client: openai.OpenAI) -> None:
    """The library asks for base64; numbers are the same, and so are tokens."""
    packed = client.embeddings.create(model=SMOLLM2, input=["a cat", "a dog"])
    plain = client.embeddings.create(model=SMOLLM2, input="a cat", encoding_format="float")
    assert packed.data[0].embedding == pytest.approx(plain.data[0].embedding, abs=1e-6)
    assert [0, 1] == [one.index for one in packed.data]
    assert 1 == len(client.embeddings.create(model=SMOLLM2, input=[[260, 2644]]).data)


def test_completions(client: openai.OpenAI) -> None:
    """Several prompts, tokens as a prompt, the prompt repeated, the best of several."""
    asked: Any = {"model": SMOLLM2, "max_tokens": 4, "seed": 1}
    several = client.completions.create(prompt=["One", "Two"], echo=True, n=2, **asked)
    assert ["One", "One", "Two", "Two"] == [choice.text[:3] for choice in several.choices]
    tokens = client.completions.create(prompt=[260, 2644], logprobs=1, **asked)
    told = tokens.choices[0].logprobs
    assert told
    assert 4 == len(told.tokens or ())
    assert 2 == (tokens.usage.prompt_tokens if tokens.usage else 0)
    best = client.completions.create(prompt="One", best_of=3, **asked)
    assert (1, 12) == (len(best.choices), best.usage.completion_tokens if best.usage else 0)
    streamed = client.completions.create(prompt="One", stream=True, **asked)
    assert "length" == list(streamed)[-1].choices[0].finish_reason


def test_responses_go_on(client: openai.OpenAI) -> None:
    """A later one knows the earlier, until that is deleted; one that is not stored never can be gone on from."""
    first = client.responses.create(model=SMOLLM2, input="I am Bo.", instructions="Be brief.", max_output_tokens=8)
    second = client.responses.create(
        model=SMOLLM2, input="Who?", previous_response_id=first.id, max_output_tokens=4, store=False
    )
    assert first.usage
    assert second.usage
    assert first.usage.input_tokens < second.usage.input_tokens
    assert first.output_text == client.responses.retrieve(first.id).output_text
    client.responses.delete(first.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(first.id)
    for gone in (first, second):
        with pytest.raises(openai.BadRequestError, match="Previous response with id"):
            client.responses.create(model=SMOLLM2, input="x", previous_response_id=gone.id)
        with pytest.raises(openai.BadRequestError, match=f"Item with id '{gone.output[0].id}' not found"):
            client.responses.create(model=SMOLLM2, input=[{"type": "item_reference", "id": str(gone.output[0].id)}])


def test_what_a_response_was_asked_is_listed(client: openai.OpenAI) -> None:
    """With all that it went on from, page by page; before it is asked, its tokens are counted, exactly."""
    first = client.responses.create(model=SMOLLM2, input="I am Bo.", max_output_tokens=4)
    asked: Any = {"model": SMOLLM2, "input": "Who?", "previous_response_id": first.id}
    counted = client.responses.input_tokens.count(**asked)
    second = client.responses.create(**asked, max_output_tokens=4)
    assert second.usage
    assert counted.input_tokens == second.usage.input_tokens

    items = list(client.responses.input_items.list(second.id, limit=1))
    assert ["user", "assistant", "user"] == [item.role for item in items]  # type: ignore[union-attr]
    assert ["Who?", first.output_text, "I am Bo."] == [item.content[0].text for item in items]  # type: ignore[union-attr]
    with pytest.raises(openai.BadRequestError, match="background"):
        client.responses.cancel(second.id)
    with pytest.raises(openai.BadRequestError, match="background"):
        client.responses.retrieve(second.id, stream=True)
    with pytest.raises(openai.BadRequestError, match="background"):
        client.responses.create(**asked, background=True)
    with pytest.raises(openai.NotFoundError):
        client.responses.input_items.list("resp_gone")


def test_only_allowed_tools_are_called(able: openai.OpenAI, scripted: Any, answer: Callable[[str], str]) -> None:
    """A model is not told of the others; one that calls them all the same is not listened to."""
    says_call: Any = [{"role": "user", "content": answer(CALL)}]
    other: Any = {"type": "function", "function": {"name": "clock", "parameters": {"type": "object"}}}
    allowed: Any = {"mode": "auto", "tools": [{"type": "function", "function": {"name": "clock"}}]}
    choice: Any = {"type": "allowed_tools", "allowed_tools": allowed}
    reply = able.chat.completions.create(model="able", messages=says_call, tools=[WEATHER, other], tool_choice=choice)
    assert (None, CALL) == (reply.choices[0].message.tool_calls, reply.choices[0].message.content)
    assert '"clock"' in scripted.prompt()
    assert '"city"' not in scripted.prompt()


def test_a_response_is_streamed(able: openai.OpenAI, answer: Callable[[str], str]) -> None:
    """Reasoning, text and a call come as the library's own events."""
    said = answer(f"<think>Hm.</think>Sure. {CALL}")
    tools: Any = [{"type": "function", "strict": False, **WEATHER["function"]}]
    with able.responses.stream(model="able", input=said, tools=tools, reasoning={"effort": "high"}) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_response()
    assert {"response.output_text.delta", "response.function_call_arguments.done", "response.completed"} <= kinds
    assert ["reasoning", "message", "function_call"] == [item.type for item in final.output]


def test_a_response_is_parsed(client: openai.OpenAI) -> None:
    """The library makes the caller's own type of it."""
    reply = client.responses.parse(
        model=SMOLLM2, input="Name a colour.", text_format=Colour, temperature=0, max_output_tokens=60
    )
    assert isinstance(reply.output_parsed, Colour)


def test_errors_are_the_librarys(client: openai.OpenAI) -> None:
    """Each kind is the exception that programs catch."""
    with pytest.raises(openai.NotFoundError, match="model 'nope' not found"):
        client.chat.completions.create(model="nope", messages=HI)
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(
            model=SMOLLM2, messages=[{"role": "user", "content": "word " * 9000}], extra_body={"truncate": False}
        )
    assert ("context_length_exceeded", "invalid_request_error") == (refused.value.code, refused.value.type)
    schema: Any = {"type": "array", "uniqueItems": True}
    wanted: Any = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    with pytest.raises(openai.BadRequestError, match="/uniqueItems: this keyword cannot be enforced"):
        client.chat.completions.create(model=SMOLLM2, messages=HI, response_format=wanted)


def test_an_error_after_the_first_chunk_arrives(able: openai.OpenAI) -> None:
    """A stream that breaks does not look like one that ended."""
    chunks = able.completions.create(model="able", prompt="say:hello fail now", stream=True)
    with pytest.raises(openai.APIError, match="it failed"):
        list(chunks)
    events = able.responses.create(model="able", input="say:hello fail now", stream=True)
    assert "response.failed" == [event.type for event in events][-1]


def test_the_asynchronous_client(server: Any) -> None:
    """Several at once."""

    async def scene() -> list[str | None]:
        async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client:
            replies = (client.chat.completions.create(model=SMOLLM2, messages=HI, max_tokens=3) for _ in range(4))
            return [reply.choices[0].finish_reason for reply in await asyncio.gather(*replies)]

    assert {"length", "stop"} >= set(asyncio.run(scene()))
