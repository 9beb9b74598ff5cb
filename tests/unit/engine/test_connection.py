"""The HTTP client of the engine, against a server of raw bytes on a Unix socket, on both event loops puna runs on."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
import uvloop

from puna.engine.connection import Connection, ConnectionLost, Connections, Reply

PATIENCE = 20
SOCKET = Path("engine.sock")
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"


def sized(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    lines = [b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


@dataclass
class Peer:
    """The engine's end of one connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def request(self) -> tuple[bytes, bytes]:
        """The next request: its head and its body."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = next((line for line in head.split(b"\r\n") if line.startswith(b"Content-Length: ")), b": 0")
        return head, await self.reader.readexactly(int(length.split(b": ")[1]))

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, *replies: bytes) -> None:
        for reply in replies:
            await self.request()
            await self.send(reply)

    async def left(self) -> None:
        """Wait until the client has closed the connection."""
        with suppress(ConnectionResetError):
            assert await self.reader.read(1) == b""


Scene = Callable[[Peer], Awaitable[None]]


@dataclass
class Engine:
    """Plays one scene per connection, in the order they come, and closes the connection at the scene's end."""

    scenes: list[Scene]
    played: list[asyncio.Task[None]] = field(default_factory=list)

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.played.append(asyncio.create_task(self._play(self.scenes[len(self.played)], Peer(reader, writer))))

    async def _play(self, scene: Scene, peer: Peer) -> None:
        try:
            await scene(peer)
        finally:
            peer.writer.close()


@asynccontextmanager
async def serving(*scenes: Scene) -> AsyncIterator[Connections]:
    """A pool of connections to an engine that plays ``scenes``; afterwards every scene has been played to its end."""
    engine = Engine(list(scenes))
    server = await asyncio.start_unix_server(engine.accept, SOCKET)
    connections = Connections(SOCKET)
    try:
        yield connections
    finally:
        connections.close()
        server.close()
        played = await asyncio.gather(*engine.played, return_exceptions=True)
    assert [None] * len(scenes) == played


def answering(*replies: bytes) -> Scene:
    return lambda peer: peer.answer(*replies)


