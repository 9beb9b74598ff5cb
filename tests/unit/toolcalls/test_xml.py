"""``<function=…>``, read and written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.toolcalls.calls import CALL, CALLED, enclosed
from puna.toolcalls.xml import XmlSyntax, declared, offered, written
from puna.types import Tool, ToolCall

ADD = Tool(
    "add",
    {
        "function": {
            "name": "add",
            "parameters": {
                "properties": {"a": {"type": "integer"}, "on": {"type": "boolean"}, "s": {"type": "string"}}
            },
        }
    },
)


def between(text: str) -> str:
    """What stands between the tags of a call."""
    return text.removeprefix(CALL).removesuffix(CALLED).lstrip()


def read(text: str) -> list[ToolCall]:
    return list(XmlSyntax([ADD]).read(text))


def test_a_call_is_written_as_the_models_know_it() -> None:
    """Each tag and each value on lines of their own, JSON without spaces."""
    call = ToolCall("add", {"a": 1, "s": "x\ny", "o": {"k": [True, None, "é"]}})
    assert written(call) == (
        "<tool_call>\n<function=add>\n<parameter=a>\n1\n</parameter>\n<parameter=s>\nx\ny\n</parameter>\n"
        '<parameter=o>\n{"k":[true,null,"é"]}\n</parameter>\n</function>\n</tool_call>'
    )


def test_a_model_may_have_its_own_way_with_values() -> None:
    """Some read Python's True, some JSON's true."""
    assert "\nTrue\n" in written(ToolCall("add", {"on": True}), str)
    assert "\ntrue\n" in written(ToolCall("add", {"on": True}))


ARGUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "a": st.integers(-(1 << 63), (1 << 63) - 1),
        "on": st.booleans(),
        "s": st.text(st.characters(exclude_characters="<", exclude_categories=["Cs"])).filter(
            lambda text: text.strip().lower() != "null"
        ),
    },
)


@given(st.lists(ARGUMENTS, max_size=3))
def test_what_was_written_is_read_again(several: list[dict[str, Any]]) -> None:
    """Names, values, their types and their order; several calls between one pair of tags, too."""
    calls = [ToolCall("add", arguments) for arguments in several]
    assert calls == read("".join(between(written(call)) for call in calls))
    assert [list(call.arguments) for call in calls] == [list(arguments) for arguments in several]


@given(
    st.lists(st.sampled_from(["<function=f>", "<parameter=p>", "</parameter>", "</function>", *"<>/=\n x"])).map(
        "".join
    )
)
def test_no_text_is_an_error(text: str) -> None:
    """What a model writes may be anything; then it is no call."""
    assert all(call.name for call in read(text))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "add",
        "<function=add>",
        "<function=add></function> and so on",
        "<function=></function>",
        "<function=add>1</function>",
        "<function=add><parameter=a>1</function>",
        "<function=add><parameter=a>1</parameter>",
        "<function=add>\n</function>\n<function=add>",
    ],
)
def test_what_is_not_all_calls_is_none(text: str) -> None:
    """No half of an answer is taken for a call."""
    assert [] == read(text)


@pytest.mark.parametrize(("text", "begins"), [("", None), ("<func", None), ("<function=f", True), ("<fun>", False)])
def test_a_call_begins_with_the_tag_of_a_function(text: str, begins: bool | None) -> None:
    """Whatever else follows the tag of a call, it was only mentioned."""
    assert begins is XmlSyntax([]).begins(text)


def test_a_tag_inside_a_value_is_the_values(read_calls: Callable[..., list[Any]]) -> None:
    """A model may write files that are about tool calls."""
    text = "say </tool_call> and <function=add>"
    body = f"<function=add><parameter=s>\n{text}\n</parameter></function>"
    assert [ToolCall("add", {"s": text})] == read_calls(enclosed(XmlSyntax([ADD])), body + CALLED)


def test_functions_are_offered_in_tags() -> None:
    """A family says how keywords are written."""
    properties = {"title": "A", "enum": "no", "type": "string"}
    function = {
        "name": "f",
        "description": "D",
        "parameters": {"type": "object", "required": ["a"], "properties": {"a": properties}},
    }
    declaration = declared(function, lambda _key, value: None if value == "no" else str(value), first=("type",))
    assert declaration == (
        "\n<function>\n<name>f</name>\n<description>D</description>\n<parameters>\n<parameter>\n<name>a</name>"
        "\n<type>string</type>\n<title>A</title>\n</parameter>\n<required>['a']</required>\n</parameters>\n</function>"
    )
    assert f"<tools>{declaration}\n</tools>" in offered(declaration)
    assert "description" not in declared({**function, "description": ""}, lambda _key, value: str(value), first=())
