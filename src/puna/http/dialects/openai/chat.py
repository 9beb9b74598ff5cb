"""``/v1/chat/completions``."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial

from starlette.requests import Request
from starlette.types import ASGIApp

from puna.errors import InvalidRequest
from puna.events import Event, Rendered
from puna.http import parameters as common
from puna.http.body import Fields, first_value
from puna.http.cloud import local_name
from puna.http.dialects import Chat, Route
from puna.http.dialects.openai import choices, described, encode, messages, parameters, replies
from puna.http.stream import race
from puna.types import ChatRequest, Format


@dataclass(frozen=True, slots=True)
class Call:
    """A decoded call: ``count`` answers to ``request`` are wanted; ``model`` is the name as replies repeat it."""

    request: ChatRequest
    model: str
    count: int
    stream: bool
    include_usage: bool


def routes(chat: Chat) -> Sequence[Route]:
    """The routes of chats."""
    return (
        Route(
            ("POST",),
            "/v1/chat/completions",
            partial(_complete, chat),
            replies.refuse,
            "infer",
            counted=True,
            about=described.CHAT,
        ),
    )


def decode(body: bytes) -> Call:
    """Decode a body of ``/v1/chat/completions``.

    Raises:
        InvalidRequest: a field is not what it must be, or no model is named.
        CloudDisabled: a cloud model is.
    """
    fields = Fields(first_value(body), "ChatCompletionRequest")
    model = fields.text("model")
    name = local_name(model, "remote model is")
    options = parameters.options(fields, "max_completion_tokens", temperature=1.0, top_p=1.0)
    request = ChatRequest(
        model=name,
        messages=messages.messages(fields),
        tools=messages.tools(fields),
        tool_choice=parameters.tool_choice(
            fields.raw("tool_choice"), parallel=fields.flag("parallel_tool_calls", default=True)
        ),
        options=options,
        keep_alive=common.keep_alive(fields.raw("keep_alive")),
        format=_format(fields),
        think=parameters.effort(fields),
        truncate=fields.flag("truncate", default=True),
        logprobs=fields.flag("logprobs"),
        top_logprobs=parameters.alternatives(fields, "top_logprobs"),
        logit_bias=parameters.logit_bias(fields),
        render_only=fields.flag("_debug_render_only"),
    )
    if not name:
        raise InvalidRequest("model is required")
    return Call(request, model, parameters.choices(fields), fields.flag("stream"), parameters.includes_usage(fields))


def seeded(options: dict[str, object], at: int) -> dict[str, object]:
    """``options`` for the answer number ``at``: with one seed for all, all would be the same."""
    seed = options.get("seed")
    return {**options, "seed": seed + at} if at and isinstance(seed, int) and seed >= 0 else options


def _format(fields: Fields) -> Format:
    wanted = Fields(fields.mapping("response_format"), "ResponseFormat")
    schema = Fields(wanted.mapping("json_schema"), "JsonSchema").mapping("schema")
    return parameters.format_(wanted.text("type"), schema, "response_format")


async def _complete(chat: Chat, request: Request) -> ASGIApp:
    """Answer a chat, once or several times."""
    call = decode(await replies.body(request))
    words = encode.ChatWords(parameters.new_id("chatcmpl-"), call.model, include_usage=call.include_usage)
    if call.request.render_only:
        return replies.json(words.rendered(await race(_rendered(chat.chat(call.request)), request.receive)))
    answers = [
        chat.chat(replace(call.request, options=seeded(dict(call.request.options), at))) for at in range(call.count)
    ]
    if not call.stream:
        return replies.json(words.whole(await race(choices.whole(answers), request.receive)))
    if call.count == 1:
        return replies.stream(answers[0], partial(words.chunks, 0, 1))
    return replies.stream(choices.merged(answers), lambda event: words.chunks(event[0], call.count, event[1]))


async def _rendered(events: AsyncGenerator[Event, None]) -> Rendered:
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Rendered):
                return event
    raise RuntimeError("nothing was rendered")
