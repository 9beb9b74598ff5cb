"""Tool calls as a name and its arguments in pairs of tags, as GLM and Laguna write them.

For example ``<tool_call>add<arg_key>a</arg_key><arg_value>1</arg_value></tool_call>``. Models that were trained on it
at times write the arguments, or all of the call, as a JSON object.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from puna.scanner import Scanner
from puna.toolcalls.typed import parameters_of, typed
from puna.types import Tool, ToolCall

CALL = "<tool_call>"
CALLED = "</tool_call>"
TOKENS = (CALL, CALLED, "<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>")
"""The tags of the syntax, which are special tokens of the models that use it."""

_ARGUMENT = re.compile(r"\s*<arg_(key|value)>(.*?)</arg_\1>", re.DOTALL)
_NAME = re.compile(r"\s*([^\s<>{}]+)\s*")
_BEGINNING = re.compile(r"\s*(?:[^\s<>{}]+\s*)?(?:[<{]|\Z)")
_QUOTE = re.compile(r'\\.|(")', re.DOTALL)


def written(arguments: Mapping[str, Any], *, after_tag: str = "") -> str:
    """``arguments`` as a model reads them in a conversation, with ``after_tag`` after each closing tag."""
    return "".join(
        f"<arg_key>{name}</arg_key>{after_tag}<arg_value>{_plain(value)}</arg_value>{after_tag}"
        for name, value in arguments.items()
    )


def read(text: str, tools: Sequence[Tool], *, aliases: Mapping[str, str] | None = None) -> Sequence[ToolCall]:
    """The calls that all of ``text`` (what stands between the tags) spells; none when it cannot be read.

    Values get the types that the tool's schema asks for. ``aliases`` are names that models use for tools of other
    names. Where a call was begun anew before it was closed, one that says the same is left out.
    """
    if call := _read(text, tools, aliases or {}):
        return [call]
    calls = [_read(part, tools, aliases or {}) for part in text.split(CALL) if part.strip()]
    return list(_different(call for call in calls if call)) if all(calls) else []


class CallReader:
    """Reads what follows an opening tag until ``closing``. ``opening`` is that tag, and the white space before it.

    ``spelled`` tells the calls that a text spells, none if it is no call. In that case all that has been taken from the
    scanner goes back to it, for the opening tag was only mentioned.
    """

    def __init__(self, opening: str, closing: str, spelled: Callable[[str], Sequence[ToolCall]]) -> None:
        self.opening = opening
        self._closing = closing
        self._spelled = spelled
        self._text = ""

    def read(self, scanner: Scanner) -> Sequence[ToolCall] | None:
        """The calls, as soon as they are closed; none when this is no call; None while that is open."""
        tag = self._closing
        while tag:
            text, tag = scanner.take(self._closing)
            self._text += text
            if not _BEGINNING.match(self._text):
                return self._give_back(scanner, tag)
            if tag and not _inside_argument(self._text):
                return self._spelled(self._text) or self._give_back(scanner, tag)
            self._text += tag
        return None

    def close(self, scanner: Scanner) -> Sequence[ToolCall]:
        """The calls of an answer that ended here: those that lack nothing but the closing tag, or a part of it.

        A name alone may have been cut off in its midst.
        """
        calls = self._spelled(self._text)
        if calls and all(call.arguments for call in calls):
            scanner.rest()
            return calls
        return self._give_back(scanner)

    def _give_back(self, scanner: Scanner, tag: str = "") -> Sequence[ToolCall]:
        after = scanner.rest()
        scanner.add(self._text + tag + after)
        return ()


def _read(text: str, tools: Sequence[Tool], aliases: Mapping[str, str]) -> ToolCall | None:
    if text.lstrip().startswith("{"):
        match _decoded(text):
            case {"name": str() as name, **rest} if name:
                arguments = rest.get("arguments", {})
                return ToolCall(_resolved(name, tools, aliases), arguments) if isinstance(arguments, dict) else None
        return None
    named = _NAME.match(text)
    if named is None:
        return None
    name = _resolved(named[1], tools, aliases)
    inside = text[named.end() :]
    if inside.startswith("{"):
        arguments = _decoded(inside)
        return ToolCall(name, arguments) if isinstance(arguments, dict) else None
    pairs = _pairs(inside)
    if pairs is None:
        return None
    schemas = parameters_of(tools, name)
    return ToolCall(name, {key: typed(value, schemas.get(key, {})) for key, value in pairs.items()})


def _pairs(text: str) -> dict[str, str] | None:
    """The arguments by name, or None if ``text`` holds anything else; a line break around a value is not part of it."""
    found: dict[str, list[str]] = {"key": [], "value": []}
    at = 0
    while argument := _ARGUMENT.match(text, at):
        found[argument[1]].append(argument[2])
        at = argument.end()
    keys, values = found["key"], found["value"]
    if text[at:].strip() or len(keys) != len(values):
        return None
    bare = (value.removeprefix("\n").removesuffix("\n") for value in values)
    return dict(zip((key.strip() for key in keys), bare, strict=True))


def _inside_argument(text: str) -> bool:
    """Whether a tag right after ``text`` would be part of an argument."""
    start = re.search(r"\{|<arg_", text)
    if start is None:
        return False
    if start[0] == "{":
        return sum(bool(quote[1]) for quote in _QUOTE.finditer(text)) % 2 == 1
    at = start.start()
    while argument := _ARGUMENT.match(text, at):
        at = argument.end()
    return text[at:].lstrip().startswith("<arg_")


def _resolved(name: str, tools: Sequence[Tool], aliases: Mapping[str, str]) -> str:
    given = {tool.name for tool in tools}
    return aliases[name] if name not in given and aliases.get(name) in given else name


def _different(calls: Iterable[ToolCall]) -> Iterable[ToolCall]:
    before = None
    for call in calls:
        if call != before:
            yield call
        before = call


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _decoded(text: str) -> Any:
    """``text`` as JSON; None when it is none."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return None
