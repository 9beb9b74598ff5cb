"""Tokens that callers give by their numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from puna import gguf
from puna.errors import InvalidRequest
from puna.service import vocabulary


@pytest.fixture
def model(tmp_path: Path, write_gguf: Callable[..., Path]) -> Any:
    path = write_gguf(tmp_path / "m.gguf", {"tokenizer.ggml.tokens": ["a", "b", "c"]})
    return SimpleNamespace(gguf=gguf.read(path))


def test_a_models_own_tokens_are_fine(model: Any) -> None:
    """From the first to the last; and none at all."""
    vocabulary.check(model, (0, 1, 2))
    vocabulary.check(model, ())


@pytest.mark.parametrize("token", [-1, 3, 10**30])
def test_others_are_named(model: Any, token: int) -> None:
    """With those that there are."""
    with pytest.raises(InvalidRequest) as refused:
        vocabulary.check(model, (1, token, 2))
    assert f"the model has no token {token}: its tokens are numbered from 0 to 2" == str(refused.value)


def test_a_file_that_does_not_tell_is_left_to_the_engine(tmp_path: Path, write_gguf: Callable[..., Path]) -> None:
    """Some models have no vocabulary in their file."""
    silent: Any = SimpleNamespace(gguf=gguf.read(write_gguf(tmp_path / "m.gguf")))
    vocabulary.check(silent, (10**30,))
    assert "tokenizer.ggml.tokens" not in silent.gguf.metadata
