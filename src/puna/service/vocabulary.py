"""Tokens by their numbers, as callers give them: does the model have them."""

from __future__ import annotations

from collections.abc import Sequence

from puna.errors import InvalidRequest
from puna.gguf import Array
from puna.store.models import Model


def check(model: Model, tokens: Sequence[int]) -> None:
    """Do nothing if ``model`` has all of ``tokens``.

    Raises:
        InvalidRequest: it does not; the text names the first that is none of its.
    """
    texts = model.gguf.metadata.get("tokenizer.ggml.tokens")
    if not isinstance(texts, Array):
        return
    for token in tokens:
        if not 0 <= token < len(texts):
            raise InvalidRequest(f"the model has no token {token}: its tokens are numbered from 0 to {len(texts) - 1}")
