"""Making GGUF files of other files: quantizing, and converting what Hugging Face publishes.

Both take long, much memory bandwidth and code that is not puna's, so each runs in a child process that ends with its
caller. A child says how far it is on standard error, one JSON object a line; all else it writes there is its log.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager

import msgspec

from puna.errors import ConversionFailed

log = logging.getLogger(__name__)

_LAST_WORDS = 8
_LINE_LIMIT = 1 << 20


class Step(msgspec.Struct, frozen=True):
    """How far a child is: bytes ``completed`` of the ``total``."""

    completed: int
    total: int


_encode, _decode = msgspec.json.Encoder().encode, msgspec.json.Decoder(Step).decode


def say(step: Step) -> None:
    """In a child: tell the parent how far the work is."""
    sys.stderr.buffer.write(_encode(step) + b"\n")
    sys.stderr.buffer.flush()


class Child:
    """A running child."""

    def __init__(self, process: asyncio.subprocess.Process, name: str) -> None:
        self._process = process
        self._name = name
        self._lines: deque[str] = deque(maxlen=_LAST_WORDS)

    async def steps(self) -> AsyncGenerator[Step, None]:
        """How far it is, until it has ended well.

        Raises:
            ConversionFailed: it ended in any other way; the text is what it said last.
        """
        while line := await self._line():
            try:
                yield _decode(line)
            except msgspec.MsgspecError:
                text = line.decode("utf-8", "replace").rstrip()
                self._lines.append(text)
                log.debug("%s: %s", self._name, text)
        code = await self._process.wait()
        if code:
            log.error("%s failed (status %d): %s", self._name, code, "\n".join(self._lines))
            raise ConversionFailed(self._lines[-1] if self._lines else f"{self._name} ended with status {code}")

    async def _line(self) -> bytes:
        """The next line it says, b"" at the end. One beyond all measure, as progress bars write, is left out."""
        assert self._process.stderr is not None
        while True:
            with contextlib.suppress(ValueError):  # what the reader raises after it dropped such a line
                return await self._process.stderr.readline()


@asynccontextmanager
async def child(
    module: str, *arguments: str, name: str, stdout: int = asyncio.subprocess.DEVNULL, environ: Mapping[str, str] = {}
) -> AsyncIterator[Child]:
    """Run ``python -m <module> <own process id> <arguments>``, and end it at the latest with the block.

    ``name`` is what errors call its work; ``environ`` comes on top of the own environment.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        str(os.getpid()),
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=stdout,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **environ},
        start_new_session=True,
        limit=_LINE_LIMIT,
    )
    try:
        yield Child(process, name)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await asyncio.shield(process.communicate())
