"""What puna costs: the same requests through puna and straight to the engine process that it drives, in one run.

    python bench/load.py MODEL.gguf [--rounds 5] [--tokens 64]

Starts a server with an empty store of its own, creates a model from MODEL.gguf, and finds the Unix socket of the engine
that the server starts. Requests go alternately to both, by the same client code. Printed: time to first token (of a
prompt that is in the engine's cache, so that puna's part is not lost in the noise of the rest), tokens per second at 1,
4 and 16 streams, and requests per second of /api/tags with 20 models. Quote ratios: machines drift.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import json
import os
import re
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Connect = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]

OPTIONS = {"temperature": 0.0, "top_k": 40, "top_p": 0.9, "min_p": 0.0, "seed": 1}
TAGS_MODELS = 20
TAGS_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two ways to the same engine."""

    name: str
    connect: Connect
    path: str
    body: Callable[[str, int], dict[str, Any]]
    token: re.Pattern[bytes]


@dataclass(frozen=True, slots=True)
class Run:
    """One answer: seconds to its first token and in all, and its tokens."""

    first: float
    total: float
    tokens: int


async def request(connect: Connect, method: str, path: str, body: Any = None) -> bytes:
    """Send one request on a connection of its own and return the body of the reply."""
    reader, writer = await connect()
    data = b"" if body is None else json.dumps(body).encode()
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {len(data)}\r\n\r\n"
    writer.write(head.encode() + data)
    reply = await reader.read()
    writer.close()
    return reply.partition(b"\r\n\r\n")[2]


