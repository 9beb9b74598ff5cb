"""The JSON of llama-server's ``/v1/embeddings``: inputs to a request, its reply to vectors."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import msgspec

from puna.engine import Embedded
from puna.engine.protocol import UNREADABLE
from puna.errors import GenerationFailed

_RAW = -1
"""What ``embd_normalize`` is where the vectors are to stay as they are."""


class _Vector(msgspec.Struct):
    index: int
    embedding: bytes | list[float]


class _Usage(msgspec.Struct):
    prompt_tokens: int = 0


class _Reply(msgspec.Struct):
    data: list[_Vector]
    usage: _Usage = msgspec.field(default_factory=_Usage)


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Reply).decode


def request(inputs: Sequence[str | Sequence[int]]) -> tuple[str, bytes]:
    """The path and body that ask for the vectors of ``inputs``."""
    # In base64 a vector has a quarter of the length, keeps every bit, and is not parsed number by number.
    body = {"input": inputs, "embd_normalize": _RAW, "encoding_format": "base64"}
    return "/v1/embeddings", _encode(body)


def decode(reply: bytes, count: int) -> Embedded:
    """The vectors that ``reply`` holds for ``count`` inputs.

    Raises:
        GenerationFailed: it is not a vector for each.
    """
    try:
        found = _decode(reply)
        vectors = {one.index: _floats(one.embedding) for one in found.data}
    except (*UNREADABLE, ValueError) as error:
        raise GenerationFailed(f"the engine answered with what are not embeddings: {reply[:200]!r}") from error
    if vectors.keys() != set(range(count)):
        raise GenerationFailed(f"the engine made {len(vectors)} embeddings of {count} inputs")
    return Embedded(tuple(vectors[index] for index in range(count)), found.usage.prompt_tokens)


def _floats(embedding: bytes | list[float]) -> array[float]:
    # An engine that does not know base64 sends numbers.
    return array("f", embedding)
