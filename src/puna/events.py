"""The canonical stream: what the service says while it answers, whatever the dialect.

A generation is ``(Text | Thinking | ToolCalled | PromptProgress)* Done``. Work on the store (create, pull, push) is
``Progress*``, the last of them ``Progress("success")``. An error ends a stream as an exception. An engine's own
stream is made of ``Piece``, raw text that a family's parser turns into events.
"""

from __future__ import annotations

from collections.abc import AsyncIterable
from dataclasses import dataclass, field
from typing import Literal

from puna.types import Timings, TokenLogprob, ToolCall, Usage

DoneReason = Literal["stop", "length", "load", "unload"]


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of the answer as the engine streams it.

    ``thinking`` and ``call``, a complete tool call, are filled only for a ``Conversation``, whose reader is the engine.
    """

    text: str = ""
    thinking: str = ""
    logprobs: tuple[TokenLogprob, ...] = ()
    call: ToolCall | None = None


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of the answer. ``logprobs`` has one entry per token of the piece when they were asked for."""

    text: str
    logprobs: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True, slots=True)
class Thinking:
    """A piece of the model's reasoning."""

    text: str
    logprobs: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True, slots=True)
class ToolCalled:
    """A complete tool call. ``at_end`` says that it was certain only when the text had ended."""

    call: ToolCall
    at_end: bool = False


@dataclass(frozen=True, slots=True)
class PromptProgress:
    """How much of the prompt is processed, in tokens. Also the heartbeat of a long prompt.

    ``cached`` of its ``total`` tokens had been processed before, and were kept.
    """

    processed: int
    total: int
    cached: int = 0


@dataclass(frozen=True, slots=True)
class Rendered:
    """The prompt as the model would see it: the whole answer of a request that asked for rendering only.

    ``tokens`` are those of its text, with the one it begins with where the model has such. Images come on top.
    """

    prompt: str
    image_count: int = 0
    tokens: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Done:
    """The end of an answer.

    ``context`` holds the tokens of prompt and answer where the caller can use them; ``prompt_truncated`` says that
    whole oldest turns were left out to make the prompt fit. ``stop_sequence`` is the one that ended the answer, where
    one did and the engine tells.
    """

    reason: DoneReason
    usage: Usage = field(default_factory=Usage)
    timings: Timings = field(default_factory=Timings)
    context: tuple[int, ...] = ()
    prompt_truncated: bool = False
    stop_sequence: str = ""


Event = Text | Thinking | ToolCalled | PromptProgress | Rendered | Done


@dataclass(frozen=True, slots=True)
class Progress:
    """A step of work on the store: its status text and, for a transfer, the blob and the bytes done of the total."""

    status: str
    digest: str = ""
    total: int = 0
    completed: int = 0


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
