"""Tool calls as llama-server streams them, in pieces, put together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from puna.events import Piece
from puna.types import ToolCall
from puna.types.nesting import is_too_deep


class FunctionDelta(msgspec.Struct):
    """What a piece adds to a call: its whole ``name``, or more of its ``arguments``, which are JSON."""

    name: str | None = None
    arguments: str | None = None


class CallDelta(msgspec.Struct):
    """A piece of the call number ``index``; the first has its ``id``."""

    index: int = 0
    id: str | None = None
    function: FunctionDelta = msgspec.field(default_factory=FunctionDelta)


_decode_arguments = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode


class Calls:
    """Puts calls together.

    Each is given as soon as its arguments are a whole JSON object; one whose arguments never are comes as text.
    """

    def __init__(self) -> None:
        self._index = -1
        self._given = False
        self._id = self._name = self._arguments = ""

    def feed(self, delta: CallDelta) -> Iterator[Piece]:
        """The calls that are complete, or turned out to be none, once ``delta`` has arrived."""
        if delta.index != self._index:
            yield from self.close()
            self._index, self._given = delta.index, False
        if not self._given:
            self._id = delta.id or self._id
            self._name = delta.function.name or self._name
        more = delta.function.arguments or ""
        self._arguments += more
        if self._name and more.rstrip().endswith("}"):
            yield from self._complete()

    def close(self, *, cut: bool = False) -> Iterator[Piece]:
        """The call that was still coming, when no more of it comes; ``cut``: because a limit was reached."""
        if self._name and not self._arguments.strip() and not cut:
            self._arguments = "{}"
            yield from self._complete()
        elif self._name:
            # What else the model wrote, around the name, is not told.
            yield Piece(f'{{"name": {_encode(self._name).decode()}, "arguments": {self._arguments}')
        elif self._arguments.strip():
            yield Piece(self._arguments)
        self._id = self._name = self._arguments = ""

    def _complete(self) -> Iterator[Piece]:
        try:
            arguments = _decode_arguments(self._arguments)
        except (msgspec.DecodeError, RecursionError):
            return
        if is_too_deep(arguments):
            return
        yield Piece(call=ToolCall(self._name, arguments, self._id))
        self._given = True
        self._id = self._name = self._arguments = ""
