"""What an engine is asked to go on with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt as the model reads it. Special tokens in the text count as special tokens.

    ``images`` are pictures or sound; the n-th stands where the text says ``[img-n]``. ``preserved_tokens`` are special
    tokens that the answer's text must show, which the engine else leaves out. ``tokens`` come before the text.
    """

    text: str
    images: tuple[bytes, ...] = ()
    preserved_tokens: tuple[str, ...] = ()
    tokens: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Conversation:
    """Messages that the engine renders with the model's own (Jinja) template.

    ``messages`` and ``tools`` are in the form of OpenAI's chat API; ``template_kwargs`` are variables for the template.
    ``parallel_calls`` lets the answer call several tools.
    """

    messages: Sequence[Mapping[str, Any]]
    tools: Sequence[Mapping[str, Any]] = ()
    template_kwargs: Mapping[str, Any] = field(default_factory=dict)
    parallel_calls: bool = True
