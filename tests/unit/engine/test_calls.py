"""Tool calls that the engine streams in pieces: given when they are whole, never lost."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from puna.engine.calls import CallDelta, Calls, FunctionDelta
from puna.events import Piece
from puna.types import ToolCall

PARIS = '{"city": "Paris", "days": [1, {"z": 2}]}'
CALL = ToolCall("get_weather", {"city": "Paris", "days": [1, {"z": 2}]}, "abc")


def deltas(
    arguments: str, *, size: int, index: int = 0, name: str = "get_weather", call_id: str = "abc"
) -> list[CallDelta]:
    """As llama-server sends them: id and name first, then the arguments in pieces of ``size`` characters."""
    pieces = [arguments[at : at + size] for at in range(0, len(arguments), size)]
    more = (CallDelta(index, None, FunctionDelta(None, piece)) for piece in pieces[1:])
    return [CallDelta(index, call_id, FunctionDelta(name, pieces[0] if pieces else "")), *more]


def played(calls: Calls, *parts: CallDelta, cut: bool = False) -> list[Piece]:
    def play() -> Iterator[Piece]:
        for part in parts:
            yield from calls.feed(part)
        yield from calls.close(cut=cut)

    return list(play())


@pytest.mark.parametrize("size", [1, 3, 100])
def test_a_call_is_given_with_its_last_brace(size: int) -> None:
    """Not when the next begins or the answer ends, and with the engine's id."""
    calls = Calls()
    *before, last = deltas(PARIS, size=size)
    assert [] == [piece for part in before for piece in calls.feed(part)]
    assert [Piece(call=CALL)] == list(calls.feed(last))
    assert [] == list(calls.close())


def test_several_calls_come_in_their_order() -> None:
    """Each with its own id and arguments."""
    second = deltas('{"a": 1}', size=2, index=1, name="add", call_id="def")
    assert [Piece(call=CALL), Piece(call=ToolCall("add", {"a": 1}, "def"))] == played(
        Calls(), *deltas(PARIS, size=4), *second
    )


@pytest.mark.parametrize("arguments", ["", " ", "{}"])
def test_a_call_may_have_no_arguments(arguments: str) -> None:
    """Whether the engine says so or says nothing."""
    ping = deltas(arguments, size=9, name="ping")
    add = deltas('{"a": 1}', size=9, index=1, name="add")
    assert [Piece(call=ToolCall("ping", {}, "abc"))] == played(Calls(), *ping)
    assert [Piece(call=ToolCall("ping", {}, "abc")), Piece(call=ToolCall("add", {"a": 1}, "abc"))] == played(
        Calls(), *ping, *add
    )


def test_a_name_may_grow() -> None:
    """The engine sends all of it again."""
    grown = CallDelta(0, "abc", FunctionDelta("get_weather", None))
    assert [Piece(call=CALL)] == played(
        Calls(), CallDelta(0, "abc", FunctionDelta("get", "")), grown, *deltas(PARIS, size=9)
    )


@pytest.mark.parametrize(
    "arguments", ['{"city": "Pa', "{", '["Paris"]', '{"city": "\\ud800"}', '{"a":' * 5000 + "1" + "}" * 5000]
)
@pytest.mark.parametrize("cut", [True, False])
def test_arguments_that_are_no_object_come_as_text(arguments: str, cut: bool) -> None:
    """A limit or a stop string may end an answer anywhere; what was said until then is not lost."""
    found = played(Calls(), *deltas(arguments, size=50), cut=cut)
    assert [Piece(f'{{"name": "get_weather", "arguments": {arguments}')] == found


def test_a_call_cut_before_its_arguments_is_no_call() -> None:
    """The model was about to write some."""
    assert [Piece('{"name": "get_weather", "arguments": ')] == played(Calls(), *deltas("", size=1), cut=True)
    assert [Piece(call=CALL)] == played(Calls(), *deltas(PARIS, size=5), cut=True)


def test_an_unfinished_call_comes_before_the_next() -> None:
    """In the order in which the model wrote them."""
    unfinished = Piece('{"name": "get_weather", "arguments": {"city')
    found = played(Calls(), *deltas('{"city', size=3), *deltas(PARIS, size=9, index=1))
    assert [unfinished, Piece(call=CALL)] == found


def test_what_follows_a_whole_call_is_no_second_one() -> None:
    """White space says nothing; anything else is text."""
    more = CallDelta(0, "abc", FunctionDelta("get_weather", "\n"))
    assert [Piece(call=CALL)] == played(Calls(), *deltas(PARIS, size=9), more)
    rest = CallDelta(0, None, FunctionDelta(None, " and more"))
    assert [Piece(call=CALL), Piece(" and more")] == played(Calls(), *deltas(PARIS, size=9), rest)
