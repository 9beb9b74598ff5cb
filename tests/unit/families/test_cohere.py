"""What cannot be told in the files of ``tests/families``: ids of calls, which the API gives and takes."""

from __future__ import annotations

from puna.families import Chat, cohere
from puna.types import Message, ToolCall


def test_a_result_has_the_number_of_its_call() -> None:
    """Calls are numbered through the conversation; results find theirs by id, in whatever order they come."""
    first = Message("assistant", tool_calls=(ToolCall("a", {}, id="call_x"), ToolCall("b", {}, id="call_y")))
    second = Message("assistant", tool_calls=(ToolCall("c", {}, id="call_z"),))
    results = [Message("tool", name, tool_call_id=f"call_{name}") for name in "yxz"]
    prompt = cohere.RENDERERS["cohere"](Chat((Message("user", "Hi"), first, *results[:2], second, results[2])))
    assert ["0", "1", "1", "0", "2", "2"] == [part.partition('"')[0] for part in prompt.split('"tool_call_id": "')[1:]]


def test_calls_without_ids_are_told_from_one_another() -> None:
    """A result that names no call is shown without a number rather than with a wrong one."""
    call = Message("assistant", tool_calls=(ToolCall("a", {}),))
    prompt = cohere.RENDERERS["cohere"](Chat((Message("user", "Hi"), call, Message("tool", "r"))))
    assert '"tool_call_id": "",' in prompt
