"""Calls as a name and pairs of tags: what is read, what is not, and what a model is shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from puna.toolcalls.arguments import ArgumentsSyntax, written
from puna.toolcalls.calls import CALLED, enclosed
from puna.toolcalls.jsontext import compact, spaced
from puna.types import Tool, ToolCall

ADD = Tool(
    "add",
    {
        "type": "function",
        "function": {
            "name": "add",
            "parameters": {
                "type": "object",
                "$defs": {"Many": {"type": "array"}},
                "properties": {"a": {"type": "integer"}, "b": {"type": "string"}, "many": {"$ref": "#/$defs/Many"}},
            },
        },
    },
)


def pairs(**arguments: str) -> str:
    return "".join(f"<arg_key>{key}</arg_key><arg_value>{value}</arg_value>" for key, value in arguments.items())


def read(text: str, tools: Sequence[Tool], **how: Any) -> Sequence[ToolCall]:
    return ArgumentsSyntax(tools, **how).read(text)


@pytest.mark.parametrize(
    ("text", "name", "arguments"),
    [
        ("add", "add", {}),
        ("add \n", "add", {}),
        (f"add{pairs(b='2', a='2')}", "add", {"b": "2", "a": 2}),
        (f"add{pairs(a='x')}", "add", {"a": "x"}),
        (f"add{pairs(many='[1, {}]')}", "add", {"many": [1, {}]}),
        (f"add{pairs(b=' two ')}", "add", {"b": " two "}),
        ("add<arg_key> b </arg_key>\n<arg_value>\n\nx\n\n</arg_value>\n", "add", {"b": "\nx\n"}),
        (f"add{pairs(a='1', b='x', **{'a ': '3'})}", "add", {"a": 3, "b": "x"}),
        (f"add<arg_key>b</arg_key><arg_value>x{pairs(a='1')}", "add", {"b": "x", "a": 1}),
        (f"other{pairs(a='1')}", "other", {"a": "1"}),
        ('add {"a": 1, "b": "<arg_key>"}', "add", {"a": 1, "b": "<arg_key>"}),
        ('{"name": "add", "arguments": {"a": 1}}', "add", {"a": 1}),
        ('{"name": "add"}', "add", {}),
    ],
)
def test_a_call_is_read(text: str, name: str, arguments: dict[str, Any]) -> None:
    """Whichever way it is written; the order of the arguments stays."""
    [call] = read(text, [ADD])
    assert (name, list(arguments.items())) == (call.name, list(call.arguments.items()))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "add it up",
        f"<{pairs(a='1')}",
        f"add{pairs(a='1')} more",
        f"add more{pairs(a='1')}",
        "add<arg_key>a</arg_key>",
        "add<arg_value>1</arg_value>",
        "add<arg_key>a</arg_key><arg_value>1",
        f"add<arg_key>b</arg_key><arg_value>{pairs(a='1')}</arg_value>",
        'add {"a": 1',
        'add {"a": 1} more',
        '{"name": "", "arguments": {}}',
        '{"name": "add", "arguments": [1]}',
        '{"arguments": {}}',
        '{"name": "add"',
        '{"a":' * 20_000,
    ],
)
def test_what_is_no_call_is_not_read_as_one(text: str) -> None:
    """Then it stays text, which loses nothing."""
    assert [] == read(text, [ADD])


@pytest.mark.parametrize(
    ("text", "begins"),
    [
        ("", None),
        ("add", None),
        ("add ", None),
        ("add <", True),
        ("add{", True),
        ("{", True),
        ("add it", False),
        ("<b>", False),
        ("a" * 1000, False),
        ("a" + " " * 1000, False),
    ],
)
def test_a_call_begins_with_a_name_or_a_brace(text: str, begins: bool | None) -> None:
    """Whatever else follows the tag of a call, it was only mentioned."""
    assert begins is ArgumentsSyntax([]).begins(text)


def test_a_tag_inside_a_value_is_the_values(read_calls: Callable[..., list[Any]]) -> None:
    """A model may write files that are about tool calls."""
    reader = enclosed(ArgumentsSyntax([ADD]))
    for body in (f"add{pairs(b='say </tool_call>')}", 'add {"b": "say </tool_call>"}'):
        assert [ToolCall("add", {"b": "say </tool_call>"})] == read_calls(reader, body + CALLED)


def test_an_alias_counts_where_only_the_other_name_is_offered() -> None:
    """A model that learnt ``plus`` reaches ``add``; a tool that is called ``plus`` is itself."""
    aliases = {"plus": "add", "minus": "subtract"}
    plus = Tool("plus", {"type": "function", "function": {"name": "plus"}})
    assert [ToolCall("add", {"a": 1})] == read(f"plus{pairs(a='1')}", [ADD], aliases=aliases)
    assert [ToolCall("plus", {"a": "1"})] == read(f"plus{pairs(a='1')}", [ADD, plus], aliases=aliases)
    assert [ToolCall("minus", {})] == read("minus", [ADD], aliases=aliases)


@pytest.mark.parametrize("value", ["x", " x\n", 1, 1.5, True, None, ["ü", {"k": []}]])
def test_what_is_written_reads_as_it_was(value: Any) -> None:
    """A model sees its earlier calls as it wrote them."""
    tool = Tool("t", {"function": {"name": "t", "parameters": {"properties": {"v": {"type": _type_of(value)}}}}})
    [call] = read(f"t{written({'v': value}, spaced)}", [tool])
    assert {"v": value.removesuffix("\n") if isinstance(value, str) else value} == call.arguments


def _type_of(value: Any) -> str:
    return {"str": "string", "int": "integer", "float": "number", "bool": "boolean", "list": "array"}.get(
        type(value).__name__, "null"
    )


def test_lines_can_be_broken_after_tags() -> None:
    """As some models were trained."""
    assert "<arg_key>a</arg_key>\n<arg_value>1</arg_value>\n" == written({"a": 1}, spaced, after_tag="\n")


def test_each_family_has_its_own_json() -> None:
    """With spaces or without; what is a string has no quotes in either."""
    arguments = {"l": [1, {"k": None}], "s": '["x", 1]'}
    ends = '<arg_key>s</arg_key><arg_value>["x", 1]</arg_value>'
    assert f'<arg_key>l</arg_key><arg_value>[1,{{"k":null}}]</arg_value>{ends}' == written(arguments, compact)
    assert f'<arg_key>l</arg_key><arg_value>[1, {{"k": null}}]</arg_value>{ends}' == written(arguments, spaced)


def test_calls_of_other_tools_may_be_none() -> None:
    """Where text that is no call looks much like one."""
    assert [ToolCall("add", {})] == read("add", [ADD], only_offered=True)
    assert [] == read("other", [ADD], only_offered=True)
    assert [ToolCall("add", {})] == read("plus", [ADD], only_offered=True, aliases={"plus": "add"})
