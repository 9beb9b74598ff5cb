"""Tool calls between DeepSeek's tokens: name, separator, JSON; or a kind, the separator, the name and fenced JSON."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from puna.toolcalls.blocks import Blocks
from puna.types import ToolCall

CALLS = "<｜tool▁calls▁begin｜>"
CALLS_END = "<｜tool▁calls▁end｜>"
CALL = "<｜tool▁call▁begin｜>"
CALL_END = "<｜tool▁call▁end｜>"
SEPARATOR = "<｜tool▁sep｜>"

_FENCED = re.compile(r"\s*([^\s`{]+)\s*```(?:json)?(.*?)(?:```)?\s*", re.DOTALL)


def read(text: str) -> tuple[Sequence[ToolCall], str]:
    """The call that all of ``text`` spells, and nothing after it; or none, and ``text``. Arguments may be missing."""
    name, separator, arguments = text.partition(SEPARATOR)
    if fenced := _FENCED.fullmatch(arguments):
        name, arguments = fenced.groups()
    decoded = _object(arguments)
    if not separator or not name.strip() or decoded is None:
        return (), text
    return (ToolCall(name.strip(), decoded),), ""


BLOCKS = Blocks(CALL, CALL_END, read, around=(CALLS, CALLS_END))
TOKENS = (CALLS, CALLS_END, CALL, CALL_END, SEPARATOR)


def _object(text: str) -> dict[str, Any] | None:
    try:
        return msgspec.json.decode(text.strip() or "{}", type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        return None
