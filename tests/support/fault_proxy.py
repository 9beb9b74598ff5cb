"""A reverse proxy that does to a request what the test says: for a registry that has a bad day.

Rules are asked in the order they were made in; the first that fits and is not used up decides. Without a rule a request
goes through. Whatever happens, ``seen`` tells what was asked for and how many bytes went which way.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field

import h11

_PIECE = 1 << 14
_READ = 1 << 16


@dataclass(frozen=True)
class Answer:
    """Answer so, in the registry's stead."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class Redirect:
    """Send the client to the same place at another ``host``."""

    host: str
    status: int = 307


@dataclass(frozen=True)
class Cut:
    """End the connection after so many bytes of the reply's body, or before its head if None; rudely if ``reset``."""

    after: int | None = None
    reset: bool = True


@dataclass(frozen=True)
class CutUpload:
    """End the connection after so many bytes of the request's body. The registry gets them only if ``deliver``."""

    after: int
    deliver: bool = False


@dataclass(frozen=True)
class Shorten:
    """Send so many bytes of the reply's body and call it whole."""

    after: int


@dataclass(frozen=True)
class Flip:
    """Change the byte at this place of the reply's body."""

    at: int


@dataclass(frozen=True)
class Stall:
    """Send so many bytes of the reply's body (None: not even its head), then nothing, and stay connected."""

    after: int | None = None


@dataclass(frozen=True)
class Slow:
    """Send the reply's body at so many bytes per second."""

    rate: int


@dataclass(frozen=True)
class WrongRange:
    """Say in Content-Range that the reply's bytes lie so much further on than they do."""

    shift: int


@dataclass(frozen=True)
class WithoutRange:
    """Do not let the registry know that only a range was asked for."""


Fault = Answer | Redirect | Cut | CutUpload | Shorten | Flip | Stall | Slow | WrongRange | WithoutRange


@dataclass
class Seen:
    """A request that came; ``received`` and ``sent`` are bytes of its body and of the reply's."""

    method: str
    target: str
    headers: Mapping[str, str]
    fault: Fault | None = None
    status: int = 0
    received: int = 0
    sent: int = 0


@dataclass
class _Rule:
    method: str
    target: re.Pattern[str]
    fault: Fault
    left: int | None


class _Broken(Exception):
    """The connection is to end, rudely or not."""

    def __init__(self, *, reset: bool = True) -> None:
        super().__init__()
        self.reset = reset


