"""Tool calls as ``<function=NAME>`` with a ``<parameter=NAME>`` for each argument, typed by the tool's schema."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from puna.toolcalls.calls import CALL, CALLED, begins_with
from puna.toolcalls.jsontext import compact, plain
from puna.toolcalls.quoting import Quote, Quotes
from puna.toolcalls.typed import parameters_of, typed
from puna.types import Tool, ToolCall

_FUNCTION = re.compile(r"\s*<function=([^>\n]+)>")
_PARAMETER = re.compile(r"\s*<parameter=([^>\n]+)>(.*?)</parameter>(?=\s*(?:<parameter=|</function>))", re.DOTALL)
_END = re.compile(r"\s*</function>\s*")

_INSTRUCTIONS = """\
If you choose to call a function ONLY reply in the following format with NO suffix:

<tool_call>
<function=example_function_name>
<parameter=example_parameter_1>
value_1
</parameter>
<parameter=example_parameter_2>
This is the value for the second parameter
that can span
multiple lines
</parameter>
</function>
</tool_call>

<IMPORTANT>
Reminder:
- Function calls MUST follow the specified format: an inner <function=...></function> block must be nested within \
<tool_call></tool_call> XML tags
- Required parameters MUST be specified
- You may provide optional reasoning for your function call in natural language BEFORE the function call, but NOT after
- If there is no function call available, answer the question like normal with your current knowledge and do not tell \
the user about function calls
</IMPORTANT>"""


def offered(functions: str) -> str:
    """The part of a system message that offers ``functions``, each described as its family does."""
    return f"# Tools\n\nYou have access to the following functions:\n\n<tools>{functions}\n</tools>\n\n{_INSTRUCTIONS}"


def declared(function: Mapping[str, Any], spell: Callable[[str, Any], str | None], *, first: Sequence[str]) -> str:
    """``function`` and its parameters in tags of their own.

    ``spell`` writes the value of a keyword of JSON Schema, None where it is left out; some keywords come ``first``.
    """

    def tags(schema: Mapping[str, Any]) -> str:
        keys = sorted(schema, key=lambda key: first.index(key) if key in first else len(first))
        spelled = ((key, spell(key, schema[key])) for key in keys)
        return "".join(f"\n<{key}>{text}</{key}>" for key, text in spelled if text is not None)

    schema, description = function["parameters"], function.get("description")
    parameters = "".join(
        f"\n<parameter>\n<name>{name}</name>{tags(keywords)}\n</parameter>"
        for name, keywords in (schema.get("properties") or {}).items()
    )
    others = {key: value for key, value in schema.items() if key not in {"type", "properties"}}
    return (
        f"\n<function>\n<name>{function['name']}</name>{tags({'description': description} if description else {})}"
        f"\n<parameters>{parameters}{tags(others)}\n</parameters>\n</function>"
    )


class XmlSyntax:
    """One function or several, and nothing beside them and their parameters."""

    quotes: ClassVar[Quotes] = {"<parameter=": Quote("</parameter>")}
    open_ended: ClassVar[bool] = False

    def __init__(self, tools: Sequence[Tool]) -> None:
        self._tools = tools

    def begins(self, text: str) -> bool | None:
        """With the tag of a function."""
        return begins_with("<function=", text)

    def read(self, text: str) -> Sequence[ToolCall]:
        """All the calls, or none."""
        calls: list[ToolCall] = []
        at = 0
        while function := _FUNCTION.match(text, at):
            name, at = function[1].strip(), function.end()
            schemas = parameters_of(self._tools, name)
            arguments: dict[str, Any] = {}
            while parameter := _PARAMETER.match(text, at):
                key, at = parameter[1].strip(), parameter.end()
                arguments[key] = typed(parameter[2].removeprefix("\n").removesuffix("\n"), schemas.get(key, {}))
            if not (end := _END.match(text, at)):
                return []
            at = end.end()
            calls.append(ToolCall(name, arguments))
        return calls if at == len(text) else []


def _spelled(value: Any) -> str:
    """An argument with the compact JSON of Ollama."""
    return plain(value, compact)


def written(call: ToolCall, spell: Callable[[Any], str] = _spelled) -> str:
    """``call`` between its tags, as a model reads it in a conversation."""
    parameters = (f"<parameter={name}>\n{spell(value)}\n</parameter>\n" for name, value in call.arguments.items())
    return f"{CALL}\n<function={call.name}>\n{''.join(parameters)}</function>\n{CALLED}"
