"""What is said of an answer while it comes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from puna.types import Timings, TokenLogprob, ToolCall, Usage

DoneReason = Literal["stop", "length", "load", "unload"]


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
