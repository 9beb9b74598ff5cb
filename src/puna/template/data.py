"""What a prompt template sees: messages and tools as Go structs, and the functions Ollama adds to the language."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from puna.template.gojson import Encoded, Ordered, PrintedTagged, Tagged, decoded, encode
from puna.template.gotmpl import Function, Printed, Struct
from puna.template.gotmpl.formatting import plain
from puna.types import Message, Tool, ToolCall

_MESSAGE_TAGS = {
    "Role": "role",
    "Content": "content",
    "Thinking": "thinking,omitempty",
    "Images": "images,omitempty",
    "ToolCalls": "tool_calls,omitempty",
    "ToolName": "tool_name,omitempty",
    "ToolCallID": "tool_call_id,omitempty",
}
_CALL_TAGS = {"ID": "id,omitempty", "Function": "function"}
_CALL_FUNCTION_TAGS = {"Index": "index", "Name": "name", "Arguments": "arguments"}
_TOOL_TAGS = {"Type": "type", "Items": "items,omitempty", "Function": "function"}
_FUNCTION_TAGS = {"Name": "name", "Description": "description,omitempty", "Parameters": "parameters"}
_PARAMETERS_TAGS = {
    "Type": "type",
    "Defs": "$defs,omitempty",
    "Items": "items,omitempty",
    "Required": "required,omitempty",
    "Properties": "properties",
}
_PROPERTY_TAGS = {
    "AnyOf": "anyOf,omitempty",
    "Type": "type,omitempty",
    "Items": "items,omitempty",
    "Description": "description,omitempty",
    "Enum": "enum,omitempty",
    "Properties": "properties,omitempty",
    "Required": "required,omitempty",
}
_PROPERTY = "api.ToolProperty"


class _Tools(list[Any], Printed, Encoded):
    """The tools offered; in JSON null when there are none."""

    type_name = "template.templateTools"

    def go_string(self) -> str:
        return encode(self)

    def json_value(self) -> Any:
        return list(self) or None


class _Arguments(dict[str, Any], Printed):
    type_name = "template.templateArgs"

    def go_string(self) -> str:
        return encode(self)


class _Properties(dict[str, Any], Printed, Encoded):
    """The properties of a function's parameters; in JSON null when the caller gave none."""

    type_name = "template.templateProperties"

    def __init__(self, properties: Any) -> None:
        self._given = isinstance(properties, Mapping)
        super().__init__(_properties(properties))

    def go_string(self) -> str:
        return encode(dict(self))

    def json_value(self) -> Any:
        return dict(self) if self._given else None


class _Type(list[str], Printed, Encoded):
    """The type of a property: one name, or several to choose from."""

    type_name = "api.PropertyType"

    def go_string(self) -> str:
        return "".join(self) if len(self) < 2 else plain(list(self))

    def json_value(self) -> Any:
        return self[0] if len(self) == 1 else list(self)


def messages(given: Sequence[Message]) -> list[Struct]:
    """``given`` as templates see them."""
    return [_message(message) for message in given]


def tools(given: Sequence[Tool]) -> list[Any]:
    """``given`` as templates see them."""
    return _Tools(_tool(tool.definition) for tool in given)


def functions(today: dt.date) -> dict[str, Function]:
    """The functions Ollama adds to the language, on the day ``today``."""
    yesterday = today - dt.timedelta(days=1)
    return {
        "currentDate": Function(lambda *_format: today.isoformat(), ("string",), variadic=True),
        "json": Function(_json, ("any",), weight=4),
        "toTypeScriptType": Function(_typescript, ("any",)),
        "yesterdayDate": Function(lambda *_format: yesterday.isoformat(), ("string",), variadic=True),
    }


def _message(message: Message) -> Struct:
    fields = {
        "Role": message.role,
        "Content": message.content,
        "Thinking": message.thinking,
        "Images": message.images,
        "ToolCalls": [_call(call) for call in message.tool_calls],
        "ToolName": message.tool_name,
        "ToolCallID": message.tool_call_id,
    }
    return Tagged("*template.templateMessage", fields, _MESSAGE_TAGS)


def _call(call: ToolCall) -> Struct:
    fields = {"Index": call.index, "Name": call.name, "Arguments": _Arguments(decoded(call.arguments))}
    function = Tagged("template.templateToolCallFunction", fields, _CALL_FUNCTION_TAGS)
    return Tagged("template.templateToolCall", {"ID": call.id, "Function": function}, _CALL_TAGS)


def _tool(definition: Mapping[str, Any]) -> Struct:
    function = _mapping(definition.get("function"))
    fields = {
        "Type": _text(definition.get("type")),
        "Items": decoded(definition.get("items")),
        "Function": PrintedTagged(
            "template.templateToolFunction",
            {
                "Name": _text(function.get("name")),
                "Description": _text(function.get("description")),
                "Parameters": _parameters(_mapping(function.get("parameters"))),
            },
            _FUNCTION_TAGS,
        ),
    }
    return PrintedTagged("template.templateTool", fields, _TOOL_TAGS)


def _parameters(schema: Mapping[str, Any]) -> Struct:
    fields = {
        "Type": _text(schema.get("type")),
        "Defs": decoded(schema.get("$defs")),
        "Items": decoded(schema.get("items")),
        "Required": _texts(schema.get("required")),
        "Properties": _Properties(schema.get("properties")),
    }
    return PrintedTagged("template.templateToolFunctionParameters", fields, _PARAMETERS_TAGS)


def _property(schema: Mapping[str, Any]) -> Struct:
    kind, choices = schema.get("type"), schema.get("anyOf")
    fields = {
        "AnyOf": [_property(_mapping(choice)) for choice in choices] if isinstance(choices, list | tuple) else [],
        "Type": _Type([kind] if isinstance(kind, str) else _texts(kind)),
        "Items": decoded(schema.get("items")),
        "Description": _text(schema.get("description")),
        "Enum": decoded(schema.get("enum") or []),
        "Properties": _properties(schema.get("properties")),
        "Required": _texts(schema.get("required")),
    }
    return Tagged(_PROPERTY, fields, _PROPERTY_TAGS)


def _properties(schemas: Any) -> dict[str, Any]:
    return Ordered((str(name), _property(_mapping(schema))) for name, schema in _mapping(schemas).items())


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list | tuple) else []


def _json(value: Any) -> str:
    try:
        return encode(value)
    except ValueError:  # as in Go, what JSON cannot say is left out
        return ""


_TYPESCRIPT = {
    "string": "string",
    "number": "number",
    "integer": "number",
    "boolean": "boolean",
    "array": "any[]",
    "object": "Record<string, any>",
    "null": "null",
}


def _typescript(value: Any) -> str:
    if not (isinstance(value, Struct) and value.type_name == _PROPERTY):
        return "any"
    fields = value.fields
    if fields["AnyOf"]:
        return " | ".join(map(_typescript, fields["AnyOf"]))
    return " | ".join(_TYPESCRIPT.get(name, "any") for name in fields["Type"]) or "any"
