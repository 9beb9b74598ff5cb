"""Requests that run, and answers that are kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """An answer that is kept for later requests to go on from, with what was asked.

    ``previous`` is the id of the one it went on from, "" if none; ``items`` are the messages that were asked, and
    ``body`` the reply, in the words of the dialect that keeps them.
    """

    id: str
    previous: str
    items: bytes
    body: bytes


RequestKind = Literal["chat", "generate", "embed", "rerank", "tokenize", "detokenize", "apply-template", "count-tokens"]
RequestState = Literal["queued", "loading", "prompt", "answering"]
"""Where a request stands: it waits for its turn, its model is loaded, its prompt is read, its answer is written."""


@dataclass(frozen=True, slots=True)
class RunningRequest:
    """A request that runs, ``since`` that RFC 3339 time, for ``seconds``, from the address ``client``.

    ``prompt_done`` of the ``prompt_tokens`` are read (0 of 0: not known yet), about ``tokens`` of the answer written.
    """

    id: str
    kind: RequestKind
    model: str
    state: RequestState
    client: str
    since: str
    seconds: float
    prompt_tokens: int
    prompt_done: int
    tokens: int
