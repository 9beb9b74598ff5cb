"""Which tools a model is offered, and how it is held to calling one.

An answer that has to be a call is bound to JSON that names a tool and its arguments: so it works with every model,
whatever its own way to write a call, and whether or not the engine knows it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from puna.engine.schema import enforceable
from puna.errors import InvalidRequest
from puna.events import Text, Thinking, ToolCalled
from puna.types import Schema, Tool, ToolCall, ToolChoice


class _Call(msgspec.Struct):
    name: str
    arguments: dict[str, Any]


_decode = msgspec.json.Decoder(_Call).decode


def offered(tools: tuple[Tool, ...], choice: ToolChoice) -> tuple[Tool, ...]:
    """Those of ``tools`` that the model is to know of.

    Raises:
        InvalidRequest: a tool is required, and there is none; or one is named that is not there.
    """
    if choice.mode == "none":
        return ()
    if choice.mode == "required" and not tools:
        raise InvalidRequest("tool_choice: a tool call is required, but there are no tools")
    if not choice.names:
        return tools
    known = {tool.name for tool in tools}
    for name in choice.names:
        if name not in known:
            raise InvalidRequest(f'tool_choice: there is no tool named "{name}"')
    return tuple(tool for tool in tools if tool.name in choice.names)


def call_schema(tools: Sequence[Tool]) -> Schema:
    """The JSON Schema of a call of one of ``tools``.

    Raises:
        InvalidRequest: the arguments of one cannot be held to its parameters.
    """
    parameters = [_parameters(tool) for tool in tools]
    for tool, schema in zip(tools, parameters, strict=True):
        enforceable(schema, what=f"the parameters of the tool {tool.name}")
    calls = [
        {
            "type": "object",
            "properties": {"name": {"const": tool.name}, "arguments": {"$ref": f"#/$defs/{at}"}},
            "required": ["name", "arguments"],
        }
        for at, tool in enumerate(tools)
    ]
    # Schemas refer to their own parts from their root, which they no longer are.
    definitions = {str(at): _moved(schema, f"#/$defs/{at}") for at, schema in enumerate(parameters)}
    return {"anyOf": calls, "$defs": definitions}


class RequiredCall:
    """A parser for an answer that ``call_schema`` binds: it is a tool call, or what there is of one when it was cut."""

    def __init__(self) -> None:
        self._text = ""

    def feed(self, text: str) -> Iterator[Text | Thinking | ToolCalled]:
        """Nothing is certain before the end."""
        self._text += text
        return iter(())

    def close(self) -> Iterator[Text | Thinking | ToolCalled]:
        """The call."""
        try:
            call = _decode(self._text)
        except msgspec.DecodeError:
            yield Text(self._text)
            return
        yield ToolCalled(ToolCall(call.name, call.arguments))


def _parameters(tool: Tool) -> Mapping[str, Any]:
    function = tool.definition.get("function")
    found = function.get("parameters") if isinstance(function, Mapping) else None
    if not isinstance(found, Mapping):
        return {"type": "object"}
    return {"type": "object", **{key: value for key, value in found.items() if value is not None}}


def _moved(value: Any, root: str) -> Any:
    match value:
        case Mapping():
            return {key: _moved_reference(key, one, root) for key, one in value.items()}
        case list():
            return [_moved(one, root) for one in value]
        case _:
            return value


def _moved_reference(key: str, value: Any, root: str) -> Any:
    if key == "$ref" and isinstance(value, str) and value.startswith("#"):
        return root + value[1:]
    return _moved(value, root)
