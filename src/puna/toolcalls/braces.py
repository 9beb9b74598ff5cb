"""Calls as Gemma models write them, ``call:NAME{key:value,…}``; the quotes of strings are tokens of their own."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from puna.scanner import Scanner
from puna.toolcalls.calls import CallReader
from puna.toolcalls.quoting import Quote, Quotes, Unquoted
from puna.toolcalls.typed import parameters_of
from puna.types import Tool, ToolCall

_LITERAL = re.compile(r"(true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)\s*(?=[,}\]]|\Z)")
_BARE_KEY = re.compile(r"""[^\s:,{}\[\]"][^:,{}\[\]"]*""")
_BARE_TEXT = re.compile(r"[^,{}\[\]]*")
_SINGLE_QUOTED = re.compile(r"'((?:\\.|[^'\\])*)'", re.DOTALL)
_SPACE = re.compile(r"\s*")
_CONSTANTS = {"true": True, "false": False, "null": None}
_JSON = json.JSONDecoder(strict=False)


@dataclass(frozen=True, slots=True)
class Braces:
    """One family's way: the ``quote`` around strings, and the tags that ``open`` and ``close`` a call."""

    quote: str
    open: str
    close: str

    def quoted(self, text: str) -> str:
        """``text`` as a string value."""
        return f"{self.quote}{text}{self.quote}"

    def value(self, value: Any) -> str:
        """``value`` as an argument; the keys of objects in alphabetical order."""
        match value:
            case None:
                return "null"
            case bool():
                return "true" if value else "false"
            case str():
                return self.quoted(value)
            case float() if value.is_integer():
                return str(int(value))
            case Mapping():
                return f"{{{self._members(value)}}}"
            case list() | tuple():
                return f"[{','.join(map(self.value, value))}]"
            case _:
                return str(value)

    def call(self, call: ToolCall) -> str:
        """``call`` with its tags."""
        return f"{self.open}call:{call.name}{{{self._members(call.arguments)}}}{self.close}"

    def read(self, body: str, tools: Sequence[Tool], *, closed: bool) -> tuple[ToolCall, str] | None:
        """The call that ``body`` (what follows the opening tag) begins with, and what comes after it; None for none.

        ``closed`` says that a closing tag followed: then the call is the whole of it, and marks that the model forgot
        at its end (the last quote, braces) are supplied. Without one they may be missing because the answer was cut.
        """
        head, brace, _ = body.partition("{")
        name = head.strip().removeprefix("call:").strip()
        if not (brace and head.lstrip().startswith("call:") and name):
            return None
        reader = _Reader(self.quote, body, parameters_of(tools, name).keys(), closed=closed)
        try:
            arguments = reader.object(len(head) + 1, nested=False)
        except (_MalformedError, RecursionError):
            return None
        rest = body[reader.at :]
        if closed:
            return None if rest.strip("}] \n") else (ToolCall(name, arguments), "")
        return ToolCall(name, arguments), rest

    def reader(self, tools: Sequence[Tool], *ends: str) -> CallReader:
        """A reader of calls that end with ``close``, one of ``ends``, the next call, or the answer."""
        quotes: Quotes = {self.quote: Quote(self.quote), '"': Quote('"', escapes=True, after=":,[{")}

        def read(scanner: Scanner, opening: str, _ends: Sequence[str]) -> Iterator[ToolCall | str | None]:
            unquoted = Unquoted(scanner, quotes)
            body, tag = unquoted.take(self.open, self.close, *ends)
            while not tag and not scanner.ended:
                yield None
                more, tag = unquoted.take(self.open, self.close, *ends)
                body += more
            if tag == self.open:
                scanner.put_back(tag)
                tag = ""
            elif not tag:
                body += scanner.rest()
                if self.read(body, tools, closed=False) is None:
                    # Where the last quote of a string is missing, the closing tag was taken for a part of the string.
                    body, tag, after = body.partition(self.close)
                    scanner.put_back(after)
            found = self.read(body, tools, closed=tag == self.close)
            if found is None:
                yield opening + body + tag
                return
            call, rest = found
            scanner.put_back(rest)
            yield call

        return read

    def _members(self, values: Mapping[str, Any]) -> str:
        return ",".join(f"{key}:{self.value(values[key])}" for key in sorted(values))