@dataclass
class FaultProxy:
    """A proxy at ``host`` in front of the server at ``upstream``; paths that begin as a key of ``mounts`` go there.

    ``rate`` limits all replies together, in bytes per second, as a slow line does.
    """

    upstream: str
    mounts: Mapping[str, str] = field(default_factory=dict)
    rate: int | None = None
    host: str = ""
    seen: list[Seen] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._rules: list[_Rule] = []
        self._free_at = 0.0

    def on(self, method: str, target: str, fault: Fault, *, times: int | None = 1) -> None:
        """Do ``fault`` to the next ``times`` requests (None: to all) whose target has a match for ``target``."""
        self._rules.append(_Rule(method, re.compile(target), fault, times))

    def clear(self) -> None:
        """Forget the rules and what was seen."""
        self._rules.clear()
        self.seen.clear()

    def asked(self, method: str, target: str = "") -> list[Seen]:
        """The requests seen, by method and a pattern of their target."""
        return [seen for seen in list(self.seen) if seen.method == method and re.search(target, seen.target)]

    def _take(self, method: str, target: str) -> Fault | None:
        for rule in self._rules:
            if rule.method == method and rule.left != 0 and rule.target.search(target):
                rule.left = None if rule.left is None else rule.left - 1
                return rule.fault
        return None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection of a client."""
        client = _Side(h11.Connection(h11.SERVER), reader, writer)
        try:
            while await self._exchange(client):
                client.http.start_next_cycle()
        except _Broken as how:
            client.end(reset=how.reset)
        except (ConnectionError, h11.ProtocolError):
            client.end(reset=True)
        finally:
            client.end(reset=False)

    async def _exchange(self, client: _Side) -> bool:
        """Pass on one request and its reply; give whether another may follow."""
        request = await client.next()
        if not isinstance(request, h11.Request):
            return False
        headers = {name.decode(): value.decode() for name, value in request.headers}
        seen = Seen(request.method.decode(), request.target.decode(), headers)
        seen.fault = self._take(seen.method, seen.target)
        self.seen.append(seen)
        if isinstance(seen.fault, Answer | Redirect):
            async for data in client.body():
                seen.received += len(data)
            await _answer(client, seen, seen.fault)
        else:
            async with self._upstream(seen.target) as server:
                await _pass_request(client, server, request, seen)
                await self._pass_reply(client, server, seen)
        return client.http.our_state is h11.DONE and client.http.their_state is h11.DONE

    @asynccontextmanager
    async def _upstream(self, target: str) -> AsyncIterator[_Side]:
        there = next((host for prefix, host in self.mounts.items() if target.startswith(prefix)), self.upstream)
        name, _, port = there.rpartition(":")
        try:
            reader, writer = await asyncio.open_connection(name, int(port))
        except OSError as error:
            raise _Broken from error
        server = _Side(h11.Connection(h11.CLIENT), reader, writer)
        try:
            yield server
        finally:
            server.end(reset=True)

    async def _pass_reply(self, client: _Side, server: _Side, seen: Seen) -> None:
        fault = seen.fault
        reply = await server.next()
        if not isinstance(reply, h11.Response):
            raise _Broken
        if isinstance(fault, Cut) and fault.after is None:
            raise _Broken(reset=fault.reset)
        if isinstance(fault, Stall) and fault.after is None:
            await client.gone()
        seen.status = reply.status_code
        await client.send(h11.Response(status_code=reply.status_code, headers=_told(reply.headers, fault)))
        async for data in server.body():
            for at in range(0, len(data), _PIECE):
                await self._pass_piece(client, data[at : at + _PIECE], seen)
            if isinstance(fault, Shorten) and seen.sent == fault.after:
                break
        await client.send(h11.EndOfMessage())

    async def _pass_piece(self, client: _Side, data: bytes, seen: Seen) -> None:
        fault = seen.fault
        match fault:
            case Cut(after=int(limit)) | Stall(after=int(limit)) | Shorten(limit):
                piece = data[: limit - seen.sent]
            case Flip(at) if seen.sent <= at < seen.sent + len(data):
                here = at - seen.sent
                piece = data[:here] + bytes([data[here] ^ 1]) + data[here + 1 :]
            case _:
                piece = data
        await self._wait_for_line(len(piece), fault.rate if isinstance(fault, Slow) else None)
        seen.sent += len(piece)  # before the client can know of it, and look
        await client.send(h11.Data(piece))
        if isinstance(fault, Cut) and len(piece) < len(data):
            raise _Broken(reset=fault.reset)
        if isinstance(fault, Stall) and len(piece) < len(data):
            await client.gone()

    async def _wait_for_line(self, size: int, rate: int | None) -> None:
        """Wait as long as a line of that rate would take; without one, wait for the line that all replies share."""
        if rate is not None:
            await asyncio.sleep(size / rate)
        elif self.rate is not None:
            now = asyncio.get_running_loop().time()
            self._free_at = max(now, self._free_at) + size / self.rate
            await asyncio.sleep(self._free_at - now)


class _Side:
    """One end of the proxy: a connection and what is known of it."""

    def __init__(self, http: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.http = http
        self._reader = reader
        self._writer = writer

    async def next(self) -> h11.Event | type[h11.PAUSED]:
        """What comes next from the other end."""
        while (event := self.http.next_event()) is h11.NEED_DATA:
            if self.http.they_are_waiting_for_100_continue:
                await self.send(h11.InformationalResponse(status_code=100, headers=[]))
            self.http.receive_data(await self._reader.read(_READ))
        return event

    async def body(self) -> AsyncIterator[bytes]:
        """What is left of the message's body."""
        while isinstance(event := await self.next(), h11.Data):
            yield bytes(event.data)
        if not isinstance(event, h11.EndOfMessage):
            raise _Broken

    async def send(self, event: h11.Event) -> None:
        """Send ``event``."""
        if data := self.http.send(event):
            self._writer.write(data)
            await self._writer.drain()

    async def gone(self) -> None:
        """Wait until the other end has left, and say so."""
        while await self._reader.read(_READ):
            pass
        raise _Broken

    def end(self, *, reset: bool) -> None:
        """End the connection."""
        if reset and (end := self._writer.get_extra_info("socket")) is not None and end.fileno() >= 0:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._writer.transport.abort()
        else:
            self._writer.close()


