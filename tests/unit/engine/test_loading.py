"""Waiting for a load: real children of ``/bin/sh`` in the place of an engine."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from puna.durations import FOREVER
from puna.engine import loading
from puna.engine.process import EngineProcess
from puna.errors import InsufficientMemory, LoadFailed

needs_proc = pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="looks at processes as Linux shows them")


async def load(script: str, *, limit: float = FOREVER, ready: Coroutine[Any, Any, Any] | None = None) -> None:
    """Wait for a child that runs ``script``; it has ended afterwards."""
    child = await EngineProcess.start(["--exec", "/bin/sh", "-c", script], name="a model", environ=os.environ)
    try:
        async with asyncio.timeout(60):
            await loading.wait(ready or asyncio.Event().wait(), child, "m.gguf", limit)
    finally:
        child.kill()
        await child.gone


def test_ready() -> None:
    """A model that is ready has been waited for long enough, however short the limit."""
    asyncio.run(load("exec sleep 1000", limit=0.001, ready=asyncio.sleep(0)))


@pytest.mark.parametrize(
    ("script", "error", "words"),
    [
        ("echo bad magic >&2; exit 1", LoadFailed, "failed to load model m.gguf: .* exit status 1: bad magic"),
        (
            "echo alloc_tensor_range: failed to allocate CPU buffer >&2; exit 1",
            InsufficientMemory,
            "failed to allocate",
        ),
        ("kill -KILL $$", InsufficientMemory, "SIGKILL"),
        (
            "echo '0.00.1 I a line' >&2; echo '0.00.2 E gguf_init: bad magic' >&2; echo '0.00.3 E failed' >&2; exit 1",
            LoadFailed,
            "^failed to load model m.gguf: the engine ended with exit status 1: gguf_init: bad magic: .*`puna fsck`$",
        ),
        ("kill -ABRT $$", LoadFailed, "SIGABRT"),
    ],
)
def test_an_engine_that_ends(script: str, error: type[Exception], words: str) -> None:
    """The error tells want of memory, which other models may be to blame for, from all else, and has the last words."""
    with pytest.raises(error, match=words):
        asyncio.run(load(script))


@needs_proc
def test_a_load_that_stands_still() -> None:
    """It is given up after the limit, with what the engine said last."""
    words = r"^timed out waiting for llama-server to start - no progress for 0\.2 s: reading$"
    with pytest.raises(LoadFailed, match=words):
        asyncio.run(load("echo reading >&2; exec sleep 1000", limit=0.2))


@needs_proc
def test_a_load_that_gets_on() -> None:
    """A long load is no reason to give it up: this one takes several times the limit, and says something meanwhile."""
    script = "for i in 1 2 3 4 5 6 7 8; do echo $i >&2; sleep 0.1; done; exit 7"
    with pytest.raises(LoadFailed, match="exit status 7"):
        asyncio.run(load(script, limit=0.4))
