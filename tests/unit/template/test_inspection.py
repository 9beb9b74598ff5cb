"""Inspection: what a template tells of its model."""

from __future__ import annotations

import pytest

from puna.template.prompt import PromptTemplate

THINKING = {
    "around the thoughts": (
        (
            "{{ range .Messages }}<|im|>{{ if .Thinking }} <think>\n{{ .Thinking }}</think> {{ end }}{{ .Content }}"
            "<|/im|>{{ end }}"
        ),
        ("<think>", "</think>"),
    ),
    "with an index": (
        "{{ range $i, $_ := .Messages }}{{ if .Thinking }}[T]{{ .Thinking }}[/T]{{ end }}{{ end }}",
        ("[T]", "[/T]"),
    ),
    "in a loop over some messages": (
        "{{ range slice $.Messages 1 }}{{ if .Thinking }}<a>{{ .Thinking }}<b>{{ end }}{{ end }}",
        ("<a>", "<b>"),
    ),
    "the larger body when there is no smaller": ("{{ range .Messages }}<a>{{ .Thinking }}<b>{{ end }}", ("<a>", "<b>")),
    "no loop": ("{{ .Messages }}<a>{{ .Thinking }}<b>", None),
    "another loop": ("{{ range .Messages }}{{ range .ToolCalls }}<a>{{ .Thinking }}<b>{{ end }}{{ end }}", None),
    "no text around": ("{{ range .Messages }}{{ .Thinking }}{{ end }}", None),
    "text on one side": ("{{ range .Messages }}<a>{{ .Thinking }}{{ end }}", None),
    "no thoughts": ("{{ range .Messages }}<a>{{ .Content }}<b>{{ end }}", None),
}

TOOL_TAGS = {
    "text before the call": (
        '{{ .Tools }}{{ range .Messages }}{{ if .ToolCalls }}<tool_call>\n{"name": {{ end }}{{ end }}',
        "<tool_call>",
    ),
    "text within the loop": (
        (
            "{{ .Tools }}{{ range .Messages }}{{ if .Content }}a{{ else if .ToolCalls }} "
            '{{ range .ToolCalls }}[C] {"n"{{ end }}{{ end }}{{ end }}'
        ),
        "[C]",
    ),
    "of several conditions": (
        "{{ .Tools }}{{ range .Messages }}{{ if and .Role .ToolCalls }}<a>{{ end }}{{ end }}",
        "<a>",
    ),
    "of a variable": ("{{ .Tools }}{{ range $m := .Messages }}{{ if $m.ToolCalls }}<a>{{ end }}{{ end }}", "<a>"),
    "a list": (
        '{{ .Tools }}{{ range .Messages }}{{ if .ToolCalls }}[TOOL_CALLS] [{"name"{{ end }}{{ end }}',
        "[TOOL_CALLS] [",
    ),
    "bare JSON": ('{{ .Tools }}{{ range .Messages }}{{ if .ToolCalls }}{"name": {{ end }}{{ end }}', "{"),
    "something printed first": (
        "{{ .Tools }}{{ range .Messages }}{{ if .ToolCalls }}{{ .Content }}<a>{{ end }}{{ end }}",
        "{",
    ),
    "no condition": ("{{ .Tools }}{{ range .Messages }}{{ range .ToolCalls }}<a>{{ end }}{{ end }}", "{"),
    "no tools": ("{{ range .Messages }}{{ if .ToolCalls }}<a>{{ end }}{{ end }}", None),
}

CAPABILITIES = {
    "chat": ("{{ range .Messages }}{{ end }}", set()),
    "tools": ("{{ range .Messages }}{{ end }}{{ if $.Tools }}{{ end }}", {"tools"}),
    "insert": ("{{ if .Suffix }}{{ end }}{{ .Response }}", {"insert"}),
    "thinking": ("{{ range .Messages }}{{ if .Thinking }}<a>{{ .Thinking }}<b>{{ end }}{{ end }}", {"thinking"}),
    "thinking without tags": ("{{ range .Messages }}{{ .Thinking }}{{ end }}", set()),
}


@pytest.mark.parametrize(("text", "expected"), THINKING.values(), ids=THINKING.keys())
def test_thinking_tags(text: str, expected: tuple[str, str] | None) -> None:
    """The tags of reasoning are what the template writes around it."""
    assert expected == PromptTemplate.parse(text).thinking_tags()


@pytest.mark.parametrize(("text", "expected"), TOOL_TAGS.values(), ids=TOOL_TAGS.keys())
def test_tool_tag(text: str, expected: str | None) -> None:
    """The tag of tool calls is the first text the template writes for them."""
    assert expected == PromptTemplate.parse(text).tool_tag()


@pytest.mark.parametrize(("text", "expected"), CAPABILITIES.values(), ids=CAPABILITIES.keys())
def test_capabilities(text: str, expected: set[str]) -> None:
    """A template that uses tools, a suffix or thoughts makes its model capable of them."""
    assert expected == PromptTemplate.parse(text).capabilities


def test_variables_are_the_names_used_anywhere() -> None:
    """Names count in lower case, at every depth, in every template defined, with those of variables."""
    text = (
        '{{ define "t" }}{{ .InTemplate }}{{ end }}{{ block "b" .Given }}{{ .InBlock }}{{ end }}'
        "{{ $x := .A.B }}{{ if not (eq .C $x.D) }}{{ else }}{{ range $i, $e := .E }}{{ with (index .F 0).G }}{{ end }}"
        "{{ end }}{{ end }}"
    )
    expected = {"intemplate", "given", "inblock", "$x", "a", "b", "c", "d", "$i", "$e", "e", "f", "g", "response"}
    assert expected == PromptTemplate.parse(text).variables


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{{ .Tools }}{{ range .Messages }}{{ .ToolCalls }}{{ if eq .Role "tool" }}{{ end }}{{ end }}', True),
        ("{{ .Tools }}{{ range .Messages }}{{ .ToolCalls }}<tool_response>{{ end }}", True),
        ("{{ .Tools }}{{ range .Messages }}{{ .ToolCalls }}[TOOL_RESULTS]{{ end }}", True),
        ("{{ .Tools }}{{ range .Messages }}{{ .ToolCalls }}{{ end }}", False),
        ('{{ .Tools }}{{ range .Messages }}{{ if eq .Role "tool" }}{{ end }}{{ end }}', False),
    ],
)
def test_tool_round_trip(text: str, *, expected: bool) -> None:
    """A template has room for a round of tools when it prints both calls and results."""
    assert expected == PromptTemplate.parse(text).tool_round_trip
