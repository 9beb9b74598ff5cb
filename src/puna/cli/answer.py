"""How an answer is printed while it comes, and what is told of it afterwards."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from typing import TextIO

from puna.cli.progress import Spinner
from puna.cli.tables import width
from puna.durations import format_nanoseconds
from puna.events import Done, Event, Text, Thinking, ToolCalled

_MARGIN = 5
_GREY, _BOLD_GREY, _PLAIN = "\x1b[90m", "\x1b[1;90m", "\x1b[0m"

# A model's text must not steer the terminal: of the control characters only newline and tab pass.
_CONTROLS = {code: None for code in [*range(0x20), *range(0x7F, 0xA0)] if chr(code) not in "\n\t"}


class Wrapper:
    """Breaks lines between words so that they fit ``columns`` (0: never). A word is held back until it has ended."""

    def __init__(self, columns: int) -> None:
        self._columns = columns
        self._at = 0
        self._word = ""

    def feed(self, text: str) -> str:
        """What can be printed once ``text`` has come."""
        if not self._columns:
            return text
        return "".join(self._fed(char) for char in text)

    def close(self) -> str:
        """What was still held back."""
        word, self._word = self._word, ""
        if not word:
            return ""
        columns = width(word)
        broken = self._at > 0 and self._at + columns > self._columns
        self._at = columns if broken else self._at + columns
        return f"\n{word}" if broken else word

    def _fed(self, char: str) -> str:
        if char == "\n":
            word = self.close()
            self._at = 0
            return word + char
        if char.isspace():
            word = self.close()
            if self._at >= self._columns:
                return word
            self._at += 1
            return word + char
        if width(char) < 2:
            self._word += char
            return ""
        before = self.close()  # scripts with wide characters break anywhere
        self._word = char
        return before + self.close()


class Printer:
    """Prints the events of one answer to ``out``; on a terminal thinking is grey and control characters are dropped."""

    def __init__(self, out: TextIO, *, wordwrap: bool, hide_thinking: bool = False) -> None:
        self._out = out
        self._terminal = out.isatty()
        wrapped = self._terminal and wordwrap
        self._wrapper = Wrapper(max(shutil.get_terminal_size().columns - _MARGIN, 1) if wrapped else 0)
        self._hide_thinking = hide_thinking
        self._thinking = ""  # its last piece, while it lasts
        self.text = ""

    def feed(self, event: Event) -> None:
        """Print what ``event`` says."""
        match event:
            case Thinking(text=text) if text and not self._hide_thinking:
                if not self._thinking:
                    self._print(self._styled(_BOLD_GREY, "Thinking...\n"))
                self._think(text)
            case Text(text=text) if text:
                self._end_thinking()
                self.text += text
                self._print(self._wrapper.feed(self._safe(text)))
            case ToolCalled(call=call):
                self._end_thinking()
                arguments = json.dumps(dict(call.arguments), ensure_ascii=False)
                self._print(f"  Model called a non-existent function '{call.name}()' with arguments: {arguments}\n")
            case _:
                pass

    def close(self) -> None:
        """Print what was held back."""
        self._end_thinking()
        self._print(self._wrapper.close())

    def _think(self, text: str) -> None:
        self._thinking = text
        self._print(self._styled(_GREY, self._wrapper.feed(self._safe(text))))

    def _end_thinking(self) -> None:
        if not self._thinking:
            return
        if not self._thinking.endswith("\n"):
            self._think("\n")
        self._print(self._styled(_BOLD_GREY, "...done thinking.\n\n"))
        self._thinking = ""

    def _styled(self, style: str, text: str) -> str:
        return f"{style}{text}{_PLAIN}" if self._terminal and text else text

    def _safe(self, text: str) -> str:
        return text.translate(_CONTROLS) if self._terminal else text

    def _print(self, text: str) -> None:
        if text:
            self._out.write(text)
            self._out.flush()


def play(events: Iterator[Event], printer: Printer, waiting: TextIO) -> Done | None:
    """Print an answer as it comes, with a spinner on ``waiting`` until it does; return how it ended.

    None means that the server said no end. The printer is closed also when the answer is interrupted.
    """
    done = None
    try:
        with Spinner(waiting) as spinner:
            for event in events:
                spinner.stop()
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
