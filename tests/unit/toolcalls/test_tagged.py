"""Answers in which tags tell reasoning, text and calls apart."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.events import Text, Thinking, ToolCalled
from puna.toolcalls import hermes
from puna.toolcalls.calls import CALL, CallReader, enclosed
from puna.toolcalls.tagged import QWEN, Start, TaggedParser, Tags
from puna.toolcalls.xml import XmlSyntax
from puna.types import Message, ToolCall

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
READERS = st.sampled_from([hermes.READER, enclosed(XmlSyntax([]))])
STARTS = st.sampled_from(Start)
TAGS = st.builds(
    Tags,
    reopens=st.booleans(),
    anywhere=st.booleans(),
    noise=st.sampled_from([(), ("</think>",)]),
    in_reasoning=st.sampled_from([(), (CALL,)]),
    keeps_space_in_reasoning=st.booleans(),
    keeps_space_before_calls=st.booleans(),
    drops_space_after_calls=st.booleans(),
    trims_start=st.booleans(),
)
PING = '<tool_call>{"name": "ping"}</tool_call>'
PINGED = ToolCalled(ToolCall("ping", {}))


def found(pieces: Iterable[str], tags: Tags = QWEN, start: Start = Start.TEXT, **more: Any) -> list[Any]:
    """What is found, texts of a kind joined."""
    reader: CallReader = more.pop("reader", hermes.READER)
    parser = TaggedParser({CALL: reader}, tags, start, **more)
    events = [event for piece in pieces for event in parser.feed(piece)] + list(parser.close())
    joined: list[Any] = []
    for event in events:
        if joined and not isinstance(event, ToolCalled) and type(joined[-1]) is type(event):
            joined[-1] = type(event)(joined[-1].text + event.text)
        else:
            joined.append(event)
    return joined


def bare(text: str) -> str:
    """``text`` without white space and the tags of reasoning."""
    return "".join(text.split()).replace("</think>", "").replace("<think>", "")


@given(ANSWERS, READERS, TAGS, STARTS, st.data())
def test_the_same_is_found_however_the_answer_is_cut(
    answer: str, reader: CallReader, tags: Tags, start: Start, data: st.DataObject
) -> None:
    """Whole, by character, and in two; whatever a family's ways are."""
    at = data.draw(st.integers(0, len(answer)))
    whole = found([answer], tags, start, reader=reader)
    assert whole == found(answer, tags, start, reader=reader)
    assert whole == found([answer[:at], answer[at:]], tags, start, reader=reader)


@given(ANSWERS, READERS, TAGS, STARTS)
def test_what_is_no_call_is_all_there(answer: str, reader: CallReader, tags: Tags, start: Start) -> None:
    """But for white space around tags and the tags of reasoning, an answer without calls is passed on as it came."""
    events = found([answer], tags, start, reader=reader)
    if not any(isinstance(event, ToolCalled) for event in events):
        assert bare(answer) == bare("".join(event.text for event in events))


def test_text_is_passed_on_piece_by_piece() -> None:
    """Only white space, and what may begin a tag, waits for what follows it."""
    parser = TaggedParser({CALL: hermes.READER}, QWEN, Start.REASONING)
    pieces = ["I", " think", "</think>", "\n", "\nHi ", "there <to", "ken>"]
    assert [
        [Thinking("I")],
        [Thinking(" think")],
        [],
        [],
        [Text("Hi")],
        [Text(" there")],
        [Text(" <token>")],
    ] == [list(parser.feed(piece)) for piece in pieces]


def test_a_tag_that_is_only_mentioned_holds_nothing_up() -> None:
    """The text goes on as soon as it is clear that no call follows."""
    parser = TaggedParser({CALL: hermes.READER})
    assert [Text("Use")] == list(parser.feed("Use <tool_call> "))
    assert [Text(" <tool_call>"), Text(" for")] == list(parser.feed("for"))


def test_a_call_may_end_reasoning() -> None:
    """Where a family's models forget to close it; elsewhere it is thought about."""
    answer = f"hm {PING} Hi"
    assert [Thinking("hm"), PINGED, Text(" Hi")] == found([answer], QWEN, Start.REASONING)
    assert [Thinking(answer)] == found([answer], Tags(), Start.REASONING)


