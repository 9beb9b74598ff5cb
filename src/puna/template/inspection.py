"""What can be told of a template by looking at its trees: names it uses, tags it writes, where the answer goes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from puna.template.gotmpl import nodes


def variables(trees: Iterable[nodes.List]) -> frozenset[str]:
    """The names of all fields and variables in ``trees``, in lower case; a variable's with its dollar sign."""
    return frozenset(
        name.lower()
        for tree in trees
        for node, _ in nodes.walk(tree)
        if isinstance(node, nodes.Field | nodes.Variable | nodes.Chain)
        for name in node.names
    )


def thinking_tags(root: nodes.List) -> tuple[str, str] | None:
    """The texts around the place where a loop over the messages prints what was thought, or None."""
    opening = closing = ""
    for node, above in nodes.walk(root):
        if not (isinstance(node, nodes.Field) and node.names[0] == "Thinking"):
            continue
        loop = next((part for part in reversed(above) if isinstance(part, nodes.Range)), None)
        body = next((part for part in reversed(above) if isinstance(part, nodes.List)), None)
        if loop is None or body is None or not _mentions(loop.pipe, "Messages"):
            continue
        # A condition on .Thinking comes before its body, and then lies in a larger list: the last one found counts.
        first, last = body.nodes[0], body.nodes[-1]
        opening = first.text.strip() if isinstance(first, nodes.Text) else opening
        closing = last.text.strip() if isinstance(last, nodes.Text) else closing
    return (opening, closing) if opening and closing else None


def _mentions(pipe: nodes.Pipe, name: str) -> bool:
    return any(isinstance(node, nodes.Field | nodes.Variable) and name in node.names for node, _ in nodes.walk(pipe))


def tool_tag(root: nodes.List) -> str:
    """What a tool call begins with: the first text where a message's tool calls are printed, or ``{``."""
    condition = next((node for node in _branches(root) if isinstance(node, nodes.If) and _on_tool_calls(node)), None)
    text = "" if condition is None else _first_text(condition.body) or ""
    return text.replace("\r\n", "\n").partition("{")[0].strip() or "{"


def _branches(body: nodes.List) -> Iterator[nodes.Branch]:
    for node in body.nodes:
        if isinstance(node, nodes.Branch):
            yield node
            yield from _branches(node.body)
            if node.otherwise is not None:
                yield from _branches(node.otherwise)


def _on_tool_calls(node: nodes.If) -> bool:
    return any(
        isinstance(part, nodes.Field | nodes.Variable) and "ToolCalls" in part.names
        for command in node.pipe.commands
        for part in command.arguments
    )


def _first_text(body: nodes.List) -> str | None:
    """The first text that is not blank, unless something else is printed before it."""
    for node in body.nodes:
        match node:
            case nodes.Text() if node.text.strip():
                return node.text
            case nodes.Branch():
                found = _first_text(node.body)
                return found if found or node.otherwise is None else _first_text(node.otherwise)
            case nodes.Action() if not node.pipe.targets:
                return None
            case _:
                pass
    return None


def response_action(position: int) -> nodes.Action:
    """``{{ .Response }}``."""
    command = nodes.Command(position, (nodes.Field(position, ("Response",)),))
    return nodes.Action(position, nodes.Pipe(position, (command,)))


def cut_after_response(root: nodes.List) -> nodes.List:
    """``root`` up to the first place where ``.Response`` is printed: the model goes on from there."""
    return _Cut().list(root)


class _Cut:
    def __init__(self) -> None:
        self._done = False

    def list(self, body: nodes.List) -> nodes.List:
        kept = []
        for node in body.nodes:
            if self._done:
                break
            kept.append(self._node(node))
        return replace(body, nodes=tuple(kept))

    def _node(self, node: nodes.Node) -> nodes.Node:
        match node:
            case nodes.Action():
                return replace(node, pipe=self._pipe(node.pipe))
            case nodes.Branch():
                body = self.list(node.body)
                otherwise = None if node.otherwise is None else self.list(node.otherwise)
                return replace(node, body=body, otherwise=otherwise)
            case _:
                return node

    def _pipe(self, pipe: nodes.Pipe) -> nodes.Pipe:
        commands = []
        for command in pipe.commands:
            arguments = []
            for argument in command.arguments:
                if self._done:
                    break
                self._done = isinstance(argument, nodes.Field | nodes.Variable) and "Response" in argument.names
                arguments.append(self._pipe(argument) if isinstance(argument, nodes.Pipe) else argument)
            if arguments:
                commands.append(replace(command, arguments=tuple(arguments)))
        return replace(pipe, commands=tuple(commands))
