"""The parts of a parsed template. ``str(node)`` is its source form, as Go's messages print it.

``position`` counts characters from the beginning of the template's text.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from puna.template.gotmpl.literals import quote


@dataclass(frozen=True, slots=True)
class Node:
    """Base of every part."""

    position: int


@dataclass(frozen=True, slots=True)
class Text(Node):
    """Text printed as it stands."""

    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class List(Node):
    """What follows one another: the whole template, or the body of a block."""

    nodes: tuple[Node, ...]

    def __str__(self) -> str:
        return "".join(map(str, self.nodes))


@dataclass(frozen=True, slots=True)
class Dot(Node):
    """``.``: the value at hand."""

    def __str__(self) -> str:
        return "."


@dataclass(frozen=True, slots=True)
class Nil(Node):
    """``nil``."""

    def __str__(self) -> str:
        return "nil"


@dataclass(frozen=True, slots=True)
class Bool(Node):
    """``true`` or ``false``."""

    value: bool

    def __str__(self) -> str:
        return "true" if self.value else "false"


@dataclass(frozen=True, slots=True)
class Number(Node):
    """A number or a character; ``text`` is how it was written."""

    value: int | float
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class String(Node):
    """A string; ``literal`` is how it was written."""

    value: str
    literal: str

    def __str__(self) -> str:
        return self.literal


@dataclass(frozen=True, slots=True)
class Field(Node):
    """``.A.B``: fields of the value at hand."""

    names: tuple[str, ...]

    def __str__(self) -> str:
        return "".join(f".{name}" for name in self.names)


@dataclass(frozen=True, slots=True)
class Variable(Node):
    """``$x.A.B``: a variable, the first of ``names`` with its dollar sign, and fields of it."""

    names: tuple[str, ...]

    def __str__(self) -> str:
        return ".".join(self.names)


@dataclass(frozen=True, slots=True)
class Identifier(Node):
    """The name of a function."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Chain(Node):
    """``(pipeline).A.B`` or ``function.A.B``: fields of what an operand gives."""

    operand: Node
    names: tuple[str, ...]

    def __str__(self) -> str:
        operand = f"({self.operand})" if isinstance(self.operand, Pipe) else str(self.operand)
        return operand + "".join(f".{name}" for name in self.names)


@dataclass(frozen=True, slots=True)
class Command(Node):
    """An operand, or a function and its arguments."""

    arguments: tuple[Node, ...]

    def __str__(self) -> str:
        return " ".join(f"({part})" if isinstance(part, Pipe) else str(part) for part in self.arguments)


@dataclass(frozen=True, slots=True)
class Pipe(Node):
    """Commands, each given the result of the one before; the last result goes to the variables of ``targets``.

    ``assigns`` tells ``=`` to existing variables from ``:=``, which makes them.
    """

    commands: tuple[Command, ...]
    targets: tuple[Variable, ...] = ()
    assigns: bool = False

    def __str__(self) -> str:
        commands = " | ".join(map(str, self.commands))
        if not self.targets:
            return commands
        return f"{', '.join(map(str, self.targets))} {'=' if self.assigns else ':='} {commands}"


@dataclass(frozen=True, slots=True)
class Action(Node):
    """``{{ pipeline }}``: prints the result unless it is given to a variable."""

    pipe: Pipe

    def __str__(self) -> str:
        return f"{{{{{self.pipe}}}}}"


@dataclass(frozen=True, slots=True)
class Branch(Node):
    """Base of the blocks with a condition, a body, and perhaps a body for when it does not hold."""

    pipe: Pipe
    body: List
    otherwise: List | None

    def _source(self, keyword: str) -> str:
        otherwise = "" if self.otherwise is None else f"{{{{else}}}}{self.otherwise}"
        return f"{{{{{keyword} {self.pipe}}}}}{self.body}{otherwise}{{{{end}}}}"


@dataclass(frozen=True, slots=True)
class If(Branch):
    """``{{ if }}``."""

    def __str__(self) -> str:
        return self._source("if")


@dataclass(frozen=True, slots=True)
class With(Branch):
    """``{{ with }}``: its body has the result at hand."""

    def __str__(self) -> str:
        return self._source("with")


@dataclass(frozen=True, slots=True)
class Range(Branch):
    """``{{ range }}``: its body has each element at hand in turn."""

    def __str__(self) -> str:
        return self._source("range")


@dataclass(frozen=True, slots=True)
class Break(Node):
    """``{{ break }}``."""

    def __str__(self) -> str:
        return "{{break}}"


@dataclass(frozen=True, slots=True)
class Continue(Node):
    """``{{ continue }}``."""

    def __str__(self) -> str:
        return "{{continue}}"


@dataclass(frozen=True, slots=True)
class Call(Node):
    """``{{ template "name" pipeline }}``; also what ``{{ block }}`` leaves in its place."""

    name: str
    pipe: Pipe | None

    def __str__(self) -> str:
        pipe = "" if self.pipe is None else f" {self.pipe}"
        return f"{{{{template {quote(self.name)}{pipe}}}}}"


def children(node: Node) -> tuple[Node, ...]:
    """The parts ``node`` is made of, in the order they are written; variables a pipeline sets come first."""
    match node:
        case List():
            return node.nodes
        case Action():
            return (node.pipe,)
        case Pipe():
            return (*node.targets, *node.commands)
        case Command():
            return node.arguments
        case Branch():
            return (node.pipe, node.body) if node.otherwise is None else (node.pipe, node.body, node.otherwise)
        case Chain():
            return (node.operand,)
        case Call():
            return () if node.pipe is None else (node.pipe,)
        case _:
            return ()


def walk(node: Node, above: tuple[Node, ...] = ()) -> Iterator[tuple[Node, tuple[Node, ...]]]:
    """Every part of ``node``, itself first, depth first, each with the parts it lies in, outermost first."""
    yield node, above
    for child in children(node):
        yield from walk(child, (*above, node))
