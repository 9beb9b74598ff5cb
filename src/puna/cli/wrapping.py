"""Lines that fit: words, and characters that take two columns or are made of several code points. Pure."""

from __future__ import annotations

from collections.abc import Iterable

_TAB = 4
HANGING = 4
"""Columns beyond the last that a closing mark may take rather than begin a line."""

# Marks of Chinese and Japanese that must not begin a line.
_CLOSING = frozenset("，。、；：？！）」』】〉》〕］｝…・ー々％ぁぃぅぇぉっゃゅょァィゥェォッャュョ")


def clusters(text: str) -> Iterable[str]:
    """What is seen as one character each: an emoji of several code points, a letter with its accents."""
    if text.isascii():
        return text
    from wcwidth import iter_graphemes  # noqa: PLC0415 - most texts need no tables

    return iter_graphemes(text)


def width(text: str) -> int:
    """How many columns of a terminal ``text``, which is one line, takes."""
    if text.isascii():
        return len(text)
    from wcwidth import width as columns  # noqa: PLC0415

    return columns(text, control_codes="ignore")


class Wrapper:
    """Breaks lines so that they fit ``columns`` (0: never), between words where it can.

    What may still grow is held back: a word, a character that an accent may follow. The same text gives the same lines
    however it is cut. A closing mark may take ``hanging`` columns more rather than begin a line. ``begins`` tells where
    in the text each line but the first begins.
    """

    def __init__(self, columns: int, *, hanging: int = HANGING) -> None:
        self.begins: list[int] = []
        self._columns = columns
        self._hanging = hanging
        self._at = 0
        self._passed = 0
        self._held = ""

    def feed(self, text: str) -> str:
        """What can be printed once ``text`` has come."""
        if not self._columns:
            return text
        said: list[str] = []
        text, self._held = self._held + text, ""
        wide = ""  # one that may still grow
        for cluster in clusters(text):
            if wide:
                said.append(self._placed(wide))
                wide = ""
            if cluster.isspace():
                said.append(self._word() + self._space(cluster))
            elif width(cluster) < 2:
                if width(self._held) + 1 > self._columns:
                    said.append(self._word())
                self._held += cluster
            else:  # scripts with wide characters break anywhere
                said.append(self._word())
                wide = cluster
        self._held = wide or self._held
        return "".join(said)

    def close(self) -> str:
        """What was still held back."""
        return self._word()

    def _word(self) -> str:
        word, self._held = self._held, ""
        return self._placed(word) if word else ""

    def _placed(self, text: str) -> str:
        columns = width(text)
        last = self._columns + (self._hanging if text in _CLOSING else 0)
        broken = self._at > 0 and self._at + columns > last
        self._at = columns if broken else self._at + columns
        if broken:
            self.begins.append(self._passed)
        self._passed += len(text)
        return f"\n{text}" if broken else text

    def _space(self, space: str) -> str:
        self._passed += len(space)
        if "\n" in space:
            self._at = 0
            self.begins.append(self._passed)
            return "\n"
        shown = " " * (_TAB - self._at % _TAB) if space == "\t" else space
        if self._at + width(shown) > self._columns:
            return ""
        self._at += width(shown)
        return shown


def breaks(text: str, columns: int) -> list[int]:
    """Where in ``text`` lines begin that fit ``columns``, marks and all; the first is not among them."""
    hanging = 0 if text.isascii() or columns < 4 else 2
    wrapper = Wrapper(columns - hanging, hanging=hanging)
    wrapper.feed(text)
    wrapper.close()
    return wrapper.begins
