"""A stream of events as one answer."""

from __future__ import annotations

from collections.abc import AsyncIterable
from dataclasses import dataclass

from puna.events.answering import Done, Text, Thinking, ToolCalled
from puna.events.stream import Event
from puna.types import TokenLogprob, ToolCall


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole generation, folded."""

    text: str
    thinking: str
    tool_calls: tuple[ToolCall, ...]
    logprobs: tuple[TokenLogprob, ...]
    done: Done


async def fold(events: AsyncIterable[Event]) -> Answer:
    """Gather a stream of events into one answer.

    Raises:
        RuntimeError: the stream ended without ``Done``, which no service does.
    """
    text: list[str] = []
    thinking: list[str] = []
    calls: list[ToolCall] = []
    logprobs: list[TokenLogprob] = []
    async for event in events:
        match event:
            case Text():
                text.append(event.text)
                logprobs.extend(event.logprobs)
            case Thinking():
                thinking.append(event.text)
                logprobs.extend(event.logprobs)
            case ToolCalled():
                calls.append(event.call)
            case Done():
                return Answer("".join(text), "".join(thinking), tuple(calls), tuple(logprobs), event)
            case _:
                pass
    raise RuntimeError("the stream of events ended without Done")
