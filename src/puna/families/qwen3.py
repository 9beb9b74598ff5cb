"""Qwen3: calls as JSON in ``<tool_call>``; the thinking models reason first. A TEMPLATE renders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from puna.families import Chat, Parser, Reading
from puna.toolcalls.tagged import CALL, CALLED, THINK, THOUGHT, JsonSyntax, TaggedParser, reasons


def _instruct(chat: Chat, prompt: str) -> Parser:  # noqa: ARG001 -- the contract's signature
    return TaggedParser(JsonSyntax())


def _thinking(chat: Chat, prompt: str) -> Parser:
    return TaggedParser(JsonSyntax(), reasoning=reasons(chat.think, chat.prefill, prompt))


_TOKENS = (THINK, THOUGHT, CALL, CALLED)

PARSERS: Final[Mapping[str, Reading]] = {
    "qwen3": Reading(_instruct, _TOKENS),
    "qwen3-thinking": Reading(_thinking, _TOKENS),
}
