"""Answers of a usual shape: reasoning up to a tag, then text with blocks of tool calls between two markers."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from puna.events import Text, Thinking, ToolCalled
from puna.scanner import Scanner
from puna.types import ToolCall

THINK = "<think>"
THOUGHT = "</think>"

_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"' + r"|'[^'\\]*+(?:\\.[^'\\]*+)*+'", re.DOTALL)

_Finds = Generator[Text | Thinking | ToolCalled, None, bool]


@dataclass(frozen=True, slots=True)
class Blocks:
    """How a family marks the tool calls in its text.

    ``read`` takes what stands in a block so far, and gives the complete calls at its beginning and the text after them.
    ``last`` is the character that a call ends with, where several may stand in one block; the characters of ``between``
    stand around them. ``around`` are the markers that enclose a list of blocks, if there are any. ``trim_after`` says
    whether white space after a block is dropped.
    """

    opening: str
    closing: str
    read: Callable[[str], tuple[Sequence[ToolCall], str]]
    last: str = ""
    between: str = " \t\r\n"
    around: tuple[()] | tuple[str, str] = ()
    trim_after: bool = True


class Start(Enum):
    """What an answer starts with. Reasoning may have its own ``<think>`` once more, which is dropped."""

    REASONING = auto()
    EITHER = auto()
    """Reasoning if ``<think>`` opens it, else text."""
    TEXT = auto()


class _State(Enum):
    BEGINNING = auto()
    """Where ``<think>`` may stand."""
    GAP = auto()
    """After a marker whose following white space is dropped."""
    REASONING = auto()
    TEXT = auto()
    LIST = auto()
    """Where the next block, or the end of the list of blocks, is due."""
    BLOCK = auto()


class BlockParser:
    """Tells reasoning, text and calls apart. Without ``blocks`` there are no calls.

    What cannot be read as a call is passed on as the text that it is, markers and all.
    """

    def __init__(self, blocks: Blocks | None, start: Start) -> None:
        self._blocks = blocks
        self._scanner = Scanner()
        self._state = _State.TEXT if start is Start.TEXT else _State.BEGINNING
        self._reasons = start is Start.REASONING
        self._after_gap = _State.TEXT
        self._held = ""  # markers that no call was found for yet, with the white space before them
        self._block = ""  # what stands in the block and is no call yet

    def feed(self, text: str) -> Iterator[Text | Thinking | ToolCalled]:
        """What is certain once ``text`` has arrived."""
        self._scanner.add(text)
        while (yield from self._step()):
            pass

    def close(self) -> Iterator[Text | Thinking | ToolCalled]:
        """What was held back. A call that lacks nothing but its closing marker, or a part of that, is a call."""
        rest = self._scanner.rest()
        if self._state is _State.BLOCK and self._blocks:
            calls, unread = self._blocks.read(self._block)
            if calls:
                yield from map(ToolCalled, calls)
                self._held = ""
            rest = unread + rest if self._held or unread.strip(self._blocks.between) else ""
        if rest := self._held + rest:
            yield Thinking(rest) if self._reasons else Text(rest)

    def _step(self) -> _Finds:
        """Read on; whether there may be more to read without more text."""
        match self._state:
            case _State.BEGINNING:
                return self._take_tag()
            case _State.GAP:
                if not self._scanner.skip_space():
                    return False
                self._state = self._after_gap
                return True
            case _State.REASONING:
                return (yield from self._take_reasoning())
            case _State.TEXT:
                return (yield from self._take_text())
            case _State.LIST:
                return (yield from self._take_list())
            case _State.BLOCK:
                return (yield from self._take_block())

    def _take_tag(self) -> bool:
        tag = self._scanner.take_prefix(THINK)
        if tag is None:
            return False
        self._reasons = self._reasons or bool(tag)
        self._state, self._after_gap = _State.GAP, _State.REASONING if self._reasons else _State.TEXT
        return True

    def _take_reasoning(self) -> _Finds:
        text, tag = self._scanner.take(THOUGHT, trim=True)
        if text:
            yield Thinking(text)
        if tag:
            self._reasons = False
            self._state, self._after_gap = _State.GAP, _State.TEXT
        return bool(tag)

    def _take_text(self) -> _Finds:
        if self._blocks is None:
            if text := self._scanner.rest():
                yield Text(text)
            return False
        arrived = self._scanner.pending
        text, marker = self._scanner.take(self._blocks.opening, *self._blocks.around[:1], trim=True)
        if text:
            yield Text(text)
        if marker:
            self._held = self._taken_of(arrived[len(text) :])
            self._state = _State.BLOCK if marker == self._blocks.opening else _State.LIST
        return bool(marker)

    def _take_list(self) -> _Finds:
        assert self._blocks is not None
        arrived = self._scanner.pending
        marker = self._scanner.take_prefix(self._blocks.opening, *self._blocks.around[1:])
        if marker is None:
            return False
        if marker == self._blocks.opening:
            self._held += self._taken_of(arrived)
            self._state = _State.BLOCK
        elif marker:
            self._held = ""
            self._state, self._after_gap = _State.GAP, _State.TEXT
        else:
            if self._held:
                yield Text(self._held)
            self._held, self._state = "", _State.TEXT
        return True

    def _take_block(self) -> _Finds:
        assert self._blocks is not None
        text, marker = self._scanner.take(self._blocks.closing, *self._blocks.around[1:])
        self._block += text
        if marker or (self._blocks.last and self._blocks.last in text):
            calls, self._block = self._blocks.read(self._block)
            if calls:
                self._held = ""
            yield from map(ToolCalled, calls)
        if not marker:
            return False
        if _inside_string(self._block):
            self._block += marker
            return True
        unread = self._block.strip(self._blocks.between)
        if unread:
            yield Text(self._held + self._block + marker)
        self._held = self._block = ""
        if unread or not self._blocks.trim_after:
            self._state = _State.TEXT
        elif self._blocks.around and marker == self._blocks.closing:
            self._state = _State.LIST
        else:
            self._state, self._after_gap = _State.GAP, _State.TEXT
        return True

    def _taken_of(self, arrived: str) -> str:
        return arrived[: len(arrived) - len(self._scanner.pending)]


def _inside_string(text: str) -> bool:
    """Whether ``text`` ends within quotes, so that a marker after it is part of an argument."""
    unquoted = _STRING.sub("", text)
    return '"' in unquoted or "'" in unquoted
