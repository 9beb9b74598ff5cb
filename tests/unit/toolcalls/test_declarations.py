"""Tools declared in braces; the renderings of Gemma 4 and FunctionGemma hold more of it."""

from __future__ import annotations

import pytest

from puna.toolcalls.braces import Braces
from puna.toolcalls.declarations import Declarations
from puna.types import Tool

BRACES = Braces(quote="'", open="", close="")
PROPERTIES = {
    "size": {"type": "object", "properties": {"w": {"type": "integer"}}},
    "mode": {"type": ["string", "null"], "enum": ["a", 1, True, None]},
    "free": {},
}
TOOL = Tool("f", {"type": "function", "function": {"name": "f", "parameters": {"properties": PROPERTIES}}})


@pytest.mark.parametrize(
    ("nested", "declared"),
    [
        (
            True,
            (
                "declaration:f{description:'',parameters:{properties:{free:{},mode:{type:'['STRING', 'NULL']'},"
                "size:{properties:{w:{type:'INTEGER'}},type:'OBJECT'}}}}"
            ),
        ),
        (
            False,
            (
                "declaration:f{description:'',parameters:{properties:{free:{description:''},"
                "mode:{description:'',type:'STRING'},size:{description:'',type:'OBJECT'}}}}"
            ),
        ),
    ],
)
def test_a_family_is_told_as_much_as_it_was_taught(declared: str, *, nested: bool) -> None:
    """All of a schema, or what a parameter is for and its type."""
    assert declared == Declarations(BRACES, nested=nested).declared(TOOL)


def test_what_may_be_chosen_is_quoted_whatever_its_type() -> None:
    """The model reads texts."""
    schema = {"m": {"type": "string", "enum": ["a", 1, 0.5, True, None]}}
    tool = Tool("f", {"function": {"name": "f", "parameters": {"properties": schema}}})
    assert "enum:['a','1','0.5','true','null']" in Declarations(BRACES, nested=True).declared(tool)


def test_a_tool_without_parameters_has_none() -> None:
    """Not even an empty list of them."""
    tool = Tool("f", {"function": {"name": "f", "description": "D"}})
    assert "declaration:f{description:'D'}" == Declarations(BRACES, nested=True).declared(tool)
