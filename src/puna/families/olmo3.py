"""Olmo 3: the instruct models, which call functions, and the thinking ones, which always reason and call none."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Final

from puna.families import Chat, Reading, Renderer
from puna.template.tooljson import described
from puna.toolcalls import pythonic
from puna.toolcalls.blocks import THINK, THOUGHT, BlockParser, Blocks, Start
from puna.types import Message

_CALLS: Final = "<function_calls>"
_CALLS_END: Final = "</function_calls>"
_BLOCKS: Final = Blocks(_CALLS, _CALLS_END, pythonic.read, last=")", between=pythonic.BETWEEN, trim_after=False)

_FUNCTION_CALLER: Final = "You are a helpful function-calling AI assistant. "
_ASSISTANT: Final = "You are a helpful AI assistant."
_OLMO: Final = (
    "You are Olmo, a helpful AI assistant built by Ai2. Your date cutoff is December 2024, "
    "and your model weights are available at https://huggingface.co/allenai."
)
_NO_FUNCTIONS: Final = "You do not currently have access to any functions. <functions></functions>"
_FUNCTIONS: Final = (
    "You are provided with function signatures within <functions></functions> XML tags. You may call one or more "
    "functions to assist with the user query. Output any function calls within <function_calls></function_calls> XML "
    "tags. Do not make assumptions about what values to plug into functions."
)


def render(chat: Chat, *, identity: str) -> str:
    """The prompt of an instruct model. Only the first system message counts; without any, ``identity`` stands there."""
    tools = json.dumps([described(tool) for tool in chat.tools], ensure_ascii=False) if chat.tools else ""
    functions = f"<functions>{tools}</functions>" if tools else ""
    system = _system(chat)
    if system is None:
        system = identity + (_FUNCTIONS if tools else _NO_FUNCTIONS)
    return _turn("system", system + functions) + "".join(_turns(chat)) + _begun(chat)


def render_thinking(chat: Chat, *, identity: str) -> str:
    """The prompt of a thinking model. It knows no tools, and is not shown how it reasoned before."""
    system = _system(chat)
    turns = "".join(
        _turn(message.role, message.content) for message in _finished(chat) if message.role in {"user", "assistant"}
    )
    return _turn("system", identity if system is None else f"{system} {_NO_FUNCTIONS}") + turns + _reasoning(chat)


def parser(_chat: Chat, _prompt: str) -> BlockParser:
    """A parser for the answer of an instruct model."""
    return BlockParser(_BLOCKS, Start.TEXT)


def thinking_parser(chat: Chat, prompt: str) -> BlockParser:
    """A parser for the answer of a thinking model, which reasons unless its answer has begun."""
    begun = chat.prefill is not None and bool(chat.prefill.content)
    reasons = not begun or prompt.endswith(THINK)
    return BlockParser(None, Start.REASONING if reasons else Start.TEXT)


def _system(chat: Chat) -> str | None:
    return next((message.content for message in chat.messages if message.role == "system"), None)


def _finished(chat: Chat) -> tuple[Message, ...]:
    """The messages without the beginning of the answer; a call is no beginning."""
    return chat.messages[:-1] if chat.prefill and not chat.prefill.tool_calls else chat.messages


def _turns(chat: Chat) -> Iterator[str]:
    for message in _finished(chat):
        match message.role:
            case "user":
                yield _turn("user", message.content)
            case "assistant":
                yield _turn("assistant", message.content + _calls(message))
            case "tool":
                yield _turn("environment", message.content)


def _turn(role: str, content: str) -> str:
    return f"<|im_start|>{role}\n{content}<|im_end|>\n"


def _calls(message: Message) -> str:
    if not message.tool_calls:
        return ""
    calls = "\n".join(pythonic.written(call, comma=", ") for call in message.tool_calls)
    return _CALLS + calls + _CALLS_END


def _begun(chat: Chat) -> str:
    begun = chat.prefill if chat.prefill and not chat.prefill.tool_calls else None
    return f"<|im_start|>assistant\n{begun.content if begun else ''}"


def _reasoning(chat: Chat) -> str:
    begun = chat.prefill if chat.prefill and not chat.prefill.tool_calls else None
    if begun is None or not begun.content:
        return f"<|im_start|>assistant\n{THINK}{begun.thinking if begun else ''}"
    reasoning = f"{THINK}{begun.thinking}{THOUGHT}" if begun.thinking else ""
    return f"<|im_start|>assistant\n{reasoning}{begun.content}"


RENDERERS: Mapping[str, Renderer] = {
    "olmo3": partial(render, identity=_FUNCTION_CALLER),
    "olmo3.1": partial(render, identity=f"{_OLMO} "),
    "olmo3-think": partial(render_thinking, identity=_OLMO),
    "olmo3-32b-think": partial(render_thinking, identity=_ASSISTANT),
}
PARSERS: Mapping[str, Reading] = {
    "olmo3": Reading(parser, (_CALLS, _CALLS_END)),
    "olmo3-think": Reading(thinking_parser, (THINK, THOUGHT)),
}
