"""The routes for models that come and go: pull and push."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from puna import network
from puna.errors import ModelNotFound, PunaError, RegistryError
from puna.events import Progress
from puna.http.dialects import About, Route, Transfers
from puna.http.dialects.ollama import bodies, decode, encode, replies, wire
from puna.http.exchanges import concerns
from puna.http.stream import race

_PULL = About(
    takes=bodies.PullBody,
    gives=wire.Progress,
    streams=(wire.Progress, wire.Error),
    fails=wire.Error,
    refuses=(404, 500),
    examples={"a model": {"model": "smollm2"}},
)
_PUSH = About(
    takes=bodies.PushBody,
    gives=wire.Progress,
    streams=(wire.Progress, wire.Error),
    fails=wire.Error,
    refuses=(404, 500),
    examples={"a model": {"model": "my-namespace/smollm2"}},
)


def routes(transfers: Transfers) -> Sequence[Route]:
    """The routes for models that come and go."""
    moving = Moving(transfers)
    return (
        Route(("POST",), "/api/pull", moving.pull, replies.refuse, "pull", at_stop="break off", about=_PULL),
        Route(("POST",), "/api/push", moving.push, replies.refuse, "admin", at_stop="break off", about=_PUSH),
    )


class Moving:
    """The endpoints for models that come and go."""

    def __init__(self, transfers: Transfers) -> None:
        self._transfers = transfers

    async def pull(self, request: Request) -> ASGIApp:
        """Fetch a model."""
        wanted, stream = decode.pull(await request.body())
        concerns(network.shown(wanted.model))
        steps = self._transfers.pull(wanted)
        if stream:
            return replies.stream(steps, encode.progress_line, _said)
        return await race(_whole(steps), request.receive)

    async def push(self, request: Request) -> ASGIApp:
        """Send a model to its registry."""
        wanted, stream = decode.push(await request.body())
        concerns(wanted.model)
        steps = self._transfers.push(wanted)
        if stream:
            return replies.stream(steps, encode.progress_line, _said)
        return await race(_whole(steps), request.receive)


async def _whole(steps: AsyncGenerator[Progress, None]) -> Response:
    """The last step as one object, or the error that ended them."""
    last = Progress("success")
    try:
        async with aclosing(steps):
            async for step in steps:
                last = step
    except (RegistryError, ModelNotFound) as error:
        return replies.refuse(error, _said)
    return replies.json(encode.progress(last))


def _said(error: PunaError) -> tuple[int, str]:
    """What goes wrong elsewhere, or once a push has begun, is an error of this server's to Ollama's clients."""
    return 500 if isinstance(error, RegistryError | ModelNotFound) else error.status, str(error)
