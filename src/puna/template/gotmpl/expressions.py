"""Parses what actions consist of: pipelines, commands, operands."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import ClassVar

from puna.template.gotmpl import nodes
from puna.template.gotmpl.cursor import Cursor
from puna.template.gotmpl.lexer import Kind, Token
from puna.template.gotmpl.literals import parse_char, parse_number, quote, unquote

MAX_NESTING = 100
"""How deep blocks and parentheses may lie in one another."""

MAX_VARIABLES = 1000
"""How many variables may be in sight at one place; setting one again counts, too."""

_OPERANDS = frozenset(
    {
        Kind.BOOL,
        Kind.CHAR_CONSTANT,
        Kind.DOT,
        Kind.FIELD,
        Kind.IDENTIFIER,
        Kind.NUMBER,
        Kind.NIL,
        Kind.STRING,
        Kind.VARIABLE,
        Kind.LEFT_PAREN,
    }
)
_LITERALS = (nodes.Bool, nodes.Dot, nodes.Nil, nodes.Number, nodes.String)


class ExpressionParser(Cursor):
    """Parses pipelines. ``_variables`` are the names known where it is, each as often as it was declared."""

    def __init__(self, text: str, name: str, functions: Collection[str]) -> None:
        super().__init__(text, name)
        self._functions = functions
        self._variables = ["$"]
        self._nesting = 0

    def _enter(self) -> None:
        self._nesting += 1
        if self._nesting > MAX_NESTING:
            raise self._error("max expression depth exceeded")

    def _pipeline(self, context: str, end: Kind) -> nodes.Pipe:
        self._enter()
        position = self._peek_word().position
        targets, assigns = self._targets(context)
        commands: list[nodes.Command] = []
        while (token := self._next_word()).kind is not end:
            if token.kind not in _OPERANDS:
                raise self._unexpected(token, context)
            self._back()
            commands.append(self._command())
        if not commands:
            raise self._error(f"missing value for {context}")
        for stage, command in enumerate(commands[1:], 2):
            if isinstance(command.arguments[0], _LITERALS):
                raise self._error(f"non executable command in pipeline stage {stage}")
        self._nesting -= 1
        return nodes.Pipe(position, tuple(commands), targets, assigns)

    def _targets(self, context: str) -> tuple[tuple[nodes.Variable, ...], bool]:
        """The variables before ``:=`` or ``=``, and whether it was ``=``."""
        targets: list[nodes.Variable] = []
        while (variable := self._peek_word()).kind is Kind.VARIABLE:
            self._next()
            # Space is a token, so what follows the variable directly must be kept: "$x foo" is not "$x:=foo".
            adjacent = self._peek()
            ahead = self._peek_word()
            if ahead.kind in (Kind.ASSIGN, Kind.DECLARE):
                self._next_word()
                targets.append(self._declare(variable))
                return tuple(targets), ahead.kind is Kind.ASSIGN
            if ahead.kind is Kind.CHAR and ahead.text == ",":
                self._next_word()
                targets.append(self._declare(variable))
                self._check_comma(context, len(targets))
                continue
            if adjacent.kind is Kind.SPACE:
                self._put_back(ahead, adjacent, variable)
            else:
                self._put_back(ahead, variable)
            break
        return tuple(targets), False

    def _declare(self, token: Token) -> nodes.Variable:
        if len(self._variables) > MAX_VARIABLES:
            raise self._error(f"more than {MAX_VARIABLES} variables are in sight")
        self._variables.append(token.text)
        return nodes.Variable(token.position, (token.text,))

    def _check_comma(self, context: str, targets: int) -> None:
        if context != "range" or targets > 1:
            raise self._error(f"too many declarations in {context}")
        if self._peek_word().kind not in (Kind.VARIABLE, Kind.RIGHT, Kind.RIGHT_PAREN):
            raise self._error("range can only initialize variables")

    def _command(self) -> nodes.Command:
        position = self._peek_word().position
        arguments: list[nodes.Node] = []
        while True:
            self._peek_word()
            if (operand := self._operand()) is not None:
                arguments.append(operand)
            token = self._next()
            if token.kind is Kind.SPACE:
                continue
            if token.kind in (Kind.RIGHT, Kind.RIGHT_PAREN):
                self._back()
            elif token.kind is not Kind.PIPE:
                raise self._unexpected(token, "operand")
            break
        if not arguments:
            raise self._error("empty command")
        return nodes.Command(position, tuple(arguments))

    def _operand(self) -> nodes.Node | None:
        term = self._term()
        if term is None or self._peek().kind is not Kind.FIELD:
            return term
        position = self._peek().position
        names: list[str] = []
        while self._peek().kind is Kind.FIELD:
            names.append(self._next().text[1:])
        if isinstance(term, nodes.Field | nodes.Variable):
            return type(term)(position, (*term.names, *names))
        if isinstance(term, _LITERALS):
            raise self._error(f"unexpected . after term {quote(str(term))}")
        return nodes.Chain(position, term, tuple(names))

    def _term(self) -> nodes.Node | None:
        token = self._next_word()
        if term := self._TERMS.get(token.kind):
            return term(self, token)
        self._back()
        return None

    def _function(self, token: Token) -> nodes.Node:
        if token.text not in self._functions:
            raise self._error(f"function {quote(token.text)} not defined")
        return nodes.Identifier(token.position, token.text)

    def _variable(self, token: Token) -> nodes.Node:
        if token.text not in self._variables:
            raise self._error(f"undefined variable {quote(token.text)}")
        return nodes.Variable(token.position, (token.text,))

    def _number(self, token: Token) -> nodes.Node:
        try:
            value = parse_char(token.text) if token.kind is Kind.CHAR_CONSTANT else parse_number(token.text)
        except ValueError as error:
            raise self._error(str(error)) from None
        return nodes.Number(token.position, value, token.text)

    def _unquoted(self, token: Token) -> str:
        try:
            return unquote(token.text)
        except ValueError as error:
            raise self._error(str(error)) from None

    def _string(self, token: Token) -> nodes.Node:
        return nodes.String(token.position, self._unquoted(token), token.text)

    def _parenthesised(self, _token: Token) -> nodes.Node:
        return self._pipeline("parenthesized pipeline", Kind.RIGHT_PAREN)

    _TERMS: ClassVar[Mapping[Kind, Callable[[ExpressionParser, Token], nodes.Node]]] = {
        Kind.IDENTIFIER: _function,
        Kind.DOT: lambda _parser, token: nodes.Dot(token.position),
        Kind.NIL: lambda _parser, token: nodes.Nil(token.position),
        Kind.VARIABLE: _variable,
        Kind.FIELD: lambda _parser, token: nodes.Field(token.position, (token.text[1:],)),
        Kind.BOOL: lambda _parser, token: nodes.Bool(token.position, token.text == "true"),
        Kind.CHAR_CONSTANT: _number,
        Kind.NUMBER: _number,
        Kind.LEFT_PAREN: _parenthesised,
        Kind.STRING: _string,
    }
