"""Tools declared in braces: JSON Schema in the notation that Gemma 4 was taught."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from puna.template.tooljson import described
from puna.toolcalls.braces import Braces
from puna.types import Tool

_STANDARD = frozenset({"description", "type", "properties", "required", "nullable"})


class Declarations:
    """Writes the declarations of tools in the syntax ``braces``.

    ``nested`` says that all of a parameter's schema is told; else only its description and its first type.
    """

    def __init__(self, braces: Braces, *, nested: bool) -> None:
        self._braces = braces
        self._nested = nested

    def declared(self, tool: Tool) -> str:
        """The declaration of ``tool``."""
        function = described(tool)["function"]
        parts = [f"description:{self._braces.quoted(function.get('description', ''))}"]
        schema = function["parameters"]
        if schema["properties"] is not None or schema["type"]:
            parts.append(f"parameters:{{{','.join(self._parameters(schema))}}}")
        return f"declaration:{function['name']}{{{','.join(parts)}}}"

    def _parameters(self, schema: Mapping[str, Any]) -> Iterator[str]:
        if schema["properties"]:
            yield f"properties:{{{self._top(schema['properties'])}}}"
        if schema.get("required"):
            yield f"required:{self._texts(schema['required'])}"
        if schema["type"]:
            yield f"type:{self._braces.quoted(schema['type'].upper())}"

    def _top(self, schemas: Mapping[str, Any]) -> str:
        if self._nested:
            return self._properties({name: _typed(schema) for name, schema in schemas.items()})
        return ",".join(f"{name}:{{{','.join(self._brief(schema))}}}" for name, schema in sorted(schemas.items()))

    def _brief(self, schema: Mapping[str, Any]) -> Iterator[str]:
        yield f"description:{self._braces.quoted(schema.get('description', ''))}"
        if types := _types(schema.get("type")):
            yield f"type:{self._braces.quoted(types[0])}"

    def _properties(self, schemas: Mapping[str, Any]) -> str:
        return ",".join(
            f"{name}:{{{','.join(self._property(schema))}}}"
            for name, schema in sorted(schemas.items())
            if isinstance(schema, Mapping)
        )

    def _property(self, schema: Mapping[str, Any]) -> Iterator[str]:
        types = _types(schema.get("type"))
        kind = types[0] if types else ""
        if isinstance(description := schema.get("description"), str) and description:
            yield f"description:{self._braces.quoted(description)}"
        if kind == "STRING" and schema.get("enum"):
            yield f"enum:{self._texts(schema['enum'])}"
        if kind == "ARRAY" and isinstance(items := schema.get("items"), Mapping) and items:
            yield f"items:{{{','.join(self._items(items))}}}"
        if schema.get("nullable") is True:
            yield "nullable:true"
        if kind == "OBJECT":
            inner = schema.get("properties")
            if not isinstance(inner, Mapping):
                inner = {key: value for key, value in schema.items() if key not in _STANDARD}
            yield f"properties:{{{self._properties(inner)}}}"
            if required := schema.get("required"):
                yield f"required:{self._texts(required)}"
        if types:
            yield f"type:{self._type(types)}"

    def _items(self, schema: Mapping[str, Any]) -> Iterator[str]:
        for key, value in sorted(schema.items()):
            match key, value:
                case _, None:
                    pass
                case "properties", _:
                    yield f"properties:{{{self._properties(value) if isinstance(value, Mapping) else ''}}}"
                case "required", [*names]:
                    yield f"required:{self._texts(names)}"
                case "type", _:
                    yield f"type:{self._type(_types(value))}"
                case _:
                    yield f"{key}:{self._schema_value(value)}"

    def _schema_value(self, value: Any) -> str:
        """``value`` inside a schema, where unlike in arguments keys are quoted."""
        match value:
            case Mapping():
                members = (
                    f"{self._braces.quoted(key)}:{self._schema_value(member)}" for key, member in sorted(value.items())
                )
                return f"{{{','.join(members)}}}"
            case list():
                return f"[{','.join(map(self._schema_value, value))}]"
            case _:
                return self._braces.value(value)

    def _type(self, names: Sequence[str]) -> str:
        return self._braces.quoted(names[0]) if len(names) == 1 else self._texts(names)

    def _texts(self, values: Sequence[Any]) -> str:
        texts = (value if isinstance(value, str) else self._braces.value(value) for value in values)
        return f"[{','.join(map(self._braces.quoted, texts))}]"


def _typed(schema: Mapping[str, Any]) -> dict[str, Any]:
    """``schema`` with its types as one text, as the model was taught them: several look like a list in Python."""
    types = _types(schema.get("type")) or _choices(schema.get("anyOf"))
    typed = {**schema, "type": types[0] if len(types) == 1 else f"[{', '.join(map(repr, types))}]" if types else None}
    if isinstance(schema.get("properties"), Mapping):
        typed["properties"] = {name: _typed(inner) for name, inner in schema["properties"].items()}
    return typed


def _choices(choices: Any) -> list[str]:
    """The types to choose from, where there is nothing but types."""
    if not choices or not all(set(choice) == {"type"} for choice in choices):
        return []
    return list(dict.fromkeys(name for choice in choices for name in _types(choice["type"])))


def _types(names: Any) -> list[str]:
    match names:
        case str():
            return [names.upper()]
        case [*several]:
            return [name.upper() for name in several if isinstance(name, str)]
        case _:
            return []
