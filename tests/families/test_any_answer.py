"""Whatever a model writes: every parser finds the same however the text arrives, and loses none of it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reading import chat_of, entries

from puna import families
from puna.events import Text, Thinking, ToolCalled
from puna.families import Chat

TOOLS = [
    {"function": {"name": name, "parameters": {"properties": {"a": {"type": "string"}}}}} for name in ("f", "ping")
]
ODDS_AND_ENDS = [
    " ",
    "\n",
    "<",
    "\\",
    '"',
    "'",
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    ",",
    ":",
    "=",
    '{"',
    '": "',
    '"}',
    "f",
    "🌍",
]
WORD = "%"
"""Stands in a drawn answer for a word that is there only once."""

WHO_LEAVE_THINGS_OUT = {"harmony", "glimmer", "gemma4-no-thinking"}
"""Words in the headers of messages, and reasoning of a model that has none."""


def pieces(parser: str) -> list[str]:
    """What answers are made of: tags, marks and words, and whole answers of the family."""
    whole = [entry["raw"] for _, entry in entries("cases") if entry["parser"] == parser and len(entry["raw"]) < 200]
    return [*families.parsers()[parser].tokens, *ODDS_AND_ENDS, WORD, f" {WORD}", *whole[:12]]


def found(parser: str, chat: Chat, prompt: str, arriving: Iterable[str]) -> list[dict[str, Any]]:
    """What is found, in its order, texts of a kind joined."""
    reader = families.parsers()[parser].parser(chat, prompt)
    events = [event for text in arriving for event in reader.feed(text)] + list(reader.close())
    joined: list[Text | Thinking | ToolCalled] = []
    for event in events:
        if isinstance(event, ToolCalled):
            joined.append(event)
        elif joined and type(joined[-1]) is type(event):
            joined[-1] = type(event)(joined[-1].text + event.text)
        elif event.text:
            joined.append(event)
    return [{type(event).__name__: asdict(event)} for event in joined]


NO_TEXT = {
    "cohere": ("<|END_OF_TURN_TOKEN|>",),
    "deepseek3": ("<｜tool▁output▁begin｜>", "<｜tool▁output▁end｜>"),
    "gemma4": ("thought",),
}
"""What a parser drops though the engine need not be told of it."""


def bare(parser: str, text: str) -> str:
    """``text`` without white space and the tags of the family."""
    tags = [*families.parsers()[parser].tokens, *NO_TEXT.get(parser, ())]
    text = "".join(text.split())
    while any(tag in text for tag in tags):
        for tag in tags:
            text = text.replace(tag, "")
    return text


@pytest.mark.parametrize("parser", sorted(families.parsers()))
def test_any_answer_is_read_the_same_however_it_arrives_and_all_of_it(parser: str) -> None:
    """Whole, by character, and cut in three.

    A word of it is found in a text or a call, once. Without a call all that is no tag and no white space is there.
    """

    @settings(max_examples=40)
    @given(
        drawn=st.lists(st.sampled_from(pieces(parser)), max_size=8),
        think=st.sampled_from([True] if parser not in WHO_LEAVE_THINGS_OUT else [None, True, False]),
        messages=st.sampled_from(
            [[], [{"role": "assistant", "content": "So"}], [{"role": "assistant", "thinking": "So"}]]
        ),
        prompt=st.sampled_from(["", "<think>\n", "<think>\n\n</think>\n\n"]),
        cuts=st.tuples(st.integers(0, 400), st.integers(0, 400)).map(sorted),
    )
    def check(drawn: list[str], think: Any, messages: list[Any], prompt: str, cuts: list[int]) -> None:
        count = sum(piece.count(WORD) for piece in drawn)
        answer = "".join(drawn)
        for number in range(count):
            answer = answer.replace(WORD, f"word{number}.", 1)
        chat = chat_of({"messages": messages, "tools": TOOLS, "think": think})
        whole = found(parser, chat, prompt, [answer])
        assert whole == found(parser, chat, prompt, answer)
        assert whole == found(parser, chat, prompt, [answer[: cuts[0]], answer[cuts[0] : cuts[1]], answer[cuts[1] :]])
        if parser not in WHO_LEAVE_THINGS_OUT and not any("ToolCalled" in event for event in whole):
            assert bare(parser, answer) == bare(
                parser, "".join(one["text"] for event in whole for one in event.values())
            )
        text = json.dumps(whole, ensure_ascii=False)
        times = [text.count(f"word{number}.") for number in range(count)]
        assert [1] * count == times or (parser in WHO_LEAVE_THINGS_OUT and {*times} <= {0, 1})

    check()
