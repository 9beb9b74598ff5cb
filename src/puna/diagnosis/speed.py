"""How fast a model reads and writes: requests whose figures are comparable, and what their replies come to."""

from __future__ import annotations

import random
from dataclasses import dataclass

from puna.events import Done
from puna.types import GenerateRequest

_WORDS = (
    "the",
    "house",
    "stands",
    "by",
    "a",
    "river",
    "where",
    "boats",
    "pass",
    "in",
    "rain",
    "and",
    "nobody",
    "minds",
)


@dataclass(frozen=True, slots=True)
class Speed:
    """What one answer took: ``load`` in seconds, ``prompt`` and ``writing`` in tokens per second; 0 where unknown."""

    load: float
    prompt: float
    writing: float
    prompt_tokens: int
    tokens: int


def probe(model: str, *, prompt_tokens: int, tokens: int, seed: int) -> GenerateRequest:
    """A request to ``model`` to read about so many tokens, none of which it has read before, and to write ``tokens``.

    Another ``seed`` makes another prompt. Models may end sooner; what counts is the rate.
    """
    chosen = random.Random(seed)  # noqa: S311 - no secret
    words = [str(chosen.randrange(10**6)), *(chosen.choice(_WORDS) for _ in range(max(prompt_tokens - 4, 1)))]
    # At temperature 0 a small model soon says the same again, as fast as anything else.
    options = {"num_predict": tokens, "temperature": 0, "seed": seed}
    return GenerateRequest(model=model, prompt=" ".join(words), raw=True, options=options)


def speed(done: Done) -> Speed:
    """What ``done``, the end of an answer to a ``probe``, comes to."""
    usage, timings = done.usage, done.timings
    read = usage.prompt_tokens - usage.cached_tokens
    return Speed(
        load=timings.load,
        prompt=read / timings.prompt if timings.prompt > 0 else 0.0,
        writing=usage.completion_tokens / timings.completion if timings.completion > 0 else 0.0,
        prompt_tokens=read,
        tokens=usage.completion_tokens,
    )
