"""Tool calls between DeepSeek's tokens: name, separator, JSON; or a kind, the separator, the name and fenced JSON."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from puna.scanner import Scanner
from puna.toolcalls.calls import CallReader, drop_partial
from puna.toolcalls.jsontext import decoded_object
from puna.toolcalls.quoting import STRINGS, Unquoted
from puna.types import ToolCall

CALLS = "<｜tool▁calls▁begin｜>"
CALLS_END = "<｜tool▁calls▁end｜>"
CALL = "<｜tool▁call▁begin｜>"
CALL_END = "<｜tool▁call▁end｜>"
SEPARATOR = "<｜tool▁sep｜>"
TOKENS = (CALLS, CALLS_END, CALL, CALL_END, SEPARATOR)

_KIND = "function"
_FENCED = re.compile(r"\s*([^\s`{<]+)\s*```(?:json)?(.*?)(?:```)?\s*", re.DOTALL)


def _read(scanner: Scanner, opening: str, _ends: Sequence[str]) -> Iterator[ToolCall | str | None]:
    """A reader of one call after another. A list without calls says nothing."""
    text, unquoted = "", Unquoted(scanner, STRINGS)
    listed = opening.endswith(CALLS)
    while True:
        if listed:
            tag = scanner.take_prefix(CALL, CALLS_END)
            if tag is None and not scanner.ended:
                yield None
                continue
            if tag != CALL:
                if tag != CALLS_END:
                    yield opening
                return
            opening, listed = opening + scanner.dropped + CALL, False
        more, tag = unquoted.take(CALL_END, CALLS_END)
        text += more
        if not tag and not scanner.ended:
            yield None
            continue
        call = read(text)
        if call is None:
            yield opening + text + (tag or scanner.rest())
            return
        yield call
        if tag != CALL_END:
            drop_partial(scanner, CALL_END)
            return
        opening, text, listed = "", "", True


def read(text: str) -> ToolCall | None:
    """The call that all of ``text`` spells, if it spells one. Arguments may be missing."""
    name, separator, arguments = text.partition(SEPARATOR)
    if (fenced := _FENCED.fullmatch(arguments)) and name.strip() == _KIND:
        name, arguments = fenced.groups()
    decoded = decoded_object(arguments.strip() or "{}")
    if not separator or not name.strip() or decoded is None:
        return None
    return ToolCall(name.strip(), decoded)


READERS: Mapping[str, CallReader] = {CALLS: _read, CALL: _read}
