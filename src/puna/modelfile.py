"""Modelfiles: the recipe of a model, read and written.

Each line is an instruction and its value. A value ends with its line, unless it begins with ``"`` or with three of
them: then it ends with the first line that closes what it opened. There are no escapes.
"""

from __future__ import annotations

import codecs
import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from puna import options
from puna.errors import InvalidParameter, ModelfileError
from puna.types import Message

_INSTRUCTIONS = (
    "from",
    "license",
    "template",
    "system",
    "adapter",
    "draft",
    "renderer",
    "parser",
    "parameter",
    "message",
    "requires",
)
_ROLES = frozenset({"system", "user", "assistant"})

_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_NEWLINE = re.compile(r"\r\n|\r|\n")
_WORD = re.compile(r"[ \t]*([^ \t]+)")
_VERSION = re.compile(r"(0|[1-9]\d*)(\.(0|[1-9]\d*)(\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?)?)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Modelfile:
    """A recipe. ``sources`` are the arguments of FROM, paths or a model's name; None and "" mean "not said".

    ``warnings`` are what its author should be told.
    """

    sources: tuple[str, ...]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    template: str | None = None
    system: str | None = None
    adapters: tuple[str, ...] = ()
    licenses: tuple[str, ...] = ()
    messages: tuple[Message, ...] = ()
    renderer: str = ""
    parser: str = ""
    requires: str = ""
    draft: str = ""
    warnings: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [
            *(("FROM", source) for source in self.sources[:1]),
            *(("ADAPTER", adapter) for adapter in self.adapters),
            *([("DRAFT", self.draft)] if self.draft else []),
            *(("FROM", source) for source in self.sources[1:]),
            *([("TEMPLATE", self.template)] if self.template is not None else []),
            *([("SYSTEM", self.system)] if self.system is not None else []),
            *([("RENDERER", self.renderer)] if self.renderer else []),
            *([("PARSER", self.parser)] if self.parser else []),
            *([("REQUIRES", self.requires)] if self.requires else []),
            *((f"PARAMETER {name}", text) for name in sorted(self.parameters) for text in texts(self.parameters[name])),
            *(("LICENSE", text) for text in self.licenses),
            *((f"MESSAGE {message.role}", message.content) for message in self.messages),
        ]
        return "".join(f"{instruction} {quote(value)}\n" for instruction, value in lines)


def parse(text: str | bytes) -> Modelfile:
    """Read a Modelfile; bytes are UTF-8, or UTF-16 with a byte-order mark.

    Raises:
        ModelfileError: it does not follow the grammar, or has no FROM.
        InvalidParameter: it does, but a PARAMETER or REQUIRES has no such value.
    """
    values: dict[str, list[str]] = {name: [] for name in _INSTRUCTIONS}
    parameters: dict[str, list[str]] = {}
    messages: list[Message] = []
    for instruction, name, value in _statements(_CONTROL.sub("", _decoded(text))):
        values[instruction].append(value)
        if instruction == "parameter":
            parameters.setdefault(name, []).append(value)
        elif instruction == "message":
            messages.append(Message(name, value))
    if not any(values["from"]):
        raise ModelfileError("no FROM line")
    last = {name: said[-1] if said else "" for name, said in values.items()}
    return Modelfile(
        sources=tuple(filter(None, values["from"])),
        parameters={name: _parameter(name, said) for name, said in parameters.items() if name not in options.REMOVED},
        template=last["template"] if values["template"] else None,
        system=last["system"] if values["system"] else None,
        adapters=tuple(values["adapter"]),
        licenses=tuple(values["license"]),
        messages=tuple(messages),
        renderer=last["renderer"],
        parser=last["parser"],
        requires=version(last["requires"]) if values["requires"] else "",
        draft=last["draft"],
        warnings=tuple(f"warning: parameter {name} is deprecated" for name in parameters if name in options.REMOVED),
    )


def quote(value: str) -> str:
    """``value`` so that a Modelfile's reader gets it back.

    One thing cannot be written: three quotes at the end of a line that is not the last.
    """
    if value == value.strip() and not value.startswith('"') and not _NEWLINE.search(value):
        return value
    return f'"""{value}"""' if '"' in value else f'"{value}"'


def texts(value: Any) -> list[str]:
    """A parameter's value as PARAMETER instructions have it: one text, or one per element of a list; none for None."""
    if value is None:
        return []
    if isinstance(value, list | tuple):
        return [text for item in value for text in texts(item)]
    if isinstance(value, bool):
        return ["true" if value else "false"]
    if isinstance(value, float) and value.is_integer():
        return [str(int(value))]
    return [str(value)]


def version(text: str) -> str:
    """The version that REQUIRES names, without a leading v.

    Raises:
        InvalidParameter: it is not a semantic version.
    """
    bare = text.removeprefix("v")
    if not _VERSION.fullmatch(bare):
        raise InvalidParameter("requires must be a valid semver (e.g. 0.14.0)")
    return bare


def _decoded(text: str | bytes) -> str:
    if isinstance(text, str):
        return text.removeprefix("\ufeff")
    for mark, encoding in _BOMS:
        if text.startswith(mark):
            return text[len(mark) :].decode(encoding, "replace")
    return text.decode("utf-8", "replace")


def _statements(text: str) -> Iterator[tuple[str, str, str]]:
    """The instructions in order: the instruction in lower case, the parameter or role it names or "", its value."""
    lines = zip(itertools.count(1), _NEWLINE.split(text), [*_NEWLINE.findall(text), ""], strict=False)
    for number, line, end in lines:
        word, rest = _word(line)
        if not word or word.startswith("#"):
            continue
        instruction, name = word.lower(), ""
        if instruction not in _INSTRUCTIONS:
            *most, last = (f'"{one}"' for one in _INSTRUCTIONS)
            raise ModelfileError(f"(line {number}): command must be one of {', '.join(most)}, or {last}")
        if instruction in ("parameter", "message"):
            name, rest = _word(rest)
            if instruction == "message" and name not in _ROLES:
                raise ModelfileError(f'(line {number}): message role must be one of "system", "user", or "assistant"')
        if not rest:
            raise ModelfileError(f"(line {number}): {line.strip()} has no value")
        yield instruction, name, _value(rest, end, ((more, its_end) for _, more, its_end in lines))


def _word(text: str) -> tuple[str, str]:
    """The first word of ``text``, and what follows it with the blank between them."""
    found = _WORD.match(text)
    return (found.group(1), text[found.end() :]) if found else ("", "")


def _value(first: str, end: str, following: Iterator[tuple[str, str]]) -> str:
    """The value that begins with the line ``first``; takes the lines it needs from those ``following``."""
    opened = first.strip()
    marks = next((marks for marks in ('"""', '"') if opened.startswith(marks)), "")
    if len(opened) >= 2 * len(marks) and opened.endswith(marks):
        return opened.removeprefix(marks).removesuffix(marks)
    parts = [first.lstrip().removeprefix(marks), end]
    for line, its_end in following:
        if line.rstrip().endswith(marks):
            return "".join((*parts, line.rstrip().removesuffix(marks)))
        parts += (line, its_end)
    raise ModelfileError("unexpected EOF")


def _parameter(name: str, said: list[str]) -> Any:
    try:
        return options.parse_parameter(name, said)
    except KeyError:
        raise InvalidParameter(f"unknown parameter '{name}'") from None
    except ValueError as error:
        raise InvalidParameter(str(error)) from error
