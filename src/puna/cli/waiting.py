"""What is waited for before an answer begins: a turn, a model that loads, a prompt that is read."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from puna.cli import terminal
from puna.cli.speed import Speed
from puna.cli.wrapping import width
from puna.errors import PunaError

if TYPE_CHECKING:
    from puna.client.serving import RequestProgress

Ask = Callable[[], "RequestProgress | None"]
"""Asks the server how far the request is. Called in a thread of its own."""

_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_FRAME_SECONDS = 0.1
_SILENT_SECONDS = 0.5
_ASK_SECONDS = 0.5
_LINE_SECONDS = 10.0
"""Between one line and the next where there is no terminal."""

_STATES = {"queued": "waiting for a turn", "loading": "loading the model", "prompt": "reading the prompt"}


def described(progress: RequestProgress | None, speed: Speed, waited: float) -> str:
    """One line about what is waited for, for ``waited`` seconds until now."""
    state = _STATES.get(progress.state, "") if progress else ""
    if progress and progress.state == "prompt" and progress.prompt_tokens:
        done, total = progress.prompt_done, progress.prompt_tokens
        line = f"{state}: {100 * done // total}% of {total} tokens"
        if left := speed.left(done, total, waited):
            line += f", {left[0]:.0f} tokens/s, {left[1]} left"
        return line
    return f"{state or 'waiting'} {waited:.0f}s" if waited >= 1 else state


@contextmanager
def waiting(out: TextIO, ask: Ask | None = None) -> Iterator[Callable[[], None]]:
    """Say on ``out`` what is waited for; the function that is given ends that, and nothing is written after it.

    A terminal has a line that moves and goes away; anything else gets plain lines. Short waits are silent.
    """
    teller = _Teller(out, ask)
    thread = threading.Thread(target=teller.tell, name="waiting", daemon=True)
    thread.start()
    try:
        yield teller.stop
    finally:
        teller.stop()


class _Teller:
    def __init__(self, out: TextIO, ask: Ask | None) -> None:
        self._out = out
        self._ask = ask
        self._moves = terminal.obeys(out)
        self._stopped = threading.Event()
        self._writing = threading.Lock()
        self._shown = ""
        self._speed = Speed()

    def stop(self) -> None:
        """Wipe the line away."""
        if self._stopped.is_set():
            return
        with self._writing:
            self._stopped.set()
            if self._moves and self._shown:
                self._out.write("\r\x1b[K")
                self._out.flush()

    def tell(self) -> None:
        """Until it is stopped."""
        began = time.monotonic()
        asked = line = ""
        next_ask = next_line = _SILENT_SECONDS
        for frame in itertools.cycle(_FRAMES):
            if self._stopped.wait(_FRAME_SECONDS):
                return
            waited = time.monotonic() - began
            if waited >= next_ask:
                asked = described(self._asked(), self._speed, waited)
                next_ask = waited + _ASK_SECONDS
            if self._moves:
                self._say(f"{frame} {asked}", "")
            elif waited >= next_line and asked != line:
                self._say(asked, "\n")
                line, next_line = asked, waited + _LINE_SECONDS

    def _asked(self) -> RequestProgress | None:
        try:
            return self._ask() if self._ask else None
        except PunaError:
            return None  # what is wrong is told where the answer is waited for

    def _say(self, line: str, end: str) -> None:
        with self._writing:
            if self._stopped.is_set():
                return
            if not end:
                room = terminal.size(self._out).columns - 1
                while width(line) > room:
                    line = line[:-1]
                line = f"\r{line}\x1b[K"
            self._out.write(line + end)
            self._out.flush()
            self._shown = line
