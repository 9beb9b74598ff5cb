"""What a model's contexts take in memory: the KV cache of its attention layers, the state of its recurrent ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from puna.engine import LoadSpec
from puna.gguf import Array, Gguf

_PERIODS: Mapping[str, int] = {
    "cohere2": 4,
    "exaone4": 4,
    "gemma2": 2,
    "gemma3": 6,
    "gemma3n": 5,
    "gpt-oss": 2,
    "gptoss": 2,
    "olmo2": 4,
}
"""Architectures whose layers see only a window of the context, but for each n-th, where the file does not say so."""

_INTERVALS: Mapping[str, int] = {"qwen35": 4, "qwen35moe": 4, "qwen3next": 4}
"""Architectures of which each n-th layer attends and the others are recurrent, where the file does not say so."""

_SHARES = {"f32": 2.0, "q8_0": 17 / 32, "q5_1": 12 / 32, "q5_0": 11 / 32, "q4_1": 10 / 32, "q4_0": 9 / 32}
_SHARES["iq4_nl"] = _SHARES["q4_0"]
"""The size of a KV cache by its type, where a 16-bit one is 1: blocks of 32 values with their scales."""


@dataclass(frozen=True, slots=True)
class Cache:
    """The bytes a context takes with 16-bit values.

    ``per_token`` is what a token takes in the layers that see the whole context, ``windowed`` in those that see the
    last ``window`` tokens, ``per_request`` what one request takes whatever its length.
    """

    per_token: int
    windowed: int = 0
    window: int = 0
    per_request: int = 0

    @classmethod
    def of(cls, gguf: Gguf) -> Cache:
        """What contexts of this model take; layers that it does not describe are counted as seeing everything."""
        layers = gguf.block_count
        if gguf.of_architecture("attention.causal") is False:  # an encoder reads a text once and keeps nothing of it
            return cls(0)
        if layers <= 0:
            return cls(gguf.kv_bytes_per_token)
        recurrent = _recurrent_layers(gguf, layers)
        attending = gguf.kv_bytes_per_token
        if not isinstance(gguf.of_architecture("attention.head_count_kv"), Array):  # else it tells them apart itself
            attending = attending * (layers - recurrent) // layers
        window = _number(gguf, "attention.sliding_window")
        windowed = attending * _windowed_layers(gguf, layers) // layers if window else 0
        return cls(attending - windowed, windowed, window if windowed else 0, recurrent * _state(gguf))

    def size(self, spec: LoadSpec) -> int:
        """The bytes that the contexts of ``spec`` take, all slots together."""
        # A layer with a window keeps it for each slot, and the batch that is being added.
        kept = min(self.window + spec.batch, spec.num_ctx)
        values = self.per_token * spec.num_ctx + self.windowed * kept
        return spec.parallel * (int(values * _SHARES.get(spec.kv_cache_type, 1.0)) + self.per_request)


def _windowed_layers(gguf: Gguf, layers: int) -> int:
    pattern = gguf.of_architecture("attention.sliding_window_pattern")
    if isinstance(pattern, Array):
        flags = pattern.read()
        return sum(bool(flags[layer % len(flags)]) for layer in range(layers)) if flags else 0
    period = pattern if isinstance(pattern, int) and pattern > 0 else _PERIODS.get(gguf.architecture, 1)
    return layers - layers // period


def _recurrent_layers(gguf: Gguf, layers: int) -> int:
    """The layers that keep a state in the place of keys and values."""
    if not _number(gguf, "ssm.state_size"):
        return 0
    interval = _number(gguf, "full_attention_interval") or _INTERVALS.get(gguf.architecture, 0)
    if interval > 0:
        return layers - layers // interval
    heads = gguf.of_architecture("attention.head_count_kv")
    if isinstance(heads, Array):
        return sum(head == 0 for head in heads.read())
    return 0 if gguf.kv_bytes_per_token else layers


def _state(gguf: Gguf) -> int:
    """Bytes of the state that one request has in one recurrent layer, which is of 32-bit values."""
    inner, state = _number(gguf, "ssm.inner_size"), _number(gguf, "ssm.state_size")
    convolved = inner + 2 * _number(gguf, "ssm.group_count") * state
    return 4 * (max(0, _number(gguf, "ssm.conv_kernel") - 1) * convolved + inner * state)


def _number(gguf: Gguf, key: str) -> int:
    value = gguf.of_architecture(key)
    return value if isinstance(value, int) else 0
