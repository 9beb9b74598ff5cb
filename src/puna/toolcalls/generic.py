"""Tool calls of models that only their TEMPLATE tells of: a tag, then JSON in one of many forms.

The forms are ``{"name": …, "arguments": {…}}``, ``parameters`` in place of ``arguments``, either as JSON in a string,
``{"NAME": {…}}``, all of these in lists and other objects, and ``NAME`` before the object with the arguments.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Iterator
from enum import Enum, auto
from typing import Any

from puna.events import Text, ToolCalled
from puna.scanner import Scanner
from puna.toolcalls.jsontext import decoded
from puna.types import ToolCall

_BARE = frozenset({"{", "["})
"""Tags that ordinary text may have in it too: they count only where an answer begins with them."""

_NAME_KEYS = ("name", "tool_name", "function", "tool")
_ARGUMENT_KEYS = ("arguments", "parameters")
_KEYS = frozenset({*_NAME_KEYS, *_ARGUMENT_KEYS, "type", "id"})
"""What an object that is a call without arguments may have."""

_DEEPEST = 8
"""The levels of lists and objects in which calls are looked for."""

_MARK = re.compile(r'\\.|["{}]', re.DOTALL)
_EMPTY_LIST = re.compile(r"\s*\[\s*\]\s*")


class _State(Enum):
    TEXT = auto()
    """Where a tag may come."""
    CALL = auto()
    """After a tag, or after a call, where others may follow."""
    PLAIN = auto()
    """Where no call can come any more."""


class CallsAfterTag:
    """Tells calls of the tools named ``names`` from text; they begin with ``tag``.

    What follows a call is dropped unless it looks like another one: closing tags, and words about a result that the
    model cannot know. What looks like a call and is none is text, from its tag on; so is a call of any other tool.
    """

    def __init__(self, tag: str, names: Iterable[str]) -> None:
        self._tag = tag
        self._names = frozenset(names)
        spelled = "|".join(re.escape(name) for name in sorted(self._names, key=len, reverse=True))
        self._name = re.compile(rf"(?<![\w-])(?:{spelled})(?![\w-])")
        self._scanner = Scanner()
        self._state = _State.TEXT
        self._unread = ""  # in CALL: from the tag on, or what followed a call
        self._after_call = False
        self._objects = _Objects()

    def feed(self, text: str) -> Iterator[Text | ToolCalled]:
        """What is certain once ``text`` has arrived."""
        self._scanner.add(text)
        while (yield from self._step()):
            pass

    def close(self) -> Iterator[Text | ToolCalled]:
        """What was still held back when the answer ended."""
        rest = self._scanner.rest()
        if self._state is _State.CALL:
            rest = self._unread[self._beginning() :]
            # A list without calls says that there are none.
            if _EMPTY_LIST.fullmatch(rest.removeprefix(self._tag.rstrip("[ "))):
                rest = ""
        if rest:
            yield Text(rest)

    def _step(self) -> Generator[Text | ToolCalled, None, bool]:
        """Read on; whether there may be more to read without more text."""
        match self._state:
            case _State.TEXT:
                return (yield from self._look_for_tag())
            case _State.CALL:
                return (yield from self._read_call())
            case _State.PLAIN:
                if rest := self._scanner.rest():
                    yield Text(rest)
                return False

    def _look_for_tag(self) -> Generator[Text | ToolCalled, None, bool]:
        text, tag = self._scanner.take(self._tag)
        if self._tag in _BARE and text.strip():
            self._state = _State.PLAIN
            yield Text(text + tag)
            return True
        if text:
            yield Text(text)
        if tag:
            self._state, self._unread, self._after_call = _State.CALL, tag, False
            self._objects = _Objects(0 if tag == "{" else len(tag))
        return bool(tag)

    def _read_call(self) -> Generator[Text | ToolCalled, None, bool]:
        self._unread += self._scanner.rest()
        found = self._objects.next(self._unread)
        if self._tag == "[" and not self._after_call and self._closed_without_object():
            yield from self._give_up(len(self._unread))
            return True
        if found is None:
            return False
        start, end = found
        calls = self._calls(self._unread[:start].rpartition(self._tag)[2], self._unread[start:end])
        if not calls:
            yield from self._give_up(end)
            return True
        yield from map(ToolCalled, calls)
        self._unread, self._after_call, self._objects = self._unread[end:], True, _Objects()
        return True

    def _closed_without_object(self) -> bool:
        closing, opening = self._unread.find("]"), self._unread.find("{")
        return closing >= 0 and (opening < 0 or closing < opening)

    def _give_up(self, end: int) -> Iterator[Text]:
        """What is unread up to ``end`` is no call; what follows is read as text."""
        yield Text(self._unread[self._beginning() : end])
        self._scanner.add(self._unread[end:])
        self._unread = ""
        self._state = _State.PLAIN if self._tag in _BARE else _State.TEXT

    def _beginning(self) -> int:
        """Where in what is unread something begins that looks like a call; its end if nothing does."""
        if not self._after_call:
            return 0
        tags = {"{"} if self._tag in _BARE else {"{", self._tag}
        return min((at for tag in tags if (at := self._unread.find(tag)) >= 0), default=len(self._unread))

    def _calls(self, before: str, text: str) -> list[ToolCall]:
        """The calls that the object ``text`` spells; ``before`` stands between it and the tag, or the last call."""
        value = decoded(text)
        if not isinstance(value, dict):
            return []
        calls = list(self._calls_in(value, _DEEPEST))
        if not calls and (names := self._name.findall(before)):
            calls.append(ToolCall(names[-1], value))
        return calls

    def _calls_in(self, value: Any, levels: int) -> Iterator[ToolCall]:
        if isinstance(value, list) and levels:
            for element in value:
                yield from self._calls_in(element, levels - 1)
        elif isinstance(value, dict) and levels:
            name = next((value[key] for key in _NAME_KEYS if isinstance(value.get(key), str)), None)
            if name is not None:
                arguments = self._arguments(value) if name in self._names else None
                if arguments is not None:
                    yield ToolCall(name, arguments)
                return
            by_name = [(key, _object(value[key])) for key in value if key in self._names]
            calls = [ToolCall(key, arguments) for key, arguments in by_name if arguments is not None]
            yield from calls
            for element in () if calls else value.values():
                yield from self._calls_in(element, levels - 1)

    def _arguments(self, value: dict[str, Any]) -> dict[str, Any] | None:
        given = [value[key] for key in _ARGUMENT_KEYS if value.get(key) is not None]
        if not given:
            # Behind a tag it is a call of a tool that takes nothing. Without one it may as well be an answer.
            return {} if self._tag not in _BARE and value.keys() <= _KEYS else None
        return next((found for found in map(_object, given) if found is not None), None)


class _Objects:
    """Finds JSON objects in a text that grows, by their braces."""

    def __init__(self, at: int = 0) -> None:
        self._at = at
        self._start = 0
        self._depth = 0
        self._quoted = False

    def next(self, text: str) -> tuple[int, int] | None:
        """Where the next object begins and ends in ``text``, which only grew since the last time; None: not yet."""
        while mark := _MARK.search(text, self._at):
            self._at = mark.end()
            if mark[0] == '"':
                self._quoted = self._depth > 0 and not self._quoted
            elif mark[0] == "{" and not self._quoted:
                if not self._depth:
                    self._start = mark.start()
                self._depth += 1
            elif mark[0] == "}" and not self._quoted and self._depth:
                self._depth -= 1
                if not self._depth:
                    return self._start, self._at
        # A backslash at the end goes with the character that is to come.
        self._at = max(self._at, len(text) - text.endswith("\\"))
        return None


def _object(value: Any) -> dict[str, Any] | None:
    """``value`` as an object, also when it is JSON in a string."""
    if isinstance(value, str):
        value = decoded(value) if value.strip() else {}
    return value if isinstance(value, dict) else None
