"""Qwen3: calls as JSON in ``<tool_call>``; the thinking models reason first. A TEMPLATE renders."""

from __future__ import annotations

from collections.abc import Mapping

from puna.families import Chat, Parser, Reading
from puna.toolcalls import hermes
from puna.toolcalls.calls import CALL, CALLED
from puna.toolcalls.tagged import QWEN, THINK, THOUGHT, Start, TaggedParser


def _instruct(_chat: Chat, _prompt: str) -> Parser:
    return TaggedParser({CALL: hermes.READER})


def _thinking(chat: Chat, prompt: str) -> Parser:
    start = Start.after(prompt, chat.prefill, reasons=chat.think is not False)
    return TaggedParser({CALL: hermes.READER}, QWEN, start)


_TOKENS = (THINK, THOUGHT, CALL, CALLED)

PARSERS: Mapping[str, Reading] = {
    "qwen3": Reading(_instruct, _TOKENS),
    "qwen3-thinking": Reading(_thinking, _TOKENS),
}
