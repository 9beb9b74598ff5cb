"""What a GGUF's Jinja chat template can do, told from its text; the engine is what renders it."""

from __future__ import annotations

from itertools import product

from puna.template.prompt import PromptTemplate

_CALL_MARKS = ("tool_calls", "assistant_tool_call")
_RESULT_MARKS = (
    "tool_response",
    "tool_results",
    "ipython",
    *(f"role{close}] == {quote}tool{quote}" for close, quote in product("'\"", "'\"")),
    "message.role == 'tool'",
    'message.role == "tool"',
)
_THINKING_CUTS = ("content.split('</think>')", 'content.split("</think>")')
_OTHER_REASONING_MARKS = ("reasoning_content", "<SPECIAL_12>")


def tools(text: str) -> bool:
    """Whether the template tells the model of tools."""
    return "tools" in text or "tool_call" in text


def tool_round_trip(text: str) -> bool:
    """Whether tool calls of the model and the results of tools have a place in the prompt."""
    return tools(text) and _any_in(_CALL_MARKS, text) and _any_in(_RESULT_MARKS, text)


def thinking(text: str) -> bool:
    """Whether the template knows of reasoning between tags."""
    if "<think>" in text and "</think>" in text:
        return True
    return _any_in(_THINKING_CUTS, text) and not _any_in(_OTHER_REASONING_MARKS, text)


def prefer_jinja(template: PromptTemplate, jinja_text: str) -> bool:
    """Whether a model that brings both templates is better served by its Jinja one: that can do more."""
    jinja = {name for name, found in (("tools", tools(jinja_text)), ("thinking", thinking(jinja_text))) if found}
    go = template.capabilities
    if len(jinja) > len(go):
        return tool_round_trip(jinja_text) or not template.tool_round_trip
    if jinja == go and "tools" in go:
        return tool_round_trip(jinja_text) and not template.tool_round_trip
    return False


def _any_in(marks: tuple[str, ...], text: str) -> bool:
    return any(mark in text for mark in marks)
