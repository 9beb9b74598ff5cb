"""HTTP/1.1 to one engine process: kept-alive connections, whole replies and streams, over a Unix socket.

Written on asyncio's protocols with httptools as the parser, because a streamed token passes here: see
``docs/decisions/0001-engine-client.md`` for what the alternatives cost.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import httptools

_UNREAD_LIMIT = 1 << 20
"""Bytes of a reply that may wait for their reader before the engine is made to wait."""


class ConnectionLost(Exception):
    """The engine closed the connection before its reply was complete; ``answered`` says whether any of it had come."""

    def __init__(self, *, answered: bool) -> None:
        super().__init__("the engine closed the connection")
        self.answered = answered


class Connection(asyncio.Protocol):
    """One connection; one request at a time. The ``on_*`` methods are called by httptools.

    ``received`` counts the times that bytes came in.
    """

    def __init__(self) -> None:
        self.alive = False
        self.complete = True
        self.status = 0
        self.received = 0
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._waiter: asyncio.Future[None] | None = None
        self._unread: list[bytes] = []
        self._unread_size = 0
        self._ends_with_connection = False
        self._reusable = False

    def send(self, path: str, body: bytes | None) -> None:
        """Send a POST of ``body`` as JSON, or a GET when it is None, and get ready for the reply."""
        self.complete, self.status, self._reusable = False, 0, False
        self._ends_with_connection = True
        self._unread.clear()
        self._unread_size = 0
        self._parser = httptools.HttpResponseParser(self)
        assert self._transport is not None
        if body is None:
            self._transport.write(b"GET %s HTTP/1.1\r\nHost: engine\r\n\r\n" % path.encode())
            return
        head = b"POST %s HTTP/1.1\r\nHost: engine\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        self._transport.write(head % (path.encode(), len(body)) + body)

    async def head(self) -> int:
        """Wait for the reply's head and return its status.

        Raises:
            ConnectionLost: the connection closed first.
        """
        while not self.status:
            await self._wait()
        return self.status

    async def read(self) -> bytes:
        """The next bytes of the reply's body, b"" at its end.

        Raises:
            ConnectionLost: the connection closed before the end.
        """
        while not self._unread and not self.complete:
            await self._wait()
        data = b"".join(self._unread)
        self._unread.clear()
        if self._unread_size > _UNREAD_LIMIT and self._transport is not None:
            self._transport.resume_reading()
        self._unread_size = 0
        return data

    @property
    def reusable(self) -> bool:
        """Whether another request can be sent on it."""
        # One that was made to wait, and whose bytes nobody read, would go on waiting.
        return self.alive and self.complete and self._reusable and self._unread_size <= _UNREAD_LIMIT

    def abort(self) -> None:
        """Close it at once, whatever is under way."""
        self.alive = False
        if self._transport is not None:
            self._transport.abort()

    async def _wait(self) -> None:
        if not self.alive:
            raise ConnectionLost(answered=self.status != 0)
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asyncio: the connection is open."""
        # uvloop's transports have the methods but not the base class.
        self._transport, self.alive = cast("asyncio.Transport", transport), True

    def data_received(self, data: bytes) -> None:
        """Asyncio: bytes came in."""
        self.received += 1
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.abort()
        if self._unread_size > _UNREAD_LIMIT and self._transport is not None:
            self._transport.pause_reading()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Asyncio: the connection is closed, in order when ``exc`` is None."""
        self.alive = False
        if exc is None and self.status and self._ends_with_connection:
            self.complete = True
        self._wake()

    def on_header(self, name: bytes, value: bytes) -> None:  # noqa: ARG002 -- httptools' signature
        """Httptools: a header. A body with neither a length nor chunks ends with the connection."""
        if name.lower() in {b"content-length", b"transfer-encoding"}:
            self._ends_with_connection = False

    def on_headers_complete(self) -> None:
        """Httptools: the head is complete."""
        self.status = self._parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        """Httptools: a piece of the body."""
        self._unread.append(body)
        self._unread_size += len(body)

    def on_message_complete(self) -> None:
        """Httptools: the reply is complete."""
        self.complete = True
        self._reusable = bool(self._parser.should_keep_alive())


class Reply:
    """A reply whose body is still coming."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.status = connection.status

    async def body(self) -> bytes:
        """All of the rest of the body."""
        parts = []
        while data := await self._connection.read():
            parts.append(data)
        return b"".join(parts)

    async def events(self) -> AsyncGenerator[bytes, None]:
        """The data of each server-sent event, as it arrives; an event of another field is passed whole."""
        rest = b""
        while data := await self._connection.read():
            *blocks, rest = (rest + data).split(b"\n\n") if rest else data.split(b"\n\n")
            for block in blocks:
                if block.startswith(b"data: "):
                    yield block[6:]
                elif block and not block.startswith(b":"):
                    yield block


class Connections:
    """The pool of connections to one engine. It has no limit of its own: the scheduler bounds what runs at once."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        self._idle: list[Connection] = []
        self._busy: set[Connection] = set()

    @property
    def busy(self) -> frozenset[Connection]:
        """Those on which a reply is waited for, or read."""
        return frozenset(self._busy)

    async def post(self, path: str, body: bytes) -> tuple[int, bytes]:
        """Send ``body`` and return the whole reply: status and body.

        Raises:
            ConnectionLost: the engine went away.
            OSError: it cannot be reached.
        """
        async with self.stream(path, body) as reply:
            return reply.status, await reply.body()

    async def get(self, path: str) -> tuple[int, bytes]:
        """GET ``path`` and return the whole reply; raises as ``post``."""
        async with self.stream(path, None) as reply:
            return reply.status, await reply.body()

    @asynccontextmanager
    async def stream(self, path: str, body: bytes | None) -> AsyncIterator[Reply]:
        """Send a request and give its reply as it comes; raises as ``post``.

        Leaving before the reply's end closes the connection, which tells the engine to stop.
        """
        connection = await self._answered(path, body)
        try:
            yield Reply(connection)
        finally:
            self._busy.discard(connection)
            if connection.reusable:
                self._idle.append(connection)
            else:
                connection.abort()

    def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            self._idle.pop().abort()

    async def _answered(self, path: str, body: bytes | None) -> Connection:
        while True:
            connection, fresh = await self._connection()
            self._busy.add(connection)
            try:
                connection.send(path, body)
                await connection.head()
            except BaseException as error:
                self._busy.discard(connection)
                connection.abort()
                # An engine closes idle connections after a while; a request that met that moment was not seen.
                if fresh or not isinstance(error, ConnectionLost) or error.answered:
                    raise
            else:
                return connection

    async def _connection(self) -> tuple[Connection, bool]:
        while self._idle:
            connection = self._idle.pop()
            if connection.reusable:
                return connection, False
            connection.abort()
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_unix_connection(Connection, str(self.socket))
        return connection, True
