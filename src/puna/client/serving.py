"""What a server says of itself and of its requests."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ServerVersion:
    """What a server says of itself: the release of Ollama whose API it speaks, and of puna ("" when it is not one)."""

    api: str
    puna: str = ""


@dataclass(frozen=True, slots=True)
class RequestProgress:
    """How far a request is: its state, and how many of its prompt's tokens are read (0 of 0: not known yet)."""

    state: str
    prompt_done: int
    prompt_tokens: int
