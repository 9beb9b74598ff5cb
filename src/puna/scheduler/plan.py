"""How a model is to be loaded, from what it is, what was asked for, and what the machine has. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from puna.engine import LoadSpec
from puna.options import Options

DEFAULT_CONTEXT = 4096
"""Tokens of context when neither the request, the model nor the settings say."""

_LEAST_CONTEXT = 4
_LEAST_VISION_CONTEXT = 2048
"""A picture alone takes many hundred tokens."""

_BATCH = 512
_MOST_PARALLEL = 4
_OVERHEAD = 256 * 2**20
"""Bytes an engine takes beside weights and KV cache: its code, and the buffers of a computation."""

_CACHE_SHARES = {"f32": 2.0, "q8_0": 17 / 32, "q5_1": 12 / 32, "q5_0": 11 / 32, "q4_1": 10 / 32, "q4_0": 9 / 32}
_CACHE_SHARES["iq4_nl"] = _CACHE_SHARES["q4_0"]
"""The size of a KV cache by its type, where a 16-bit one is 1: blocks of 32 values with their scales."""


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What loading needs to know of a model.

    ``file_bytes`` is the size of all its files together, ``context_length`` the context it was trained for in tokens
    (0: not known), ``kv_bytes_per_token`` what one token takes in a 16-bit KV cache.
    """

    weights: Path
    file_bytes: int
    context_length: int
    kv_bytes_per_token: int
    adapters: tuple[Path, ...] = ()
    projector: Path | None = None


def plan(
    facts: ModelFacts,
    options: Options,
    *,
    context_length: int,
    num_parallel: int,
    free_memory: int,
    cores: int,
    kv_cache_type: str = "",
    flash_attention: bool | None = None,
) -> LoadSpec:
    """Say how to load a model for a request with ``options`` (the model's own already merged in).

    The rest are the server's settings, and the machine's ``free_memory`` in bytes and physical ``cores``;
    ``context_length`` and ``num_parallel`` 0 mean that they are chosen here.
    """
    num_ctx = _context(facts, options.num_ctx if options.num_ctx > 0 else context_length)
    per_request = _cache(facts.kv_bytes_per_token, num_ctx, kv_cache_type)
    return LoadSpec(
        model=facts.weights,
        num_ctx=num_ctx,
        parallel=num_parallel or _parallel(per_request, free_memory),
        threads=options.num_thread if options.num_thread > 0 else cores,
        batch=min(options.num_batch if options.num_batch > 0 else _BATCH, num_ctx),
        adapters=facts.adapters,
        projector=facts.projector,
        gpu_layers=options.num_gpu,
        main_gpu=options.main_gpu,
        mmap=options.use_mmap,
        flash_attention=flash_attention,
        kv_cache_type=kv_cache_type,
    )


def estimate(file_bytes: int, kv_bytes_per_token: int, spec: LoadSpec) -> int:
    """The bytes of memory that loading ``spec`` takes, about; ``kv_bytes_per_token`` as in ``ModelFacts``."""
    return file_bytes + spec.parallel * _cache(kv_bytes_per_token, spec.num_ctx, spec.kv_cache_type) + _OVERHEAD


def _context(facts: ModelFacts, wanted: int) -> int:
    least = _LEAST_VISION_CONTEXT if facts.projector else _LEAST_CONTEXT
    num_ctx = max(least, wanted) if wanted > 0 else DEFAULT_CONTEXT
    return min(num_ctx, facts.context_length) if facts.context_length > 0 else num_ctx


def _parallel(per_request: int, free_memory: int) -> int:
    """As many requests at once as leave the KV cache within a quarter of the free memory: 4, 2 or 1."""
    parallel = _MOST_PARALLEL
    while parallel > 1 and parallel * per_request > free_memory / 4:
        parallel //= 2
    return parallel


def _cache(kv_bytes_per_token: int, num_ctx: int, kv_cache_type: str) -> int:
    return int(kv_bytes_per_token * num_ctx * _CACHE_SHARES.get(kv_cache_type, 1.0))
