"""Ministral: ``[TOOL_CALLS]NAME[ARGS]{…}`` wherever it stands, and reasoning between ``[THINK]`` and ``[/THINK]``."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Mapping
from enum import Enum, auto
from typing import Any, Final

import msgspec

from puna.events import Text, Thinking, ToolCalled
from puna.families import Found, Reading
from puna.scanner import Scanner
from puna.types import ToolCall

_CALL: Final = "[TOOL_CALLS]"
_ARGUMENTS: Final = "[ARGS]"
_THINK: Final = "[THINK]"
_THOUGHT: Final = "[/THINK]"

_NAME: Final = re.compile(r"\s*[\w.:/-]*\s*")
_STRING_OR_BRACKET: Final = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|["{}\[\]]', re.DOTALL)


class _State(Enum):
    TEXT = auto()
    REASONING = auto()
    AFTER_REASONING = auto()
    NAME = auto()
    ARGUMENTS = auto()


class _Parser:
    def __init__(self) -> None:
        self._scanner = Scanner()
        self._state = _State.TEXT
        self._held = ""  # the marker of a call that is not read yet, with the white space before it
        self._name = ""
        self._arguments = ""

    def feed(self, text: str) -> Iterator[Found]:
        self._scanner.add(text)
        while (yield from self._step()):
            pass

    def close(self) -> Iterator[Found]:
        marker = _ARGUMENTS if self._state is _State.ARGUMENTS else ""
        if rest := self._held + self._name + marker + self._arguments + self._scanner.rest():
            yield Thinking(rest) if self._state is _State.REASONING else Text(rest)

    def _step(self) -> Generator[Found, None, bool]:
        match self._state:
            case _State.TEXT:
                return (yield from self._take_text())
            case _State.REASONING:
                return (yield from self._take_reasoning())
            case _State.AFTER_REASONING:
                if not self._scanner.skip_space():
                    return False
                self._state = _State.TEXT
                return True
            case _State.NAME:
                return (yield from self._take_name())
            case _State.ARGUMENTS:
                return (yield from self._take_arguments())

    def _take_text(self) -> Generator[Found, None, bool]:
        arrived = self._scanner.pending
        text, marker = self._scanner.take(_CALL, _THINK, trim=True)
        if text:
            yield Text(text)
        if marker == _THINK:
            self._state = _State.REASONING
        elif marker:
            self._held = arrived[len(text) : len(arrived) - len(self._scanner.pending)]
            self._state = _State.NAME
        return bool(marker)

    def _take_reasoning(self) -> Generator[Found, None, bool]:
        text, marker = self._scanner.take(_THOUGHT, trim=True)
        if text:
            yield Thinking(text)
        if marker:
            self._state = _State.AFTER_REASONING
        return bool(marker)

    def _take_name(self) -> Generator[Found, None, bool]:
        text, marker = self._scanner.take(_ARGUMENTS, _CALL, _THINK)
        self._name += text
        if not _NAME.fullmatch(self._name) or (marker and (marker != _ARGUMENTS or not self._name.strip())):
            yield Text(self._held)
            self._go_on_with(self._name + marker + self._scanner.rest())
            return True
        if marker:
            self._state = _State.ARGUMENTS
        return bool(marker)

    def _take_arguments(self) -> Generator[Found, None, bool]:
        text = self._scanner.rest()
        self._arguments += text
        if self._arguments.lstrip()[:1] not in {"", "{"}:
            yield Text(self._held + self._name + _ARGUMENTS)
            self._go_on_with(self._arguments)
            return True
        end = _end_of_object(self._arguments) if "}" in text else 0
        if not end:
            return False
        arguments, after = self._arguments[:end], self._arguments[end:]
        if (decoded := _object(arguments)) is not None:
            yield ToolCalled(ToolCall(self._name.strip(), decoded))
        else:
            yield Text(self._held + self._name + _ARGUMENTS + arguments)
        self._go_on_with(after)
        return True

    def _go_on_with(self, text: str) -> None:
        self._held = self._name = self._arguments = ""
        self._scanner.add(text)
        self._state = _State.TEXT


def _end_of_object(text: str) -> int:
    """Where the JSON object that ``text`` begins with ends; 0 while it does not."""
    depth = 0
    for found in _STRING_OR_BRACKET.finditer(text):
        match found[0]:
            case "{" | "[":
                depth += 1
            case "}" | "]":
                depth -= 1
                if depth == 0:
                    return found.end()
            case '"':
                return 0
    return 0


def _object(text: str) -> dict[str, Any] | None:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        return None


PARSERS: Mapping[str, Reading] = {
    "ministral": Reading(lambda _chat, _prompt: _Parser(), (_CALL, _ARGUMENTS, _THINK, _THOUGHT))
}
