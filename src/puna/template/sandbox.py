"""Renders simple Jinja chat templates, safely: they come with models from anywhere.

Jinja's sandbox keeps a template away from Python, but not from using up all time and memory. So only what simple
chat templates consist of is let through, every turn of a loop is counted, and every text has a longest length.
The one place where jinja2 comes in.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from jinja2 import Undefined, nodes
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

MAX_TEMPLATE_CHARACTERS = 16_384
_MAX_TEXT_CHARACTERS = 4_096
_MAX_OUTPUT_CHARACTERS = 65_536
_MAX_TURNS = 500

_ALLOWED = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Const,
    nodes.Name,
    nodes.NSRef,
    nodes.Getattr,
    nodes.Getitem,
    nodes.Slice,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.Neg,
    nodes.Add,
    nodes.Sub,
    nodes.Mod,
    nodes.Concat,
    nodes.If,
    nodes.For,
    nodes.Break,
    nodes.Continue,
    nodes.Assign,
    nodes.CondExpr,
    nodes.Call,
    nodes.Keyword,
    nodes.Filter,
    nodes.Test,
    nodes.List,
    nodes.Tuple,
)
_FUNCTIONS = frozenset({"namespace", "raise_exception"})
_METHODS = frozenset({"capitalize", "endswith", "lower", "lstrip", "rstrip", "split", "startswith", "strip", "title"})
_FILTERS = frozenset(
    {"capitalize", "d", "default", "first", "last", "length", "lower", "string", "title", "tojson", "trim"}
)
_TESTS = frozenset(
    {"boolean", "defined", "even", "false", "iterable", "mapping", "none", "number", "odd", "sequence", "string"}
    | {"true", "undefined"}
)

_TURN, _JOIN = "puna_count_turn", "puna_join"


class NotSimple(Exception):
    """The template uses more than simple chat templates do, or more of it."""


class Refused(Exception):
    """The template itself will not take such a conversation; the text says why."""


class SimpleTemplate:
    """A Jinja chat template that uses nothing beyond the simple.

    Raises:
        NotSimple: it does use more.
        jinja2.TemplateError: it is not a Jinja template.
    """

    def __init__(self, text: str) -> None:
        if len(text) > MAX_TEMPLATE_CHARACTERS:
            raise NotSimple(f"it is longer than {MAX_TEMPLATE_CHARACTERS} characters")
        environment = _Environment()
        tree = environment.parse(text)
        for node in tree.find_all(nodes.Node):
            _check(node)
        _Counted().visit(tree)
        tree.set_lineno(1)
        tree.set_environment(environment)
        self._template = environment.from_string(tree)

    def render(self, messages: Sequence[Mapping[str, str]], *, eos_token: str) -> str:
        """The prompt for ``messages`` up to where the answer begins. Fails in any way a template can."""
        parts: list[str] = []
        size = 0
        for part in self._template.generate(
            messages=messages,
            add_generation_prompt=True,
            bos_token="",
            eos_token=eos_token,
            raise_exception=_raise,
            **{_TURN: _turn_counter(), _JOIN: _join},
        ):
            parts.append(part)
            size += len(part)
            if size > _MAX_OUTPUT_CHARACTERS:
                raise NotSimple("it prints too much")
        return "".join(parts)


class _Environment(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset({"+", "%"})

    def __init__(self) -> None:
        super().__init__(trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"], finalize=_scalar)
        self.filters["tojson"] = lambda value: json.dumps(_scalar(value), ensure_ascii=False)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if operator == "+" and isinstance(left, str) and isinstance(right, str):
            return _join(left, right)
        if not isinstance(left, int):
            raise NotSimple(f"it uses {operator} on what is no number")
        return super().call_binop(context, operator, left, right)

    def getattr(self, obj: Any, attribute: str) -> Any:
        return _harmless(obj, attribute, super().getattr(obj, attribute))

    def getitem(self, obj: Any, argument: Any) -> Any:
        return _harmless(obj, argument, super().getitem(obj, argument))


class _Counted(NodeTransformer):
    """Makes every turn of a loop, and every text put together with ``~``, go through a function that may refuse."""

    def visit_For(self, node: nodes.For) -> nodes.For:  # noqa: N802 - Jinja's own way of naming
        self.generic_visit(node)
        node.body.insert(0, nodes.ExprStmt(_calling(_TURN, [])))
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Call:  # noqa: N802 - as above
        self.generic_visit(node)
        return _calling(_JOIN, node.nodes)


def _calling(function: str, arguments: list[nodes.Expr]) -> nodes.Call:
    return nodes.Call(nodes.Name(function, "load"), arguments, [], None, None)


def _check(node: nodes.Node) -> None:
    match node:
        case nodes.Name() if node.name in (_TURN, _JOIN) or (node.name in _FUNCTIONS and node.ctx != "load"):
            raise NotSimple(f"it redefines {node.name}")
        case nodes.Call() if not _may_call(node.node) or node.dyn_args or node.dyn_kwargs:
            raise NotSimple("it calls something unusual")
        case nodes.Filter() if node.name not in _FILTERS:
            raise NotSimple(f"it uses the filter {node.name}")
        case nodes.Test() if node.name not in _TESTS:
            raise NotSimple(f"it uses the test {node.name}")
        case nodes.For() if node.recursive:
            raise NotSimple("it has a recursive loop")
        case nodes.List() if not all(isinstance(item, nodes.Const) for item in node.items):
            raise NotSimple("it builds lists")
        case nodes.Tuple() if node.ctx == "load" and not all(isinstance(item, nodes.Const) for item in node.items):
            raise NotSimple("it builds tuples")
        case _ if not isinstance(node, _ALLOWED):
            raise NotSimple(f"it uses {type(node).__name__}")


def _may_call(node: nodes.Expr) -> bool:
    if isinstance(node, nodes.Getattr):
        return node.attr in _METHODS
    return isinstance(node, nodes.Name) and node.name in _FUNCTIONS


def _harmless(obj: Any, name: Any, found: Any) -> Any:
    if callable(found) and not isinstance(found, Undefined) and not (isinstance(obj, str) and name in _METHODS):
        raise NotSimple(f"it reaches for {name}")
    return found


def _scalar(value: Any) -> Any:
    if value is None or isinstance(value, str | int | float | Undefined):
        return value
    raise NotSimple("it prints what is no text")


def _join(*parts: Any) -> str:
    text = "".join(str(_scalar(part)) for part in parts)
    if len(text) > _MAX_TEXT_CHARACTERS:
        raise NotSimple("it puts together too long a text")
    return text


def _turn_counter() -> Callable[[], None]:
    left = iter(range(_MAX_TURNS))

    def count() -> None:
        if next(left, None) is None:
            raise NotSimple("its loops take too many turns")

    return count


def _raise(message: str) -> NoReturn:
    raise Refused(message)
