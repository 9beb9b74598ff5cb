"""An answer on a terminal while it comes: as lines, or as blocks of Markdown. Pure: texts in, texts and escapes out."""

from __future__ import annotations

import re
from collections.abc import Callable

from puna.cli.wrapping import Wrapper

Room = Callable[[], tuple[int, int]]
"""The columns that lines may take, and the lines of the screen."""

# Terminals that know it show what is between the two at once; the others do as ever.
_AT_ONCE, _NOW = "\x1b[?2026h", "\x1b[?2026l"

_ITEM = re.compile(r"\s*(?:[-*+]|\d{1,9}[.)])\s")


class Lines:
    """Text as it is, in lines of so many ``columns`` (0: as long as they are)."""

    def __init__(self, columns: int) -> None:
        self._wrapper = Wrapper(columns)

    def feed(self, text: str) -> str:
        """What is to be printed once ``text`` has come."""
        return self._wrapper.feed(text)

    def close(self) -> str:
        """What was held back."""
        return self._wrapper.close()


class Blocks:
    """Markdown: a block flows as it was written, and once it is whole what is meant takes its place.

    One that has left the screen, or whose lines the terminal broke anew when its size changed, stays as it was written:
    it could not be replaced without losing or doubling lines.
    """

    def __init__(self, room: Room, *, colours: bool) -> None:
        self._room = room
        self._colours = colours
        self._begin("", room())

    def feed(self, text: str) -> str:
        """What is to be printed once ``text`` has come."""
        said = self._flowed(text)
        if "\n" not in text or self._list_goes_on(text):
            return said
        from puna.cli.markdown import blocks  # noqa: PLC0415 - slow to import, and most first words come before

        whole = blocks(self._text)
        return said + self._settled(whole) if whole else said

    def close(self) -> str:
        """What is to be printed at the end."""
        text = self._text
        said = self._flowed_rest()
        if not text.strip():
            return said
        from puna.cli.markdown import blocks  # noqa: PLC0415

        whole = blocks(text)
        last = text[sum(map(len, whole)) :]
        said += self._settled([*whole, last] if last else whole, final=True)
        self._begin("", self._room())
        return said

    def _begin(self, text: str, room: tuple[int, int]) -> str:
        self._text, self._rows, self._drawn_for = "", 0, room
        self._wrapper = Wrapper(room[0])
        return self._flowed(text)

    def _list_goes_on(self, text: str) -> bool:
        # Lists may be long, and to look through all of one after each of its lines takes longer and longer.
        begun = self._text.rfind("\n", 0, len(self._text) - len(text)) + 1
        lines = self._text[begun:].split("\n")[:-1]
        return _ITEM.match(self._text) is not None and all(
            not line.strip() or line[0] in " \t" or _ITEM.match(line) for line in lines
        )

    def _flowed(self, text: str) -> str:
        self._text += text
        said = self._wrapper.feed(text)
        self._rows += said.count("\n")
        return said

    def _flowed_rest(self) -> str:
        said = self._wrapper.close()
        self._rows += said.count("\n")
        return said

    def _settled(self, whole: list[str], *, final: bool = False) -> str:
        """What puts the blocks that are ``whole`` in the place of the text as it was written."""
        room, rows = self._room(), self._rows
        rest = self._text[sum(map(len, whole)) :]
        replaceable = room == self._drawn_for and rows < room[1] - 1
        shown = [self._shown(block, room[0]) for block in whole] if replaceable else []
        if not any(meant for meant, _ in shown):
            self._begin(rest, room)  # the same lines as those that are there
            return ""
        page = "".join(meant or written for meant, written in shown)
        if final:
            page = page.removesuffix("\n") if not self._text.endswith("\n") else page
        up = f"\x1b[{rows}A" if rows else ""
        return f"{_AT_ONCE}\r{up}\x1b[J{page}{self._begin(rest, room)}{_NOW}"

    def _shown(self, block: str, columns: int) -> tuple[str, str]:
        """The block as it is meant ("" if it is to stay as it is), and as it was written."""
        from puna.cli.markdown import rendered  # noqa: PLC0415

        wrapper = Wrapper(columns)
        written = wrapper.feed(block) + wrapper.close()
        text = block.strip("\n")
        meant = rendered(block, columns, colours=self._colours) if text else None
        if meant is None or meant == written.strip("\n"):
            return "", written
        before = len(block) - len(block.lstrip("\n"))
        after = len(block) - len(block.rstrip("\n"))
        return "\n" * before + meant + "\n" * max(after, 1), written
