"""How an answer is printed while it comes, and what is told of it afterwards."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING, TextIO

from puna.cli import terminal
from puna.cli.flow import Blocks, Lines
from puna.cli.waiting import Ask, waiting
from puna.durations import format_nanoseconds
from puna.events import Done, Text, Thinking, ToolCalled

if TYPE_CHECKING:
    from puna.events import Event

_MARGIN = 5
_GREY, _BOLD_GREY, _PLAIN = "\x1b[90m", "\x1b[1;90m", "\x1b[0m"
_DIM, _BOLD_DIM = "\x1b[2m", "\x1b[1;2m"


class Printer:
    """Prints the events of one answer to ``out``.

    A terminal gets wrapped lines, Markdown as it is meant, thinking in grey, and none of the control characters.
    """

    def __init__(self, out: TextIO, *, wordwrap: bool, markdown: bool = False, hide_thinking: bool = False) -> None:
        self._out = out
        self._terminal = out.isatty()
        self._styles = terminal.obeys(out)
        self._colours = terminal.has_colours()
        self._wrapped = self._terminal and wordwrap
        self._hide_thinking = hide_thinking
        self._thinking = ""  # its last piece, while it lasts
        self._flow = self._lines()
        self._answer = self._blocks() if markdown and self._wrapped and self._styles else self._flow
        self.text = ""

    def feed(self, event: Event) -> None:
        """Print what ``event`` says."""
        match event:
            case Thinking(text=text) if text and not self._hide_thinking:
                if not self._thinking:
                    self._print(self._styled("Thinking...\n", bold=True))
                self._think(text)
            case Text(text=text) if text:
                self._end_thinking()
                self.text += text
                self._print(self._answer.feed(self._safe(text)))
            case ToolCalled(call=call):
                self._end_thinking()
                arguments = self._safe(json.dumps(dict(call.arguments), ensure_ascii=False))
                name = self._safe(call.name)
                self._print(self._answer.close())
                if self._terminal and self.text and not self.text.endswith("\n"):
                    self._print("\n")
                self._print(f"  Model called a non-existent function '{name}()' with arguments: {arguments}\n")
            case _:
                pass

    def close(self) -> None:
        """Print what was held back."""
        self._end_thinking()
        self._print(self._answer.close())

    def _think(self, text: str) -> None:
        self._thinking = text
        self._print(self._styled(self._flow.feed(self._safe(text))))

    def _end_thinking(self) -> None:
        if not self._thinking:
            return
        if not self._thinking.endswith("\n"):
            self._think("\n")
        self._print(self._styled("...done thinking.\n\n", bold=True))
        self._thinking = ""

    def _lines(self) -> Lines:
        return Lines(self._columns() if self._wrapped else 0)

    def _blocks(self) -> Blocks:
        def room() -> tuple[int, int]:
            return self._columns(), terminal.size(self._out).lines

        # While the model thinks about its first word; and Ctrl+C cannot leave it half loaded, as it could here.
        threading.Thread(target=import_module, args=("puna.cli.markdown",), daemon=True).start()
        return Blocks(room, colours=self._colours)

    def _columns(self) -> int:
        return max(terminal.size(self._out).columns - _MARGIN, 1)

    def _styled(self, text: str, *, bold: bool = False) -> str:
        if not self._styles or not text:
            return text
        style = (_BOLD_GREY if bold else _GREY) if self._colours else (_BOLD_DIM if bold else _DIM)
        return f"{style}{text}{_PLAIN}"

    def _safe(self, text: str) -> str:
        return terminal.harmless(text) if self._terminal else text

    def _print(self, text: str) -> None:
        if text:
            self._out.write(text)
            self._out.flush()


def play(events: Iterator[Event], printer: Printer, err: TextIO, ask: Ask | None = None) -> Done | None:
    """Print an answer as it comes; until it does, say on ``err`` what is waited for, as ``ask`` tells.

    Returns how it ended; None means that the server said no end. The printer is closed also when the answer is
    interrupted.
    """
    done = None
    try:
        with waiting(err, ask) as stop:
            for event in events:
                stop()
                printer.feed(event)
                if isinstance(event, Done):
                    done = event
    finally:
        printer.close()
    return done


def statistics(done: Done) -> str:
    """The lines of ``--verbose``: durations, counts and rates, those that are not zero."""
    times, usage = done.timings, done.usage
    lines = [
        ("total duration:", _seconds(times.total)),
        ("load duration:", _seconds(times.load)),
        ("prompt eval count:", _tokens(usage.prompt_tokens)),
        ("prompt eval duration:", _seconds(times.prompt)),
        ("prompt eval rate:", _rate(usage.prompt_tokens, times.prompt)),
        ("eval count:", _tokens(usage.completion_tokens)),
        ("eval duration:", _seconds(times.completion)),
        ("eval rate:", _rate(usage.completion_tokens, times.completion)),
    ]
    return "".join(f"{name:<21} {value}\n" for name, value in lines if value)


def _seconds(seconds: float) -> str:
    return format_nanoseconds(round(seconds * 1e9)) if seconds > 0 else ""


def _tokens(count: int) -> str:
    return f"{count} token(s)" if count else ""


def _rate(count: int, seconds: float) -> str:
    return f"{count / seconds:.2f} tokens/s" if count and seconds > 0 else ""
