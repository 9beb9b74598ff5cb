"""Text of a template to tokens."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from enum import Enum, auto
from typing import ClassVar, NamedTuple

from puna.template.gotmpl.literals import quote, quote_char

_LEFT, _RIGHT = "{{", "}}"
_SPACE = " \t\r\n"
_TERMINATORS = frozenset(_SPACE + ".,|:)(")


class Kind(Enum):
    """What a token is. Keywords are one kind, told apart by their text."""

    ERROR = auto()
    EOF = auto()
    TEXT = auto()
    LEFT = auto()
    RIGHT = auto()
    SPACE = auto()
    KEYWORD = auto()
    DOT = auto()
    NIL = auto()
    BOOL = auto()
    CHAR = auto()
    CHAR_CONSTANT = auto()
    NUMBER = auto()
    STRING = auto()
    IDENTIFIER = auto()
    FIELD = auto()
    VARIABLE = auto()
    PIPE = auto()
    ASSIGN = auto()
    DECLARE = auto()
    LEFT_PAREN = auto()
    RIGHT_PAREN = auto()


_KEYWORDS = ("block", "break", "continue", "define", "else", "end", "if", "range", "template", "with")
_WORDS = {"nil": Kind.NIL, "true": Kind.BOOL, "false": Kind.BOOL} | dict.fromkeys(_KEYWORDS, Kind.KEYWORD)
_SINGLE = {"=": Kind.ASSIGN, "|": Kind.PIPE, "(": Kind.LEFT_PAREN, ")": Kind.RIGHT_PAREN}

_NUMBER = re.compile(
    r"[+-]?(?:0[xX][0-9a-fA-F_]*(?:\.[0-9a-fA-F_]*)?(?:[pP][+-]?[0-9_]*)?"
    r"|0[oO][0-7_]*(?:\.[0-7_]*)?|0[bB][01_]*(?:\.[01_]*)?"
    r"|[0-9_]*(?:\.[0-9_]*)?(?:[eE][+-]?[0-9_]*)?)"
)


class Token(NamedTuple):
    """A token: its text (of an error: the message), where it begins, and the line it begins on."""

    kind: Kind
    text: str
    position: int
    line: int

    def __str__(self) -> str:
        if self.kind is Kind.EOF:
            return "EOF"
        if self.kind is Kind.ERROR:
            return self.text
        if self.kind in (Kind.KEYWORD, Kind.NIL, Kind.DOT):
            return f"<{self.text}>"
        if len(self.text) > 10:
            return f"{quote(self.text[:10])}..."
        return quote(self.text)


class _LexError(Exception):
    """What is wrong with the text; becomes an error token."""


class Lexer:
    """Iterates over the tokens of a text; the last one is an error or the end."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._start = 0
        self._line = 1
        self._line_start = 0
        self._parens = 0

    def __iter__(self) -> Iterator[Token]:
        try:
            while True:
                yield from self._outside()
                if self._at == len(self._text):
                    break
                if self._comment():
                    continue
                yield from self._action()
        except _LexError as error:
            yield self._token(Kind.ERROR, str(error))
            return
        self._start = self._at
        yield self._token(Kind.EOF, "")

    def _token(self, kind: Kind, text: str | None = None) -> Token:
        self._line += self._text.count("\n", self._line_start, self._start)
        self._line_start = self._start
        return Token(kind, self._text[self._start : self._at] if text is None else text, self._start, self._line)

    def _emit(self, kind: Kind) -> Token:
        token = self._token(kind)
        self._start = self._at
        return token

    def _looking_at(self, text: str, offset: int = 0) -> bool:
        return self._text.startswith(text, self._at + offset)

    def _peek(self, offset: int = 0) -> str:
        return self._text[self._at + offset : self._at + offset + 1]

    def _is_space(self, offset: int) -> bool:
        return bool(char := self._peek(offset)) and char in _SPACE

    def _skip_space(self) -> None:
        while self._is_space(0):
            self._at += 1

    def _outside(self) -> Iterator[Token]:
        """The text up to the next action, without the spaces its trim marker takes."""
        self._start = self._at
        found = self._text.find(_LEFT, self._at)
        end = len(self._text) if found < 0 else found
        text = self._text[self._at : end]
        self._at = end
        if found >= 0 and self._trims_left():
            text = text.rstrip(_SPACE)
        if text:
            yield self._token(Kind.TEXT, text)
        self._start = self._at

    def _trims_left(self) -> bool:
        return self._looking_at("-", 2) and self._is_space(3)

    def _right(self) -> int:
        """The length of the closing delimiter that stands here, with its trim marker; 0 if none does."""
        if self._is_space(0) and self._looking_at("-" + _RIGHT, 1):
            return 4
        return 2 if self._looking_at(_RIGHT) else 0

    def _close(self, length: int) -> None:
        self._at += length
        if length == 4:
            self._skip_space()

    def _comment(self) -> bool:
        opening = 4 if self._trims_left() else 2
        if not self._looking_at("/*", opening):
            return False
        self._at = self._start = self._at + opening
        end = self._text.find("*/", self._at + 2)
        if end < 0:
            raise _LexError("unclosed comment")
        self._at = end + 2
        length = self._right()
        if not length:
            raise _LexError("comment ends before closing delimiter")
        self._close(length)
        return True

    def _action(self) -> Iterator[Token]:
        opening = 4 if self._trims_left() else 2
        yield self._token(Kind.LEFT, _LEFT)
        self._at = self._start = self._at + opening
        self._parens = 0
        while not (length := self._right()):
            yield self._emit(self._inside())
        if self._parens:
            raise _LexError("unclosed left paren")
        if length == 4:
            self._at += 2
            self._start = self._at
        self._at += 2
        yield self._token(Kind.RIGHT, _RIGHT)
        if length == 4:
            self._skip_space()

    def _inside(self) -> Kind:
        """Move past the next token of an action and say what it is."""
        char = self._peek()
        if not char:
            raise _LexError("unclosed action")
        if char in _SPACE:
            return self._space()
        if char == ".":
            return self._number() if self._peek(1).isascii() and self._peek(1).isdigit() else self._field(Kind.FIELD)
        if char in "+-" or (char.isascii() and char.isdigit()):
            return self._number()
        if _is_word(char):
            return self._identifier()
        self._at += 1
        if special := self._SPECIAL.get(char):
            return special(self)
        if kind := _SINGLE.get(char):
            return self._single(kind)
        if char.isascii() and char.isprintable():
            return Kind.CHAR
        raise _LexError(f"unrecognized character in action: {_unicode(char)}")

    def _single(self, kind: Kind) -> Kind:
        self._parens += {Kind.LEFT_PAREN: 1, Kind.RIGHT_PAREN: -1}.get(kind, 0)
        if self._parens < 0:
            raise _LexError("unexpected right paren")
        return kind

    def _space(self) -> Kind:
        while self._is_space(0) and not self._right():
            self._at += 1
        return Kind.SPACE

    def _word_end(self) -> None:
        while _is_word(self._peek()):
            self._at += 1
        char = self._peek()
        if char and char not in _TERMINATORS and not self._looking_at(_RIGHT):
            raise _LexError(f"bad character {_unicode(char)}")

    def _identifier(self) -> Kind:
        self._word_end()
        return _WORDS.get(self._text[self._start : self._at], Kind.IDENTIFIER)

    def _field(self, kind: Kind) -> Kind:
        """A field after its dot, or a variable after its dollar sign."""
        if kind is Kind.FIELD:
            self._at += 1
        begin = self._at
        self._word_end()
        return Kind.DOT if kind is Kind.FIELD and self._at == begin else kind

    def _variable(self) -> Kind:
        return self._field(Kind.VARIABLE)

    def _declare(self) -> Kind:
        if self._peek() != "=":
            raise _LexError("expected :=")
        self._at += 1
        return Kind.DECLARE

    def _number(self) -> Kind:
        self._at = self._number_end()
        if after := self._peek():
            if after in "+-":  # Go's complex numbers, which no template has a use for
                self._at = self._number_end()
            if after in "+-" or _is_word(after):
                text = self._text[self._start : self._at + _is_word(self._peek())]
                raise _LexError(f"bad number syntax: {quote(text)}")
        return Kind.NUMBER

    def _number_end(self) -> int:
        match = _NUMBER.match(self._text, self._at)
        return match.end() if match else self._at

    def _string(self) -> Kind:
        return self._quoted('"', Kind.STRING, "unterminated quoted string")

    def _char(self) -> Kind:
        return self._quoted("'", Kind.CHAR_CONSTANT, "unterminated character constant")

    def _quoted(self, mark: str, kind: Kind, unterminated: str) -> Kind:
        while (char := self._peek()) != mark:
            if char == "\\":
                self._at += 1
                char = self._peek()
            if char in ("", "\n"):
                raise _LexError(unterminated)
            self._at += 1
        self._at += 1
        return kind

    def _raw_string(self) -> Kind:
        end = self._text.find("`", self._at)
        if end < 0:
            raise _LexError("unterminated raw quoted string")
        self._at = end + 1
        return Kind.STRING

    _SPECIAL: ClassVar[Mapping[str, Callable[[Lexer], Kind]]] = {
        '"': _string,
        "`": _raw_string,
        "'": _char,
        "$": _variable,
        ":": _declare,
    }


def _is_word(char: str) -> bool:
    return char == "_" or char.isalpha() or char.isdecimal()


def _unicode(char: str) -> str:
    name = f"U+{ord(char):04X}"
    return f"{name} {quote_char(char)}" if char.isprintable() else name
