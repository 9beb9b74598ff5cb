"""How calls are read from an answer while it arrives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar, Protocol

from puna.scanner import Scanner
from puna.toolcalls.quoting import Quotes, Unquoted
from puna.types import ToolCall

CALL, CALLED = "<tool_call>", "</tool_call>"
"""The tags that many models write around a call, whatever its syntax."""

_PATIENCE = 8
"""How often text is read again because what was taken for a call is none."""

CallReader = Callable[[Scanner, str, Sequence[str]], Iterator[ToolCall | str | None]]
"""Reads on after a tag that may open calls: given the scanner, the tag as it was written, and tags that end any call.

Yields each call when it is complete, None when it needs more text (until the scanner has ended), and at last, where no
call follows, the tag as text, with what it has taken from the scanner and does not put back.
"""


class Syntax(Protocol):
    """What stands between the tags of a call, without the white space in front."""

    quotes: ClassVar[Quotes]
    open_ended: ClassVar[bool]
    """Whether a call without arguments may be one that goes on."""

    def begins(self, text: str) -> bool | None:
        """Whether ``text`` begins a call; None while that is open."""
        ...

    def read(self, text: str) -> Sequence[ToolCall]:
        """The calls that all of ``text`` spells; none when it cannot be read."""
        ...


def enclosed(syntax: Syntax, closing: str = CALLED, *, again: str = CALL) -> CallReader:
    """A reader of calls that stand before ``closing``.

    That tag may be missing at the end of the answer, and where ``again`` opens another call; the same call once more
    counts once then.
    """

    def read(scanner: Scanner, opening: str, ends: Sequence[str]) -> Iterator[ToolCall | str | None]:
        unquoted = Unquoted(scanner, syntax.quotes)
        before: Sequence[ToolCall] = ()
        space, text, begun = "", "", None
        while True:
            more, tag = unquoted.take(closing, again, *ends)
            if not text:
                space += more[: len(more) - len(more.lstrip())]
            text += more if text else more.lstrip()
            if tag == again and not text:
                opening, space = opening + space + tag, ""
                continue
            begun = begun or syntax.begins(text)
            if begun is False:
                scanner.put_back(space + text + tag)
                yield opening
                return
            if not tag and not scanner.ended:
                yield None
                continue
            calls = syntax.read(text) if tag not in ends else ()
            if not calls or (tag != closing and syntax.open_ended and not all(call.arguments for call in calls)):
                yield unread(scanner, opening, space + text + tag)
                return
            if calls != before:
                yield from calls
            if tag != again:
                break
            before, opening, space, text, begun = calls, tag, "", "", None
        drop_partial(scanner, closing)

    return read


def begins_with(tag: str, text: str) -> bool | None:
    """Whether ``text`` begins with ``tag``; None while that is open."""
    return None if len(text) < len(tag) and tag.startswith(text) else text.startswith(tag)


def drop_partial(scanner: Scanner, tag: str) -> None:
    """Drop what is left of an answer that ended in the midst of ``tag``."""
    if scanner.ended and tag.startswith(scanner.pending):
        scanner.rest()


def unread(scanner: Scanner, opening: str, text: str) -> str:
    """What to pass on where ``opening`` and the ``text`` after it cannot be read as a call.

    The text is put back, for a call may begin in it; but not time and again, when the model goes round in circles.
    """
    if scanner.returns >= _PATIENCE:
        return opening + text
    scanner.put_back(text)
    return opening
