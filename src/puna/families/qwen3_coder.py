"""Qwen3-Coder: calls as ``<function=…>``, tools described in tags of their own; never any reasoning."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from puna.families import Chat, Parser, Reading, Renderer
from puna.template.tooljson import described
from puna.toolcalls import xml
from puna.toolcalls.tagged import CALL, CALLED, TaggedParser
from puna.types import Message, Tool

_DEFAULT_SYSTEM = "You are Qwen, a helpful AI assistant that can interact with a computer to solve tasks."


def render(chat: Chat) -> str:
    """The prompt. Of several system messages the first that says something is used, wherever it stands."""
    return "".join(_parts(chat))


def _parts(chat: Chat) -> Iterator[str]:
    system = next((message.content for message in chat.messages if message.role == "system" and message.content), "")
    if system or chat.tools:
        yield f"<|im_start|>system\n{system or _DEFAULT_SYSTEM}"
        if chat.tools:
            yield f"\n\n{_offered(chat.tools)}"
        yield "<|im_end|>\n"
    messages = [message for message in chat.messages if message.role != "system"]
    roles = ["", *(message.role for message in messages), ""]
    goes_on = False
    for message, before, after in zip(messages, roles, roles[2:], strict=False):
        goes_on = message is chat.prefill and not message.tool_calls
        if message.role == "tool":
            yield "" if before == "tool" else "<|im_start|>user\n"
            yield f"<tool_response>\n{message.content}\n</tool_response>\n"
            yield "" if after == "tool" else "<|im_end|>\n"
        else:
            yield f"<|im_start|>{message.role}\n{_said(message)}"
            yield "" if goes_on else "<|im_end|>\n"
    if not goes_on:
        yield "<|im_start|>assistant\n"


def _said(message: Message) -> str:
    if not message.tool_calls:
        return message.content
    text = f"{message.content}\n" if message.content else ""
    return text + "".join(f"\n{xml.written(call)}" for call in message.tool_calls)


def _offered(tools: tuple[Tool, ...]) -> str:
    functions = "".join(_function(described(tool)["function"]) for tool in tools)
    return (
        f"# Tools\n\nYou have access to the following functions:\n\n<tools>{functions}\n</tools>\n\n{xml.INSTRUCTIONS}"
    )


def _function(function: Mapping[str, Any]) -> str:
    schema = function["parameters"]
    description = function.get("description")
    parameters = "".join(
        f"\n<parameter>\n<name>{name}</name>{_tags(value, first=('type', 'description'))}\n</parameter>"
        for name, value in (schema.get("properties") or {}).items()
    )
    return (
        f"\n<function>\n<name>{function['name']}</name>"
        f"{_tag('description', description) if description else ''}"
        f"\n<parameters>{parameters}{_tags(schema, without=('type', 'properties'))}\n</parameters>"
        "\n</function>"
    )


def _tags(schema: Mapping[str, Any], *, first: tuple[str, ...] = (), without: tuple[str, ...] = ()) -> str:
    keys = [key for key in first if key in schema] + [key for key in schema if key not in first + without]
    return "".join(_tag(key, schema[key]) for key in keys)


def _tag(name: str, value: Any) -> str:
    """A keyword of a schema. The compact JSON is Ollama's, which models in its library have been used with."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return f"\n<{name}>{text}</{name}>"


def _parser(chat: Chat, prompt: str) -> Parser:  # noqa: ARG001 -- the contract's signature
    return TaggedParser(xml.XmlSyntax(chat.tools))


RENDERERS: Final[Mapping[str, Renderer]] = {"qwen3-coder": render}
PARSERS: Final[Mapping[str, Reading]] = {"qwen3-coder": Reading(_parser, (CALL, CALLED))}
