"""``/api/generate``, ``/api/chat`` and ``/api/ps``."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from puna.errors import InvalidFormat, InvalidOption, ModelNotFound, PunaError, TemplateError
from puna.events import Answer, Event, Rendered, fold
from puna.http.dialects import About, Chat, Route
from puna.http.dialects.ollama import bodies, decode, encode, replies, wire
from puna.http.dialects.ollama.decode import Call, R, Reply
from puna.http.stream import note, race

_HI = {"model": "smollm2", "messages": [{"role": "user", "content": "Hi"}]}

_GENERATE = About(
    takes=bodies.GenerateBody,
    gives=wire.GenerateReply,
    streams=(wire.GenerateReply, wire.Error),
    fails=wire.Error,
    refuses=(404, 500),
    examples={
        "a prompt": {"model": "smollm2", "prompt": "Why is the sky blue?"},
        "at once": {"model": "smollm2", "prompt": "Hi", "stream": False, "options": {"num_predict": 8, "seed": 1}},
        "only load": {"model": "smollm2", "keep_alive": "10m"},
    },
)
_CHAT = About(
    takes=bodies.ChatBody,
    gives=wire.ChatReply,
    streams=(wire.ChatReply, wire.Error),
    fails=wire.Error,
    refuses=(404, 500),
    examples={
        "a chat": _HI,
        "JSON": _HI
        | {
            "stream": False,
            "format": {"type": "object", "properties": {"sky": {"type": "string"}}, "required": ["sky"]},
        },
        "probabilities": _HI | {"stream": False, "logprobs": True, "top_logprobs": 2},
        "unload": {"model": "smollm2", "keep_alive": 0},
    },
)
_PS = About(gives=wire.Running, fails=wire.Error)


def routes(chat: Chat) -> Sequence[Route]:
    """The routes that use models."""
    inference = Inference(chat)
    return (
        Route(("POST",), "/api/generate", inference.generate, replies.refuse, "infer", counted=True, about=_GENERATE),
        Route(("POST",), "/api/chat", inference.chat, replies.refuse, "infer", counted=True, about=_CHAT),
        Route(("GET",), "/api/ps", inference.ps, replies.refuse, "infer", about=_PS),
    )


class Inference:
    """The endpoints that use models."""

    def __init__(self, chat: Chat) -> None:
        self._chat = chat

    async def generate(self, request: Request) -> ASGIApp:
        """Complete a prompt."""
        call = decode.generate(await request.body())
        return await self._answer(request, call, self._chat.generate, encode.GenerateWords(call.model))

    async def chat(self, request: Request) -> ASGIApp:
        """Continue a conversation."""
        call = decode.chat(await request.body())
        return await self._answer(request, call, self._chat.chat, encode.ChatWords(call.model))

    async def ps(self, _request: Request) -> Response:
        """List the models in memory."""
        return replies.json(encode.ps(self._chat.running()))

    async def _answer(
        self, request: Request, call: Call[R], ask: Callable[[R], AsyncGenerator[Event, None]], words: encode.Words[Any]
    ) -> ASGIApp:
        say = partial(_say, model=call.model)
        try:
            if call.fault is not None:
                self._chat.resolve(call.request.model)
                raise call.fault
            match call.reply:
                case Reply.UNLOADED:
                    await race(self._chat.unload(call.request.model), request.receive)
                    return replies.json(words.unloaded())
                case Reply.RENDERED:
                    return replies.json(words.rendered(await race(_rendered(ask(call.request)), request.receive)))
                case Reply.WHOLE:
                    return replies.json(words.whole(await race(_whole(ask(call.request)), request.receive)))
                case Reply.STREAM:
                    return replies.stream(ask(call.request), words.line, say)
        except PunaError as error:
            note(error)
            return replies.refuse(error, say)


async def _whole(events: AsyncGenerator[Event, None]) -> Answer:
    async with aclosing(events):
        return await fold(events)


async def _rendered(events: AsyncGenerator[Event, None]) -> Rendered:
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Rendered):
                return event
    raise RuntimeError("nothing was rendered")


def _say(error: PunaError, model: str) -> tuple[int, str]:
    match error:
        case ModelNotFound():
            return 404, f"model '{model}' not found"
        case InvalidOption() | InvalidFormat() | TemplateError():
            return 500, str(error)
        case _:
            return replies.plainly(error)
