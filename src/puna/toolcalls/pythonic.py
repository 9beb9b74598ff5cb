"""Tool calls written as calls in Python: ``get_weather(city="Paris", days=3)``, one after the other.

They are read by a grammar of literals; nothing is evaluated. JSON's words count as Python's, and a value that is no
literal is taken for a string whose quotes were forgotten.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from puna.scanner import Scanner
from puna.toolcalls.calls import CallReader, drop_partial
from puna.toolcalls.quoting import Quote, Quotes, Unquoted
from puna.types import ToolCall

_BETWEEN = " \t\r\n,;[]"
"""The characters that stand around calls and between them."""

_QUOTES: Quotes = {quote: Quote(quote, escapes=True) for quote in ('"', "'", '"""', "'''")}
_SEPARATORS = re.compile(f"[{re.escape(_BETWEEN)}]*")
_SPACE = re.compile(r"\s*")
_NAME = re.compile(r"[\w.:/-]+")
_KEY = re.compile(r"[\w-]+")
_STRING = re.compile(
    r'"""(?P<a>(?:[^"\\]|\\.|"(?!""))*+)"""'
    r"|'''(?P<b>(?:[^'\\]|\\.|'(?!''))*+)'''"
    r'|"(?!"")(?P<c>[^"\\]*+(?:\\.[^"\\]*+)*+)"'
    r"|'(?!'')(?P<d>[^'\\]*+(?:\\.[^'\\]*+)*+)'",
    re.DOTALL,
)
_PLAIN = re.compile(r"[^,()\[\]{}\"']+")
_INTEGER = re.compile(r"[+-]?(?:0|[1-9][0-9]{0,18})")
_FLOAT = re.compile(r"[+-]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][+-]?[0-9]+)?")
_WORDS = {"true": True, "True": True, "false": False, "False": False, "null": None, "None": None, "nil": None}
_CLOSING = {"(": ")", "[": "]", "{": "}"}
_DEEPEST = 64
"""Arguments nested deeper than this are nobody's arguments."""

_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|x([0-9a-fA-F]{2})|([\s\S]))")
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "\n": "", "\\": "\\", "'": "'", '"': '"', "/": "/"}


class _Unreadable(Exception):
    """The text is no call, or not yet the whole of one."""


def reader(closing: str) -> CallReader:
    """A reader of calls that stand before ``closing``, which may be missing at the end of the answer."""

    def read(scanner: Scanner, opening: str, _ends: Sequence[str]) -> Iterator[ToolCall | str | None]:
        unquoted = Unquoted(scanner, _QUOTES)
        text, depth = "", 0
        while True:
            more, mark = unquoted.take(closing, "(", ")")
            text += more
            if not mark and not scanner.ended:
                yield None
                continue
            if mark not in {"(", ")"}:
                break
            text += mark
            depth += 1 if mark == "(" else -1
            if depth > 0:
                continue
            found = read_call(text)
            if found is None:
                yield opening + text
                return
            call, end = found
            yield call
            opening, text, depth = "", text[end:], 0
        if text.strip(_BETWEEN) or (opening and not mark):
            yield opening + text + (mark or scanner.rest())
        else:
            drop_partial(scanner, closing)

    return read


def read_call(text: str) -> tuple[ToolCall, int] | None:
    """The call that ``text`` begins with, and where it ends; None if there is none."""
    reading = _Reader(text, _end(_SEPARATORS, text, 0))
    try:
        return reading.call(), reading.at
    except _Unreadable:
        return None


def written(call: ToolCall, encode: Callable[[Any], str], *, comma: str) -> str:
    """``call`` as models read it in a conversation: arguments in the order of their names, ``comma`` between them.

    ``encode`` writes their values.
    """
    arguments = sorted(call.arguments.items())
    return f"{call.name}({comma.join(f'{name}={encode(value)}' for name, value in arguments)})"


