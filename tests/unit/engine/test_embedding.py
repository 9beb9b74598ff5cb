"""llama-server's embeddings: what is sent, and what is made of its reply."""

from __future__ import annotations

import base64
import json
from array import array
from typing import Any

import pytest

from puna.engine import Embedded, embedding
from puna.errors import GenerationFailed


def reply(*vectors: Any, tokens: int = 7) -> bytes:
    data = [{"index": index, "embedding": vector} for index, vector in vectors]
    return json.dumps({"data": data, "usage": {"prompt_tokens": tokens}}).encode()


def coded(*numbers: float) -> str:
    return base64.b64encode(array("f", numbers).tobytes()).decode()


def test_a_batch_is_one_request() -> None:
    """Texts and tokens go as they are, and the vectors are to come as they are."""
    path, body = embedding.request(["a", [1, 2], ""])

    assert "/v1/embeddings" == path
    assert {"input": ["a", [1, 2], ""], "embd_normalize": -1, "encoding_format": "base64"} == json.loads(body)


def test_vectors_come_in_the_order_of_the_inputs() -> None:
    """Whatever order the engine finished them in, and to the last bit."""
    vectors = array("f", [0.1, 1 / 3]), array("f", [float("inf"), -2.5e-30])
    body = reply((1, coded(*vectors[1])), (0, coded(*vectors[0])))

    assert Embedded(vectors, 7) == embedding.decode(body, 2)


def test_an_engine_that_knows_no_base64_is_understood() -> None:
    """An operator's binary may be older."""
    assert Embedded((array("f", [0.5, 2]),), 7) == embedding.decode(reply((0, [0.5, 2])), 1)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"\xff",
        reply((0, coded(1))),
        reply((0, coded(1)), (0, coded(1))),
        reply((0, coded(1)), (2, coded(1))),
        reply((0, "!"), (1, coded(1))),
        reply((0, "QUJD"), (1, coded(1))),
        reply((0, [None]), (1, coded(1))),
    ],
)
def test_a_reply_without_a_vector_for_each_input_is_a_failure(body: bytes) -> None:
    """Nobody gets the vector of another text."""
    with pytest.raises(GenerationFailed, match="embeddings"):
        embedding.decode(body, 2)