async def _answer(client: _Side, seen: Seen, fault: Answer | Redirect) -> None:
    if isinstance(fault, Redirect):
        fault = Answer(fault.status, {"Location": f"http://{fault.host}{seen.target}"})
    seen.status = fault.status
    headers = {"Content-Length": str(len(fault.body)), **fault.headers}
    await client.send(h11.Response(status_code=fault.status, headers=list(headers.items())))
    if seen.method != "HEAD":
        seen.sent += len(fault.body)
        await client.send(h11.Data(fault.body))
    await client.send(h11.EndOfMessage())


async def _pass_request(client: _Side, server: _Side, request: h11.Request, seen: Seen) -> None:
    fault = seen.fault
    left_out = {b"connection", b"expect"} | ({b"range"} if isinstance(fault, WithoutRange) else set())
    headers = [(name, value) for name, value in request.headers if name not in left_out]
    await server.send(
        h11.Request(method=request.method, target=request.target, headers=[*headers, (b"connection", b"close")])
    )
    listening = True
    async for data in client.body():
        piece = data
        if isinstance(fault, CutUpload) and seen.received + len(data) >= fault.after:
            piece = data[: fault.after - seen.received]
        seen.received += len(piece)
        if listening and not (isinstance(fault, CutUpload) and not fault.deliver):
            try:
                await server.send(h11.Data(piece))
            except ConnectionError:
                listening = False  # it has said no already, and that is what the client is to hear
        if isinstance(fault, CutUpload) and seen.received == fault.after:
            raise _Broken
    if listening:
        with suppress(ConnectionError):
            await server.send(h11.EndOfMessage())


def _told(headers: h11.Headers, fault: Fault | None) -> list[tuple[bytes, bytes]]:
    """The reply's headers as the client gets them."""
    told = []
    for name, value in headers:
        match name, fault:
            case b"connection", _:
                continue
            case b"content-length", Shorten(after):
                told.append((name, b"%d" % min(int(value), after)))
            case b"content-range", WrongRange(shift):
                told.append((name, re.sub(rb"\d+(?=[-/])", lambda at: b"%d" % (int(at.group()) + shift), value)))
            case _:
                told.append((name, value))
    return told


@contextmanager
def fault_proxy(
    upstream: str, *, mounts: Mapping[str, str] | None = None, rate: int | None = None
) -> Iterator[FaultProxy]:
    """Run a proxy in front of ``upstream`` in a thread, until the block ends."""
    proxy = FaultProxy(upstream, mounts or {}, rate)
    started = threading.Event()
    stop: list[Callable[[], object]] = []

    async def run() -> None:
        stopped = asyncio.Event()
        loop = asyncio.get_running_loop()
        stop.append(lambda: loop.call_soon_threadsafe(stopped.set))
        connections: set[asyncio.Task[None]] = set()

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = loop.create_task(proxy.serve(reader, writer))
            connections.add(task)
            task.add_done_callback(connections.discard)

        listener = socket.create_server(("127.0.0.1", 0))
        server = await asyncio.start_server(connected, sock=listener)
        proxy.host = f"127.0.0.1:{listener.getsockname()[1]}"
        started.set()
        await stopped.wait()
        server.close()
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    try:
        started.wait()
        yield proxy
    finally:
        stop[0]()
        thread.join()
