"""Cogito v2: DeepSeek's tokens with Cogito's own system prompt, and reasoning by a line in it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Final

from puna.families import Chat, Reading, Renderer
from puna.template.tooljson import described
from puna.toolcalls.blocks import THINK, THOUGHT, BlockParser, Start
from puna.toolcalls.deepseek import BLOCKS, CALL, CALL_END, CALLS, CALLS_END, SEPARATOR, TOKENS
from puna.types import Message, Tool, ToolCall

_BEGIN: Final = "<｜begin▁of▁sentence｜>"
_END: Final = "<｜end▁of▁sentence｜>"
_USER: Final = "<｜User｜>"
_ASSISTANT: Final = "<｜Assistant｜>"
_OUTPUTS: Final = "<｜tool▁outputs▁begin｜>"
_OUTPUTS_END: Final = "<｜tool▁outputs▁end｜>"
_OUTPUT: Final = "<｜tool▁output▁begin｜>"
_OUTPUT_END: Final = "<｜tool▁output▁end｜>"

_ROLES: Final = frozenset({"user", "assistant", "tool"})

_REASON: Final = "Enable deep thinking subroutine.\n\n"
_IDENTITY: Final = (
    "You are Cogito, an AI assistant created by Deep Cogito, which is an AI research lab based in San Francisco."
)


def render(chat: Chat) -> str:
    """The prompt. Cogito's own system prompt comes first, then that of the first message; later ones are left out."""
    begun = chat.prefill if chat.prefill and not chat.prefill.tool_calls else None
    turns = [message for message in chat.messages[: -1 if begun else None] if message.role in _ROLES]
    ending = "" if turns and turns[-1].role == "user" else _ASSISTANT
    if begun and begun.content:
        ending += begun.content
    elif chat.think:
        ending += f"{THINK}\n{begun.thinking if begun else ''}"
    return _BEGIN + _system(chat) + _tools(chat.tools) + "".join(_turns(turns)) + ending


def parser(chat: Chat, prompt: str) -> BlockParser:
    """A parser for the answer to ``prompt``. Given tools it does not reason, unless the prompt has begun to."""
    begun = chat.prefill is not None and bool(chat.prefill.content)
    reasons = prompt.rstrip().endswith(THINK) or (bool(chat.think) and not chat.tools and not begun)
    return BlockParser(BLOCKS, Start.REASONING if reasons else Start.TEXT)


def _system(chat: Chat) -> str:
    first = chat.messages[0] if chat.messages else None
    given = first.content if first and first.role == "system" else ""
    if not chat.think:
        return _IDENTITY + (f"\n\n{given}" if given else "")
    return _REASON + _IDENTITY + (f"\n\n{given}\n\n" if given else "")


def _tools(tools: Sequence[Tool]) -> str:
    if not tools:
        return ""
    shown = (f"```json\n{json.dumps(described(tool), ensure_ascii=False, indent=4)}\n```\n" for tool in tools)
    return f"\nYou have the following functions available:\n{''.join(shown)}"


def _turns(messages: Iterable[Message]) -> Iterator[str]:
    for role, turn in groupby(messages, lambda message: message.role):
        match role:
            case "user":
                yield from (_USER + message.content + _ASSISTANT for message in turn)
            case "assistant":
                yield from (_answer(message) + _END for message in turn)
            case "tool":
                yield _OUTPUTS + "\n".join(_OUTPUT + message.content + _OUTPUT_END for message in turn) + _OUTPUTS_END


def _answer(message: Message) -> str:
    if not message.tool_calls:
        return message.content
    calls = "\n".join(map(_call, message.tool_calls))
    return f"{message.content}{CALLS}{calls}{CALLS_END}"


def _call(call: ToolCall) -> str:
    arguments = json.dumps(dict(call.arguments), ensure_ascii=False, separators=(",", ":"))
    return f"{CALL}function{SEPARATOR}{call.name}\n```json\n{arguments}\n```{CALL_END}"


RENDERERS: Mapping[str, Renderer] = {"cogito": render}
PARSERS: Mapping[str, Reading] = {"cogito": Reading(parser, (*TOKENS, THINK, THOUGHT))}
