"""Every request from its first byte to its last: the outermost layer, which logs each, and ends those that must end.

One line is logged for each request when it is over, with what is known of it and nothing of what was said in it. When
the server stops, new requests are refused, and what still runs is let finish, or is ended with a word of why.
"""

from __future__ import annotations

import asyncio
import logging
import math
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from puna import logs
from puna.errors import PunaError, ShuttingDown
from puna.http.dialects import AtStop, Route
from puna.service.requests import Caller, Ticket, caller, calls

log = logging.getLogger("puna.request")

_LONGEST_TEXT = 300
_REQUEST_ID = re.compile(rb"[0-9a-f]{24}")
_TRACE = frozenset({b"traceparent", b"tracestate"})
_CLIENT_LEFT = 499


@dataclass(slots=True, eq=False)
class Exchange:
    """One request and its reply. ``started`` in seconds by the clock of all durations; ``status`` 0: none yet."""

    started: float
    task: asyncio.Task[Any] | None
    at_stop: AtStop = "finish"
    status: int = 0
    sent_bytes: int = 0
    is_whole: bool = False
    error: Exception | None = None
    model: str = ""
    tickets: list[Ticket] = field(default_factory=list)
    is_cut: bool = False
    farewell_due: bool = False

    def cut(self) -> None:
        """End it; its client is told that the server is shutting down."""
        if not self.is_cut and self.task is not None:
            self.is_cut = self.farewell_due = True
            self.task.cancel()


_EXCHANGE: ContextVar[Exchange | None] = ContextVar("exchange", default=None)


def failed(error: Exception) -> None:
    """Say that the client is told of ``error``."""
    if (exchange := _EXCHANGE.get()) is not None:
        exchange.error = error


def concerns(model: str) -> None:
    """Say which model the request is about, where it does not use it."""
    if (exchange := _EXCHANGE.get()) is not None:
        exchange.model = model


def used_a_model(ticket: Ticket) -> None:
    """Say that the request has used a model, which is over now."""
    if (exchange := _EXCHANGE.get()) is not None:
        exchange.tickets.append(ticket)


def farewell() -> ShuttingDown:
    """What to tell the client where the task was cancelled since the server stops. Call it while handling that.

    Raises:
        CancelledError: that is not why, or the client was told already.
    """
    exchange = _EXCHANGE.get()
    if exchange is None or not exchange.farewell_due:
        raise  # noqa: PLE0704 -- what the caller is handling
    exchange.farewell_due = False
    if (task := asyncio.current_task()) is not None:
        task.uncancel()
    return ShuttingDown()


