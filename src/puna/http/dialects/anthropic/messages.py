"""The endpoints of Anthropic's API."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator
from contextlib import aclosing

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from puna.events import Answer, Event, Text, Thinking, ToolCalled, fold
from puna.http.dialects import Chat, Tokens
from puna.http.dialects.anthropic import decode, encode
from puna.http.heartbeat import with_beats
from puna.http.stream import EventStream, race
from puna.service.requests import caller
from puna.types import ChatRequest

PING_SECONDS = 5.0
"""How long a client of a stream hears nothing, at most, before there is an answer."""

_JSON = "application/json"
_LETTERS_PER_TOKEN = 4


class Messages:
    """The endpoints that answer messages, and count their tokens."""

    def __init__(self, chat: Chat, tokens: Tokens, *, ping_every: float = PING_SECONDS) -> None:
        self._chat = chat
        self._tokens = tokens
        self._ping_every = ping_every

    async def create(self, request: Request) -> ASGIApp:
        """Answer messages."""
        call = decode.messages(await request.body())
        id_ = f"msg_{secrets.token_hex(12)}"
        reply = encode.Reply(id_, call.model, call.stop_sequences, estimate=_estimate(call.request))
        events = self._chat.chat(call.request)
        if not call.stream:
            return _reply(encode.message(reply, await race(_whole(events), request.receive)))
        beating = with_beats(events, every=self._ping_every, begins=_begins)
        return EventStream(
            beating,
            encode=encode.Stream(reply, self._ping_every).encode,
            refuse=refuse,
            complain=lambda error: encode.error_event(error, _request_id()),
            media_type="text/event-stream",
            headers={"cache-control": "no-cache", "request-id": _request_id()},
        )

    async def count_tokens(self, request: Request) -> Response:
        """Count the tokens of messages."""
        asked = decode.count_tokens(await request.body())
        return _reply(encode.token_count(await race(self._tokens.count(asked), request.receive)))


def refuse(error: Exception) -> Response:
    """The response to a request that failed with ``error``."""
    status, _ = encode.said(error)
    return _reply(encode.error(error, _request_id()), status)


def _reply(body: bytes, status: int = 200) -> Response:
    headers = {"request-id": _request_id()}
    if status == 503:
        headers["retry-after"] = "1"
    return Response(body, status, headers, media_type=_JSON)


def _request_id() -> str:
    return f"req_{caller().id}"


async def _whole(events: AsyncGenerator[Event, None]) -> Answer:
    async with aclosing(events):
        return await fold(events)


def _begins(event: Event) -> bool:
    return isinstance(event, Text | Thinking | ToolCalled)


def _estimate(request: ChatRequest) -> int:
    """A guess at the tokens of a prompt that the engine has not counted yet."""
    letters = sum(len(message.content) + len(message.thinking) for message in request.messages)
    return max(1, (letters + sum(len(str(tool.definition)) for tool in request.tools)) // _LETTERS_PER_TOKEN)