def test_reasoning_may_be_opened_at_the_beginning_again_or_anywhere() -> None:
    """As a family's models do."""
    answer = f"<think>a</think><think>b</think>c {PING}<think>d</think>e <think>f</think>"
    assert [Thinking("a"), Text("<think>b</think>c"), PINGED, Text("<think>d</think>e <think>f</think>")] == found(
        [answer], Tags(), Start.EITHER
    )
    assert [Thinking("ab"), Text("c"), PINGED, Thinking("d"), Text("e <think>f</think>")] == found(
        [answer], Tags(reopens=True), Start.EITHER
    )
    assert [Thinking("ab"), Text("c"), PINGED, Thinking("d"), Text("e"), Thinking("f")] == found(
        [answer], Tags(anywhere=True), Start.TEXT
    )


def test_noise_is_dropped_where_text_may_begin() -> None:
    """Also a part of it, where the answer was cut off; in the midst of text it is text."""
    noisy = Tags(noise=("<noise>",))
    assert [PINGED, Text("a <noise>")] == found([f"{PING}<noise>\n<noise> a <noise>"], noisy)
    assert [PINGED] == found([f"{PING}<noi"], noisy)
    assert [PINGED, Text("<")] == found([f"{PING}<"], noisy)


def test_reasoning_that_nobody_wants_is_left_out() -> None:
    """What follows it is not."""
    assert [Text("Hi")] == found(["hm</think>Hi"], QWEN, Start.REASONING, shows_reasoning=False)


def test_a_tag_may_be_the_beginning_of_a_longer_one() -> None:
    """It opens reasoning by itself too, and says nothing at the end of an answer."""
    channel = Tags(("<c>", "<c>thought\n"), "</c>", anywhere=True)
    assert [Text("a"), Thinking("hm"), Text("b")] == found(["a<c>thought\nhm</c>b"], channel)
    assert [Text("a"), Thinking("hm"), Text("b")] == found(["a<c>hm</c>b"], channel)
    assert [Text("a")] == found(["a<c>thou"], channel)


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (Tags(), [Text(" a"), PINGED, Text(" b ")]),
        (Tags(trims_start=True), [Text("a"), PINGED, Text(" b ")]),
        (Tags(keeps_space_before_calls=True), [Text(" a "), PINGED, Text(" b ")]),
        (Tags(drops_space_after_calls=True), [Text(" a"), PINGED, Text("b ")]),
    ],
)
def test_white_space_is_kept_where_a_family_keeps_it(tags: Tags, expected: list[Any]) -> None:
    """As Ollama shows the answers of that family."""
    assert expected == found([f" a {PING} b "], tags, Start.EITHER)


def test_words_around_calls_stay_apart() -> None:
    """White space after a call stands between two texts; where nothing follows it, it says nothing."""
    assert [Text("a"), PINGED, PINGED, Text("\nb")] == found([f"a\n{PING}\n{PING}\nb"])
    assert [Text("a"), PINGED] == found([f"a\n{PING}\n\n"])
    assert [PINGED, Text("b")] == found([f"{PING}\nb"], Tags(trims_start=True), Start.EITHER)
    assert [PINGED, Text("\nb")] == found([f"{PING}\nb"])


@pytest.mark.parametrize(
    ("prefill", "prompt", "starts"),
    [
        (None, "<|im_start|>assistant\n", (Start.REASONING, Start.EITHER)),
        (None, "<|im_start|>assistant\n<think>\n", (Start.REASONING, Start.REASONING)),
        (None, "<|im_start|>assistant\n<think>\n\n</think>\n\n", (Start.EITHER, Start.EITHER)),
        (Message("assistant", "Well,"), "Well,", (Start.TEXT, Start.TEXT)),
        (Message("assistant", thinking="Well,"), "<think>\nWell,", (Start.REASONING, Start.EITHER)),
        (Message("assistant", thinking="Well,"), "<think>\nWell,\n</think>\n\n", (Start.EITHER, Start.EITHER)),
    ],
)
def test_an_answer_starts_where_its_prompt_ended(
    prefill: Message | None, prompt: str, starts: tuple[Start, Start]
) -> None:
    """In reasoning or after it; where the prompt says nothing, as the model does: it reasons, or it does not."""
    assert starts == tuple(
        Start.after(prompt, prefill, reasons=reasons, otherwise=Start.EITHER) for reasons in (True, False)
    )


def test_a_model_that_does_not_reason_answers() -> None:
    """Unless something else is said."""
    assert Start.TEXT is Start.after("<|im_start|>assistant\n", None, reasons=False)
