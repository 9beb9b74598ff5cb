"""Harmony, the format of gpt-oss: messages with a header that names a channel and perhaps a recipient.

A TEMPLATE renders it; in it tools are TypeScript functions, so their names have to be identifiers.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from puna.events import Text, Thinking, ToolCalled
from puna.families import Chat, Found, Reading
from puna.scanner import Scanner
from puna.toolcalls.jsontext import decoded_object
from puna.types import Message, Tool, ToolCall

_START = "<|start|>"
_MESSAGE = "<|message|>"
_END = "<|end|>"
_CALL_END = "<|call|>"
_CHANNEL = "<|channel|>"
_CONSTRAIN = "<|constrain|>"
_TOKENS = (_START, _END, _MESSAGE, _CHANNEL, _CONSTRAIN)

_NAMESPACE = "functions."
_BUILT_IN = frozenset({"browser.open", "browser.search", "browser.find", "python"})
_UNDERSCORED = re.compile(r"[ .-]")


def prepared(chat: Chat) -> Chat:
    """``chat`` as the model can be told it: identifiers for the names of tools, and no effort beyond high."""
    names = identifiers(_names(chat))
    return replace(
        chat,
        messages=tuple(_renamed(message, names) for message in chat.messages),
        tools=tuple(_offered(tool, names[tool.name]) for tool in chat.tools),
        think="high" if chat.think == "max" else chat.think,
    )


def identifiers(names: Iterable[str]) -> dict[str, str]:
    """A valid identifier for each of ``names``, no two the same; the model's built-in tools keep theirs."""
    found: dict[str, str] = {}
    for name in names:
        if name not in found:
            found[name] = name if name in _BUILT_IN else _unused(_identifier(name), found.values())
    return found


def _names(chat: Chat) -> Iterator[str]:
    """The names of tools in ``chat``, those on offer first."""
    yield from (tool.name for tool in chat.tools)
    for message in chat.messages:
        yield from (call.name for call in message.tool_calls)
        if message.tool_name:
            yield message.tool_name


def _identifier(name: str) -> str:
    letters = _UNDERSCORED.sub("_", name)
    kept = "".join(letter for letter in letters if letter in "_$" or letter.isalpha() or letter.isdecimal())
    return f"_{kept}" if kept[:1].isdecimal() else kept or "unnamed"


def _unused(identifier: str, taken: Iterable[str]) -> str:
    others, number, candidate = frozenset(taken), 2, identifier
    while candidate in others:
        candidate, number = f"{identifier}_{number}", number + 1
    return candidate


def _offered(tool: Tool, name: str) -> Tool:
    function = tool.definition.get("function")
    if name == tool.name or not isinstance(function, Mapping):
        return tool
    return Tool(name, {**tool.definition, "function": {**function, "name": name}})


def _renamed(message: Message, names: Mapping[str, str]) -> Message:
    return replace(
        message,
        tool_calls=tuple(replace(call, name=names[call.name]) for call in message.tool_calls),
        tool_name=names.get(message.tool_name, ""),
    )


@dataclass(frozen=True, slots=True)
class _Header:
    """What stands before a message: its channel, whom it is for, and the text of it all."""

    channel: str
    recipient: str
    text: str = ""

    @classmethod
    def parse(cls, text: str) -> _Header:
        """The header that ``text`` spells; a recipient may stand before the channel or after it."""
        words = text.rpartition(_START)[2].replace(_CONSTRAIN, f" {_CONSTRAIN}")
        before, _, after = words.partition(_CHANNEL)
        channel = re.match(r"\S*", after)
        recipient = re.search(r"(?:^|\s)to=(\S+)", f"{before} {after}")
        return cls(channel[0] if channel else "", recipient[1] if recipient else "", text)

    @property
    def kind(self) -> Literal["thinking", "call", "text"]:
        """What the message is."""
        if self.recipient and self.channel != "final":
            return "call"
        return "thinking" if self.channel == "analysis" else "text"


class _Parser:
    """Reads message after message; a call is one when its message ends."""

    def __init__(self, chat: Chat, header: _Header | None) -> None:
        self._given = {identifier: name for name, identifier in identifiers(_names(chat)).items()}
        self._scanner = Scanner()
        self._header = header
        self._held = ""

    def feed(self, text: str) -> Iterator[Found]:
        self._scanner.add(text)
        while (yield from self._step()):
            pass

    def close(self) -> Iterator[Found]:
        """What is left of a message. Half a header is nothing; text without any header is the answer."""
        rest = self._scanner.rest()
        if self._header is None:
            text = self._held + rest
            if not any(marker in text for marker in (_START, _CHANNEL, _CONSTRAIN)):
                yield Text(text)
            return
        if self._header.kind == "call":
            yield self._called(self._header, self._held + rest, end="")
        else:
            yield _said(self._header, rest)

    def _step(self) -> Generator[Found, None, bool]:
        """Read what there is of a header or a message; whether there may be more."""
        header = self._header
        if header is None:
            text, tag = self._scanner.take(_MESSAGE)
            self._held += text
            if tag:
                self._header, self._held = _Header.parse(self._held), ""
            return bool(tag)
        if header.kind == "call":
            text, tag = self._scanner.take(_END, _CALL_END)
            self._held += text
            if tag:
                yield self._called(header, self._held, end=tag)
        else:
            text, tag = self._scanner.take(_END)
            yield _said(header, text)
        if tag:
            self._header, self._held = None, ""
        return bool(tag)

    def _called(self, header: _Header, body: str, *, end: str) -> Found:
        """The call to the header's recipient, or the text of the message if that is none."""
        arguments = decoded_object(body.strip() or "{}")
        if arguments is None:
            return Text(f"{header.text}{_MESSAGE}{body}{end}")
        name = header.recipient.removeprefix(_NAMESPACE)
        return ToolCalled(ToolCall(self._given.get(name, name), arguments))


def _said(header: _Header, text: str) -> Found:
    return Thinking(text) if header.kind == "thinking" else Text(text)


def _parser(chat: Chat, prompt: str) -> _Parser:
    return _Parser(chat, _opened(chat, prompt))


def _opened(chat: Chat, prompt: str) -> _Header | None:
    """The header of the message that the answer goes on with, if one was begun."""
    begun = chat.prefill
    if begun and begun.content:
        return _Header("final", "")
    if begun and begun.thinking:
        return _Header("analysis", "")
    if prompt.endswith(_MESSAGE) and _START in prompt:
        return _Header.parse(prompt.removesuffix(_MESSAGE).rpartition(_START)[2])
    return None


PARSERS: Mapping[str, Reading] = {"harmony": Reading(_parser, _TOKENS, prepared)}
