"""Nemotron 3 and 3.5 Nano: reason unless told not to, have tags of their own for tools and calls, may see pictures."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from puna.families import Chat, Parser, Reading, Renderer
from puna.template.tooljson import described
from puna.toolcalls import xml
from puna.toolcalls.tagged import CALL, CALLED, THINK, THOUGHT, TaggedParser, reasons
from puna.types import Tool

_NO_THOUGHT = THINK + THOUGHT

_TOGGLE = re.compile(r"(?<!\S)/(no_)?think(?!\w)")
"""The models' own switch. NVIDIA's template takes "/think" for it in any place, and so cuts up paths of files."""


@dataclass(frozen=True, slots=True)
class _Renderer:
    """What the versions differ in.

    ``toggles``: "/think" and "/no_think" in what user and system say switch reasoning on and off, and are not told to
    the model. ``efforts``: it can be asked to reason less. ``thought``: how reasoning and what follows are written.
    """

    toggles: bool
    efforts: bool
    thought: str

    def __call__(self, chat: Chat) -> str:
        """The prompt. Reasoning is told again only in answers after the user's last message."""
        return "".join(self._parts(chat))

    def _parts(self, chat: Chat) -> Iterator[str]:
        messages = chat.messages
        has_system = bool(messages) and messages[0].role == "system"
        paragraphs = [
            self._untoggled(messages[0].content) if has_system else "",
            _offered(chat.tools) if chat.tools else "",
        ]
        yield "<|im_start|>system\n" + "\n\n".join(filter(None, paragraphs)) + "<|im_end|>\n"
        last_user = max((index for index, message in enumerate(messages) if message.role == "user"), default=-1)
        roles = ["", *(message.role for message in messages), ""]
        for index, message in enumerate(messages):
            match message.role:
                case "system" if index == 0:
                    pass
                case "assistant":
                    yield f"<|im_start|>assistant\n{self._answered(chat, index, earlier=index < last_user)}"
                    yield "" if message is chat.prefill else "<|im_end|>\n"
                case "tool":
                    yield "" if roles[index] == "tool" else "<|im_start|>user\n"
                    yield f"<tool_response>\n{_content(chat, index)}\n</tool_response>\n"
                    yield "" if roles[index + 2] == "tool" else "<|im_end|>\n"
                case role:
                    yield f"<|im_start|>{role}\n{self._asked(chat, index)}"
                    yield self._effort(chat) if index == last_user else ""
                    yield "<|im_end|>\n"
        if not chat.prefill:
            yield "<|im_start|>assistant\n"
            yield f"{THINK}\n" if self._thinks(chat) else _NO_THOUGHT

    def _asked(self, chat: Chat, index: int) -> str:
        content = _content(chat, index)
        if self.toggles and chat.messages[index].role in {"user", "system"}:
            return self._untoggled(content).strip()
        return content

    def _answered(self, chat: Chat, index: int, *, earlier: bool) -> str:
        message = chat.messages[index]
        content = message.content
        if message is chat.prefill and message.thinking and not content:
            return f"{THINK}\n{message.thinking}"
        if message.thinking:
            content = self.thought.format(message.thinking) + content
        elif THINK not in content and THOUGHT not in content:
            content = _NO_THOUGHT + content
        if earlier:
            content = _forgotten(content, calls=bool(message.tool_calls))
        calls = "".join(f"\n{xml.written(call, _spelled)}" for call in message.tool_calls)
        return content.strip() + calls + ("\n" if calls else "")

    def _effort(self, chat: Chat) -> str:
        return "\n\n{reasoning effort: efficient}" if self.efforts and chat.think in {"low", "medium"} else ""

    def _thinks(self, chat: Chat) -> bool:
        thinks = chat.think is not False
        for message in chat.messages:
            if self.toggles and message.role in {"user", "system"}:
                switches = [not toggle[1] for toggle in _TOGGLE.finditer(message.content)]
                thinks = any(switches) if switches else thinks
        return thinks

    def _untoggled(self, text: str) -> str:
        return _TOGGLE.sub("", text) if self.toggles else text


def _forgotten(content: str, *, calls: bool) -> str:
    """An answer without its reasoning. Where a call follows, reasoning that was never closed goes too."""
    before, _, after = content.rpartition(THOUGHT)
    if THOUGHT in content and (calls or THINK in before):
        return _NO_THOUGHT + (after.strip() if calls else after)
    if calls:
        return _NO_THOUGHT + content.partition(THINK)[0].strip()
    return content


def _offered(tools: Sequence[Tool]) -> str:
    functions = "".join(_function(described(tool)["function"]) for tool in tools)
    return (
        f"# Tools\n\nYou have access to the following functions:\n\n<tools>{functions}\n</tools>\n\n{xml.INSTRUCTIONS}"
    )


def _function(function: Mapping[str, Any]) -> str:
    schema = function["parameters"]
    parameters = "".join(
        f"\n<parameter>\n<name>{name}</name>{_tags(value, 'type', 'description', 'enum')}\n</parameter>"
        for name, value in (schema.get("properties") or {}).items()
    )
    keywords = {key: value for key, value in schema.items() if key not in {"type", "properties"}}
    return (
        f"\n<function>\n<name>{function['name']}</name>{_tags({'description': function.get('description')})}"
        f"\n<parameters>{parameters}{_tags(keywords, '$defs', 'items')}\n</parameters>\n</function>"
    )


def _tags(schema: Mapping[str, Any], *first: str) -> str:
    """The keywords of a schema that say something, some of them ``first``."""
    keys = [key for key in first if key in schema] + [key for key in schema if key not in first]
    return "".join(f"\n<{key}>{_keyword(key, schema[key])}</{key}>" for key in keys if schema[key])


def _keyword(key: str, value: Any) -> str:
    if isinstance(value, str):
        return value.strip() if key == "description" else value
    return str(value) if key == "type" else json.dumps(value, ensure_ascii=False)


def _spelled(value: Any) -> str:
    """An argument as the models were trained on it: what is no string, list or object is written as in Python."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else str(value)


def _content(chat: Chat, index: int) -> str:
    """A message with the markers of its pictures in front."""
    content, markers = chat.messages[index].content, chat.image_markers(index)
    return f"{markers} {content}" if markers and content[:1].strip() else markers + content


def _parser(chat: Chat, prompt: str) -> Parser:
    return TaggedParser(xml.XmlSyntax(chat.tools), reasoning=reasons(chat.think, chat.prefill, prompt))


_READING = Reading(_parser, (THINK, THOUGHT, CALL, CALLED))

RENDERERS: Final[Mapping[str, Renderer]] = {
    "nemotron-3-nano": _Renderer(toggles=True, efforts=False, thought=f"{THINK}\n{{}}\n{THOUGHT}\n"),
    "nemotron-3.5-nano": _Renderer(toggles=False, efforts=True, thought=f"{THINK}\n{{}}{THOUGHT}"),
}
PARSERS: Final[Mapping[str, Reading]] = {"nemotron-3-nano": _READING, "nemotron-3.5-nano": _READING}