Play = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture(params=["asyncio", "uvloop"])
def play(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Play:
    """Run a coroutine on the loop in a folder of its own, where a socket's path is short."""
    monkeypatch.chdir(tmp_path)
    factory = uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop

    def run(coroutine: Coroutine[Any, Any, None]) -> None:
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(asyncio.wait_for(coroutine, PATIENCE))

    return run


@pytest.mark.parametrize(
    ("reply", "body"),
    [
        (sized(b"hello"), b"hello"),
        (sized(b""), b""),
        (CHUNKED + chunk(b"hel") + chunk(b"lo") + LAST_CHUNK, b"hello"),
        (CHUNKED + LAST_CHUNK, b""),
        (OK + b"\r\nhello", b"hello"),
        (OK + b"Connection: close\r\n\r\n", b""),
    ],
    ids=["length", "no body", "chunks", "no chunk", "until the connection ends", "nothing until it ends"],
)
def test_a_reply_is_whole_however_its_length_is_told(play: Play, reply: bytes, body: bytes) -> None:
    """A length, chunks, or the end of the connection: the caller gets the status and all of the body."""

    async def run() -> None:
        async with serving(answering(reply)) as connections:
            assert (200, body) == await connections.post("/tokenize", b"{}")

    play(run())


def test_a_request_is_what_an_engine_expects(play: Play) -> None:
    """A body is posted as JSON with its length; without one it is a GET."""
    seen: list[tuple[bytes, bytes]] = []

    async def scene(peer: Peer) -> None:
        for _ in range(2):
            seen.append(await peer.request())
            await peer.send(sized(b"{}"))

    async def run() -> None:
        async with serving(scene) as connections:
            await connections.post("/tokenize", b'{"content":"a"}')
            await connections.get("/health")

    play(run())
    (post, body), (get, nothing) = seen
    assert (b'{"content":"a"}', b"") == (body, nothing)
    assert b"POST /tokenize HTTP/1.1" == post.splitlines()[0]
    assert {b"Host: engine", b"Content-Type: application/json", b"Content-Length: 15"} <= set(post.splitlines())
    assert b"GET /health HTTP/1.1" == get.splitlines()[0]


def test_a_refusal_has_its_status_and_body(play: Play) -> None:
    """An error of the engine is a reply like any other, and costs no connection."""

    async def run() -> None:
        async with serving(answering(sized(b"too long", status=b"400 Bad Request"), sized(b"fine"))) as connections:
            assert (400, b"too long") == await connections.post("/completion", b"{}")
            assert (200, b"fine") == await connections.post("/completion", b"{}")

    play(run())


def test_one_connection_serves_one_request_after_another(play: Play) -> None:
    """A connection is opened once and kept."""
    replies = [sized(b"1"), CHUNKED + chunk(b"2") + LAST_CHUNK, sized(b"3")]

    async def run() -> None:
        async with serving(answering(*replies)) as connections:
            assert [b"1", b"2", b"3"] == [(await connections.post("/", b"{}"))[1] for _ in replies]

    play(run())


def test_requests_at_once_have_a_connection_each(play: Play) -> None:
    """Nobody waits for another's answer, and both connections are kept."""
    scene = answering(CHUNKED + chunk(b"a") + LAST_CHUNK, sized(b"b"))

    async def run() -> None:
        async with serving(scene, scene) as connections:
            async with connections.stream("/", b"{}") as one, connections.stream("/", b"{}") as other:
                assert [b"a", b"a"] == [await other.body(), await one.body()]
            assert [(200, b"b")] * 2 == list(await asyncio.gather(connections.get("/"), connections.get("/")))

    play(run())


def test_an_engine_that_ends_the_connection_gets_a_new_one(play: Play) -> None:
    """``Connection: close`` is respected."""
    replies = [sized(b"1", b"Connection: close"), sized(b"2")]

    async def run() -> None:
        async with serving(*map(answering, replies)) as connections:
            assert [b"1", b"2"] == [(await connections.post("/", b"{}"))[1] for _ in replies]

    play(run())


def test_a_kept_connection_that_was_closed_is_replaced(play: Play) -> None:
    """An engine may close an idle connection: a later request goes over a fresh one."""
    closed = asyncio.Event()

    async def closes(peer: Peer) -> None:
        await peer.answer(sized(b"1"))
        peer.writer.close()
        await peer.writer.wait_closed()
        closed.set()

    async def run() -> None:
        async with serving(closes, answering(sized(b"2"))) as connections:
            assert (200, b"1") == await connections.post("/", b"{}")
            await closed.wait()
            assert (200, b"2") == await connections.post("/", b"{}")

    play(run())


def test_a_request_that_met_the_closing_of_a_kept_connection_is_sent_again(play: Play) -> None:
    """The caller does not notice; every kept connection may be gone, the fresh one is what counts."""

    async def closes_on_the_second(peer: Peer) -> None:
        await peer.answer(sized(b"1"))
        await peer.request()

    async def run() -> None:
        scenes = [closes_on_the_second, closes_on_the_second, answering(sized(b"2"))]
        async with serving(*scenes) as connections:
            await asyncio.gather(connections.get("/"), connections.get("/"))
            assert (200, b"2") == await connections.post("/", b"{}")

    play(run())


def test_a_fresh_connection_that_closes_unanswered_is_lost(play: Play) -> None:
    """The request is not sent again: the engine is gone, or will not answer it."""

    async def closes(peer: Peer) -> None:
        await peer.request()

    async def run() -> None:
        async with serving(closes) as connections:
            with pytest.raises(ConnectionLost) as lost:
                await connections.post("/", b"{}")
            assert not lost.value.answered

    play(run())


@pytest.mark.parametrize(
    "start",
    [CHUNKED + chunk(b"half"), CHUNKED + b"8\r\nhalf", OK + b"Content-Length: 8\r\n\r\nhalf", CHUNKED],
    ids=["between chunks", "in a chunk", "length", "after the head"],
)
def test_a_reply_that_breaks_off_is_lost_and_never_sent_again(play: Play, start: bytes) -> None:
    """Half a reply is an error, on a fresh connection and on a kept one: the engine has worked on it."""

    async def run() -> None:
        async with serving(answering(start), answering(sized(b"fine"), start)) as connections:
            with pytest.raises(ConnectionLost) as lost:
                await connections.post("/", b"{}")
            assert lost.value.answered
            assert (200, b"fine") == await connections.post("/", b"{}")
            with pytest.raises(ConnectionLost) as lost:
                await connections.post("/", b"{}")
            assert lost.value.answered

    play(run())


def test_what_came_before_a_reply_broke_off_is_given(play: Play) -> None:
    """The pieces that arrived are the caller's before the error is."""

    async def run() -> None:
        async with (
            serving(answering(CHUNKED + chunk(b"data: 1\n\n"))) as connections,
            connections.stream("/", b"{}") as reply,
            aclosing(reply.events()) as events,
        ):
            assert b"1" == await anext(events)
            with pytest.raises(ConnectionLost):
                await anext(events)

    play(run())


def test_a_reset_is_no_end_of_a_reply(play: Play) -> None:
    """A body that lasts until the connection ends is whole only when it was ended in order."""

    async def run() -> None:
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(SOCKET))
            listener.listen()
            listener.setblocking(False)

            async def begin() -> socket.socket:
                peer, _ = await loop.sock_accept(listener)
                await loop.sock_sendall(peer, OK + b"\r\nhalf")
                return peer

            beginning = asyncio.create_task(begin())
            async with Connections(SOCKET).stream("/", b"{}") as reply:
                # The request is unread, so closing is a reset.
                (await beginning).close()
                with pytest.raises(ConnectionLost) as lost:
                    await reply.body()
            assert lost.value.answered

    play(run())


