"""Calls in elements named ``atem:``, which look like XML and are none: values are taken as they stand."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from puna.toolcalls.jsontext import plain
from puna.toolcalls.typed import parameters_of, typed
from puna.types import Tool, ToolCall

OPEN = "<atem:function_calls>"
CLOSE = "</atem:function_calls>"

INSTRUCTIONS = """\
In this environment you have access to a set of tools you can use to answer the user's question.

You can invoke a function by writing a "<atem:function_calls>" block like the following:
<atem:function_calls>
<atem:invoke name="$FUNCTION_NAME">
<atem:parameter name="$PARAMETER_NAME">$PARAMETER_VALUE</atem:parameter>
...
</atem:invoke>
</atem:function_calls>

String and scalar parameters should be specified as is, while lists and objects should use JSON format. Note that \
spaces for string values are not stripped. The output is not expected to be valid XML and is parsed with regular \
expressions."""
"""What models were trained to be told before the list of tools."""

EXAMPLE = """\
Here's an example of how to call a function in the tool set:
(If the tool namespace is not specified, invoke the function directly as `example_function_name` rather than \
`example_tool_name.example_function_name`)

to=example_tool_name.example_function_name

<atem:function_calls>
<atem:invoke name="example_tool_name.example_function_name">
<atem:parameter name="example_parameter_1">value_1</atem:parameter>
<atem:parameter name="example_parameter_2">This is the value for the second parameter
that can span
"multiple" lines
</atem:parameter>
</atem:invoke>
</atem:function_calls>"""
"""What models were trained to be told after it."""

_INVOKE = re.compile(r'<atem:invoke name="(?P<name>[^"]*)">\n?(?P<parameters>.*)</atem:invoke>', re.DOTALL)
_PARAMETER = re.compile(r'<atem:parameter name="(?P<name>[^"]*)">(?P<value>.*?)</atem:parameter>\n?', re.DOTALL)


def written(call: ToolCall) -> str:
    """``call`` with its tags."""
    return "".join(_lines(call))


def name_of(block: str) -> str:
    """The name of the tool that ``block`` (all from OPEN to CLOSE) calls; empty when it is malformed."""
    invoke = _INVOKE.fullmatch(_inside(block))
    return invoke["name"] if invoke else ""


def arguments_of(block: str, tools: Sequence[Tool], name: str) -> dict[str, Any] | None:
    """The arguments in ``block``, typed as the tool ``name`` asks for; None when it is malformed."""
    invoke = _INVOKE.fullmatch(_inside(block))
    if invoke is None:
        return None
    schemas = parameters_of(tools, name)
    text, at, arguments = invoke["parameters"].removesuffix("\n"), 0, {}
    while at < len(text):
        if not (parameter := _PARAMETER.match(text, at)):
            return None
        arguments[parameter["name"]] = typed(parameter["value"], schemas.get(parameter["name"], {}))
        at = parameter.end()
    return arguments


def _inside(block: str) -> str:
    return block.strip().removeprefix(OPEN).removesuffix(CLOSE).strip()


def _lines(call: ToolCall) -> Iterator[str]:
    yield f'{OPEN}\n<atem:invoke name="{call.name}">\n'
    for name, value in call.arguments.items():
        yield f'<atem:parameter name="{name}">{_value(value)}</atem:parameter>\n'
    yield f"</atem:invoke>\n{CLOSE}"


def _value(value: Any) -> str:
    match value:
        case float() if value.is_integer():
            return str(int(value))
        case _:
            return plain(value)
