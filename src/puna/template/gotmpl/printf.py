"""``printf``: Go's format verbs with their flags, widths, precisions and argument indexes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from puna.template.gotmpl.formatting import format_float, plain
from puna.template.gotmpl.limits import MAX_CHARACTERS, LimitExceeded
from puna.template.gotmpl.literals import from_bytes, quote, quote_char, to_bytes
from puna.template.gotmpl.values import Kind, Printed, kind_of, sorted_keys, type_name

_WIDEST = 1_000_000

_DIRECTIVE = re.compile(
    r"""%(?P<flags>[ +\-#0]*)
        (?P<width>(?:\[[^\]]*\])?\*|[0-9]+)?
        (?P<point>\.(?P<precision>(?:\[[^\]]*\])?\*|[0-9]+)?)?
        (?P<index>\[[^\]]*\])?
        (?P<verb>.)?""",
    re.VERBOSE | re.DOTALL,
)
_BASES = {"b": ("b", "0b"), "o": ("o", "0"), "O": ("o", "0o"), "x": ("x", "0x"), "X": ("X", "0X"), "d": ("d", "")}


@dataclass(frozen=True, slots=True)
class _Directive:
    """How to print one value. ``named`` asks for the names of fields (``%+v``), ``stated`` for Go syntax (``%#v``)."""

    verb: str
    flags: str
    width: int
    precision: int | None
    named: bool = False
    stated: bool = False

    def padded(self, text: str, *, number: bool = False) -> str:
        if "-" in self.flags:
            return text.ljust(self.width)
        if "0" not in self.flags:
            return text.rjust(self.width)
        sign = text[:1] if number and text[:1] in "+- " else ""
        return sign + text[len(sign) :].rjust(self.width - len(sign), "0")


def sprintf(template: str, values: Sequence[Any]) -> str:
    """``values`` printed as the verbs in ``template`` say. What is wrong is told in the text, as Go does.

    Raises:
        LimitExceeded: the text grows too long.
    """
    return _Formatter(values).format(template)


class _Formatter:
    def __init__(self, values: Sequence[Any]) -> None:
        self._values = values
        self._next = 0
        self._reordered = False
        self._bad_index = False

    def format(self, template: str) -> str:
        return _joined("", self._parts(template))

    def _parts(self, template: str) -> Iterator[str]:
        position = 0
        for match in _DIRECTIVE.finditer(template):
            yield template[position : match.start()]
            yield self._directive(match)
            position = match.end()
        yield template[position:]
        if not self._reordered and self._next < len(self._values):
            extra = ", ".join(map(_typed, self._values[self._next :]))
            yield f"%!(EXTRA {extra})"

    def _directive(self, match: re.Match[str]) -> str:
        self._bad_index = False
        problems, flags = "", match["flags"]
        width, precision = self._number(match["width"]), self._number(match["precision"])
        if width is None or abs(width) > _WIDEST:
            problems, width = "%!(BADWIDTH)", 0
        if width < 0:
            flags, width = flags + "-", -width
        if precision is None or abs(precision) > _WIDEST:
            problems, precision = problems + "%!(BADPREC)", -1
        self._move_to(match["index"])
        verb = match["verb"]
        if verb is None:
            return f"{problems}%!(NOVERB)"
        if verb == "%":
            return f"{problems}%"
        if self._bad_index:
            return f"{problems}%!{verb}(BADINDEX)"
        if self._next >= len(self._values):
            return f"{problems}%!{verb}(MISSING)"
        self._next += 1
        stated = match["point"] is not None and precision >= 0
        directive = _Directive(verb, flags, width, precision if stated else None)
        if verb == "v":  # here plus and sharp speak of the whole, not of the numbers in it
            plain_flags = flags.replace("+", "").replace("#", "")
            directive = replace(directive, flags=plain_flags, named="+" in flags, stated="#" in flags)
        return problems + _convert(directive, self._values[self._next - 1])

    def _number(self, text: str | None) -> int | None:
        """A width or precision as stated or, for a star, from the next argument; None if that is no int."""
        if text is None:
            return 0
        if not text.endswith("*"):
            return int(text[:9])
        self._move_to(text[:-1])
        if self._bad_index or self._next >= len(self._values):
            return None
        value = self._values[self._next]
        self._next += 1
        return value if kind_of(value) is Kind.INT else None

    def _move_to(self, index: str | None) -> None:
        if not index:
            return
        self._reordered = True
        number = index[1:-1]
        if number.isascii() and number.isdigit() and 1 <= int(number[:9]) <= len(self._values):
            self._next = int(number[:9]) - 1
        else:
            self._bad_index = True


def _joined(between: str, parts: Iterable[str]) -> str:
    """Join ``parts``, which widths can make far longer than the values are, as long as the text has a sane size."""
    found: list[str] = []
    size = 0
    for part in parts:
        size += len(part)
        if size > MAX_CHARACTERS:
            raise LimitExceeded(f"printf makes more than {MAX_CHARACTERS} characters of text")
        found.append(part)
    return between.join(found)


def _typed(value: Any) -> str:
    return "<nil>" if kind_of(value) is Kind.NIL else f"{type_name(value)}={plain(value)}"


def _convert(directive: _Directive, value: Any) -> str:
    verb = directive.verb
    if verb == "T":
        return directive.padded(type_name(value))
    if isinstance(value, Printed) and verb in "vsxXq":
        return _text(directive, value.go_string())
    match kind_of(value):
        case Kind.STRING if verb in "vsxXq":
            return _text(directive, value)
        case Kind.BOOL if verb in "vt":
            return directive.padded(plain(value))
        case Kind.INT if verb in "vdboOxXcqU":
            return _integer(directive, value)
        case Kind.FLOAT if verb in "veEfFgG":
            return _float(directive, value)
        case Kind.LIST if isinstance(value, bytes) and verb in "sxXq":
            return _text(directive, from_bytes(value))
        case Kind.LIST | Kind.MAP | Kind.STRUCT if verb not in "pU":
            return _compound(directive, value)
        case Kind.NIL if verb == "v":
            return directive.padded("<nil>")
        case _:
            return f"%!{verb}({_typed(value)})"


def _text(directive: _Directive, text: str) -> str:
    if directive.precision is not None and directive.verb not in "xX":
        text = text[: directive.precision]
    if directive.verb == "q":
        raw = "#" in directive.flags and "`" not in text and text.isprintable()
        text = f"`{text}`" if raw else quote(text)
    elif directive.verb in "xX":
        raw_bytes = to_bytes(text)[: directive.precision]
        text = raw_bytes.hex(" ") if " " in directive.flags else raw_bytes.hex()
        text = text.upper() if directive.verb == "X" else text
    elif directive.stated:
        text = quote(text)
    return directive.padded(text)


def _integer(directive: _Directive, value: int) -> str:
    if directive.verb in "cqU":
        return directive.padded(_character(directive, value))
    base, prefix = _BASES[directive.verb if directive.verb != "v" else "d"]
    digits = format(abs(value), base)
    if directive.precision is not None:
        digits = digits.rjust(directive.precision, "0") if directive.precision or value else ""
        directive = replace(directive, flags=directive.flags.replace("0", ""))
    if "#" in directive.flags or directive.verb == "O":
        digits = prefix + digits
    return directive.padded(_signed(directive, "-" if value < 0 else "", digits), number=True)


def _character(directive: _Directive, value: int) -> str:
    if directive.verb == "U":
        return f"U+{value & 0xFFFFFFFFFFFFFFFF:04X}"
    valid = 0 <= value <= 0x10FFFF and not 0xD800 <= value <= 0xDFFF
    char = chr(value) if valid else "\N{REPLACEMENT CHARACTER}"
    return quote_char(char) if directive.verb == "q" else char


def _float(directive: _Directive, value: float) -> str:
    verb = "g" if directive.verb == "v" else directive.verb
    precision = directive.precision
    if precision is None:
        precision = -1 if verb in "gG" else 6
    digits = format_float(abs(value), verb, precision).lstrip("+")
    negative = format(value, "f").startswith("-")
    return directive.padded(_signed(directive, "-" if negative else "", digits), number=True)


def _signed(directive: _Directive, minus: str, digits: str) -> str:
    if minus:
        return minus + digits
    return next((sign for sign in "+ " if sign in directive.flags), "") + digits


def _compound(directive: _Directive, value: Any) -> str:
    """A list, map or struct: the verb applies to each element."""
    named = directive.named or directive.stated
    parts: Iterator[str]
    match kind_of(value):
        case Kind.LIST:
            opening, closing = "[", "]"
            parts = (_convert(directive, item) for item in value)
        case Kind.MAP:
            opening, closing = "map[", "]"
            keys = sorted_keys(value)
            parts = (f"{_convert(directive, key)}:{_convert(directive, value[key])}" for key in keys)
        case _:
            opening, closing = "{", "}"
            fields = value.fields.items()
            parts = ((f"{name}:" if named else "") + _convert(directive, item) for name, item in fields)
    if directive.stated:
        return f"{type_name(value)}{{{_joined(', ', parts)}}}"
    return opening + _joined(" ", parts) + closing
