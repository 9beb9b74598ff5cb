"""Go's literals: what a string, character or number means, and how Go quotes text in a message.

Go strings are bytes. A byte that is not part of valid UTF-8 is kept as a lone surrogate, Python's
``surrogateescape``, so that halves of a character cut apart by ``slice`` come together again.
"""

from __future__ import annotations

import math
import re

_SIMPLE_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\"}
_QUOTED = {text: f"\\{letter}" for letter, text in _SIMPLE_ESCAPES.items()}

_ESCAPE = re.compile(
    r"""\\(?: (?P<simple>[abfnrtv\\'"]) | x(?P<hex>[0-9a-fA-F]{2}) | (?P<octal>[0-7]{3})
          | u(?P<short>[0-9a-fA-F]{4}) | U(?P<long>[0-9a-fA-F]{8}) )""",
    re.VERBOSE,
)
_PLAIN = re.compile(r"[^\\\n]+")
_INTEGER = re.compile(
    r"[+-]?(?:0[xX](?:_?[0-9a-fA-F])+|0[oO](?:_?[0-7])+|0[bB](?:_?[01])+|0(?:_?[0-7])*|[1-9](?:_?[0-9])*)"
)
_FLOAT = re.compile(r"[+-]?(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)(?:[eE][+-]?[0-9_]+)?")
_HEX_FLOAT = re.compile(r"[+-]?0[xX][0-9a-fA-F_]*\.?[0-9a-fA-F_]*[pP][+-]?[0-9_]+")

INT_MIN, INT_MAX, UINT_MAX = -(1 << 63), (1 << 63) - 1, (1 << 64) - 1

_LONGEST_INTEGER = 160


def to_bytes(text: str) -> bytes:
    """The bytes Go holds for ``text``."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # a surrogate that stands for no byte, as JSON can bring in; Go's decoder replaces it
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode("utf-8")


def from_bytes(raw: bytes) -> str:
    """The text for bytes that Go holds."""
    return raw.decode("utf-8", "surrogateescape")


def well_formed(text: str) -> str:
    """``text`` with every byte and surrogate that is no character replaced by U+FFFD."""
    if text.isascii():
        return text
    return to_bytes(text).decode("utf-8", "replace")


def quote(text: str) -> str:
    """``text`` as a Go string literal in double quotes."""
    return f'"{_escaped(text, chr(34))}"'


def quote_char(char: str) -> str:
    """``char`` as a Go character literal."""
    return f"'{_escaped(char, chr(39))}'"


def _escaped(text: str, mark: str) -> str:
    return "".join(f"\\{mark}" if char == mark else _QUOTED.get(char) or _visible(char) for char in text)


def _visible(char: str) -> str:
    if char.isprintable():
        return char
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x20 or code == 0x7F:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def unquote(literal: str) -> str:
    """What a string literal, in double quotes or backquotes, stands for.

    Raises:
        ValueError: it is not a Go string literal.
    """
    if literal[0] == "`":
        return literal[1:-1].replace("\r", "")
    body, raw, position = literal[1:-1], bytearray(), 0
    while position < len(body):
        if plain := _PLAIN.match(body, position):
            raw += to_bytes(plain.group())
            position = plain.end()
            continue
        escape = _ESCAPE.match(body, position)
        if escape is None or escape["simple"] == "'":
            raise ValueError("invalid syntax")
        raw += _escape_bytes(escape)
        position = escape.end()
    return from_bytes(bytes(raw))


def _escape_bytes(escape: re.Match[str]) -> bytes:
    if simple := escape["simple"]:
        return _SIMPLE_ESCAPES.get(simple, simple).encode()
    if escape["hex"] or escape["octal"]:
        code = int(escape["hex"], 16) if escape["hex"] else int(escape["octal"], 8)
        if code > 0xFF:
            raise ValueError("invalid syntax")
        return bytes([code])
    return chr(_code_point(escape)).encode()


def _code_point(escape: re.Match[str]) -> int:
    code = int(escape["short"] or escape["long"], 16)
    if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        raise ValueError("invalid syntax")
    return code


def parse_char(literal: str) -> int:
    """The code point that a character literal such as ``'x'`` stands for.

    Raises:
        ValueError: it is not a Go character literal.
    """
    body = literal[1:-1]
    if len(body) == 1 and body not in "\\'":
        return ord(body)
    escape = _ESCAPE.fullmatch(body)
    if escape is None or escape["simple"] == '"':
        raise ValueError(f"malformed character constant: {literal}")
    try:
        if escape["short"] or escape["long"]:
            return _code_point(escape)
        return _escape_bytes(escape)[0]
    except ValueError:
        raise ValueError(f"malformed character constant: {literal}") from None


def parse_number(text: str) -> int | float:
    """The value of a numeric literal: a float when it has a point or an exponent, else an int.

    Raises:
        ValueError: it is not a number, or too large for Go's 64 bits.
    """
    if _INTEGER.fullmatch(text):
        value = _parse_integer(text) if len(text) <= _LONGEST_INTEGER else UINT_MAX + 1
        if not INT_MIN <= value <= UINT_MAX:
            raise ValueError(f"integer overflow: {quote(text)}")
        return value
    number = _parse_float(text)
    if number is None:
        raise ValueError(f"illegal number syntax: {quote(text)}")
    if not any(char in ".eEpP" for char in text):
        raise ValueError(f"integer overflow: {quote(text)}")
    return number


def _parse_integer(text: str) -> int:
    digits = text.lstrip("+-").replace("_", "")
    base = {"x": 16, "o": 8, "b": 2}.get(digits[1:2].lower(), 8 if len(digits) > 1 and digits[0] == "0" else 10)
    value = int(digits[2:] if digits[1:2].isalpha() else digits, base)
    return -value if text[0] == "-" else value


def _parse_float(text: str) -> float | None:
    plain = text.replace("_", "")
    try:
        if _HEX_FLOAT.fullmatch(text):
            return float.fromhex(plain)
        value = float(plain) if _FLOAT.fullmatch(text) else math.inf
    except (ValueError, OverflowError):
        return None
    return None if math.isinf(value) else value
