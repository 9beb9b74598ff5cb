"""The tokens of a template as the parser goes through them."""

from __future__ import annotations

from puna.errors import TemplateError
from puna.template.gotmpl.lexer import Kind, Lexer, Token


class Cursor:
    """Gives out tokens one by one, and takes up to three back: a space after a variable matters to what follows.

    ``_action_line`` is the line on which the action at hand begins, 0 outside of actions.
    """

    def __init__(self, text: str, name: str) -> None:
        self._name = name
        self._source = iter(Lexer(text))
        self._end = Token(Kind.EOF, "", len(text), 1 + text.count("\n"))
        self._ahead = [self._end] * 3
        self._waiting = 0
        self._action_line = 0

    def _next(self) -> Token:
        if self._waiting:
            self._waiting -= 1
        else:
            self._ahead[0] = next(self._source, self._end)
        return self._ahead[self._waiting]

    def _peek(self) -> Token:
        if not self._waiting:
            self._waiting = 1
            self._ahead[0] = next(self._source, self._end)
        return self._ahead[self._waiting - 1]

    def _back(self) -> None:
        self._waiting += 1

    def _put_back(self, *tokens: Token) -> None:
        """Make ``tokens``, the last one to come next, the tokens ahead."""
        self._ahead[: len(tokens)] = tokens
        self._waiting = len(tokens)

    def _next_word(self) -> Token:
        while (token := self._next()).kind is Kind.SPACE:
            pass
        return token

    def _peek_word(self) -> Token:
        token = self._next_word()
        self._back()
        return token

    def _expect(self, kind: Kind, context: str) -> Token:
        token = self._next_word()
        if token.kind is not kind:
            raise self._unexpected(token, context)
        return token

    @staticmethod
    def _is_keyword(token: Token, word: str) -> bool:
        return token.kind is Kind.KEYWORD and token.text == word

    def _error(self, message: str) -> TemplateError:
        return TemplateError(f"template: {self._name}:{self._ahead[0].line}: {message}")

    def _unexpected(self, token: Token, context: str) -> TemplateError:
        if token.kind is not Kind.ERROR:
            return self._error(f"unexpected {token} in {context}")
        started = ""
        if self._action_line not in (0, token.line):
            action = "" if token.text.endswith(" action") else " in action"
            started = f"{action} started at {self._name}:{self._action_line}"
        return self._error(f"{token}{started}")
