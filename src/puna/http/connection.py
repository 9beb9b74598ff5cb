"""One client's connection, as uvicorn serves it, within limits, and whatever protocol it offers to change to."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import httptools
from starlette.types import Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

log = logging.getLogger(__name__)

MOST_HEAD_BYTES = 1 << 20
"""What the line and the headers of a request may have, about: as much as Ollama takes."""

_TOO_LARGE = b"431 Request Header Fields Too Large"
_HOP = frozenset({b"connection", b"upgrade", b"http2-settings"})


class Connection(HttpToolsProtocol):
    """Uvicorn's connection, with a limit to the size of a request's head, and to the time it may take to come.

    That is the time an idle connection is kept. Who offers another protocol (Java's HTTP client offers HTTP/2 with its
    first request) goes on with this one. A client that sent requests ahead of their turn and leaves ends the one that
    is being answered, too.
    """

    _head_bytes = 0
    _patience: asyncio.TimerHandle | None = None
    _answering: RequestResponseCycle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Asyncio: the connection is open."""
        super().connection_made(transport)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Asyncio: the connection is closed."""
        self._stop_waiting()
        if self._answering is not None and not self._answering.response_complete:
            self._answering.disconnected = True
            self._answering.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Asyncio: bytes came in."""
        self._unset_keepalive_if_required()
        if self._patience is not None:
            self._head_bytes += len(data)
            if self._head_bytes > MOST_HEAD_BYTES:
                self._refuse_head()
                return
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            self._decline(data[offer.args[0] :])
        except httptools.HttpParserError:
            log.info("what %s sent is not HTTP", self.client[0] if self.client else "a client")
            self.send_400_response("Invalid HTTP request received.")

    def on_message_begin(self) -> None:
        """Httptools: a request begins."""
        super().on_message_begin()
        if self._patience is None:
            self._wait_for_head()

    def on_headers_complete(self) -> None:
        """Httptools: the head of a request is complete."""
        self._stop_waiting()
        if self.parser.get_http_version() == "1.0":
            self.expect_100_continue = False  # such a client would take it for the answer (RFC 9110, 10.1.1)
        if not self.parser.should_upgrade():
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Httptools: a request is complete; one that offers another protocol is without its body here."""
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, _unchunked(cycle, app) if cycle.scope["http_version"] == "1.0" else app)

    def _decline(self, rest: bytes) -> None:
        """Take the request as it is without its offer of another protocol; ``rest`` is what follows its head."""
        method, version = self.parser.get_method(), self.parser.get_http_version()
        if method == b"CONNECT":
            self.send_400_response("Invalid HTTP request received.")
            return
        lines = [b"%b %b HTTP/%b" % (method, self.url, version.encode())]
        lines += [b"%b: %b" % pair for pair in self.headers if pair[0] not in _HOP]
        self.parser = httptools.HttpRequestParser(self)
        self.data_received(b"\r\n".join(lines) + b"\r\n\r\n" + rest)

    @property
    def _idle(self) -> bool:
        return self._answering is None or self._answering.response_complete

    def _wait_for_head(self) -> None:
        self._head_bytes = 0
        self._patience = self.loop.call_later(self.timeout_keep_alive, self._give_up)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        if self._idle:  # else its end comes with that of the answer
            self.transport.close()

    def _refuse_head(self) -> None:
        self._stop_waiting()
        if self._idle:
            head = b"HTTP/1.1 %b\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\nconnection: close"
            self.transport.write(head % (_TOO_LARGE, len(_TOO_LARGE)) + b"\r\n\r\n" + _TOO_LARGE)
        self.transport.close()


def _unchunked(cycle: RequestResponseCycle, app: Any) -> Any:
    """``app``, with answers of unknown length ending where the connection does (RFC 1945, 7.2.2)."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        unknown = False

        async def send_plainly(message: Message) -> None:
            nonlocal unknown
            if message["type"] == "http.response.start":
                unknown = all(name.lower() != b"content-length" for name, _ in message.get("headers", ()))
                if unknown:
                    cycle.chunked_encoding = False
            elif unknown:
                cycle.expected_content_length = len(message.get("body", b""))
            await send(message)

        await app(scope, receive, send_plainly)

    return answer
