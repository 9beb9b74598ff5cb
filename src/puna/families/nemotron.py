"""Nemotron 3 and 3.5 Nano: reason unless told not to, have tags of their own for tools and calls, may see pictures."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from puna.families import Chat, Parser, Reading, Renderer
from puna.template import chatml
from puna.template.tooljson import described
from puna.toolcalls import xml
from puna.toolcalls.calls import CALL, CALLED, enclosed
from puna.toolcalls.jsontext import spaced
from puna.toolcalls.tagged import QWEN, THINK, THOUGHT, Start, TaggedParser
from puna.types import Tool

_NO_THOUGHT = THINK + THOUGHT
_FIRST = ("type", "description", "enum")

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
        paragraphs = [self._untoggled(message.content) for message in chat.messages[:1] if message.role == "system"]
        if chat.tools:
            paragraphs.append(_offered(chat.tools))
        turns = [
            chatml.turn("system", "\n\n".join(filter(None, paragraphs))),
            *chatml.with_results(self._messages(chat), after="\n"),
        ]
        answer = f"{THINK}\n" if self._thinks(chat) else _NO_THOUGHT
        return chatml.prompt(turns, goes_on=chat.prefill is not None, answer=answer)

    def _messages(self, chat: Chat) -> Iterator[tuple[str, str]]:
        last_user = max((index for index, message in enumerate(chat.messages) if message.role == "user"), default=-1)
        for index, message in enumerate(chat.messages):
            match message.role:
                case "system" if index == 0:
                    pass
                case "assistant":
                    yield "assistant", self._answered(chat, index, earlier=index < last_user)
                case "tool":
                    yield "tool", chat.content(index)
                case role:
                    yield role, self._asked(chat, index) + (self._effort(chat) if index == last_user else "")

    def _asked(self, chat: Chat, index: int) -> str:
        content = chat.content(index)
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
    return xml.offered("".join(xml.declared(described(tool)["function"], _keyword, first=_FIRST) for tool in tools))


def _keyword(key: str, value: Any) -> str | None:
    """The value of a keyword, if it says anything."""
    if not value:
        return None
    if isinstance(value, str):
        return value.strip() if key == "description" else value
    return str(value) if key == "type" else spaced(value)


def _spelled(value: Any) -> str:
    """An argument as the models were trained on it: what is no string, list or object is written as in Python."""
    return spaced(value) if isinstance(value, (dict, list)) else str(value)


def _parser(chat: Chat, prompt: str) -> Parser:
    start = Start.after(prompt, chat.prefill, reasons=chat.think is not False)
    return TaggedParser({CALL: enclosed(xml.XmlSyntax(chat.tools))}, QWEN, start)


_READING = Reading(_parser, (THINK, THOUGHT, CALL, CALLED))

RENDERERS: Mapping[str, Renderer] = {
    "nemotron-3-nano": _Renderer(toggles=True, efforts=False, thought=f"{THINK}\n{{}}\n{THOUGHT}\n"),
    "nemotron-3.5-nano": _Renderer(toggles=False, efforts=True, thought=f"{THINK}\n{{}}{THOUGHT}"),
}
PARSERS: Mapping[str, Reading] = {"nemotron-3-nano": _READING, "nemotron-3.5-nano": _READING}