class _MalformedError(Exception):
    """What is being read is no call."""


class _Reader:
    """Reads values in ``text`` from a place on; ``at`` is the place after what was read last."""

    def __init__(self, quote: str, text: str, parameters: Collection[str], *, closed: bool) -> None:
        self._quote = quote
        self._text = text
        self._closed = closed
        self._next_parameter = (
            re.compile(rf",\s*(?:{'|'.join(map(re.escape, parameters))})\s*:") if parameters else None
        )
        self.at = 0

    def object(self, at: int, *, nested: bool = True) -> dict[str, Any]:
        """The object whose opening brace is before ``at``."""
        members: dict[str, Any] = {}
        for _ in self._items(at, "}"):
            key = self._key()
            if not self._skip(":"):
                raise _MalformedError
            members[key] = self._value(nested=nested)
        return members

    def _array(self, at: int) -> list[Any]:
        return [self._value(nested=True) for _ in self._items(at, "]")]

    def _items(self, at: int, closing: str) -> Iterator[None]:
        """Once for each item, which is to be read meanwhile."""
        self.at = at
        while not self._skip(closing):
            if self._closed and self.at == len(self._text):
                return
            yield
            if not self._skip(",") and not (self._closed and self.at == len(self._text)):
                if self._skip(closing):
                    return
                raise _MalformedError

    def _key(self) -> str:
        if self._text.startswith((self._quote, '"'), self.at):
            return str(self._value(nested=True))
        if not (found := _BARE_KEY.match(self._text, self.at)):
            raise _MalformedError
        self.at = found.end()
        return found[0].rstrip()

    def _value(self, *, nested: bool) -> Any:
        self._skip("")
        if self._skip(self._quote):
            return self._string(nested=nested)
        if self._skip("{"):
            return self.object(self.at)
        if self._skip("["):
            return self._array(self.at)
        if found := _LITERAL.match(self._text, self.at):
            self.at = found.end()
            return _literal(found[1])
        if self._text.startswith('"', self.at):
            return self._json_string()
        if found := _SINGLE_QUOTED.match(self._text, self.at):
            self.at = found.end()
            self._skip(self._quote)
            return found[1]
        return self._bare(nested=nested)

    def _string(self, *, nested: bool) -> str:
        start = self.at
        end = self._text.find(self._quote, start)
        if end >= 0:
            self.at = end + len(self._quote)
            return self._text[start:end]
        if nested:
            raise _MalformedError
        return self._to_last_brace(start)

    def _json_string(self) -> str:
        try:
            text, self.at = _JSON.raw_decode(self._text, self.at)
        except ValueError as error:
            raise _MalformedError from error
        return str(text)

    def _bare(self, *, nested: bool) -> str:
        """Text that the model left unquoted: to the next parameter if those are known, else to the next mark."""
        if nested or self._next_parameter is None or not self._closed:
            found = _BARE_TEXT.match(self._text, self.at)
        else:
            found = self._next_parameter.search(self._text, self.at)
            if found is None:
                return self._to_last_brace(self.at).rstrip()
            start, self.at = self.at, found.start()
            return self._text[start : self.at].rstrip()
        if not (found and found[0].strip()):
            raise _MalformedError
        self.at = found.end()
        return found[0].rstrip()

    def _to_last_brace(self, start: int) -> str:
        """All the text up to the brace that it ends with, or should."""
        if not self._closed:
            raise _MalformedError
        text = self._text.rstrip()
        self.at = len(text) - text.endswith("}")
        return text[start : self.at]

    def _skip(self, mark: str) -> bool:
        """Go past white space and ``mark``; whether it was there."""
        space = _SPACE.match(self._text, self.at)
        at = space.end() if space else self.at
        found = self._text.startswith(mark, at)
        self.at = at + len(mark) if found else at
        return found


def _literal(text: str) -> Any:
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    number = float(text)
    if not math.isfinite(number):
        return text
    if re.fullmatch(r"-?[0-9]+", text):
        return int(text)
    return int(number) if number.is_integer() else number
