"""What the terminal can do, and how it is kept in order."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TextIO

_FALLBACK = os.terminal_size((80, 24))

# A model's text must not steer the terminal: of the control characters only newline and tab pass.
_CONTROLS = {code: None for code in [*range(0x20), *range(0x7F, 0xA0)] if chr(code) not in "\n\t"}


def size(out: TextIO) -> os.terminal_size:
    """Columns and lines of the terminal that ``out`` is; 80 and 24 where it does not tell."""
    try:
        told = os.get_terminal_size(out.fileno())
    except (OSError, ValueError):
        return _FALLBACK
    return told if told.columns and told.lines else _FALLBACK


def obeys(out: TextIO, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether ``out`` is a terminal that follows escape sequences."""
    return out.isatty() and environ.get("TERM", "") not in ("", "dumb", "unknown")


def has_colours(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether colours are wanted: https://no-color.org."""
    return not environ.get("NO_COLOR")


def harmless(text: str) -> str:
    """``text`` without what could steer a terminal."""
    return text.translate(_CONTROLS)


@contextmanager
def unechoed() -> Iterator[None]:
    """What is typed meanwhile does not show, and is there for the next prompt, Enter as Enter. Ctrl+C works as ever."""
    if not sys.stdin.isatty():
        yield
        return
    import signal  # noqa: PLC0415 - nor needed without a terminal
    import termios  # noqa: PLC0415 - not on every system

    before = termios.tcgetattr(sys.stdin)
    silent = [before[0] & ~termios.ICRNL, *before[1:3], before[3] & ~termios.ECHO, *before[4:]]

    def stop(number: int, _: object) -> None:
        """Let the shell have its terminal while the chat is stopped, and take it back when the chat goes on."""
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)
        signal.signal(number, stop)
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, silent)

    stopping = signal.signal(signal.SIGTSTP, stop)
    try:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, silent)
        yield
    finally:
        signal.signal(signal.SIGTSTP, stopping)
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