async def answer(side: Side, prompt: str, tokens: int) -> Run:
    """Stream one answer. Pieces are counted where they arrive, in whatever form the side sends them."""
    reader, writer = await side.connect()
    data = json.dumps(side.body(prompt, tokens)).encode()
    started = time.perf_counter()
    writer.write(f"POST {side.path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)
    first, count, rest = 0.0, 0, b""
    while True:
        received = await reader.read(65536)
        if not received:
            raise RuntimeError(f"{side.name} closed the connection: {rest[-300:]!r}")
        rest += received
        lines = rest.split(b"\n")
        rest = lines.pop()
        for line in lines:
            if side.token.search(line):
                first = first or time.perf_counter() - started
                count += 1
            if b'"done":true' in line or b'"stop":true' in line:
                writer.close()
                return Run(first, time.perf_counter() - started, count)


def prompts(count: int, salt: str) -> list[str]:
    """Prompts in ChatML that share no beginning, so that no cache helps either side, and ask for long answers."""
    return [
        f"<|im_start|>user\n{salt}{number}. Tell me a very long story about a dog and a cat who travel the world."
        "<|im_end|>\n<|im_start|>assistant\n"
        for number in range(count)
    ]


async def speed(side: Side, streams: int, tokens: int, salt: str) -> float:
    """Tokens per second of ``streams`` answers at once."""
    started = time.perf_counter()
    runs = await asyncio.gather(*(answer(side, prompt, tokens) for prompt in prompts(streams, salt)))
    return sum(run.tokens for run in runs) / (time.perf_counter() - started)


async def compare(sides: Sequence[Side], rounds: int, tokens: int) -> None:
    """Print time to first token and throughput of both sides, and their ratios pair by pair."""
    engine, puna = sides
    extra = []
    [prompt] = prompts(1, "t")
    for number in range(rounds * 20):
        pair = {}
        for side in (engine, puna) if number % 2 else (puna, engine):
            pair[side.name] = (await answer(side, prompt, 2)).first * 1000
        extra.append(pair)
    medians = {side.name: statistics.median(pair[side.name] for pair in extra) for side in sides}
    difference = statistics.median(pair["puna"] - pair["engine"] for pair in extra)
    print(f"first token: engine {medians['engine']:.1f} ms, puna {medians['puna']:.1f} ms, cost {difference:+.2f} ms")
    for streams in (1, 4, 16):
        pairs = []
        for number in range(rounds):
            pair = {}
            for side in (engine, puna) if number % 2 else (puna, engine):
                pair[side.name] = await speed(side, streams, tokens, f"s{number}{side.name[0]}")
            pairs.append(pair)
        ratio = statistics.median(pair["puna"] / pair["engine"] for pair in pairs)
        low, high = min(p["puna"] / p["engine"] for p in pairs), max(p["puna"] / p["engine"] for p in pairs)
        rates = {side.name: statistics.median(pair[side.name] for pair in pairs) for side in sides}
        print(
            f"{streams:2} streams: engine {rates['engine']:.1f} tokens/s, puna {rates['puna']:.1f}, "
            f"ratio {ratio:.3f} ({low:.3f} to {high:.3f})"
        )


async def tags(connect: Connect) -> None:
    """Print requests per second of /api/tags on eight kept-alive connections."""
    counts = [0] * 8

    async def ask(number: int) -> None:
        reader, writer = await connect()
        while time.perf_counter() < end:
            writer.write(b"GET /api/tags HTTP/1.1\r\nHost: localhost\r\n\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: (\d+)", head)
            assert length is not None
            await reader.readexactly(int(length.group(1)))
            counts[number] += 1
        writer.close()

    end = time.perf_counter() + TAGS_SECONDS
    await asyncio.gather(*(ask(number) for number in range(len(counts))))
    print(f"/api/tags with {TAGS_MODELS} models: {sum(counts) / TAGS_SECONDS:.0f} requests/s")


@contextlib.asynccontextmanager
async def server(store: Path) -> AsyncIterator[tuple[int, int]]:
    """Run a puna server on a free port; gives its port and process id."""
    environ = os.environ | {"OLLAMA_HOST": "127.0.0.1:0", "OLLAMA_MODELS": str(store), "OLLAMA_KEEP_ALIVE": "-1"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "puna", "serve", env=environ, stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr is not None
    try:
        while not (found := re.search(rb"Listening on [^ ]*:(\d+)", await process.stderr.readline())):
            if process.returncode is not None:
                raise RuntimeError("the server did not start")
        log = asyncio.create_task(process.stderr.read())  # a process ends only once its pipes are read
        yield int(found.group(1)), process.pid
    finally:
        process.terminate()
        await process.wait()
        await log


def engine_socket(server_pid: int) -> str:
    """The Unix socket of the engine that the server started (Linux)."""
    for children in Path(f"/proc/{server_pid}/task").glob("*/children"):
        for child in children.read_text().split():
            words = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
            if b"--host" in words:
                return words[words.index(b"--host") + 1].decode()
    raise RuntimeError("the server has no engine")


async def main(options: argparse.Namespace) -> None:
    folder = Path(tempfile.mkdtemp(prefix="puna-bench-"))
    try:
        async with server(folder) as (port, pid):

            def tcp() -> Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
                return asyncio.open_connection("127.0.0.1", port)

            await create(tcp, options.model.name, options.model.read_bytes())
            await request(tcp, "POST", "/api/generate", {"model": "bench"})
            socket = engine_socket(pid)
            sides = (
                Side(
                    "engine",
                    lambda: asyncio.open_unix_connection(socket),
                    "/completion",
                    lambda prompt, tokens: {
                        "prompt": prompt,
                        "n_predict": tokens,
                        "stream": True,
                        "return_progress": True,
                        **OPTIONS,
                    },
                    re.compile(rb'"content":"[^"]'),
                ),
                Side(
                    "puna",
                    tcp,
                    "/api/generate",
                    lambda prompt, tokens: {
                        "model": "bench",
                        "prompt": prompt,
                        "raw": True,
                        "options": OPTIONS | {"num_predict": tokens},
                    },
                    re.compile(rb'"response":"[^"]'),
                ),
            )
            await compare(sides, options.rounds, options.tokens)
            for number in range(TAGS_MODELS - 1):
                await request(tcp, "POST", "/api/copy", {"source": "bench", "destination": f"bench{number}"})
            await tags(tcp)
    finally:
        shutil.rmtree(folder)


async def create(connect: Connect, name: str, content: bytes) -> None:
    """Put the model file ``content`` into the server's store, as ``bench``."""
    digest = "sha256:" + hashlib.sha256(content).hexdigest()
    reader, writer = await connect()
    head = f"POST /api/blobs/{digest} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    writer.write(f"{head}Content-Length: {len(content)}\r\n\r\n".encode())
    writer.write(content)
    await reader.read()
    writer.close()
    await request(connect, "POST", "/api/create", {"model": "bench", "files": {name: digest}, "stream": False})


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("model", type=Path)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--tokens", type=int, default=64)
    asyncio.run(main(arguments.parse_args()))
