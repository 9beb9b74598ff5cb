"""The JSON of llama-server's ``/v1/rerank``: a query and documents to a request, its reply to scores."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from puna.engine import Ranked
from puna.engine.protocol import UNREADABLE
from puna.errors import GenerationFailed


class _Result(msgspec.Struct):
    index: int
    relevance_score: float


class _Usage(msgspec.Struct):
    prompt_tokens: int = 0


class _Reply(msgspec.Struct):
    results: list[_Result]
    usage: _Usage = msgspec.field(default_factory=_Usage)


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Reply).decode


def request(query: str, documents: Sequence[str]) -> tuple[str, bytes]:
    """The path and body that ask how well ``documents`` answer ``query``."""
    return "/v1/rerank", _encode({"query": query, "documents": documents})


def decode(reply: bytes, count: int) -> Ranked:
    """The scores that ``reply`` holds for ``count`` documents, in their order.

    Raises:
        GenerationFailed: it is not a score for each.
    """
    try:
        found = _decode(reply)
    except UNREADABLE as error:
        raise GenerationFailed(f"the engine answered with what is not a ranking: {reply[:200]!r}") from error
    scores = {one.index: one.relevance_score for one in found.results}
    if scores.keys() != set(range(count)):
        raise GenerationFailed(f"the engine ranked {len(scores)} of {count} documents")
    return Ranked(tuple(scores[index] for index in range(count)), found.usage.prompt_tokens)
