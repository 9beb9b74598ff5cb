"""Carries out a parsed template."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import Enum, auto
from typing import Any, ClassVar

from puna.errors import TemplateError
from puna.template.gotmpl import nodes
from puna.template.gotmpl.evaluator import Evaluator
from puna.template.gotmpl.formatting import display, plain
from puna.template.gotmpl.limits import MAX_CALLS, LimitExceeded
from puna.template.gotmpl.literals import quote, well_formed
from puna.template.gotmpl.signatures import Function
from puna.template.gotmpl.values import ABSENT, Kind, kind_of, sorted_keys, truth, type_name


class _Jump(Enum):
    """How a body was left before its end."""

    BREAK = auto()
    CONTINUE = auto()


class Execution(Evaluator):
    """One execution of a template. ``name`` and ``text`` are what was parsed to ``trees``."""

    def __init__(
        self, name: str, text: str, trees: Mapping[str, nodes.List], functions: Mapping[str, Function]
    ) -> None:
        super().__init__(name, text, functions)
        self._trees = trees
        self._output: list[str] = []
        self._depth = 0

    def run(self, data: Any) -> str:
        """What the template prints with ``data`` at hand.

        Raises:
            TemplateError: the template cannot be executed with ``data``, or takes more than the limits allow.
        """
        dot = ABSENT if data is None else data
        self._variables = [("$", dot)]
        try:
            self._run(self._trees[self._name], dot)
        except LimitExceeded as limit:
            raise self._error(str(limit)) from None
        except RecursionError:
            raise TemplateError(f"template: {self._parsed_name}: the template is nested too deeply") from None
        return well_formed("".join(self._output))

    def _run(self, body: nodes.List, dot: Any) -> _Jump | None:
        """Carry out ``body`` and say how it was left, None for at its end; so does each kind of block."""
        for node in body.nodes:
            self._budget.step()
            self._node = node
            jump = self._BLOCKS[type(node)](self, node, dot)
            if jump is not None:
                return jump
        return None

    def _print(self, text: str) -> None:
        self._budget.characters(len(text))
        self._output.append(text)

    def _print_text(self, node: nodes.Text, _dot: Any) -> None:
        self._print(node.text)

    def _action(self, node: nodes.Action, dot: Any) -> None:
        value = self._pipe(node.pipe, dot)
        if node.pipe.targets:
            return
        self._node = node
        if kind_of(value) is Kind.OTHER:
            raise self._error(f"can't print {node} of type {type_name(value)}")
        self._print(display(value))

    def _if(self, node: nodes.Branch, dot: Any) -> _Jump | None:
        known = len(self._variables)
        value = self._pipe(node.pipe, dot)
        jump = None
        if truth(value):
            jump = self._run(node.body, value if isinstance(node, nodes.With) else dot)
        elif node.otherwise is not None:
            jump = self._run(node.otherwise, dot)
        del self._variables[known:]
        return jump

    def _range(self, node: nodes.Range, dot: Any) -> _Jump | None:
        known = len(self._variables)
        value = self._pipe(node.pipe, dot)
        inside = len(self._variables)
        jump = None
        empty = True
        for index, element in self._elements(value, node.pipe):
            empty = False
            self._budget.step()
            self._set_loop_variables(node.pipe, index, element)
            left = self._run(node.body, element)
            del self._variables[inside:]
            if left is _Jump.BREAK:
                break
        if empty and node.otherwise is not None:
            jump = self._run(node.otherwise, dot)
        del self._variables[known:]
        return jump

    def _elements(self, value: Any, pipe: nodes.Pipe) -> Iterable[tuple[Any, Any]]:
        """What a range goes over: index and element, of a number nothing and each number below it."""
        match kind_of(value):
            case Kind.LIST:
                return enumerate(value)
            case Kind.MAP:
                self._budget.characters(len(value))
                return ((key, value[key]) for key in sorted_keys(value))
            case Kind.INT:
                if len(pipe.targets) > 1:
                    raise self._error(f"can't use {value} to iterate over more than one variable")
                return ((ABSENT, number) for number in range(value))
            case Kind.NIL:
                return ()
            case _:
                raise self._error(f"range can't iterate over {plain(value)}")

    def _set_loop_variables(self, pipe: nodes.Pipe, index: Any, element: Any) -> None:
        values = (element,) if len(pipe.targets) == 1 else (index, element)
        for target, value in zip(pipe.targets, values, strict=False):
            self._assign(target.names[0], value)

    def _call(self, node: nodes.Call, dot: Any) -> None:
        tree = self._trees.get(node.name)
        if tree is None:
            raise self._error(f"template {quote(node.name)} not defined")
        if self._depth == MAX_CALLS:
            raise self._error(f"exceeded maximum template depth ({MAX_CALLS})")
        given = ABSENT if node.pipe is None else self._pipe(node.pipe, dot)
        outside = self._name, self._variables
        self._name, self._variables = node.name, [("$", given)]
        self._depth += 1
        self._run(tree, given)
        self._depth -= 1
        self._name, self._variables = outside

    def _break(self, _node: nodes.Break, _dot: Any) -> _Jump:
        return _Jump.BREAK

    def _continue(self, _node: nodes.Continue, _dot: Any) -> _Jump:
        return _Jump.CONTINUE

    _BLOCKS: ClassVar[Mapping[type[nodes.Node], Callable[[Execution, Any, Any], _Jump | None]]] = {
        nodes.Text: _print_text,
        nodes.Action: _action,
        nodes.If: _if,
        nodes.With: _if,
        nodes.Range: _range,
        nodes.Call: _call,
        nodes.Break: _break,
        nodes.Continue: _continue,
    }
