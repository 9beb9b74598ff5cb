"""Olmo 3: the instruct models, which call functions, and the thinking ones, which always reason and call none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from puna.families import Chat, Parser, Reading, Renderer
from puna.template import chatml
from puna.template.tooljson import described
from puna.toolcalls import pythonic
from puna.toolcalls.jsontext import compact, spaced
from puna.toolcalls.tagged import THINK, THOUGHT, Start, TaggedParser, Tags
from puna.types import Message

_CALLS = "<function_calls>"
_CALLS_END = "</function_calls>"

_FUNCTION_CALLER = "You are a helpful function-calling AI assistant. "
_ASSISTANT = "You are a helpful AI assistant."
_OLMO = (
    "You are Olmo, a helpful AI assistant built by Ai2. Your date cutoff is December 2024, "
    "and your model weights are available at https://huggingface.co/allenai."
)
_NO_FUNCTIONS = "You do not currently have access to any functions. <functions></functions>"
_FUNCTIONS = (
    "You are provided with function signatures within <functions></functions> XML tags. You may call one or more "
    "functions to assist with the user query. Output any function calls within <function_calls></function_calls> XML "
    "tags. Do not make assumptions about what values to plug into functions."
)


def _render(chat: Chat, *, identity: str) -> str:
    """The prompt of an instruct model. Only the first system message counts; without any, ``identity`` stands there."""
    tools = spaced([described(tool) for tool in chat.tools]) if chat.tools else ""
    functions = f"<functions>{tools}</functions>" if tools else ""
    system = _system(chat)
    if system is None:
        system = identity + (_FUNCTIONS if tools else _NO_FUNCTIONS)
    return chatml.turn("system", system + functions) + "".join(_turns(chat)) + _begun(chat)


def _render_thinking(chat: Chat, *, identity: str) -> str:
    """The prompt of a thinking model. It knows no tools, and is not shown how it reasoned before."""
    system = _system(chat)
    turns = "".join(
        chatml.turn(message.role, message.content) for message in chat.turns if message.role in {"user", "assistant"}
    )
    return chatml.turn("system", identity if system is None else f"{system} {_NO_FUNCTIONS}") + turns + _reasoning(chat)


def _parser(_chat: Chat, _prompt: str) -> Parser:
    """A parser for the answer of an instruct model."""
    return TaggedParser({_CALLS: pythonic.reader(_CALLS_END)})


def _thinking_parser(chat: Chat, prompt: str) -> Parser:
    """A parser for the answer of a thinking model, which reasons unless its answer has begun."""
    return TaggedParser({}, Tags(trims_start=True), Start.after(prompt, chat.prefill, reasons=True))


def _system(chat: Chat) -> str | None:
    return next((message.content for message in chat.messages if message.role == "system"), None)


def _turns(chat: Chat) -> Iterator[str]:
    for message in chat.turns:
        match message.role:
            case "user":
                yield chatml.turn("user", message.content)
            case "assistant":
                yield chatml.turn("assistant", message.content + _calls(message))
            case "tool":
                yield chatml.turn("environment", message.content)


def _calls(message: Message) -> str:
    if not message.tool_calls:
        return ""
    calls = "\n".join(pythonic.written(call, compact, comma=", ") for call in message.tool_calls)
    return _CALLS + calls + _CALLS_END


def _begun(chat: Chat) -> str:
    return f"<|im_start|>assistant\n{chat.begun.content if chat.begun else ''}"


def _reasoning(chat: Chat) -> str:
    begun = chat.begun
    if begun is None or not begun.content:
        return f"<|im_start|>assistant\n{THINK}{begun.thinking if begun else ''}"
    reasoning = f"{THINK}{begun.thinking}{THOUGHT}" if begun.thinking else ""
    return f"<|im_start|>assistant\n{reasoning}{begun.content}"


RENDERERS: Mapping[str, Renderer] = {
    "olmo3": partial(_render, identity=_FUNCTION_CALLER),
    "olmo3.1": partial(_render, identity=f"{_OLMO} "),
    "olmo3-think": partial(_render_thinking, identity=_OLMO),
    "olmo3-32b-think": partial(_render_thinking, identity=_ASSISTANT),
}
PARSERS: Mapping[str, Reading] = {
    "olmo3": Reading(_parser, (_CALLS, _CALLS_END)),
    "olmo3-think": Reading(_thinking_parser, (THINK, THOUGHT)),
}
