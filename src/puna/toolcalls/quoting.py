"""Markers that count only outside quotes: what stands in the string of a call is not the end of the call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from puna.scanner import Scanner


@dataclass(frozen=True, slots=True)
class Quote:
    """What ends a quoted text.

    With ``escapes`` a character after a backslash does not. ``after`` are the characters that an opening quote may
    follow, white space aside; by default any.
    """

    closing: str
    escapes: bool = False
    after: str = ""

    @property
    def markers(self) -> tuple[str, ...]:
        """What is to be looked for within the quotes."""
        return (self.closing, f"\\{self.closing}", "\\\\") if self.escapes else (self.closing,)


Quotes = Mapping[str, Quote]
"""The quotes of a syntax, by what opens them."""

STRINGS: Quotes = {'"': Quote('"', escapes=True)}
"""JSON's."""


class Unquoted:
    """Takes text from ``scanner``, and only such markers as stand outside ``quotes``."""

    __slots__ = ("_before", "_quotes", "_scanner", "_within")

    def __init__(self, scanner: Scanner, quotes: Quotes) -> None:
        self._scanner = scanner
        self._quotes = quotes
        self._within: Quote | None = None
        self._before = ""  # the last character, white space aside

    def take(self, *markers: str) -> tuple[str, str]:
        """As ``Scanner.take``; quotes, and markers in them, are text."""
        taken: list[str] = []
        while True:
            within = self._within
            text, marker = self._scanner.take(*(within.markers if within else (*markers, *self._quotes)))
            taken.append(text)
            self._before = text.rstrip()[-1:] or self._before
            if not marker or (not within and marker in markers):
                return "".join(taken), marker
            taken.append(marker)
            if within is None:
                self._within = self._opened(marker)
            elif marker == within.closing:
                self._within = None
            self._before = marker[-1]

    def _opened(self, marker: str) -> Quote | None:
        quote = self._quotes[marker]
        return quote if not quote.after or (self._before and self._before in quote.after) else None


class JsonObject:
    """A JSON object while it arrives, of which ``begun`` was taken from the scanner: at least its brace."""

    __slots__ = ("_depth", "_taken", "_unquoted")

    def __init__(self, scanner: Scanner, begun: str = "{") -> None:
        self._unquoted = Unquoted(scanner, STRINGS)
        self._taken = [begun]
        self._depth = 1

    @property
    def text(self) -> str:
        """All of it that has arrived."""
        return "".join(self._taken)

    def closed(self) -> bool:
        """Take what there is of it from the scanner; whether that is all of it, by its braces."""
        while self._depth:
            text, brace = self._unquoted.take("{", "}")
            self._taken += (text, brace)
            if not brace:
                return False
            self._depth += 1 if brace == "{" else -1
        return True
