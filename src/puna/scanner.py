"""The one place that holds text back because it may be the beginning of a marker.

Text arrives in pieces that end anywhere, also in the middle of ``</think>``. A parser adds each piece to its scanner
and takes out what is certain::

    text, marker = scanner.take("</think>", "<tool_call>")

Markers begin with no white space. However small the pieces are, and however much is held back, a text takes time in
proportion to its length.
"""

from __future__ import annotations

import re
from functools import lru_cache

_SPACE = re.compile(r"\s*")


class Scanner:
    """Text that has arrived and was not taken yet."""

    __slots__ = ("_at", "_blank", "_text", "dropped", "ended", "returns")

    def __init__(self) -> None:
        self._text = ""
        self._at = 0  # what stands before it was taken
        self._blank = 0  # between the two there is white space only, which need not be looked at again
        self.dropped = ""
        """The white space that was dropped before the marker that was taken last."""
        self.ended = False
        """Whether no more text will arrive; who knows that says so here, for those who read on from the scanner."""

        self.returns = 0
        """How often text was put back."""

    @property
    def pending(self) -> str:
        """All that has arrived and was not taken."""
        return self._text[self._at :]

    def add(self, text: str) -> None:
        """``text`` has arrived."""
        # A string that has no other name is lengthened where it is; else holding much back would be slow.
        held, self._text = self._text, ""
        held = held[self._at :]
        held += text
        self._text, self._at, self._blank = held, 0, self._blank - self._at

    def put_back(self, text: str) -> None:
        """``text`` was taken too early: it stands before all that is pending."""
        if text:
            self._text, self._at, self._blank = text + self.pending, 0, 0
            self.returns += 1

    def take(self, *markers: str, trim: bool = False) -> tuple[str, str]:
        """What stands before the earliest of ``markers``, and that marker; both are taken. The longest wins a tie.

        While none is there, the marker is "" and only the text that cannot belong to one is taken. With ``trim`` white
        space before a marker is dropped, so it is held back too until other text follows it.
        """
        sought = _Sought.of(markers)
        found = sought.pattern.search(self._text, self._blank)
        end = sought.undecided(self._text, self._blank)
        if found and found.start() < end:
            end, marker = found.start(), found[0]
        else:
            marker = ""
        said = end
        if trim:
            length = len(self._text[self._blank : end].rstrip())
            said = self._blank + length if length else self._at
        text = self._text[self._at : said]
        if marker:
            self.dropped = self._text[said:end]
            self._at = self._blank = end + len(marker)
        else:
            self._at, self._blank = said, end
        return text, marker

    def take_prefix(self, *markers: str) -> str | None:
        """The marker that the text begins with after white space; it and the white space are taken. The longest wins.

        "" when no marker begins it and none can any more (nothing is taken); None while that is open.
        """
        self._pass_space()
        left = len(self._text) - self._blank
        if any(len(marker) > left and marker.startswith(self._text[self._blank :]) for marker in markers):
            return None
        for marker in sorted(markers, key=len, reverse=True):
            if self._text.startswith(marker, self._blank):
                self.dropped = self._text[self._at : self._blank]
                self._at = self._blank = self._blank + len(marker)
                return marker
        return ""

    def skip_space(self) -> bool:
        """Drop white space in front; whether other text has arrived after it."""
        self._pass_space()
        self._at = self._blank
        return self._at < len(self._text)

    def rest(self) -> str:
        """Everything left, at the end of the text; a marker that waited for a longer one is text there."""
        text = self.pending
        self._text, self._at, self._blank = "", 0, 0
        return text

    def _pass_space(self) -> None:
        if space := _SPACE.match(self._text, self._blank):
            self._blank = space.end()


class _Sought:
    """Markers to look for."""

    __slots__ = ("_beginnings", "_longest", "pattern")

    def __init__(self, markers: tuple[str, ...]) -> None:
        longest_first = sorted(markers, key=len, reverse=True)
        self.pattern = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")
        self._beginnings = frozenset(marker[:size] for marker in markers for size in range(1, len(marker)))
        self._longest = max(map(len, self._beginnings), default=0)

    @staticmethod
    @lru_cache(maxsize=256)
    def of(markers: tuple[str, ...]) -> _Sought:
        return _Sought(markers)

    def undecided(self, text: str, start: int) -> int:
        """Where, from ``start`` on, the longest tail of ``text`` begins that may yet become a marker; else its end."""
        for at in range(max(start, len(text) - self._longest), len(text)):
            if text[at:] in self._beginnings:
                return at
        return len(text)
