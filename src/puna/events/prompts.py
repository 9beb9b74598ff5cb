"""What is said of a prompt before there is an answer, or in the place of one."""

from __future__ import annotations

from dataclasses import dataclass


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
