"""Cogito v2: DeepSeek's tokens with Cogito's own system prompt, and reasoning by a line in it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

from puna.families import Chat, Parser, Reading, Renderer
from puna.template.tooljson import described
from puna.toolcalls.deepseek import CALL, CALL_END, CALLS, CALLS_END, READERS, SEPARATOR, TOKENS
from puna.toolcalls.jsontext import compact
from puna.toolcalls.tagged import THINK, THOUGHT, Start, TaggedParser, Tags
from puna.types import Message, Tool, ToolCall

_BEGIN = "<｜begin▁of▁sentence｜>"
_END = "<｜end▁of▁sentence｜>"
_USER = "<｜User｜>"
_ASSISTANT = "<｜Assistant｜>"
_OUTPUTS = "<｜tool▁outputs▁begin｜>"
_OUTPUTS_END = "<｜tool▁outputs▁end｜>"
_OUTPUT = "<｜tool▁output▁begin｜>"
_OUTPUT_END = "<｜tool▁output▁end｜>"

_ROLES = frozenset({"user", "assistant", "tool"})

_REASON = "Enable deep thinking subroutine.\n\n"
_IDENTITY = (
    "You are Cogito, an AI assistant created by Deep Cogito, which is an AI research lab based in San Francisco."
)


def _render(chat: Chat) -> str:
    """The prompt. Cogito's own system prompt comes first, then that of the first message; later ones are left out."""
    begun = chat.begun
    turns = [message for message in chat.turns if message.role in _ROLES]
    ending = "" if turns and turns[-1].role == "user" else _ASSISTANT
    if begun and begun.content:
        ending += begun.content
    elif chat.think:
        ending += f"{THINK}\n{begun.thinking if begun else ''}"
    return _BEGIN + _system(chat) + _tools(chat.tools) + "".join(_turns(turns)) + ending


def _parser(chat: Chat, prompt: str) -> Parser:
    """A parser for the answer to ``prompt``. Given tools it does not reason, unless the prompt has begun to."""
    reasons = bool(chat.think) and not chat.tools
    return TaggedParser(READERS, Tags(trims_start=True), Start.after(prompt, chat.prefill, reasons=reasons))


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
    arguments = compact(dict(call.arguments))
    return f"{CALL}function{SEPARATOR}{call.name}\n```json\n{arguments}\n```{CALL_END}"


RENDERERS: Mapping[str, Renderer] = {"cogito": _render}
PARSERS: Mapping[str, Reading] = {"cogito": Reading(_parser, (*TOKENS, THINK, THOUGHT))}
