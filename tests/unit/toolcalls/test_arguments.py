"""Calls as a name and pairs of tags: what is read, what is not, and what a model is shown."""

from __future__ import annotations

from typing import Any

import pytest

from puna.scanner import Scanner
from puna.toolcalls.arguments import CALLED, CallReader, read, written
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


@pytest.mark.parametrize(
    ("text", "name", "arguments"),
    [
        ("add", "add", {}),
        ("\n add \n", "add", {}),
        (f"add{pairs(b='2', a='2')}", "add", {"b": "2", "a": 2}),
        (f"add{pairs(a='x')}", "add", {"a": "x"}),
        (f"add{pairs(many='[1, {}]')}", "add", {"many": [1, {}]}),
        (f"add{pairs(b=' two ')}", "add", {"b": " two "}),
        ("add<arg_key> b </arg_key>\n<arg_value>\n\nx\n\n</arg_value>\n", "add", {"b": "\nx\n"}),
        (f"add{pairs(a='1', b='x', **{'a ': '3'})}", "add", {"a": 3, "b": "x"}),
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
        " \n",
        "add it up",
        f"<{pairs(a='1')}",
        f"add{pairs(a='1')} more",
        f"add more{pairs(a='1')}",
        "add<arg_key>a</arg_key>",
        "add<arg_value>1</arg_value>",
        "add<arg_key>a</arg_key><arg_value>1",
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


def test_a_call_that_was_begun_twice_is_one() -> None:
    """A model that writes the opening tag again means the same call, unless it says something else."""
    one, other = f"add{pairs(a='1')}", f"add{pairs(a='2')}"
    assert [ToolCall("add", {"a": 1})] == read(f"{one}\n<tool_call>{one}", [ADD])
    assert [ToolCall("add", {"a": 1}), ToolCall("add", {"a": 2})] == read(f"<tool_call>{one}<tool_call>{other}", [ADD])
    assert [] == read(f"{one}<tool_call>?!<", [ADD])


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
    [call] = read(f"t{written({'v': value})}", [tool])
    assert {"v": value.removesuffix("\n") if isinstance(value, str) else value} == call.arguments


def _type_of(value: Any) -> str:
    return {"str": "string", "int": "integer", "float": "number", "bool": "boolean", "list": "array"}.get(
        type(value).__name__, "null"
    )


def test_lines_can_be_broken_after_tags() -> None:
    """As some models were trained."""
    assert "<arg_key>a</arg_key>\n<arg_value>1</arg_value>\n" == written({"a": 1}, after_tag="\n")


def reader() -> tuple[CallReader, Scanner]:
    return CallReader("<tool_call>", CALLED, lambda text: read(text, [ADD])), Scanner()


def test_a_call_is_open_until_its_tag_arrives() -> None:
    """And then is there at once; what follows it is left."""
    call, scanner = reader()
    for piece in ("add<arg_", "key>b</arg_key><arg_value>x</tool_call>", "</arg_value></tool_"):
        scanner.add(piece)
        assert call.read(scanner) is None
    scanner.add("call> more")
    assert [ToolCall("add", {"b": "x</tool_call>"})] == call.read(scanner)
    assert " more" == scanner.rest()


def test_what_cannot_become_a_call_is_given_back_at_once() -> None:
    """Prose that mentions the tag is not held back until the end."""
    call, scanner = reader()
    scanner.add("add")
    assert call.read(scanner) is None
    scanner.add(" is closed by </tool_call> as")
    assert () == call.read(scanner)
    assert "add is closed by </tool_call> as" == scanner.rest()


def test_what_is_closed_and_no_call_is_given_back() -> None:
    """With its closing tag."""
    call, scanner = reader()
    scanner.add('add {"a": }</tool_call> more')
    assert () == call.read(scanner)
    assert 'add {"a": }</tool_call> more' == scanner.rest()


@pytest.mark.parametrize("end", ["", "<", "</tool_call"])
def test_an_answer_may_end_before_the_closing_tag(end: str) -> None:
    """A stop string, or a limit, takes no call away that is whole."""
    call, scanner = reader()
    scanner.add(f"add{pairs(a='1')}{end}")
    assert call.read(scanner) is None
    assert [ToolCall("add", {"a": 1})] == call.close(scanner)
    assert "" == scanner.rest()


@pytest.mark.parametrize("text", ["add", f"add{pairs(a='1')}<arg_key>b</arg", 'add{"a": 1'])
def test_a_call_that_was_cut_off_is_given_back(text: str) -> None:
    """A name alone may be half of one; running a tool with half its arguments helps nobody."""
    call, scanner = reader()
    scanner.add(text)
    assert call.read(scanner) is None
    assert () == call.close(scanner)
    assert text == scanner.rest()