def test_what_is_not_http_is_lost(play: Play) -> None:
    """Another program at the socket is an error at once."""

    async def garbles(peer: Peer) -> None:
        await peer.answer(b"SSH-2.0-OpenSSH\r\n\r\n")
        await peer.left()

    async def run() -> None:
        async with serving(garbles) as connections:
            with pytest.raises(ConnectionLost):
                await connections.post("/", b"{}")

    play(run())


def test_an_engine_that_is_not_there_is_the_systems_error(play: Play) -> None:
    """Nothing listens: the caller learns what the system says."""

    async def run() -> None:
        with pytest.raises(FileNotFoundError):
            await Connections(SOCKET).get("/health")

    play(run())


def test_leaving_a_stream_early_tells_the_engine(play: Play) -> None:
    """The connection is closed, which frees the engine's slot, and the next request has a new one."""

    async def streams(peer: Peer) -> None:
        await peer.answer(CHUNKED + chunk(b"data: 1\n\n"))
        await peer.left()

    async def run() -> None:
        async with serving(streams, answering(sized(b"fine"))) as connections:
            async with connections.stream("/", b"{}") as reply, aclosing(reply.events()) as events:
                assert b"1" == await anext(events)
            assert (200, b"fine") == await connections.post("/", b"{}")

    play(run())


def test_giving_up_before_the_reply_tells_the_engine(play: Play) -> None:
    """A request that is cancelled while the engine is silent closes its connection."""
    asked = asyncio.Event()

    async def silent(peer: Peer) -> None:
        await peer.request()
        asked.set()
        await peer.left()

    async def run() -> None:
        async with serving(silent) as connections:
            asking = asyncio.create_task(connections.post("/", b"{}"))
            await asked.wait()
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking

    play(run())


def test_closing_the_pool_closes_what_is_kept(play: Play) -> None:
    """No idle connection is left behind."""

    async def answers(peer: Peer) -> None:
        await peer.answer(sized(b"fine"))
        await peer.left()

    async def run() -> None:
        async with serving(answers) as connections:
            await connections.post("/", b"{}")
            connections.close()

    play(run())


def test_an_engine_faster_than_its_reader_is_made_to_wait(play: Play) -> None:
    """At most a few megabytes wait in memory; nothing is lost once the reader goes on."""
    piece, pieces = bytes(64 * 1024), 128
    sent = 0

    async def torrent(peer: Peer) -> None:
        nonlocal sent
        await peer.answer(CHUNKED)
        while sent < pieces:
            await peer.send(chunk(piece))
            sent += 1
        await peer.send(LAST_CHUNK)
        await peer.answer(sized(b"fine"))

    async def stalled() -> None:
        """Wait until nothing was sent for a hundred turns of the loop, which both ends share."""
        before, still = -1, 0
        while still < 100:
            still = still + 1 if before == sent else 0
            before = sent
            await asyncio.sleep(0)

    async def run() -> None:
        async with serving(torrent) as connections:
            async with connections.stream("/", b"{}") as reply:
                await stalled()
                assert 3 * 1024 * 1024 > sent * len(piece)
                assert pieces * len(piece) == len(await reply.body())
            assert (200, b"fine") == await connections.post("/", b"{}")

    play(run())


def test_a_long_reply_that_nobody_read_harms_no_later_request(play: Play) -> None:
    """Its connection, which was made to wait, is not used again."""

    async def long(peer: Peer) -> None:
        await peer.answer(sized(bytes(1024 * 1024 + 1)))
        await peer.left()

    async def run() -> None:
        async with serving(long, answering(sized(b"fine"))) as connections:
            async with connections.stream("/", b"{}") as reply:
                while not reply._connection.complete:
                    await asyncio.sleep(0)
            assert (200, b"fine") == await connections.post("/", b"{}")

    play(run())


class Pieces:
    """A connection whose reads are laid down."""

    status = 200

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = [*pieces, b""]

    async def read(self) -> bytes:
        return self._pieces.pop(0)


def events(pieces: list[bytes]) -> list[bytes]:
    async def run() -> list[bytes]:
        return [event async for event in Reply(cast("Connection", Pieces(pieces))).events()]

    return asyncio.run(run())


def test_events_are_the_same_however_they_arrive() -> None:
    """Whole, by byte, or split in two anywhere: the data of each event, comments left out, other fields whole."""
    stream = b': ping\n\ndata: {"a":1}\n\ndata: [DONE]\n\nerror: {"b":"\xc3\xa9"}\n\n\n\ndata: last\n\n'
    expected = [b'{"a":1}', b"[DONE]", b'error: {"b":"\xc3\xa9"}', b"last"]

    assert expected == events([stream])
    assert expected == events([bytes([byte]) for byte in stream])
    for at in range(1, len(stream)):
        assert expected == events([stream[:at], stream[at:]])


def test_an_event_that_breaks_off_is_none() -> None:
    """What has no end was not sent."""
    assert [b"1"] == events([b"data: 1\n\ndata: 2\n"])
