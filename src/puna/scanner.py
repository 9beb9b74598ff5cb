"""The one place that holds text back because it may be the beginning of a marker.

Text arrives in pieces that end anywhere, also in the middle of ``</think>``. A parser adds each piece to its scanner
and takes out what is certain::

    text, marker = scanner.take("</think>", "<tool_call>")
"""

from __future__ import annotations


class Scanner:
    """Text that has arrived and was not taken yet."""

    __slots__ = ("_text",)

    def __init__(self) -> None:
        self._text = ""

    @property
    def pending(self) -> str:
        """All that has arrived and was not taken."""
        return self._text

    def add(self, text: str) -> None:
        """``text`` has arrived."""
        self._text += text

    def take(self, *markers: str, trim: bool = False) -> tuple[str, str]:
        """What stands before the earliest of ``markers``, and that marker; both are taken. The longest wins a tie.

        While none is there, the marker is "" and only the text that cannot belong to one is taken. With ``trim`` white
        space before a marker is dropped, so it is held back too until other text follows it.
        """
        found = [(at, -len(marker), marker) for marker in markers if (at := self._text.find(marker)) >= 0]
        undecided = self._beginning_of(markers)
        if not found or undecided <= min(found)[0]:
            return self._cut(undecided, trim=trim), ""
        at, _, marker = min(found)
        before, self._text = self._text[:at], self._text[at + len(marker) :]
        return (before.rstrip() if trim else before), marker

    def take_prefix(self, *markers: str) -> str | None:
        """The marker that the text begins with after white space; it and the white space are taken. The longest wins.

        "" when no marker begins it and none can any more (nothing is taken); None while that is open.
        """
        text = self._text.lstrip()
        if any(len(marker) > len(text) and marker.startswith(text) for marker in markers):
            return None
        for marker in sorted(markers, key=len, reverse=True):
            if text.startswith(marker):
                self._text = text[len(marker) :]
                return marker
        return ""

    def skip_space(self) -> bool:
        """Drop white space in front; whether other text has arrived after it."""
        self._text = self._text.lstrip()
        return bool(self._text)

    def rest(self) -> str:
        """Everything left, at the end of the text; a marker that waited for a longer one is text there."""
        text, self._text = self._text, ""
        return text

    def _beginning_of(self, markers: tuple[str, ...]) -> int:
        """Where the longest tail starts that may yet become one of ``markers``; the text's length when none may."""
        length = len(self._text)
        longest = max(map(len, markers), default=1) - 1
        for size in range(min(longest, length), 0, -1):
            tail = self._text[length - size :]
            if any(len(marker) > size and marker.startswith(tail) for marker in markers):
                return length - size
        return length

    def _cut(self, at: int, *, trim: bool) -> str:
        if trim:
            at = len(self._text[:at].rstrip())
        taken, self._text = self._text[:at], self._text[at:]
        return taken
