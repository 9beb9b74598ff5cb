"""Answers whose tool calls stand between ``<tool_call>`` and ``</tool_call>``, with reasoning before them or without.

What a call looks like between the tags is a ``Syntax``: JSON here, ``<function=…>`` in ``xml``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterator, Sequence
from enum import Enum, auto
from typing import Any, Protocol

import msgspec

from puna.events import Text, Thinking, ToolCalled
from puna.scanner import Scanner
from puna.types import Message, Think, ToolCall

CALL = "<tool_call>"
CALLED = "</tool_call>"
THINK = "<think>"
THOUGHT = "</think>"

_QUOTE = re.compile(r'\\.|(")', re.DOTALL)

_Finds = Generator[Text | Thinking | ToolCalled, None, bool]


class Syntax(Protocol):
    """What stands between the tags."""

    begins: str
    """What a call starts with, white space aside. A tag that anything else follows was only mentioned."""

    def inside_argument(self, text: str) -> bool:
        """Whether a tag right after ``text`` would be part of an argument."""
        ...

    def read(self, text: str) -> Sequence[ToolCall]:
        """The calls that all of ``text`` spells; none when it cannot be read."""
        ...


class JsonSyntax:
    """``{"name": …, "arguments": {…}}``. Arguments may be missing, and may be JSON in a string."""

    begins = "{"

    def inside_argument(self, text: str) -> bool:
        """Inside a string."""
        return sum(bool(quote[1]) for quote in _QUOTE.finditer(text)) % 2 == 1

    def read(self, text: str) -> Sequence[ToolCall]:
        """The one call, if it has a name and its arguments are an object."""
        match _decoded(text):
            case {"name": str() as name, **rest} if name:
                arguments = rest.get("arguments")
                if isinstance(arguments, str):
                    arguments = _decoded(arguments)
                elif arguments is None:
                    arguments = {}
                return [ToolCall(name, arguments)] if isinstance(arguments, dict) else []
        return []


def written(call: ToolCall) -> str:
    """``call`` as JSON between its tags, as a model reads it in a conversation."""
    value = {"name": call.name, "arguments": dict(call.arguments)}
    return f"{CALL}\n{json.dumps(value, ensure_ascii=False)}\n{CALLED}"


def reasons(think: Think, prefill: Message | None, prompt: str) -> bool:
    """Whether an answer starts with reasoning, in a model that reasons unless it is told not to.

    The end of the prompt knows best; where it has no tag, an answer that the caller began goes on as an answer.
    """
    end = prompt.rstrip()
    if end.endswith((THINK, THOUGHT)):
        return end.endswith(THINK)
    return think is not False and not (prefill and prefill.content)


class _State(Enum):
    OPENING = auto()
    """At the beginning of reasoning, where some models write ``<think>`` once more."""
    GAP = auto()
    """After a tag whose following white space is dropped."""
    TEXT = auto()
    """In reasoning or answer."""
    TAG = auto()
    """After ``<tool_call>``, when it is open whether a call follows."""
    CALL = auto()
    """In what looks like a call."""


class TaggedParser:
    """Tells reasoning, answer and calls apart.

    A call is found as soon as its closing tag has arrived; in the midst of reasoning it ends the reasoning. What stands
    between the tags and is no call is passed on with them, as part of the reasoning or answer it was found in.
    """

    def __init__(self, syntax: Syntax, *, reasoning: bool = False) -> None:
        self._syntax = syntax
        self._scanner = Scanner()
        self._state = _State.OPENING if reasoning else _State.TEXT
        self._reasoning = reasoning
        self._tag = ""  # the opening tag and the white space before it
        self._call = ""  # what followed it

    def feed(self, text: str) -> Iterator[Text | Thinking | ToolCalled]:
        """What is certain once ``text`` has arrived."""
        self._scanner.add(text)
        while (yield from self._step()):
            pass

    def close(self) -> Iterator[Text | Thinking | ToolCalled]:
        """What was held back. A call that lacks nothing but its closing tag, or a part of that, is a call."""
        while self._state is _State.CALL:
            if calls := self._syntax.read(self._call):
                yield from map(ToolCalled, calls)
                return
            yield from self._pass_over_tag()
            yield from self.feed("")
        held = self._tag if self._state is _State.TAG else ""
        if rest := held + self._scanner.rest():
            yield self._said(rest)

    def _step(self) -> _Finds:
        """Read on; whether there may be more to read without more text."""
        match self._state:
            case _State.OPENING:
                tag = self._scanner.take_prefix(THINK)
                if tag is None:
                    return False
                self._state = _State.GAP if tag else _State.TEXT
                return True
            case _State.GAP:
                if not self._scanner.skip_space():
                    return False
                self._state = _State.TEXT
                return True
            case _State.TEXT:
                return (yield from self._pass_on())
            case _State.TAG:
                return (yield from self._look_for_call())
            case _State.CALL:
                return (yield from self._read_call())

    def _pass_on(self) -> _Finds:
        arrived = self._scanner.pending
        text, tag = self._scanner.take(CALL, *self._ends_of_reasoning(), trim=True)
        if text:
            yield self._said(text)
        if tag == THOUGHT:
            self._answer()
        elif tag:
            self._tag = arrived[len(text) : len(arrived) - len(self._scanner.pending)]
            self._state = _State.TAG
        return bool(tag)

    def _look_for_call(self) -> _Finds:
        arrived = self._scanner.pending
        beginning = self._scanner.take_prefix(self._syntax.begins)
        if beginning is None:
            return False
        if beginning:
            self._call = arrived[: len(arrived) - len(self._scanner.pending)]
            self._state = _State.CALL
        else:
            yield self._said(self._tag)
            self._state = _State.TEXT
        return True

    def _read_call(self) -> _Finds:
        text, tag = self._scanner.take(CALLED, *self._ends_of_reasoning())
        self._call += text
        if not tag:
            return False
        if self._syntax.inside_argument(self._call):
            self._call += tag
        elif tag == CALLED and (calls := self._syntax.read(self._call)):
            yield from map(ToolCalled, calls)
            self._answer()
        else:
            self._call += tag
            yield from self._pass_over_tag()
        return True

    def _pass_over_tag(self) -> Iterator[Text | Thinking]:
        """The tag was none of a call: what followed it is read again, and may have a call's tag in it."""
        yield self._said(self._tag)
        after = self._call + self._scanner.rest()
        self._scanner.add(after)
        self._state = _State.TEXT

    def _answer(self) -> None:
        self._reasoning = False
        self._state = _State.GAP

    def _ends_of_reasoning(self) -> tuple[str, ...]:
        return (THOUGHT,) if self._reasoning else ()

    def _said(self, text: str) -> Text | Thinking:
        return Thinking(text) if self._reasoning else Text(text)


def _decoded(text: str) -> Any:
    """``text`` as JSON; None when it is none."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return None
