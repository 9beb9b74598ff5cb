"""Pieces of the engine become events: numbered calls, and log-probabilities that are never lost."""

from __future__ import annotations

import re
from collections.abc import Iterator

from puna.events import Event, Piece, Text, Thinking, ToolCalled
from puna.families import Found
from puna.families.answer import AnswerReader
from puna.types import TokenLogprob, ToolCall

LOGPROBS = (TokenLogprob("a", -0.5),)


class Split:
    """A parser that finds a thought before a bar, a call in brackets, and holds back what follows a tilde."""

    def __init__(self) -> None:
        self._held = ""

    def feed(self, text: str) -> Iterator[Found]:
        text, _, held = text.partition("~")
        self._held += held
        thought, _, rest = text.rpartition("|")
        yield Thinking(thought)
        if rest.startswith("["):
            yield ToolCalled(ToolCall(rest.strip("[]"), {}))
        else:
            yield Text(rest)

    def close(self) -> Iterator[Found]:
        yield Text(self._held)


def read(*pieces: Piece) -> list[Event]:
    reader = AnswerReader(Split())
    return [event for piece in pieces for event in reader.feed(piece)] + list(reader.close())


def test_empty_findings_say_nothing() -> None:
    """No client gets a chunk without anything in it."""
    assert [Text("a"), Text("b")] == read(Piece("a"), Piece(""), Piece("b"))


def test_what_was_held_back_comes_at_the_end() -> None:
    """Nothing of an answer is lost."""
    assert [Text("a"), Text("b")] == read(Piece("a~b"))


def test_tool_calls_are_numbered_and_named() -> None:
    """From 0 through the whole answer; each has an id of its own, the engine's where it gave one."""
    engines = Piece(call=ToolCall("third", {}, id="from-engine"))
    calls = [
        event.call for event in read(Piece("[first]"), Piece("[second]"), engines) if isinstance(event, ToolCalled)
    ]
    assert [("first", 0), ("second", 1), ("third", 2)] == [(call.name, call.index) for call in calls]
    assert all(re.fullmatch(r"call_[a-z0-9]{8}", call.id) for call in calls[:2])
    assert calls[0].id != calls[1].id
    assert "from-engine" == calls[2].id


def test_log_probabilities_go_with_the_first_text() -> None:
    """Once, whatever the piece was found to hold."""
    assert [Thinking("a", LOGPROBS), Text("b")] == read(Piece("a|b", logprobs=LOGPROBS))


def test_log_probabilities_are_said_when_the_text_is_held_back() -> None:
    """With an empty text, since they belong to tokens that were drawn."""
    assert [Text("", LOGPROBS), Text("b")] == read(Piece("~b", logprobs=LOGPROBS))
    first, second = read(Piece("[f]", logprobs=LOGPROBS))
    assert isinstance(first, ToolCalled)
    assert Text("", LOGPROBS) == second


def test_what_the_engine_told_apart_passes_through() -> None:
    """Its reasoning is reasoning, whatever it says."""
    assert [Thinking("[x]|", LOGPROBS), Text("y")] == read(Piece("y", thinking="[x]|", logprobs=LOGPROBS))


def test_a_call_that_was_certain_only_at_the_end_says_so() -> None:
    """A dialect may say it together with the end."""

    class Late(Split):
        def close(self) -> Iterator[Found]:
            yield ToolCalled(ToolCall("late", {}))

    reader = AnswerReader(Late())
    (early,) = reader.feed(Piece("[early]"))
    (late,) = reader.close()
    assert [("early", False), ("late", True)] == [
        (event.call.name, event.at_end) for event in (early, late) if isinstance(event, ToolCalled)
    ]
