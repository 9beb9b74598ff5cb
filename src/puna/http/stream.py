"""Answers that race the client's leaving from their first instant.

Loading a model or reading a long prompt can take minutes before there is anything to send. Nobody should compute for
a client that has gone, so whatever takes time runs beside a watcher of the connection, and is cancelled when that
reports the end. What was running is waited for, whatever else happens: it holds leases that it must give back.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from contextlib import aclosing
from typing import Any, Generic, TypeVar

import msgspec
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from puna.errors import PunaError
from puna.http.exchanges import failed, farewell
from puna.logs import fields
from puna.service.requests import caller

log = logging.getLogger(__name__)

T = TypeVar("T")

_encode = msgspec.json.Encoder().encode
_NON_ASCII = re.compile(r"[^\x00-\x7f]+")


def ascii_json(value: Any) -> bytes:
    """``value`` as compact JSON in ASCII.

    Some clients split a stream at every character Unicode calls a line end, so none may appear unescaped.
    """
    encoded = _encode(value)
    if encoded.isascii():
        return encoded
    return _NON_ASCII.sub(lambda run: json.dumps(run.group())[1:-1], encoded.decode()).encode()


def note(error: Exception) -> None:
    """Take down an error that a client is about to be told of, and log it with its traceback when nobody foresaw it."""
    failed(error)
    if not isinstance(error, PunaError):
        log.error("internal error while answering a request", exc_info=error, extra=fields({"id": caller().id}))


async def race(work: Coroutine[Any, Any, T], receive: Receive) -> T:
    """Return what ``work`` returns, unless the client leaves first. The request's body must have been read.

    When the client leaves, or this call is cancelled, ``work`` is cancelled, and has ended before this returns.

    Raises:
        ClientDisconnect: the client left.
    """
    task = asyncio.ensure_future(work)
    left = asyncio.ensure_future(_left(receive))
    try:
        await asyncio.wait((task, left), return_when=asyncio.FIRST_COMPLETED)
    finally:
        left.cancel()
        if not task.done():
            await _end(task)
    if task.cancelled():
        if left.done():
            left.result()
        # Else someone ended it while the client did not take what it was sent: there is nobody to tell.
        raise ClientDisconnect
    return task.result()


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _end(task: asyncio.Task[Any]) -> None:
    """Cancel ``task`` and wait until it has ended; being cancelled meanwhile shortens nothing."""
    task.cancel()
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled


class EventStream(Generic[T]):
    """A response that sends each of ``events`` as it comes.

    ``encode`` gives the bytes for one event (none: nothing is sent). An error before the first byte is answered by the
    response that ``refuse`` makes of it; after that the status is gone, and ``complain`` gives the last bytes.
    """

    def __init__(
        self,
        events: AsyncGenerator[T, None],
        *,
        encode: Callable[[T], bytes],
        refuse: Callable[[Exception], ASGIApp],
        complain: Callable[[Exception], bytes],
        media_type: str,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._events = events
        self._encode = encode
        self._refuse = refuse
        self._complain = complain
        # Word for nginx, and proxies that read its word, to pass on at once what comes.
        given = {"content-type": media_type, "x-accel-buffering": "no", **(headers or {})}
        self._headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in given.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events until they end or the client leaves."""
        await race(self._send_all(scope, receive, send), receive)

    async def _send_all(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False
        try:
            try:
                async with aclosing(self._events) as events:
                    async for event in events:
                        if not (body := self._encode(event)):
                            continue
                        if not started:
                            await self._start(send)
                            started = True
                        await send({"type": "http.response.body", "body": body, "more_body": True})
            except asyncio.CancelledError:
                raise farewell() from None
        except Exception as error:  # noqa: BLE001 -- whatever it is, the client is told and the log keeps it
            note(error)
            if not started:
                await self._refuse(error)(scope, receive, send)
                return
            await send({"type": "http.response.body", "body": self._complain(error), "more_body": True})
        if not started:
            await self._start(send)
        # Only now that the events are closed: a finished response looks to the watcher like a client that left.
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _start(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self._headers})
