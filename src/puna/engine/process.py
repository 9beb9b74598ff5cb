"""One engine process: started so that it cannot outlive the server, watched, paused, stopped."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

from puna.logs import fields

log = logging.getLogger(__name__)

_LAST_WORDS = 12
_POLITE_SECONDS = 5.0
_SUDDEN = frozenset({-signal.SIGKILL, -signal.SIGTERM, -signal.SIGSEGV, -signal.SIGBUS, -signal.SIGILL})
"""Ends that a process says nothing of: what it said last was about something else."""

CHECK = "check its files with `puna fsck`"
"""What to do where a model's files may be damaged."""


class EngineProcess:
    """A running child process. ``gone`` is done when it has ended, with its last words."""

    def __init__(self, process: asyncio.subprocess.Process, name: str) -> None:
        self._process = process
        self._name = name
        self._lines: deque[str] = deque(maxlen=_LAST_WORDS)
        self._logged = 0
        self._closing = False
        self.gone: asyncio.Task[str] = asyncio.create_task(self._watch(), name=f"watch {name}")

    @classmethod
    async def start(
        cls, arguments: Sequence[str], *, name: str, environ: Mapping[str, str], pass_fds: Sequence[int] = ()
    ) -> EngineProcess:
        """Start ``python -m puna.engine.runner <arguments>``; ``name`` is what logs call it.

        The child gets the kernel's parent-death signal and a standard input that ends with this process. It runs in a
        session of its own, so that Ctrl+C in a terminal reaches only the server, which then stops it in order.
        """
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "puna.engine.runner",
            str(os.getpid()),
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env=dict(environ),
            start_new_session=True,
            pass_fds=tuple(pass_fds),
        )
        return cls(process, name)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """How it ended, the negative of a signal's number where one ended it; None while it runs."""
        return self._process.returncode

    @property
    def last_words(self) -> str:
        """What it logged last."""
        return "\n".join(self._lines)

    @property
    def end(self) -> str:
        """How it ended, in a line, for who is to be told; "" while it runs."""
        code = self.exit_code
        if code is None:
            return ""
        if code == -signal.SIGBUS:  # a page of its file could not be read: the file is shorter now, or the disk fails
            return f"{_ending(code)}: the model's weights could not be read: {CHECK}"
        return f"{_ending(code)}: {self._lines[-1]}" if self._lines and code not in _SUDDEN else _ending(code)

    def resident_bytes(self) -> int:
        """Memory it holds now, in bytes; 0 where the system does not say."""
        return self._pages(1) * os.sysconf("SC_PAGE_SIZE")

    def mapped_bytes(self) -> int:
        """How many of them are mapped files or shared; 0 where the system does not say."""
        return self._pages(2) * os.sysconf("SC_PAGE_SIZE")

    def cpu_ticks(self) -> int:
        """The processor time that it and what it started have used, in the system's ticks; 0 where it does not say."""
        ticks = 0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                told = stat.read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it has just ended
            if int(told[2]) == self.pid:  # its process group
                ticks += int(told[11]) + int(told[12])
        return ticks

    def trace(self) -> tuple[object, ...]:
        """What it has logged, read and taken of memory: it differs from what it was as long as a load gets on."""
        return (self._logged, self._proc("statm"), self._proc("io"))

    async def stop(self) -> None:
        """End it: politely, then by force after five seconds. Returns when it has ended."""
        self._closing = True
        self._signal(signal.SIGTERM)
        done, _ = await asyncio.wait({self.gone}, timeout=_POLITE_SECONDS)
        if not done:
            log.warning("the engine of %s did not stop when asked and is killed", self._name)
            self._signal(signal.SIGKILL)
            await asyncio.wait({self.gone})

    def kill(self) -> None:
        """End it by force, without waiting."""
        self._closing = True
        self._signal(signal.SIGKILL)

    def _pages(self, field: int) -> int:
        try:
            return int(self._proc("statm").split()[field])
        except (IndexError, ValueError):
            return 0

    def _proc(self, name: str) -> str:
        try:
            return Path(f"/proc/{self.pid}/{name}").read_text()
        except OSError:
            return ""

    def _signal(self, number: signal.Signals) -> None:
        """Signal the child and whatever it started: an operator's binary may be a script around the engine."""
        if not self.gone.done():
            try:
                os.killpg(self.pid, number)
            except ProcessLookupError:
                log.debug("the engine of %s had ended before signal %s", self._name, number.name)

    async def _watch(self) -> str:
        assert self._process.stderr is not None
        while line := await self._line(self._process.stderr):
            text = line.decode("utf-8", "replace").rstrip()
            self._lines.append(text)
            self._logged += 1
            log.debug("%s", text, extra=fields({"model": self._name}))
        code = await self._process.wait()
        if not self._closing:
            log.error("the engine of %s ended (%s): %s", self._name, _ending(code), self.last_words)
        return f"{_ending(code)}: {self.last_words}" if self._lines else _ending(code)

    @staticmethod
    async def _line(stream: asyncio.StreamReader) -> bytes:
        try:
            return await stream.readline()
        except ValueError:  # a line longer than the reader's limit: its first part was discarded, its end follows
            return b"...\n"


def _ending(code: int) -> str:
    if code >= 0:
        return f"exit status {code}"
    names = {known.value: known.name for known in signal.Signals}
    return f"signal: {names.get(-code, -code)}"
