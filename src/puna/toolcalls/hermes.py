"""Tool calls as JSON between tags, as Hermes and Qwen write them: ``{"name": …, "arguments": {…}}``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from puna.toolcalls.calls import CALL, CALLED, CallReader, begins_with, enclosed
from puna.toolcalls.jsontext import decoded, spaced
from puna.toolcalls.quoting import STRINGS, Quotes
from puna.types import ToolCall


class HermesSyntax:
    """One object with a name. Arguments may be missing, and may be JSON in a string."""

    quotes: ClassVar[Quotes] = STRINGS
    open_ended: ClassVar[bool] = False

    def begins(self, text: str) -> bool | None:
        """With a brace."""
        return begins_with("{", text)

    def read(self, text: str) -> Sequence[ToolCall]:
        """The one call, if its arguments are an object."""
        match decoded(text):
            case {"name": str() as name, **rest} if name:
                arguments = rest.get("arguments")
                if isinstance(arguments, str):
                    arguments = decoded(arguments)
                elif arguments is None:
                    arguments = {}
                return [ToolCall(name, arguments)] if isinstance(arguments, dict) else []
        return []


READER: CallReader = enclosed(HermesSyntax())


def written(call: ToolCall) -> str:
    """``call`` between its tags, as a model reads it in a conversation."""
    return f"{CALL}\n{spaced({'name': call.name, 'arguments': dict(call.arguments)})}\n{CALLED}"
