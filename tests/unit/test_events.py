"""A stream of events folds into the one answer a caller gets who does not stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from puna.events import Answer, Done, Event, PromptProgress, Rendered, Text, Thinking, ToolCalled, fold
from puna.types import Timings, TokenLogprob, ToolCall, Usage


def folded(*events: Event) -> Answer:
    async def stream() -> AsyncIterator[Event]:
        for event in events:
            yield event

    return asyncio.run(fold(stream()))


def logprob(token: str) -> TokenLogprob:
    return TokenLogprob(token, -0.5)


def test_everything_that_was_said_is_in_the_answer() -> None:
    """Text and reasoning joined, tool calls in order, and the end as it was."""
    calls = (ToolCall("now", {}), ToolCall("add", {"a": 1}, index=1))
    done = Done("stop", Usage(7, 5), Timings(total=1.5), context=(1, 2), prompt_truncated=True)

    assert Answer("Hello", "Hm. So.", calls, (), done) == folded(
        PromptProgress(3, 7),
        Thinking("Hm. "),
        Thinking("So."),
        Text("Hel"),
        ToolCalled(calls[0]),
        ToolCalled(calls[1]),
        Text("lo"),
        done,
    )


def test_log_probabilities_are_kept_in_the_order_of_the_tokens() -> None:
    """Those of the reasoning too, and those of pieces without text."""
    answer = folded(
        Thinking("a", (logprob("a"),)),
        Text("", (logprob("b"),)),
        Text("cd", (logprob("c"), logprob("d"))),
        Done("stop"),
    )
    assert tuple(map(logprob, "abcd")) == answer.logprobs


@pytest.mark.parametrize("reason", ["stop", "length", "load", "unload"])
def test_an_end_alone_is_an_empty_answer(reason: str) -> None:
    """Loading a model says nothing else."""
    done = Done(reason)  # type: ignore[arg-type]
    assert Answer("", "", (), (), done) == folded(done)


@pytest.mark.parametrize("events", [(), (Text("a"),), (Rendered("a prompt"),)])
def test_a_stream_without_an_end_is_no_answer(events: tuple[Event, ...]) -> None:
    """Half an answer is never given out as a whole one."""
    with pytest.raises(RuntimeError):
        folded(*events)


def test_an_error_of_the_stream_is_the_callers() -> None:
    """It is raised as it is."""

    async def breaks() -> AsyncIterator[Event]:
        yield Text("a")
        raise ConnectionError

    with pytest.raises(ConnectionError):
        asyncio.run(fold(breaks()))
