"""LFM2 of Liquid AI, with and without reasoning; calls are written as in Python."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from puna.families import Chat, Parser, Reading, Renderer
from puna.template import chatml
from puna.template.tooljson import described
from puna.toolcalls import pythonic
from puna.toolcalls.jsontext import spaced
from puna.toolcalls.tagged import THINK, THOUGHT, Start, TaggedParser, Tags

_BEGIN = "<|startoftext|>"
_CALLS = "<|tool_call_start|>"
_CALLS_END = "<|tool_call_end|>"
_RESPONSE = "<|tool_response_start|>"
_RESPONSE_END = "<|tool_response_end|>"
_READERS = {_CALLS: pythonic.reader(_CALLS_END)}


def _render(chat: Chat, *, reasons: bool) -> str:
    """The prompt. Only the last answer is shown with its reasoning, unless reasoning is on; then all are."""
    first = chat.messages[0] if chat.messages and chat.messages[0].role == "system" else None
    lines = [first.content] if first and first.content else []
    if chat.tools:
        tools = ", ".join(spaced(described(tool)["function"]) for tool in chat.tools)
        lines.append(f"List of tools: <|tool_list_start|>[{tools}]<|tool_list_end|>")
    answers = [number for number, message in enumerate(chat.messages) if message.role == "assistant"]
    keeps = range(len(chat.messages)) if reasons and chat.think else answers[-1:]
    turns = [chatml.turn("system", "\n".join(lines))] if lines else []
    for number, message in enumerate(chat.messages):
        if message is not first:
            content = _content(chat, number, reasons=reasons, keep_reasoning=number in keeps)
            turns.append(chatml.turn(message.role, content))
    return _BEGIN + chatml.prompt(turns, goes_on=chat.prefill is not None)


def _parser(chat: Chat, prompt: str, *, reasons: bool) -> Parser:
    """A parser for the answer to ``prompt``; a model that ``reasons`` may answer at once all the same."""
    start = Start.TEXT
    if reasons and chat.think:
        start = Start.after(prompt, chat.prefill, reasons=False, otherwise=Start.EITHER)
    return TaggedParser(_READERS, Tags(trims_start=True), start)


def _content(chat: Chat, number: int, *, reasons: bool, keep_reasoning: bool) -> str:
    message = chat.messages[number]
    content = chat.content(number)
    if message.role == "tool" and _RESPONSE not in content:
        return _RESPONSE + content + _RESPONSE_END
    if message.role != "assistant":
        return content
    if message.tool_calls and _CALLS not in content:
        calls = ",".join(pythonic.written(call, spaced, comma=",") for call in message.tool_calls)
        content = f"{_CALLS}[{calls}]{_CALLS_END}" + ("\n" if content.strip() else "") + content
    if reasons and message.thinking and THOUGHT not in content:
        content = THINK + message.thinking + THOUGHT + content
    if not keep_reasoning and THOUGHT in content:
        content = content.rpartition(THOUGHT)[2].strip()
    return content


_TOKENS = (_CALLS, _CALLS_END, THINK, THOUGHT)

RENDERERS: Mapping[str, Renderer] = {
    "lfm2": partial(_render, reasons=False),
    "lfm2-thinking": partial(_render, reasons=True),
}
PARSERS: Mapping[str, Reading] = {
    "lfm2": Reading(partial(_parser, reasons=False), _TOKENS[:2]),
    "lfm2-thinking": Reading(partial(_parser, reasons=True), _TOKENS),
}
