"""Jinja chat templates as far as they are looked at, and the choice between the two templates of a model."""

from __future__ import annotations

import pytest

from puna.template import jinja
from puna.template.prompt import PromptTemplate

TOOLS = "{% if tools %}{{ tools }}{% endif %}"
ROUND = TOOLS + "{{ message.tool_calls }}{% if message['role'] == 'tool' %}{% endif %}"
THINK = "<think>{{ message.reasoning }}</think>"

GO_CHAT = "{{ range .Messages }}{{ .Content }}{{ end }}"
GO_TOOLS = GO_CHAT + "{{ .Tools }}"
GO_ROUND = '{{ range .Messages }}{{ .ToolCalls }}{{ if eq .Role "tool" }}{{ end }}{{ end }}{{ .Tools }}'
GO_THINK = "{{ range .Messages }}{{ if .Thinking }}<think>{{ .Thinking }}</think>{{ end }}{{ end }}"


@pytest.mark.parametrize(("text", "expected"), [(TOOLS, True), ("{{ tool_call }}", True), ("{{ messages }}", False)])
def test_tools(text: str, *, expected: bool) -> None:
    """A template that names tools can be given some."""
    assert expected == jinja.tools(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (THINK, True),
        ("<think>", False),
        ("{% set c = content.split('</think>')[-1] %}", True),
        ('{% set c = content.split("</think>")[-1] %}', True),
        ("{% set c = content.split('</think>')[-1] %}{{ reasoning_content }}", False),
        ("{% set c = content.split('</think>')[-1] %}<SPECIAL_12>", False),
    ],
)
def test_thinking(text: str, *, expected: bool) -> None:
    """A template that writes both tags, or takes thoughts out of content, knows of reasoning."""
    assert expected == jinja.thinking(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (ROUND, True),
        (TOOLS + 'tool_calls message["role"] == "tool"', True),
        (TOOLS + "tool_calls message.role == 'tool'", True),
        (TOOLS + "assistant_tool_call ipython", True),
        (TOOLS + "tool_calls <tool_response>", True),
        (TOOLS + "tool_calls", False),
        (TOOLS + "<tool_response>", False),
    ],
)
def test_tool_round_trip(text: str, *, expected: bool) -> None:
    """A template has room for a round of tools when it prints both calls and results."""
    assert expected == jinja.tool_round_trip(text)


CHOICES = {
    "the same": (GO_CHAT, "{{ messages }}", False),
    "Jinja knows tools": (GO_CHAT, TOOLS, True),
    "Jinja knows more": (GO_TOOLS, TOOLS + THINK, True),
    "Jinja knows more, but no round of tools": (GO_ROUND, TOOLS + THINK, False),
    "Jinja knows more, and both have the round": (GO_ROUND, ROUND + THINK, True),
    "Go knows more": (GO_TOOLS, "{{ messages }}", False),
    "both know tools": (GO_TOOLS, TOOLS, False),
    "both know tools, Jinja the round": (GO_TOOLS, ROUND, True),
    "both have the round": (GO_ROUND, ROUND, False),
    "as much, but not the same": (GO_THINK, ROUND, False),
}


@pytest.mark.parametrize(("go", "text", "expected"), CHOICES.values(), ids=CHOICES.keys())
def test_the_template_that_can_do_more_is_chosen(go: str, text: str, *, expected: bool) -> None:
    """Of two templates the Go one is used, unless the Jinja one knows more or has the round of tools it lacks."""
    assert expected == jinja.prefer_jinja(PromptTemplate.parse(go), text)
