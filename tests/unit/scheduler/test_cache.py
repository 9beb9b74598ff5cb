from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from puna.engine import LoadSpec
from puna.gguf import Gguf
from puna.scheduler.cache import Cache

SPEC = LoadSpec(Path("weights"), num_ctx=1000, parallel=2, threads=1, batch=100)


def model(architecture: str, **values: Any) -> Gguf:
    """A model of 12 layers whose tokens take 120 bytes in each layer's keys and values."""
    keys = {
        "block_count": 12,
        "attention.head_count": 1,
        "attention.key_length": 30,
        "attention.value_length": 30,
        **{name.replace("__", "."): value for name, value in values.items()},
    }
    metadata = {"general.architecture": architecture} | {f"{architecture}.{key}": one for key, one in keys.items()}
    return Gguf(Path("weights"), MappingProxyType(metadata), (), 0, 0)


@pytest.mark.parametrize(
    ("expected", "gguf"),
    [
        (Cache(12 * 120), model("llama")),
        (Cache(12 * 120), model("llama", attention__sliding_window=64)),
        (Cache(2 * 120, 10 * 120, 64), model("gemma3", attention__sliding_window=64)),
        (Cache(6 * 120, 6 * 120, 64), model("gemma2", attention__sliding_window=64)),
        (
            Cache(3 * 120, 9 * 120, 64),
            model("new", attention__sliding_window=64, attention__sliding_window_pattern=4),
        ),
        (Cache(12 * 120), model("gemma3")),
        (Cache(0), model("bert", attention__causal=False)),
        (Cache(0), model("bare", block_count=0)),
    ],
    ids=lambda value: value.architecture if isinstance(value, Gguf) else "",
)
def test_attention(expected: Cache, gguf: Gguf) -> None:
    """Layers that look at a window are told from those that look at everything; an encoder keeps nothing."""
    assert expected == Cache.of(gguf)


SSM = {"ssm__inner_size": 8, "ssm__state_size": 4, "ssm__group_count": 1, "ssm__conv_kernel": 4}
STATE = 4 * (3 * (8 + 2 * 4) + 8 * 4)


@pytest.mark.parametrize(
    ("expected", "gguf"),
    [
        (Cache(3 * 120, per_request=9 * STATE), model("qwen3next", **SSM)),
        (Cache(6 * 120, per_request=6 * STATE), model("qwen35", full_attention_interval=2, **SSM)),
        (Cache(0, per_request=12 * STATE), model("mamba", attention__head_count=0, **SSM)),
        (Cache(12 * 120), model("falcon-h1", **SSM)),
    ],
    ids=lambda value: value.architecture if isinstance(value, Gguf) else "",
)
def test_recurrent_layers(expected: Cache, gguf: Gguf) -> None:
    """A recurrent layer keeps a state for each request, and nothing for each token."""
    assert expected == Cache.of(gguf)


def test_size() -> None:
    """All slots together: everything of whole layers, the window and a batch of the others, and the states."""
    assert 2 * (10 * 1000) == Cache(10).size(SPEC)
    assert 2 * (10 * 1000 + 20 * (64 + 100)) == Cache(10, 20, 64).size(SPEC)
    assert 2 * (10 * 1000 + 20 * 1000) == Cache(10, 20, 5000).size(SPEC)
    assert 2 * 7 == Cache(0, per_request=7).size(SPEC)


def test_size_by_type() -> None:
    """A quantised cache is as small as its blocks; states are never quantised."""
    spec = LoadSpec(Path("weights"), num_ctx=1000, parallel=2, threads=1, kv_cache_type="q8_0")
    assert 2 * (34 * 1000 + 7) == Cache(64, per_request=7).size(spec)
