"""Ministral: ``[TOOL_CALLS]NAME[ARGS]{…}`` wherever it stands, and reasoning between ``[THINK]`` and ``[/THINK]``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from puna.families import Chat, Parser, Reading
from puna.scanner import Scanner
from puna.toolcalls.jsontext import decoded_object
from puna.toolcalls.quoting import JsonObject
from puna.toolcalls.tagged import TaggedParser, Tags
from puna.types import ToolCall

_CALL = "[TOOL_CALLS]"
_ARGUMENTS = "[ARGS]"
_THINK = "[THINK]"
_THOUGHT = "[/THINK]"

_NAME = re.compile(r"\s{0,64}[\w.:/-]{0,256}\s{0,64}")
_TAGS = Tags((_THINK,), _THOUGHT, anywhere=True, keeps_space_in_reasoning=True)


def _read(
    scanner: Scanner, opening: str, _ends: Sequence[str], *, offered: frozenset[str]
) -> Iterator[ToolCall | str | None]:
    """Reads one call; it needs no tag that ends it, for its arguments are an object.

    Where tools are ``offered``, a call of any other is none.
    """
    name, tag = scanner.take(_ARGUMENTS, _CALL, _THINK)
    while _NAME.fullmatch(name) and not tag and not scanner.ended:
        yield None
        more, tag = scanner.take(_ARGUMENTS, _CALL, _THINK)
        name += more
    if tag != _ARGUMENTS or not name.strip() or not _NAME.fullmatch(name):
        scanner.put_back(name + tag)
        yield opening
        return
    while (brace := scanner.take_prefix("{")) is None and not scanner.ended:
        yield None
    if not brace:
        yield opening + name + _ARGUMENTS
        return
    space, arguments = scanner.dropped, JsonObject(scanner)
    while not arguments.closed() and not scanner.ended:
        yield None
    decoded = decoded_object(arguments.text)
    if decoded is None or (offered and name.strip() not in offered):
        yield opening + name + _ARGUMENTS + space + arguments.text
    else:
        yield ToolCall(name.strip(), decoded)


def _parser(chat: Chat, _prompt: str) -> Parser:
    offered = frozenset(tool.name for tool in chat.tools)
    return TaggedParser({_CALL: partial(_read, offered=offered)}, _TAGS)


PARSERS: Mapping[str, Reading] = {"ministral": Reading(_parser, (_CALL, _ARGUMENTS, _THINK, _THOUGHT))}
