"""Tokens to trees, with the error texts of Go's own parser."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import ClassVar

from puna.errors import TemplateError
from puna.template.gotmpl import nodes
from puna.template.gotmpl.expressions import ExpressionParser
from puna.template.gotmpl.lexer import Kind, Token
from puna.template.gotmpl.literals import quote

MAX_TEMPLATE_CHARACTERS = 1 << 20
"""How long a template may be."""

_BRANCHES: dict[str, type[nodes.Branch]] = {"if": nodes.If, "range": nodes.Range, "with": nodes.With}


@dataclass(frozen=True, slots=True)
class _End(nodes.Node):
    """``{{ end }}``: closes a block and leaves no part."""

    def __str__(self) -> str:
        return "{{end}}"


@dataclass(frozen=True, slots=True)
class _Else(nodes.Node):
    """``{{ else }}``, or the beginning of ``{{ else if }}`` and ``{{ else with }}``."""

    def __str__(self) -> str:
        return "{{else}}"


def parse(text: str, name: str, functions: Collection[str]) -> dict[str, nodes.List]:
    """Parse ``text`` to the trees of the templates in it: its own under ``name``, and those it defines.

    Raises:
        TemplateError: the text is not a template.
    """
    if len(text) > MAX_TEMPLATE_CHARACTERS:
        raise TemplateError(f"template: {name}: the template is longer than {MAX_TEMPLATE_CHARACTERS} characters")
    try:
        return _Parser(text, name, functions).parse()
    except RecursionError:
        raise TemplateError(f"template: {name}: the template is nested too deeply") from None


class _Parser(ExpressionParser):
    def __init__(self, text: str, name: str, functions: Collection[str]) -> None:
        super().__init__(text, name, functions)
        self._trees: dict[str, nodes.List] = {}
        self._range_depth = 0

    def parse(self) -> dict[str, nodes.List]:
        root: list[nodes.Node] = []
        position = self._peek().position
        while self._peek().kind is not Kind.EOF:
            if self._peek().kind is Kind.LEFT:
                left = self._next()
                if self._is_keyword(word := self._next_word(), "define"):
                    self._define()
                    continue
                self._put_back(word, left)
            node = self._text_or_action()
            if isinstance(node, _End | _Else):
                raise self._error(f"unexpected {node}")
            root.append(node)
        self._add(self._name, nodes.List(position, tuple(root)))
        return self._trees

    def _text_or_action(self) -> nodes.Node:
        token = self._next_word()
        if token.kind is Kind.TEXT:
            return nodes.Text(token.position, token.text)
        if token.kind is not Kind.LEFT:
            raise self._unexpected(token, "input")
        self._action_line = token.line
        node = self._action()
        self._action_line = 0
        return node

    def _action(self) -> nodes.Node:
        token = self._next_word()
        if token.kind is Kind.KEYWORD and (control := self._CONTROLS.get(token.text)):
            return control(self, token)
        self._back()
        position = self._peek().position
        return nodes.Action(position, self._pipeline("command", Kind.RIGHT))

    def _items(self) -> tuple[nodes.List, nodes.Node]:
        """The parts up to the ``end`` or ``else`` that closes them, and that."""
        self._enter()
        found: list[nodes.Node] = []
        position = self._peek_word().position
        while self._peek_word().kind is not Kind.EOF:
            node = self._text_or_action()
            if isinstance(node, _End | _Else):
                self._nesting -= 1
                return nodes.List(position, tuple(found)), node
            found.append(node)
        raise self._error("unexpected EOF")

    def _branch(self, token: Token) -> nodes.Node:
        keyword, known = token.text, len(self._variables)
        pipe = self._pipeline(keyword, Kind.RIGHT)
        self._range_depth += keyword == "range"
        body, closing = self._items()
        self._range_depth -= keyword == "range"
        otherwise = self._otherwise(keyword, closing) if isinstance(closing, _Else) else None
        del self._variables[known:]
        return _BRANCHES[keyword](pipe.position, pipe, body, otherwise)

    def _otherwise(self, keyword: str, begin: _Else) -> nodes.List:
        if keyword in ("if", "with") and self._is_keyword(self._peek(), keyword):
            self._enter()
            nested = nodes.List(begin.position, (self._branch(self._next()),))
            self._nesting -= 1
            return nested
        otherwise, closing = self._items()
        if not isinstance(closing, _End):
            raise self._error(f"expected end; found {closing}")
        return otherwise

    def _end_control(self, _token: Token) -> nodes.Node:
        return _End(self._expect(Kind.RIGHT, "end").position)

    def _else_control(self, _token: Token) -> nodes.Node:
        ahead = self._peek_word()
        if self._is_keyword(ahead, "if") or self._is_keyword(ahead, "with"):
            return _Else(ahead.position)
        return _Else(self._expect(Kind.RIGHT, "else").position)

    def _jump(self, token: Token) -> nodes.Node:
        source = f"{{{{{token.text}}}}}"
        if (after := self._next_word()).kind is not Kind.RIGHT:
            raise self._unexpected(after, source)
        if not self._range_depth:
            raise self._error(f"{source} outside {{{{range}}}}")
        return nodes.Break(token.position) if token.text == "break" else nodes.Continue(token.position)

    def _template_name(self, token: Token, context: str) -> str:
        if token.kind is not Kind.STRING:
            raise self._unexpected(token, context)
        return self._unquoted(token)

    def _call(self, _token: Token) -> nodes.Node:
        token = self._next_word()
        name = self._template_name(token, "template clause")
        if self._next_word().kind is Kind.RIGHT:
            return nodes.Call(token.position, name, None)
        self._back()
        return nodes.Call(token.position, name, self._pipeline("template clause", Kind.RIGHT))

    def _define(self) -> None:
        name = self._template_name(self._next_word(), "define clause")
        self._expect(Kind.RIGHT, "define clause")
        self._definition(name, "define clause")

    def _block(self, _token: Token) -> nodes.Node:
        token = self._next_word()
        name = self._template_name(token, "block clause")
        pipe = self._pipeline("block clause", Kind.RIGHT)
        self._definition(name, "block clause")
        return nodes.Call(token.position, name, pipe)

    def _definition(self, name: str, context: str) -> None:
        """Parse the body of a template of its own: it sees no variables and no loop of what is around it."""
        outside = self._variables, self._range_depth, self._action_line
        self._variables, self._range_depth, self._action_line = ["$"], 0, 0
        body, closing = self._items()
        if not isinstance(closing, _End):
            raise self._error(f"unexpected {closing} in {context}")
        self._add(name, body)
        self._variables, self._range_depth, self._action_line = outside

    def _add(self, name: str, tree: nodes.List) -> None:
        before = self._trees.get(name)
        if before is None or _is_empty(before):
            self._trees[name] = tree
        elif not _is_empty(tree):
            raise self._error(f"template: multiple definition of template {quote(name)}")

    _CONTROLS: ClassVar[Mapping[str, Callable[[_Parser, Token], nodes.Node]]] = {
        "block": _block,
        "break": _jump,
        "continue": _jump,
        "else": _else_control,
        "end": _end_control,
        "if": _branch,
        "range": _branch,
        "template": _call,
        "with": _branch,
    }


def _is_empty(tree: nodes.List) -> bool:
    """Whether a tree holds nothing but space, which lets a later definition replace it."""
    return all(isinstance(node, nodes.Text) and not node.text.strip() for node in tree.nodes)