class Exchanges:
    """All requests that are being answered. ``clock`` gives seconds, from any start."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._open: dict[Exchange, None] = {}
        self._idle = asyncio.Event()
        self._idle.set()
        self._refuses_until: float | None = None

    def __len__(self) -> int:
        return len(self._open)

    def refuse_new(self, seconds: float) -> None:
        """Refuse new requests from now on; in ``seconds`` the last one will have ended."""
        self._refuses_until = self._clock() + seconds

    def cut(self, *at_stop: AtStop) -> int:
        """End all requests, or those whose route says so; return how many that are."""
        found = [one for one in self._open if not at_stop or one.at_stop in at_stop]
        for one in found:
            one.cut()
        return len(found)

    async def idle(self) -> None:
        """Return once nothing is being answered."""
        await self._idle.wait()

    def route(self, route: Route) -> Route:
        """``route``, refusing and ending its requests as these are."""

        async def endpoint(request: Request) -> ASGIApp:
            if self._refuses_until is not None and route.at_stop != "answer":
                raise ShuttingDown
            exchange = _EXCHANGE.get()
            if exchange is not None:
                exchange.at_stop = route.at_stop
            try:
                return await route.endpoint(request)
            except asyncio.CancelledError:
                raise farewell() from None

        return replace(route, endpoint=endpoint)

    def watch(self, app: ASGIApp) -> ASGIApp:
        """``app``, with every one of its requests among these."""

        async def watched(scope: Scope, receive: Receive, send: Send) -> None:
            exchange = Exchange(self._clock(), asyncio.current_task())
            _EXCHANGE.set(exchange)
            calls(_caller(scope))
            self._open[exchange] = None
            self._idle.clear()
            try:
                await app(scope, receive, self._noting(exchange, send))
            except asyncio.CancelledError:
                if not exchange.is_cut or exchange.farewell_due:
                    raise
                if exchange.task is not None:
                    exchange.task.uncancel()
            except Exception as error:
                exchange.error = error
                raise
            finally:
                del self._open[exchange]
                if not self._open:
                    self._idle.set()
                self._log(exchange, scope)

        return watched

    def _noting(self, exchange: Exchange, send: Send) -> Send:
        """``send``, adding headers that every reply has, and noting in ``exchange`` what is sent."""

        # Not a coroutine function: a stream sends thousands of messages.
        def sending(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.body":
                exchange.sent_bytes += len(message.get("body", b""))
                exchange.is_whole = not message.get("more_body", False)
            elif message["type"] == "http.response.start":
                exchange.status = message["status"]
                own = dict(self._headers(exchange))
                others = [pair for pair in message.get("headers", ()) if pair[0] not in own]
                message = {**message, "headers": [*others, *own.items()]}
            return send(message)

        return sending

    def _headers(self, exchange: Exchange) -> Iterator[tuple[bytes, bytes]]:
        yield b"x-request-id", caller().id.encode()
        if self._refuses_until is not None and isinstance(exchange.error, ShuttingDown):
            yield b"retry-after", b"%d" % max(1, math.ceil(self._refuses_until - self._clock()))
            yield b"connection", b"close"

    def _log(self, exchange: Exchange, scope: Scope) -> None:
        said = dict(_told(exchange, scope, self._clock() - exchange.started))
        is_ours = exchange.status >= 500 or (exchange.error is not None and exchange.status < 400)
        log.log(logging.WARNING if is_ours else logging.INFO, "request", extra=logs.fields(said))


def _caller(scope: Scope) -> Caller:
    client = scope.get("client")
    # Who brings an id can ask how far the request is while it has no reply yet.
    brought = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
    id_ = brought.decode() if _REQUEST_ID.fullmatch(brought) else secrets.token_hex(12)
    trace = {name.decode(): value.decode("latin-1") for name, value in scope["headers"] if name in _TRACE}
    return Caller(id_, client[0] if client else "", trace=trace)


def _told(exchange: Exchange, scope: Scope, seconds: float) -> Iterator[tuple[str, Any]]:
    """What is logged of a request, in the order in which it is."""
    client = scope.get("client")
    yield "id", caller().id
    yield "method", scope["method"]
    yield "path", scope["path"]
    yield "status", exchange.status or (_CLIENT_LEFT if exchange.error is None else 500)
    yield "seconds", round(seconds, 6)
    yield "client", client[0] if client else ""
    if key := caller().rights.name:
        yield "key", key
    if exchange.tickets:
        yield from _usage(exchange.tickets)
    elif exchange.model:
        yield "model", exchange.model[:_LONGEST_TEXT]
    if exchange.error is not None:
        yield "outcome", "error"
        yield from _said(exchange.error)
    else:
        yield "outcome", "done" if exchange.is_whole else "canceled"
    if log.isEnabledFor(logging.DEBUG):
        yield "http", scope.get("http_version", "")
        yield "sent_bytes", exchange.sent_bytes
        yield "agent", next((value.decode("latin-1") for name, value in scope["headers"] if name == b"user-agent"), "")


def _usage(tickets: list[Ticket]) -> Iterator[tuple[str, Any]]:
    """What a request took of a model; several answers to one are counted together, and their times the longest."""
    first = tickets[0]
    yield "model", first.found or first.model
    yield "kind", first.kind
    for name, values in (
        ("queue_seconds", [one.waited for one in tickets]),
        ("load_seconds", [one.load for one in tickets]),
        ("first_token_seconds", [one.first - one.asked for one in tickets if one.first is not None]),
        ("prompt_seconds", [one.timings.prompt for one in tickets]),
        ("completion_seconds", [one.timings.completion for one in tickets]),
    ):
        if known := [value for value in values if value]:
            yield name, round(max(known), 6)
    # An answer that was cut short says no counts; but the engine told of the prompt, and a piece is a token, or nearly.
    if prompt := sum(one.usage.prompt_tokens or one.prompt_tokens for one in tickets):
        yield "prompt_tokens", prompt
        yield "cached_tokens", sum(one.usage.cached_tokens for one in tickets)
        yield "completion_tokens", sum(one.usage.completion_tokens or one.pieces for one in tickets)


def _said(error: Exception) -> Iterator[tuple[str, str]]:
    yield "error", type(error).__name__
    if isinstance(error, PunaError):
        yield "error_text", error.for_log[:_LONGEST_TEXT]
