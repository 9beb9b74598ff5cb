"""Waiting for an engine process to have its model loaded: until it has, ends, or gets no further."""

from __future__ import annotations

import asyncio
import re
import signal
from collections.abc import Awaitable
from collections.abc import Set as AbstractSet
from typing import Any

from puna.engine.process import CHECK, EngineProcess
from puna.errors import InsufficientMemory, LoadFailed

_TRACE_SECONDS = 1.0
"""Seconds between two looks at whether a load gets on."""

_OUT_OF_MEMORY = (
    "failed to allocate",
    "unable to allocate",
    "out of memory",
    "bad_alloc",
    "Cannot allocate memory",
    "mem_buffer != NULL",
)
"""What llama.cpp and its libraries say when there is no memory left."""

_DAMAGED = ("gguf_init", "corrupted", "read error", "end of file")
"""What llama.cpp says of a file that is not what it was."""

_error = re.compile(r"[\d.]+ E (.+)").fullmatch
"""A line of llama.cpp's log that tells of an error."""


async def wait(waiting: Awaitable[None], process: EngineProcess, name: str, load_timeout: float) -> None:
    """Return when ``waiting`` for the model ``name`` of ``process`` is over.

    Raises:
        InsufficientMemory: the process ended for want of memory.
        LoadFailed: it ended, or showed no sign of progress for ``load_timeout`` seconds.
    """
    ready = asyncio.ensure_future(waiting)
    try:
        if not await _in_time({ready, process.gone}, process, load_timeout):
            text = f"timed out waiting for llama-server to start - no progress for {load_timeout:g} s"
            raise LoadFailed(f"{text}: {process.last_words}" if process.last_words else text)
        if not ready.done():
            raise _failure(process, name)
        ready.result()
    finally:
        ready.cancel()
        await asyncio.gather(ready, return_exceptions=True)


async def _in_time(events: AbstractSet[asyncio.Future[Any]], process: EngineProcess, limit: float) -> bool:
    """Whether one of ``events`` came before ``process`` had stood still for ``limit`` seconds."""
    loop = asyncio.get_running_loop()
    trace, since = process.trace(), loop.time()
    while True:
        done, _ = await asyncio.wait(events, timeout=min(_TRACE_SECONDS, limit), return_when=asyncio.FIRST_COMPLETED)
        if done:
            return True
        if (now := process.trace()) != trace:
            trace, since = now, loop.time()
        elif loop.time() - since >= limit:
            return False


def _failure(process: EngineProcess, name: str) -> LoadFailed | InsufficientMemory:
    """Why a process ended before its model was loaded."""
    if process.exit_code == -signal.SIGKILL:
        why = f"{process.end}, which is how the system ends what takes the last memory"
        return InsufficientMemory(why, model=name)
    lines = process.last_words.splitlines()
    cause = next((found[1] for line in lines if (found := _error(line))), "")
    end = f"exit status {process.exit_code}: {cause}" if cause and process.exit_code else process.end
    if any(sign in process.last_words for sign in _OUT_OF_MEMORY):
        return InsufficientMemory(f"the engine ran out of memory: {end}", model=name)
    advice = f": {CHECK}" if any(sign in process.last_words for sign in _DAMAGED) else ""
    return LoadFailed(f"the engine ended with {end}{advice}", model=name)
