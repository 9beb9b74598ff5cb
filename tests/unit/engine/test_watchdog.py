"""The watchdog over real child processes: one that answers, one that is stopped, and one that only works."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from puna.engine.connection import ConnectionLost, Connections
from puna.engine.process import EngineProcess
from puna.engine.watchdog import watch

PATIENCE = 60
SERVER = """
import socket, sys, threading
def serve(client, _):
    while head := client.recv(65536):
        if b"/health" in head:
            print("asked", file=sys.stderr, flush=True)
            client.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\n{}")
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
print("ready", file=sys.stderr, flush=True)
while True:
    threading.Thread(target=serve, args=listener.accept(), daemon=True).start()
"""

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes as Linux shows them")


@asynccontextmanager
async def waited_for(tmp_path: Path) -> AsyncIterator[tuple[Connections, EngineProcess]]:
    """An engine that answers nothing but how it is, and one request that waits for it."""
    path = tmp_path / "s"
    arguments = ["--exec", sys.executable, "-c", SERVER, str(path)]
    process = await EngineProcess.start(arguments, name="m", environ=os.environ)
    connections = Connections(path)
    try:
        while "ready" not in process.last_words:
            await asyncio.sleep(0.005)
        request = asyncio.ensure_future(connections.post("/completion", b"{}"))
        while not connections.busy:
            await asyncio.sleep(0.005)
        yield connections, process
    finally:
        process.kill()
        await process.gone
        with pytest.raises(ConnectionLost):
            await request
        connections.close()


def test_an_engine_that_hangs_is_ended(tmp_path: Path) -> None:
    """Those who wait for it hear that it is gone, and need not wait for ever."""

    async def run() -> None:
        async with waited_for(tmp_path) as (connections, process):
            os.kill(process.pid, signal.SIGSTOP)
            await watch(connections, process, "m", silence=0.1, patience=0.1)
            await process.gone
            assert -signal.SIGKILL == process.exit_code

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


def test_an_engine_that_says_how_it_is_may_take_its_time(tmp_path: Path) -> None:
    """A long prompt is no reason to end it."""

    async def run() -> None:
        async with waited_for(tmp_path) as (connections, process):
            watching = asyncio.ensure_future(watch(connections, process, "m", silence=0.01, patience=PATIENCE))
            while process.last_words.count("asked") < 3:
                await asyncio.sleep(0.005)
            assert not watching.done()
            assert not process.gone.done()
            watching.cancel()

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


def test_an_idle_engine_is_left_alone(tmp_path: Path) -> None:
    """Nobody waits for it, so it matters to nobody; the watch ends when the engine does."""

    async def run() -> None:
        async with waited_for(tmp_path) as (_, process):
            os.kill(process.pid, signal.SIGSTOP)
            watching = asyncio.ensure_future(watch(Connections(tmp_path / "s"), process, "m", silence=0.01))
            await asyncio.wait([watching], timeout=0.1)
            assert not process.gone.done()
            process.kill()
            await watching

    asyncio.run(asyncio.wait_for(run(), PATIENCE))
