"""Tool calls as a name and its arguments in pairs of tags, as GLM and Laguna write them.

For example ``<tool_call>add<arg_key>a</arg_key><arg_value>1</arg_value></tool_call>``. Models that were trained on it
at times write the arguments, or all of the call, as a JSON object.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from puna.toolcalls.calls import CALL, CALLED
from puna.toolcalls.jsontext import decoded_object, plain
from puna.toolcalls.quoting import STRINGS, Quote, Quotes
from puna.toolcalls.typed import parameters_of, typed
from puna.types import Tool, ToolCall

TOKENS = (CALL, CALLED, "<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>")
"""The tags of the syntax, which are special tokens of the models that use it."""

_ARGUMENT = re.compile(
    # Where a value's closing tag was forgotten, the next argument ends it.
    r"\s*<arg_(key|value)>(.*?)(?:</arg_\1>|(?=<arg_key>[^<]*</arg_key>\s*<arg_value>))",
    re.DOTALL,
)
_NAME = re.compile(r"([^\s<>{}]{1,256})\s*")
_HEAD = r"[^\s<>{}]{1,256}\s{0,256}"
_BEGINNING = re.compile(rf"\{{|{_HEAD}[<{{]")
_NAME_SO_FAR = re.compile(rf"(?:{_HEAD})?")


class ArgumentsSyntax:
    """A name with pairs of tags, a name with JSON, or JSON alone, for tools on offer and others.

    Values get the types that the tool's schema asks for. ``aliases`` are names that models use for tools of other
    names; ``only_offered`` says that calls of other tools are none.
    """

    quotes: ClassVar[Quotes] = {"<arg_key>": Quote("</arg_key>"), "<arg_value>": Quote("</arg_value>"), **STRINGS}
    open_ended: ClassVar[bool] = True

    def __init__(
        self, tools: Sequence[Tool], *, aliases: Mapping[str, str] | None = None, only_offered: bool = False
    ) -> None:
        self._tools = tools
        self._aliases = aliases or {}
        self._offered = frozenset(tool.name for tool in tools)
        self._only_offered = only_offered

    def begins(self, text: str) -> bool | None:
        """With a brace, or a name and what may follow it."""
        return None if _NAME_SO_FAR.fullmatch(text) else bool(_BEGINNING.match(text))

    def read(self, text: str) -> Sequence[ToolCall]:
        """The one call."""
        call = self._call_as_object(text) if text.startswith("{") else self._call_by_name(text)
        return [] if call is None or (self._only_offered and call.name not in self._offered) else [call]

    def _call_as_object(self, text: str) -> ToolCall | None:
        match decoded_object(text):
            case {"name": str() as name, **rest} if name:
                arguments = rest.get("arguments", {})
                return ToolCall(self._resolved(name), arguments) if isinstance(arguments, dict) else None
        return None

    def _call_by_name(self, text: str) -> ToolCall | None:
        named = _NAME.match(text)
        if named is None:
            return None
        name, inside = self._resolved(named[1]), text[named.end() :]
        arguments = decoded_object(inside) if inside.startswith("{") else self._arguments(inside, name)
        return None if arguments is None else ToolCall(name, arguments)

    def _arguments(self, text: str, name: str) -> dict[str, Any] | None:
        """The arguments in ``text``, or None if it holds anything else."""
        keys: list[str] = []
        values: list[str] = []
        at = 0
        while argument := _ARGUMENT.match(text, at):
            (keys if argument[1] == "key" else values).append(argument[2])
            at = argument.end()
        if text[at:].strip() or len(keys) != len(values):
            return None
        schemas = parameters_of(self._tools, name)
        bare = (value.removeprefix("\n").removesuffix("\n") for value in values)
        return {key.strip(): typed(value, schemas.get(key.strip(), {})) for key, value in zip(keys, bare, strict=True)}

    def _resolved(self, name: str) -> str:
        return self._aliases[name] if name not in self._offered and self._aliases.get(name) in self._offered else name


def written(arguments: Mapping[str, Any], encode: Callable[[Any], str], *, after_tag: str = "") -> str:
    """``arguments`` as a model reads them in a conversation, with ``after_tag`` after each closing tag.

    ``encode`` writes the values that are no strings.
    """
    return "".join(
        f"<arg_key>{name}</arg_key>{after_tag}<arg_value>{plain(value, encode)}</arg_value>{after_tag}"
        for name, value in arguments.items()
    )
