"""Qwen3-Coder: calls as ``<function=…>``, tools described in tags of their own; never any reasoning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from puna.families import Chat, Parser, Reading, Renderer
from puna.template import chatml
from puna.template.tooljson import described
from puna.toolcalls import xml
from puna.toolcalls.calls import CALL, CALLED, enclosed
from puna.toolcalls.jsontext import compact
from puna.toolcalls.tagged import TaggedParser
from puna.types import Message, Tool

_DEFAULT_SYSTEM = "You are Qwen, a helpful AI assistant that can interact with a computer to solve tasks."
_FIRST = ("type", "description")


def _render(chat: Chat) -> str:
    """The prompt. Of several system messages the first that says something is used, wherever it stands."""
    turns = [*_preamble(chat), *chatml.with_results(_messages(chat), after="\n")]
    return chatml.prompt(turns, goes_on=chat.begun is not None)


def _preamble(chat: Chat) -> Iterator[str]:
    system = next((message.content for message in chat.messages if message.role == "system" and message.content), "")
    if chat.tools:
        yield chatml.turn("system", f"{system or _DEFAULT_SYSTEM}\n\n{_offered(chat.tools)}")
    elif system:
        yield chatml.turn("system", system)


def _messages(chat: Chat) -> Iterator[tuple[str, str]]:
    return ((message.role, _said(message)) for message in chat.messages if message.role != "system")


def _said(message: Message) -> str:
    if not message.tool_calls:
        return message.content
    text = f"{message.content}\n" if message.content else ""
    return text + "".join(f"\n{xml.written(call)}" for call in message.tool_calls)


def _offered(tools: tuple[Tool, ...]) -> str:
    return xml.offered("".join(xml.declared(described(tool)["function"], _keyword, first=_FIRST) for tool in tools))


def _keyword(_key: str, value: Any) -> str:
    """The value of a keyword. The compact JSON is Ollama's, which models in its library have been used with."""
    return value if isinstance(value, str) else compact(value, sort_keys=True)


def _parser(chat: Chat, _prompt: str) -> Parser:
    return TaggedParser({CALL: enclosed(xml.XmlSyntax(chat.tools))})


RENDERERS: Mapping[str, Renderer] = {"qwen3-coder": _render}
PARSERS: Mapping[str, Reading] = {"qwen3-coder": Reading(_parser, (CALL, CALLED))}
