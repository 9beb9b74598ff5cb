"""Answers of models that only their TEMPLATE tells of: reasoning in its tags, calls after its tag, else text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.events import Text, Thinking, ToolCalled
from puna.families import Chat, generic
from puna.template.prompt import PromptTemplate
from puna.types import Message, Think, Tool

CALL = '<tool_call>{"name": "get_weather", "arguments": {"city": "Paris"}}</tool_call>'
TEMPLATE = PromptTemplate.parse(
    "{{ range .Tools }}{{ . }}{{ end }}{{ range .Messages }}<{{ .Role }}>"
    "{{ if .Thinking }}<think>{{ .Thinking }}</think>{{ end }}{{ .Content }}"
    "{{ if .ToolCalls }}{{ range .ToolCalls }}<tool_call>{{ .Function }}{{ end }}{{ end }}{{ end }}<assistant>"
)
SILENT = PromptTemplate.parse("{{ range .Tools }}{{ . }}{{ end }}{{ range .Messages }}{{ .Content }}{{ end }}")
TOOLS = (Tool("get_weather", {"type": "function", "function": {"name": "get_weather"}}),)
USER = Message("user", "Hi")

Found = tuple[str, str, list[str]]


def read(
    pieces: Iterable[str],
    *,
    think: Think = True,
    tools: tuple[Tool, ...] = (),
    prompt: str = "<assistant>",
    prefill: Message | None = None,
    template: PromptTemplate = TEMPLATE,
) -> Found:
    chat = Chat((USER, prefill) if prefill else (USER,), tools, think)
    parser = generic.reader(template, chat, prompt)
    events = [event for piece in pieces for event in parser.feed(piece)] + list(parser.close())
    return (
        "".join(event.text for event in events if isinstance(event, Thinking)),
        "".join(event.text for event in events if isinstance(event, Text)),
        [event.call.name for event in events if isinstance(event, ToolCalled)],
    )


def cuts(raw: str) -> Iterator[list[str]]:
    yield [raw]
    yield list(raw)
    for at in range(1, len(raw)):
        yield [raw[:at], raw[at:]]


def check(expected: Found, raw: str, **said: Any) -> None:
    for pieces in cuts(raw):
        assert expected == read(pieces, **said), pieces


@pytest.mark.parametrize(
    ("raw", "thinking", "text"),
    [
        ("<think>hmm</think>Answer", "hmm", "Answer"),
        ("\n<think>\nhmm\n</think>\n\nAnswer", "hmm\n", "Answer"),
        ("<think></think>Answer", "", "Answer"),
        ("<think>\n\n</think>\n\n", "", ""),
        ("<think>hmm </thin king></think> A <think>b</think>", "hmm </thin king>", "A <think>b</think>"),
    ],
)
def test_reasoning_is_told_from_the_answer(raw: str, thinking: str, text: str) -> None:
    """White space around the tags belongs to neither, except in front of the closing one."""
    check((thinking, text, []), raw)


@pytest.mark.parametrize("raw", ["Hi <think>a</think>", "</think>", "<thinking>a", "\n\nHi", "<thi", "\n ", ""])
def test_an_answer_that_begins_otherwise_has_no_reasoning(raw: str) -> None:
    """It is passed on as it is, white space too."""
    check(("", raw, []), raw)


def test_reasoning_that_does_not_end_is_reasoning() -> None:
    """Also what might have become its end."""
    check(("hmm </thi", "", []), "<think>hmm </thi")


@pytest.mark.parametrize("think", [False, None])
def test_without_thinking_the_tags_are_text(think: Think) -> None:
    """Who has turned it off sees that the model does it all the same."""
    check(("", "<think>hmm</think>Answer", []), "<think>hmm</think>Answer", think=think)


@pytest.mark.parametrize("think", [True, "low", "high"])
def test_a_level_is_thinking(think: Think) -> None:
    """However much of it."""
    check(("hmm", "Answer", []), "<think>hmm</think>Answer", think=think)


@pytest.mark.parametrize("prompt", ["<assistant><think>", "<assistant><think>\n"])
def test_a_prompt_that_opens_the_reasoning_is_gone_on_with(prompt: str) -> None:
    """The model does not open it again."""
    check(("hmm", "Answer", []), "\nhmm</think>Answer", prompt=prompt)


@pytest.mark.parametrize(
    "prefill", [Message("assistant", "<think>Let me"), Message("assistant", thinking="I must. Let me")]
)
def test_reasoning_that_the_caller_began_is_gone_on_with(prefill: Message) -> None:
    """In the answer's text or apart from it; the space that the model goes on with stays."""
    check((" see", "Answer", []), " see</think>Answer", prompt="<assistant><think>Let me", prefill=prefill)