class _Reader:
    """Reads one call in ``text`` from ``at``, which then is where it ends."""

    def __init__(self, text: str, at: int) -> None:
        self._text = text
        self.at = at

    def call(self) -> ToolCall:
        name = self._token(_NAME)
        self._expect("(")
        arguments: dict[str, Any] = {}

        def argument(_depth: int) -> None:
            key = self._token(_KEY)
            self._expect("=")
            arguments[key] = self._value(1)

        self._items(")", argument, 0)
        return ToolCall(name, arguments)

    def _items(self, closing: str, item: Callable[[int], None], depth: int) -> None:
        """Items with commas between them, the last may have one too, up to ``closing``."""
        if depth > _DEEPEST:
            raise _Unreadable
        while not self._has(closing):
            item(depth + 1)
            if not self._has(","):
                self._expect(closing)
                return

    def _value(self, depth: int) -> Any:
        match self._next():
            case '"' | "'":
                return self._string()
            case "[" | "(" as opening:
                return self._list(_CLOSING[opening], depth)
            case "{":
                return self._object(depth)
            case _:
                return self._word()

    def _list(self, closing: str, depth: int) -> list[Any]:
        values: list[Any] = []
        self.at += 1
        self._items(closing, lambda inner: values.append(self._value(inner)), depth)
        return values

    def _object(self, depth: int) -> dict[str, Any]:
        values: dict[str, Any] = {}

        def entry(inner: int) -> None:
            key = self._string() if self._next() in {'"', "'"} else self._token(_KEY)
            self._expect(":")
            values[key] = self._value(inner)

        self.at += 1
        self._items("}", entry, depth)
        return values

    def _string(self) -> str:
        found = _STRING.match(self._text, self.at)
        if found is None:
            raise _Unreadable
        self.at = found.end()
        return _unescaped(found[found.lastgroup or 0])

    def _word(self) -> Any:
        """A number, a word of Python or JSON, or the text up to the next comma or closing bracket that is not in it."""
        start, closing = self.at, list[str]()
        while (char := self._at()) and (closing or char not in ",)]}"):
            if char in _CLOSING:
                closing.append(_CLOSING[char])
            elif char in ")]}" and closing.pop() != char:
                raise _Unreadable
            self.at = max(self.at + 1, _end(_PLAIN, self._text, self.at))
        word = self._text[start : self.at].strip()
        if not char or not word or set(word) & {'"', "'", "\n"}:
            raise _Unreadable
        if word in _WORDS:
            return _WORDS[word]
        if _INTEGER.fullmatch(word):
            return int(word)
        if _FLOAT.fullmatch(word) and math.isfinite(number := float(word)):
            return number
        return word

    def _token(self, pattern: re.Pattern[str]) -> str:
        self._next()
        found = pattern.match(self._text, self.at)
        if found is None:
            raise _Unreadable
        self.at = found.end()
        return found[0]

    def _has(self, char: str) -> bool:
        found = self._next() == char
        self.at += found
        return found

    def _expect(self, char: str) -> None:
        if not self._has(char):
            raise _Unreadable

    def _next(self) -> str:
        """The next character that is no white space; "" at the end."""
        self.at = _end(_SPACE, self._text, self.at)
        return self._at()

    def _at(self) -> str:
        return self._text[self.at : self.at + 1]


def _end(pattern: re.Pattern[str], text: str, start: int) -> int:
    found = pattern.match(text, start)
    return found.end() if found else start


def _unescaped(text: str) -> str:
    """``text`` with Python's escapes, which are JSON's too, replaced; an unknown one stays, as in Python."""
    if "\\" not in text:
        return text
    plain = _ESCAPE.sub(_character, text)
    return plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _character(escape: re.Match[str]) -> str:
    if digits := escape[1] or escape[2] or escape[3]:
        number = int(digits, 16)
        return chr(number) if number <= 0x10FFFF else "\ufffd"
    return _ESCAPED.get(escape[4], escape[0])
