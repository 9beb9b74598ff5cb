"""Answers with calls between tags, told apart."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.events import Text, Thinking, ToolCalled
from puna.toolcalls.tagged import JsonSyntax, Syntax, TaggedParser, reasons, written
from puna.toolcalls.xml import XmlSyntax
from puna.types import Message, Think, ToolCall

PIECES = [
    "<think>",
    "</think>",
    "<tool_call>",
    "</tool_call>",
    '{"name": "f", "arguments": {"a": "',
    '"}}',
    "<function=f>",
    "<parameter=a>",
    "</parameter>",
    "</function>",
    '"',
    "\\",
    "<",
    " ",
    "\n",
    "so",
]
ANSWERS = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)
SYNTAXES = st.sampled_from([JsonSyntax(), XmlSyntax([])])


def found(syntax: Syntax, pieces: Iterable[str], *, reasoning: bool = False) -> list[Any]:
    """What is found, texts of a kind joined."""
    parser = TaggedParser(syntax, reasoning=reasoning)
    events = [event for piece in pieces for event in parser.feed(piece)] + list(parser.close())
    joined: list[Any] = []
    for event in events:
        if joined and not isinstance(event, ToolCalled) and type(joined[-1]) is type(event):
            joined[-1] = type(event)(joined[-1].text + event.text)
        else:
            joined.append(event)
    return joined


@given(ANSWERS, SYNTAXES, st.booleans(), st.data())
def test_the_same_is_found_however_the_answer_is_cut(
    answer: str, syntax: Syntax, reasoning: bool, data: st.DataObject
) -> None:
    """Whole, by character, and in two."""
    at = data.draw(st.integers(0, len(answer)))
    whole = found(syntax, [answer], reasoning=reasoning)
    assert whole == found(syntax, answer, reasoning=reasoning)
    assert whole == found(syntax, [answer[:at], answer[at:]], reasoning=reasoning)


@given(ANSWERS, SYNTAXES, st.booleans())
def test_what_is_no_call_is_all_there(answer: str, syntax: Syntax, reasoning: bool) -> None:
    """But for white space around tags and the tags of reasoning, an answer without calls is passed on as it came."""
    events = found(syntax, [answer], reasoning=reasoning)
    if not any(isinstance(event, ToolCalled) for event in events):
        passed_on = "".join(event.text for event in events)
        assert "".join(answer.split()).replace("</think>", "").replace("<think>", "") == "".join(
            passed_on.split()
        ).replace("</think>", "").replace("<think>", "")


@pytest.mark.parametrize(
    ("syntax", "call"),
    [
        (JsonSyntax(), '<tool_call>{"name": "f"}</tool_call>'),
        (XmlSyntax([]), "<tool_call><function=f></function></tool_call>"),
    ],
)
def test_a_call_is_told_with_the_last_character_of_its_tag(syntax: Syntax, call: str) -> None:
    """A caller can run the tool while the model goes on."""
    parser = TaggedParser(syntax)
    assert [] == list(parser.feed(call[:-1]))
    assert [ToolCalled(ToolCall("f", {}))] == list(parser.feed(call[-1]))


def test_a_tag_that_is_only_mentioned_holds_nothing_up() -> None:
    """The text goes on as soon as it is clear that no call follows."""
    parser = TaggedParser(JsonSyntax())
    assert [Text("Use")] == list(parser.feed("Use <tool_call> "))
    assert [Text(" <tool_call>"), Text(" for")] == list(parser.feed("for"))


def test_text_is_passed_on_piece_by_piece() -> None:
    """Only white space waits for what follows it."""
    parser = TaggedParser(JsonSyntax(), reasoning=True)
    pieces = ["I", " think", "</think>", "\n", "\nHi ", "there"]
    assert [[Thinking("I")], [Thinking(" think")], [], [], [Text("Hi")], [Text(" there")]] == [
        list(parser.feed(piece)) for piece in pieces
    ]


@given(
    st.dictionaries(
        st.text(),
        st.recursive(
            st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 63) - 1) | st.text(),
            lambda values: st.lists(values) | st.dictionaries(st.text(), values),
            max_leaves=6,
        ),
    )
)
def test_what_was_written_is_read_again(arguments: dict[str, Any]) -> None:
    """Whatever stands in the strings."""
    call = ToolCall('say "f"', arguments)
    assert [ToolCalled(call)] == found(JsonSyntax(), [written(call)])


def test_a_call_is_written_as_the_models_were_trained_on_it() -> None:
    """JSON with a space after colons and commas, letters as they are."""
    assert written(ToolCall("f", {"a": 1, "é": [True, None]})) == (
        '<tool_call>\n{"name": "f", "arguments": {"a": 1, "é": [true, null]}}\n</tool_call>'
    )


@pytest.mark.parametrize(
    ("value", "arguments"),
    [
        ({"name": "f"}, {}),
        ({"name": "f", "arguments": None}, {}),
        ({"arguments": {"b": 1, "a": 2}, "name": "f", "id": 7}, {"b": 1, "a": 2}),
        ({"name": "f", "arguments": '{"a": 1}'}, {"a": 1}),
    ],
)
def test_arguments_may_be_missing_or_a_string(value: dict[str, Any], arguments: dict[str, Any]) -> None:
    """Small models write them so."""
    assert [ToolCall("f", arguments)] == list(JsonSyntax().read(json.dumps(value)))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        '{"name": 1}',
        '{"name": ""}',
        '{"name": "f", "arguments": 1}',
        '{"name": "f", "arguments": "x"}',
        '{"name": "f"} and so on',
        '{"name": NaN}',
        '{"name": "f", "arguments": ' + '{"a":' * 10_000,
    ],
)
def test_what_cannot_be_read_is_no_call(text: str) -> None:
    """No guess is made, and no text is an error."""
    assert [] == list(JsonSyntax().read(text))


@pytest.mark.parametrize(
    ("think", "prefill", "prompt", "expected"),
    [
        (None, None, "<|im_start|>assistant\n", True),
        (True, None, "<|im_start|>assistant\n", True),
        ("low", None, "<|im_start|>assistant\n", True),
        (False, None, "<|im_start|>assistant\n", False),
        (False, None, "<|im_start|>assistant\n<think>\n", True),
        (True, None, "<|im_start|>assistant\n<think>\n\n</think>\n\n", False),
        (True, Message("assistant", "Well,"), "Well,", False),
        (True, Message("assistant", thinking="Well,"), "<think>\nWell,", True),
        (True, Message("assistant", thinking="Well,"), "<think>\nWell,\n</think>\n\n", False),
    ],
)
def test_an_answer_starts_where_its_prompt_ended(
    think: Think, prefill: Message | None, prompt: str, expected: bool
) -> None:
    """In reasoning or after it; where the prompt says nothing, as the caller wants it."""
    assert expected == reasons(think, prefill, prompt)
