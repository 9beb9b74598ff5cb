"""What one streamed chunk costs: aiohttp, httpx2, and asyncio streams with httptools, over a Unix socket.

A process of its own plays an engine: it streams events shaped like llama-server's over HTTP/1.1 chunked encoding, RATE
a second. Each client decodes every event. Printed: CPU time of the client process per event, and events per second.

    python bench/engine_client.py [--rate 2000] [--events 10000] [--rounds 3]

Needs aiohttp and httpx2 beside puna's own dependencies.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import httptools
import httpx2
import msgspec
import uvloop

EVENT = (
    b'data: {"index":0,"content":" word","tokens":[],"stop":false,"id_slot":-1,'
    b'"tokens_predicted":2,"tokens_evaluated":1}\n\n'
)
CHUNK = b"%x\r\n%s\r\n" % (len(EVENT), EVENT)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


class Delta(msgspec.Struct):
    """The part of an event that a client needs."""

    content: str = ""
    stop: bool = False


DECODE = msgspec.json.Decoder(Delta).decode


async def play(path: str, rate: int, events: int) -> None:
    """Serve the stream for ever: every 5 ms the events that are due, each written by itself."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(HEAD)
                started, sent = time.perf_counter(), 0
                while sent < events:
                    due = min(events, int((time.perf_counter() - started) * rate) + 1) if rate else events
                    while sent < due:
                        writer.write(CHUNK)
                        sent += 1
                    await writer.drain()
                    await asyncio.sleep(1 / rate if rate else 0)
                writer.write(b"0\r\n\r\n")

    server = await asyncio.start_unix_server(answer, path)
    await server.serve_forever()


async def with_aiohttp(path: str) -> int:
    """Count the events as aiohttp delivers them."""
    count = 0
    async with (
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(path)) as session,
        session.get("http://x/") as reply,
    ):
        async for line in reply.content:
            if line.startswith(b"data: "):
                DECODE(line[6:])
                count += 1
    return count


async def with_httpx2(path: str) -> int:
    """Count the events as httpx2 delivers them."""
    count, rest = 0, b""
    transport = httpx2.AsyncHTTPTransport(uds=path)
    async with httpx2.AsyncClient(transport=transport) as client, client.stream("GET", "http://x/") as reply:
        async for data in reply.aiter_raw():
            *lines, rest = (rest + data).split(b"\n\n")
            for line in lines:
                DECODE(line[6:])
                count += 1
    return count


class Body:
    """Collects what httptools parses."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.complete = False

    def on_body(self, data: bytes) -> None:
        """Keep a piece of the body."""
        self.data += data

    def on_message_complete(self) -> None:
        """Note the end of the message."""
        self.complete = True


async def with_streams(path: str) -> int:
    """Count the events as asyncio streams and httptools deliver them."""
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    body, count = Body(), 0
    parser = httptools.HttpResponseParser(body)
    while not body.complete:
        parser.feed_data(await reader.read(65536))
        *lines, rest = bytes(body.data).split(b"\n\n")
        body.data = bytearray(rest)
        for line in lines:
            DECODE(line[6:])
            count += 1
    writer.close()
    return count


CLIENTS: dict[str, Callable[[str], Awaitable[int]]] = {
    "aiohttp": with_aiohttp,
    "httpx2": with_httpx2,
    "streams + httptools": with_streams,
}


async def measure(client: Callable[[str], Awaitable[int]], path: str, events: int) -> tuple[float, float]:
    """CPU microseconds per event, and events per second, of one run of ``client``."""
    cpu, wall = time.process_time(), time.perf_counter()
    count = await client(path)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    if count != events:
        raise RuntimeError(f"{count} events of {events}")
    return cpu / count * 1e6, count / wall


@contextlib.asynccontextmanager
async def engine(rate: int, events: int) -> AsyncIterator[str]:
    """Run the playing process and give its socket."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "s.sock")
        child = multiprocessing.Process(target=lambda: uvloop.run(play(path, rate, events)), daemon=True)
        child.start()
        while not Path(path).exists():  # noqa: ASYNC240 -- a benchmark's own child, started a moment ago
            await asyncio.sleep(0.01)
        yield path
        child.kill()
        child.join()


async def main(options: Any) -> None:
    async with engine(options.rate, options.events) as path:
        results: dict[str, list[tuple[float, float]]] = {name: [] for name in CLIENTS}
        for _ in range(options.rounds):
            for name, client in CLIENTS.items():
                results[name].append(await measure(client, path, options.events))
    base = statistics.median(cpu for cpu, _ in results["streams + httptools"])
    print(f"{'client':22}{'CPU µs/event':>14}{'events/s':>12}{'ratio':>8}")
    for name, runs in results.items():
        cpu, speed = statistics.median(cpu for cpu, _ in runs), statistics.median(speed for _, speed in runs)
        print(f"{name:22}{cpu:14.1f}{speed:12.0f}{cpu / base:8.2f}")


if __name__ == "__main__":
    multiprocessing.set_start_method("fork")
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--rate", type=int, default=2000, help="events per second; 0: as fast as they go")
    arguments.add_argument("--events", type=int, default=10_000)
    arguments.add_argument("--rounds", type=int, default=3)
    uvloop.run(main(arguments.parse_args()))
