"""Works out what pipelines, commands and operands give."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum, auto
from typing import Any

from puna.errors import TemplateError
from puna.template.gotmpl import nodes
from puna.template.gotmpl.limits import Budget
from puna.template.gotmpl.literals import INT_MAX, quote, to_bytes
from puna.template.gotmpl.signatures import Function, FunctionError, Parameter
from puna.template.gotmpl.values import ABSENT, Kind, kind_of, type_name


class _Nothing(Enum):
    """Stands for the last argument of a command that no command comes before."""

    NOTHING = auto()


_NOTHING = _Nothing.NOTHING


class Evaluator:
    """Gives the values of expressions in the template ``name``, parsed from ``text``.

    ``_node`` is the part at work, which errors name; ``_variables`` are those in sight, the latest last.
    """

    def __init__(self, name: str, text: str, functions: Mapping[str, Function]) -> None:
        self._parsed_name = name
        self._text = text
        self._functions = functions
        self._name = name
        self._node: nodes.Node = nodes.Text(0, "")
        self._variables: list[tuple[str, Any]] = []
        self._budget = Budget()

    def _error(self, message: str) -> TemplateError:
        before = self._text[: self._node.position]
        line = 1 + before.count("\n")
        column = len(to_bytes(before[before.rfind("\n") + 1 :]))
        place = f"{self._parsed_name}:{line}:{column}: executing {quote(self._name)} at <{self._node}>"
        return TemplateError(f"template: {place}: {message}")

    def _pipe(self, pipe: nodes.Pipe, dot: Any) -> Any:
        self._node = pipe
        value: Any = _NOTHING
        for command in pipe.commands:
            value = self._command(command, dot, value)
            if value is None:
                value = ABSENT
        for target in pipe.targets:
            if pipe.assigns:
                self._assign(target.names[0], value)
            else:
                self._variables.append((target.names[0], value))
        return value

    def _assign(self, name: str, value: Any) -> None:
        for position in range(len(self._variables) - 1, -1, -1):
            if self._variables[position][0] == name:
                self._variables[position] = (name, value)
                return
        raise self._error(f"undefined variable: {name}")

    def _command(self, command: nodes.Command, dot: Any, last: Any) -> Any:
        first, *arguments = command.arguments
        if isinstance(first, nodes.Identifier):
            return self._apply(first, command, arguments, dot, last)
        given = bool(arguments) or last is not _NOTHING
        if given and not (isinstance(first, nodes.Field | nodes.Chain) or _has_fields(first)):
            self._node = first
            raise self._error(f"can't give argument to non-function {first}")
        if isinstance(first, nodes.Nil):
            self._node = first
            raise self._error("nil is not a command")
        return self._operand(first, dot, given=given)

    def _operand(self, node: nodes.Node, dot: Any, *, given: bool = False) -> Any:
        """The value of one operand; ``given`` says that arguments follow it, which no field takes."""
        self._budget.step()
        self._node = node
        match node:
            case nodes.Field():
                return self._fields(dot, node.names, given=given)
            case nodes.Variable():
                return self._fields(self._variable(node.names[0]), node.names[1:], given=given)
            case nodes.String() | nodes.Bool():
                return node.value
            case nodes.Number():
                if isinstance(node.value, int) and node.value > INT_MAX:
                    raise self._error(f"{node} overflows int")
                return node.value
            case nodes.Dot():
                return dot
            case nodes.Pipe():
                return self._pipe(node, dot)
            case nodes.Chain():
                return self._chain(node, dot, given=given)
            case nodes.Identifier():
                return self._apply(node, node, (), dot, _NOTHING)
            case _:
                return None

    def _chain(self, node: nodes.Chain, dot: Any, *, given: bool) -> Any:
        if isinstance(node.operand, nodes.Nil):
            raise self._error(f"indirection through explicit nil in {node}")
        value = self._operand(node.operand, dot)
        self._node = node
        return self._fields(value, node.names, given=given)

    def _variable(self, name: str) -> Any:
        for known, value in reversed(self._variables):
            if known == name:
                return value
        raise self._error(f"undefined variable: {name}")

    def _fields(self, value: Any, names: tuple[str, ...], *, given: bool) -> Any:
        for name in names:
            match kind_of(value):
                case Kind.MAP:
                    found = value.get(name)
                    refusal = "is not a method but has arguments"
                case Kind.STRUCT if name in value.fields:
                    found = value.fields[name]
                    refusal = "has arguments but cannot be invoked as function"
                case Kind.NIL if value is ABSENT:
                    return ABSENT
                case Kind.NIL:
                    raise self._error(f"nil pointer evaluating interface {{}}.{name}")
                case _:
                    raise self._error(f"can't evaluate field {name} in type {type_name(value)}")
            value = found
        if given and names:
            raise self._error(f"{names[-1]} {refusal}")
        return value

    def _apply(
        self, function_node: nodes.Identifier, command: nodes.Node, arguments: Sequence[nodes.Node], dot: Any, last: Any
    ) -> Any:
        self._node = function_node
        name = function_node.name
        function = self._functions[name]
        values = list(self._arguments(name, function, arguments, dot, last))
        self._budget.characters(function.weight * sum(map(_size, values)))
        try:
            result = function.call(*values)
        except FunctionError as error:
            self._node = command
            raise self._error(f"error calling {name}: {error}") from None
        if isinstance(result, str):
            self._budget.characters(function.weight * len(result))
        return result

    def _arguments(
        self, name: str, function: Function, arguments: Sequence[nodes.Node], dot: Any, last: Any
    ) -> Iterator[Any]:
        count = len(arguments) + (last is not _NOTHING)
        if function.variadic and count < function.least:
            raise self._error(f"wrong number of args for {name}: want at least {function.least} got {len(arguments)}")
        if not function.variadic and count != len(function.parameters):
            raise self._error(f"wrong number of args for {name}: want {len(function.parameters)} got {count}")
        for position, argument in enumerate(arguments):
            value = self._argument(argument, dot, function.parameter(position))
            yield value
            if function.stops is not None and function.stops(value):
                return
        if last is not _NOTHING:
            yield self._checked(last, function.parameter(len(arguments)))

    def _argument(self, node: nodes.Node, dot: Any, parameter: Parameter) -> Any:
        self._node = node
        if parameter == "string":
            if isinstance(node, nodes.Nil):
                raise self._error("cannot assign nil to string")
            if isinstance(node, nodes.Number | nodes.Bool):
                raise self._error(f"expected string; found {node}")
        return self._checked(self._operand(node, dot), parameter)

    def _checked(self, value: Any, parameter: Parameter) -> Any:
        if value is ABSENT:
            value = None
        if parameter == "string" and not isinstance(value, str):
            if value is None:
                raise self._error("invalid value; expected string")
            raise self._error(f"wrong type for value; expected string; got {type_name(value)}")
        return value


def _has_fields(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Variable) and len(node.names) > 1


def _size(value: Any) -> int:
    """What a value counts for when a function handles it: a list is only copied, which is quick."""
    if isinstance(value, str):
        return len(value)
    return 1 + len(value) // 32 if kind_of(value) in (Kind.LIST, Kind.MAP) else 1
