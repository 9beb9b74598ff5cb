"""What is asked of a model that writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

ThinkLevel = Literal["low", "medium", "high", "max"]
Think = bool | ThinkLevel | None
"""What the caller said of thinking: on, off, a level, or nothing."""

Schema = Mapping[str, Any]
Format = Literal["json"] | Schema | None
"""What the reply must be: any JSON object, JSON that follows a schema, or (None) anything."""


@dataclass(frozen=True, slots=True)
class Inference:
    """What generate and chat have in common.

    ``model`` is the name as the caller wrote it, ``options`` only what the caller set, ``keep_alive`` seconds
    (None: the server's default), ``top_logprobs`` the number of alternatives per token (0 to 20).
    ``think_if_able`` has ``think`` left out, rather than refused, where the model knows no thinking. ``logit_bias`` is
    what is added to the logits of tokens, by their numbers.
    """

    model: str
    options: Mapping[str, Any] = field(default_factory=dict)
    keep_alive: float | None = None
    format: Format = None
    think: Think = None
    think_if_able: bool = False
    logit_bias: Mapping[int, float] = field(default_factory=dict)
    truncate: bool = True
    shift: bool | None = None
    logprobs: bool = False
    top_logprobs: int = 0
    render_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateRequest(Inference):
    """Complete a prompt; ``context`` holds the tokens an earlier reply ended with.

    ``tokens`` are the whole prompt, as the model reads it, in the place of all else.
    """

    prompt: str = ""
    tokens: tuple[int, ...] = ()
    suffix: str = ""
    system: str | None = None
    template: str | None = None
    context: tuple[int, ...] = ()
    raw: bool = False
    images: tuple[bytes, ...] = ()
