"""Whether, and which, tools are called is the caller's choice where they make one."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import jsonschema
import pytest

from puna.engine.schema import enforceable
from puna.errors import InvalidRequest
from puna.events import Text, ToolCalled
from puna.service.toolchoice import RequiredCall, call_schema, offered
from puna.types import Tool, ToolCall, ToolChoice
from support.bound_text import draw


def tool(name: str, parameters: Any) -> Tool:
    return Tool(name, {"type": "function", "function": {"name": name, "parameters": parameters}})


SIZE = {"type": "object", "properties": {"n": {"$ref": "#/$defs/n"}}, "required": ["n"]}
ADD = tool("add", {**SIZE, "$defs": {"n": {"type": "integer", "maximum": 9}}})
CUT = tool("cut", {**SIZE, "$defs": {"n": {"enum": ["a", "b"]}}})
PING = tool("ping", None)


def test_what_a_model_is_offered() -> None:
    """All tools, none, or those that are named, in the order they were given."""
    tools = (ADD, CUT)
    assert tools == offered(tools, ToolChoice())
    assert tools == offered(tools, ToolChoice("required"))
    assert () == offered(tools, ToolChoice("none"))
    assert (CUT,) == offered(tools, ToolChoice("required", ("cut",)))
    assert (ADD, CUT) == offered((ADD, PING, CUT), ToolChoice("auto", ("cut", "add")))


@pytest.mark.parametrize(
    ("tools", "choice"), [((), ToolChoice("required")), ((ADD,), ToolChoice("auto", ("add", "gone")))]
)
def test_a_choice_that_cannot_be_made(tools: tuple[Tool, ...], choice: ToolChoice) -> None:
    """Nothing can be called that is not there."""
    with pytest.raises(InvalidRequest, match="tool_choice: "):
        offered(tools, choice)


def test_every_call_is_one_of_the_tools() -> None:
    """Its arguments follow the parameters of that tool, whose definitions may be called like another's."""
    random, seen = Random(3), set()
    ready = enforceable(call_schema((ADD, CUT, PING)))
    for _ in range(30):
        if (text := draw(ready, random)) is None:
            continue
        call = json.loads(text)
        parameters = {"add": ADD, "cut": CUT, "ping": PING}[call["name"]].definition["function"]["parameters"]
        jsonschema.validate(call["arguments"], parameters or {"type": "object"})
        seen.add(call["name"])
    assert {"add", "cut", "ping"} == seen


def test_parameters_that_cannot_be_enforced_are_named() -> None:
    """With the tool they belong to."""
    with pytest.raises(InvalidRequest, match=r"the parameters of the tool pick: .* /properties/a/uniqueItems: "):
        call_schema((tool("pick", {"type": "object", "properties": {"a": {"uniqueItems": True}}}),))


def test_the_text_is_the_call() -> None:
    """However it is cut into pieces."""
    parser = RequiredCall()
    for piece in ('{"name": "a', 'dd", "argum', 'ents": {"n": 3}}'):
        assert [] == list(parser.feed(piece))
    assert [ToolCalled(ToolCall("add", {"n": 3}))] == list(parser.close())


def test_a_call_that_was_cut_is_text() -> None:
    """Nothing that was written is lost."""
    parser = RequiredCall()
    list(parser.feed('{"name": "add", "arg'))
    assert [Text('{"name": "add", "arg')] == list(parser.close())