@pytest.mark.parametrize(
    ("prompt", "prefill"),
    [
        ("<assistant><think>a</think>Sure", Message("assistant", "Sure", thinking="a")),
        ("<user>What is <think> for?<assistant>Sure", Message("assistant", "Sure")),
        ("<user>What is <think> for?<assistant>", None),
    ],
)
def test_tags_elsewhere_in_the_prompt_open_nothing(prompt: str, prefill: Message | None) -> None:
    """Reasoning that was closed, or that a user spoke of."""
    check(("", "here it is.", []), "here it is.", prompt=prompt, prefill=prefill)


def test_a_template_without_tags_tells_no_reasoning() -> None:
    """Nobody knows what it would look like."""
    check(("", "<think>a</think>b", []), "<think>a</think>b", template=SILENT)


def test_calls_are_found_in_the_answer_and_not_in_the_reasoning() -> None:
    """What the model only thought of calling is not called."""
    check(("hmm", "Let me see. ", ["get_weather"]), f"<think>hmm</think>Let me see. {CALL}", tools=TOOLS)
    check((f"maybe {CALL}", "ok", []), f"<think>maybe {CALL}</think>ok", tools=TOOLS)


def test_without_tools_a_call_is_text() -> None:
    """Nobody offered any."""
    check(("", CALL, []), CALL, think=None)


def test_a_template_that_shows_no_call_has_them_begin_with_a_brace() -> None:
    """A tool is called by JSON and nothing before it."""
    check(("", "", ["get_weather"]), '{"name": "get_weather", "arguments": {}}', tools=TOOLS, template=SILENT)
    check(("", f"So: {CALL}", []), f"So: {CALL}", tools=TOOLS, template=SILENT)


def test_an_answer_comes_as_it_is_made() -> None:
    """Nothing waits that needs not."""
    parser = generic.reader(TEMPLATE, Chat((USER,), TOOLS, True), "")
    assert [] == list(parser.feed("<think>"))
    assert [Thinking("hmm")] == list(parser.feed("hmm<"))
    assert [] == list(parser.feed("/think>"))
    assert [Text("So")] == list(parser.feed("\nSo"))


def test_plain_text_is_passed_on() -> None:
    """For models of which nothing is known, and where the engine has told all apart."""
    parser = generic.Plain()
    assert [Text("<think>")] == list(parser.feed("<think>"))
    assert [] == [*parser.feed(""), *parser.close()]


FRAGMENTS = st.sampled_from(["<think>", "</think>", CALL, "<tool_call>", "{", "}", '"', " ", "\n", "a", "</", "<"])


@given(st.lists(FRAGMENTS, max_size=8), st.data())
def test_no_cut_changes_what_is_found(fragments: list[str], data: st.DataObject) -> None:
    """Whatever the model writes, and wherever its tokens end."""
    raw = "".join(fragments)
    places = sorted(data.draw(st.sets(st.integers(0, len(raw)), max_size=6)))
    pieces = [raw[start:end] for start, end in zip([0, *places], [*places, len(raw)], strict=True)]

    assert read([raw], tools=TOOLS) == read(pieces, tools=TOOLS)
