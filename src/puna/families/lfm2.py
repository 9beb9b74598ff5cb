"""LFM2 of Liquid AI, with and without reasoning; calls are written as in Python."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import partial
from typing import Final

from puna.families import Chat, Reading, Renderer
from puna.template.tooljson import described
from puna.toolcalls import pythonic
from puna.toolcalls.blocks import THINK, THOUGHT, BlockParser, Blocks, Start

_BEGIN: Final = "<|startoftext|>"
_CALLS: Final = "<|tool_call_start|>"
_CALLS_END: Final = "<|tool_call_end|>"
_RESPONSE: Final = "<|tool_response_start|>"
_RESPONSE_END: Final = "<|tool_response_end|>"
_BLOCKS: Final = Blocks(_CALLS, _CALLS_END, pythonic.read, last=")", between=pythonic.BETWEEN)
_IMAGE: Final = re.compile(r"\[img-[0-9]+\]")


def render(chat: Chat, *, reasons: bool) -> str:
    """The prompt. Only the last answer is shown with its reasoning, unless reasoning is on; then all are."""
    first = chat.messages[0] if chat.messages and chat.messages[0].role == "system" else None
    lines = [first.content] if first and first.content else []
    if chat.tools:
        tools = ", ".join(json.dumps(described(tool)["function"], ensure_ascii=False) for tool in chat.tools)
        lines.append(f"List of tools: <|tool_list_start|>[{tools}]<|tool_list_end|>")
    prompt = _BEGIN + (_turn("system", "\n".join(lines)) if lines else "")
    answers = [number for number, message in enumerate(chat.messages) if message.role == "assistant"]
    keeps = range(len(chat.messages)) if reasons and chat.think else answers[-1:]
    for number, message in enumerate(chat.messages):
        if message is not first:
            prompt += _turn(message.role, _content(chat, number, reasons=reasons, keep_reasoning=number in keeps))
    return prompt.removesuffix("<|im_end|>\n") if chat.prefill else f"{prompt}<|im_start|>assistant\n"


def parser(chat: Chat, prompt: str, *, reasons: bool) -> BlockParser:
    """A parser for the answer to ``prompt``; a model that ``reasons`` may answer at once all the same."""
    begun = chat.prefill is not None and bool(chat.prefill.content)
    if not reasons or not chat.think or begun:
        return BlockParser(_BLOCKS, Start.TEXT)
    return BlockParser(_BLOCKS, Start.REASONING if prompt.rstrip().endswith(THINK) else Start.EITHER)


def _turn(role: str, content: str) -> str:
    return f"<|im_start|>{role}\n{content}<|im_end|>\n"


def _content(chat: Chat, number: int, *, reasons: bool, keep_reasoning: bool) -> str:
    message = chat.messages[number]
    content = _with_images(message.content, chat.image_markers(number))
    if message.role == "tool" and _RESPONSE not in content:
        return _RESPONSE + content + _RESPONSE_END
    if message.role != "assistant":
        return content
    if message.tool_calls and _CALLS not in content:
        calls = ",".join(pythonic.written(call, comma=",") for call in message.tool_calls)
        content = f"{_CALLS}[{calls}]{_CALLS_END}" + ("\n" if content.strip() else "") + content
    if reasons and message.thinking and THOUGHT not in content:
        content = THINK + message.thinking + THOUGHT + content
    if not keep_reasoning and THOUGHT in content:
        content = content.rpartition(THOUGHT)[2].strip()
    return content


def _with_images(content: str, markers: str) -> str:
    """Markers go where the content says ``[img]``, the rest before it; content that has markers has them all."""
    if not markers or "[img-" in content:
        return content
    left = _IMAGE.findall(markers)
    while left and "[img]" in content:
        content = content.replace("[img]", left.pop(0), 1)
    gap = " " if left and content and not content[0].isspace() else ""
    return "".join(left) + gap + content


_TOKENS: Final = (_CALLS, _CALLS_END, THINK, THOUGHT)

RENDERERS: Mapping[str, Renderer] = {
    "lfm2": partial(render, reasons=False),
    "lfm2-thinking": partial(render, reasons=True),
}
PARSERS: Mapping[str, Reading] = {
    "lfm2": Reading(partial(parser, reasons=False), _TOKENS[:2]),
    "lfm2-thinking": Reading(partial(parser, reasons=True), _TOKENS),
}
