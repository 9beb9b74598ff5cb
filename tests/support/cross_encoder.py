"""A cross-encoder for the tests: all-MiniLM-L6-v2 with a head of random weights, as GGUF and once more in numpy.

The head is a BERT classifier's: a layer with tanh over the first token's state, and one number made of that.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from gguf import PoolingType

from support import minilm

_SIZE = 384


def _head() -> dict[str, minilm.Array]:
    random = np.random.default_rng(5)
    shapes = {"cls.weight": (_SIZE, _SIZE), "cls.bias": (_SIZE,), "cls.output.weight": (1, _SIZE)}
    weights = {name: random.normal(0, 0.1, shape).astype(np.float32) for name, shape in shapes.items()}
    return weights | {"cls.output.bias": np.array([0.1], np.float32)}


def write_gguf(path: Path) -> Path:
    """Write the model as an F16 GGUF file."""
    return minilm.write_gguf(path, pooling=PoolingType.RANK, more=_head())


def score(query: str, document: str) -> float:
    """How well ``document`` answers ``query``, by numpy; llama.cpp lays a BERT's pair out without a mark at its end."""
    reference = minilm.Reference()
    first = reference.states([*reference.tokens(query), *reference.tokens(document)[1:-1]])[0]
    head = _head()
    inner = np.tanh(head["cls.weight"] @ first + head["cls.bias"])
    return float((head["cls.output.weight"] @ inner + head["cls.output.bias"])[0])
