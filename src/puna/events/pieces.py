"""What engines say."""

from __future__ import annotations

from dataclasses import dataclass

from puna.types import TokenLogprob, ToolCall


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of the answer as the engine streams it.

    ``thinking`` and ``call``, a complete tool call, are filled only for a ``Conversation``, whose reader is the engine.
    """

    text: str = ""
    thinking: str = ""
    logprobs: tuple[TokenLogprob, ...] = ()
    call: ToolCall | None = None
