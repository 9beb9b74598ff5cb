"""One answer as it is read: pieces of the engine in, events out."""

from __future__ import annotations

import secrets
import string
from collections.abc import Iterable, Iterator
from dataclasses import replace

from puna.events import Event, Piece, Text, Thinking, ToolCalled
from puna.families import Found, Parser

_ID_LETTERS = string.ascii_lowercase + string.digits


class AnswerReader:
    """Has ``parser`` read the text of an answer; numbers its tool calls and keeps its log-probabilities.

    What the engine has told apart itself (reasoning, tool calls) passes through.
    """

    def __init__(self, parser: Parser) -> None:
        self._parser = parser
        self._calls = 0

    def feed(self, piece: Piece) -> Iterator[Event]:
        """What is certain once ``piece`` has arrived. Its log-probabilities go with the first text, or with none."""
        found: list[Found] = [Thinking(piece.thinking)] if piece.thinking else []
        if piece.text:
            found += self._parser.feed(piece.text)
        if piece.call is not None:
            found.append(ToolCalled(piece.call))
        logprobs = piece.logprobs
        for event in self._numbered(found):
            if logprobs and not isinstance(event, ToolCalled):
                yield replace(event, logprobs=logprobs)
                logprobs = ()
            else:
                yield event
        if logprobs:
            yield Text("", logprobs)

    def close(self) -> Iterator[Event]:
        """What was still held back when the answer ended."""
        yield from self._numbered(self._parser.close(), at_end=True)

    def _numbered(self, found: Iterable[Found], *, at_end: bool = False) -> Iterator[Found]:
        for event in found:
            if isinstance(event, ToolCalled):
                call = event.call
                yield ToolCalled(replace(call, index=self._calls, id=call.id or _new_id()), at_end)
                self._calls += 1
            elif event.text:
                yield event


def _new_id() -> str:
    return "call_" + "".join(secrets.choice(_ID_LETTERS) for _ in range(8))
