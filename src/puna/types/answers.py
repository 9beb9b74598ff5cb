"""What answers are made of, and what they took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call the model asks for: ``arguments`` is the JSON object it gave; ``index`` counts from 0 in one reply."""

    name: str
    arguments: Mapping[str, Any]
    id: str = ""
    index: int = 0


class Usage(NamedTuple):
    """Tokens of one answer; ``prompt_tokens`` counts cached ones too, of which there are ``cached_tokens``.

    ``reasoning_tokens`` of the ``completion_tokens`` are the model's reasoning.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0


class Timings(NamedTuple):
    """Seconds one answer took, and where they went."""

    total: float = 0.0
    load: float = 0.0
    prompt: float = 0.0
    completion: float = 0.0


class TokenLogprob(NamedTuple):
    """A token, its natural-log probability, its UTF-8 bytes, and the likeliest alternatives, likeliest first."""

    token: str
    logprob: float
    bytes: tuple[int, ...] = ()
    alternatives: tuple[TokenLogprob, ...] = ()
