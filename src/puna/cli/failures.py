"""How what went wrong reaches the user: one line on standard error, and an exit code."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TextIO

import click

from puna.cli.terminal import harmless
from puna.errors import PunaError

INTERRUPTED = 130
_BROKEN_PIPE = 141
"""What a shell says of a program that the signal of a broken pipe has ended; 130 is that of Ctrl+C."""


def told(error: BaseException) -> int:
    """Say on standard error what went wrong, as one line ``Error: …``; return the exit code.

    An interruption, and a reader of standard output that has left, say enough themselves. With ``OLLAMA_DEBUG`` the
    traceback comes first.
    """
    if isinstance(error, KeyboardInterrupt | click.Abort):
        return INTERRUPTED
    if isinstance(error, BrokenPipeError):
        _let_go(sys.stdout)
        return _BROKEN_PIPE
    # Where standard error is gone, too, nobody is left to tell.
    with contextlib.suppress(OSError):
        if _debugging():
            import traceback  # noqa: PLC0415 - seldom wanted

            click.echo("".join(traceback.format_exception(error)), nl=False, err=True)
        click.echo(f"Error: {harmless(_text(error))}", err=True)  # servers and registries say some of it
    if isinstance(error, OSError):
        _let_go(sys.stdout)
    return 1


def _text(error: BaseException) -> str:
    match error:
        case click.ClickException():
            return error.format_message()
        case PunaError():
            return str(error).replace("\n", " ")
        case OSError():
            place = f"{error.filename}: ".replace("\n", " ") if error.filename else ""
            return f"{place}{(error.strerror or str(error) or type(error).__name__).lower()}"
        case MemoryError():
            return "out of memory"
    words = " ".join(f"{type(error).__name__}: {error}".split())
    return f"{words} (a mistake of puna's: OLLAMA_DEBUG=1 tells where, please report it)"


def _let_go(out: TextIO | None) -> None:
    """Drop what could not be written to ``out``, so that the interpreter does not try again as it ends."""
    # A stream of a test's has no file behind it.
    with contextlib.suppress(OSError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, out.fileno())  # type: ignore[union-attr]
        os.close(nowhere)


def _debugging() -> bool:
    return os.environ.get("OLLAMA_DEBUG", "").strip("\"' ").lower() not in ("", "0", "f", "false")
