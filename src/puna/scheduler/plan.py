"""How a model is to be loaded, from what it is, what was asked for, and what the machine has. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from puna.engine import LoadSpec, Pooling
from puna.options import Options
from puna.scheduler.cache import Cache
from puna.scheduler.messages import Need

DEFAULT_CONTEXT = 4096
"""Tokens of context when neither the request, the model nor the settings say."""

_LEAST_CONTEXT = 4
_LEAST_VISION_CONTEXT = 2048
"""A picture alone takes many hundred tokens."""

_BATCH = 512
_LEAST_BATCH = 32
_MOST_THREADS = 512
"""With less, or more, llama.cpp ends itself."""

_POOLING_NONE, _POOLING_LAST, _POOLING_RANK = 0, 3, 4
"""llama.cpp's numbers."""

_MOST_PARALLEL = 4
_OVERHEAD = 256 * 2**20
"""Bytes an engine takes beside weights and KV cache: its code, and the buffers of a computation."""

_WHOLE_TYPES = frozenset({"", "f32", "f16", "bf16"})
"""Types of the KV cache that are not quantised."""

_MOST_PROMPT_CACHE = 8 * 2**30
"""Bytes of earlier prompts that an engine keeps at most, so that a conversation which comes back is not read again."""


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What loading needs to know of a model.

    ``file_bytes`` is the size of all its files together, ``context_length`` the context it was trained for in tokens
    (0: not known), ``cache`` what its contexts take; ``sees`` says that it takes pictures. ``pooling_type`` is
    llama.cpp's number of how the model was made to make one vector of many (None: it was made to write text).
    """

    weights: Path
    file_bytes: int
    context_length: int
    cache: Cache
    adapters: tuple[Path, ...] = ()
    projector: Path | None = None
    sees: bool = False
    pooling_type: int | None = None


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
    embedding: bool = False,
) -> LoadSpec:
    """Say how to load a model for a request with ``options`` (the model's own already merged in).

    The rest are the server's settings, and the machine's ``free_memory`` in bytes and physical ``cores``;
    ``context_length`` and ``num_parallel`` 0 mean that they are chosen here. ``embedding`` asks for embeddings, also of
    a model that was made to write text.
    """
    num_ctx = _context(facts, options.num_ctx if options.num_ctx > 0 else context_length)
    spec = LoadSpec(
        model=facts.weights,
        num_ctx=num_ctx,
        parallel=max(1, num_parallel),
        threads=min(options.num_thread, _MOST_THREADS) if options.num_thread > 0 else cores,
        batch=_batch(facts, options, num_ctx),
        adapters=facts.adapters,
        projector=facts.projector,
        gpu_layers=options.num_gpu,
        main_gpu=options.main_gpu,
        mmap=options.use_mmap,
        flash_attention=flash_attention,
        kv_cache_type=_cache_type(kv_cache_type, flash_attention),
        pooling=_pooling(facts, embedding=embedding),
    )
    if not num_parallel:
        spec = replace(spec, parallel=_parallel(facts.cache.size(spec), free_memory))
    spare = free_memory - estimate(facts, spec).total
    return replace(spec, prompt_cache=max(0, min(_MOST_PROMPT_CACHE, spare // 4)))


def insists(options: Options, *, context_length: int) -> frozenset[str]:
    """The fields of the plan in which a model that is loaded otherwise will not do, as ``pool.lease`` takes them.

    A context that nobody chose is whatever the model has, so that it never loads a model again.
    """
    chosen = {
        "num_ctx": options.num_ctx > 0 or context_length > 0,
        "threads": options.num_thread > 0,
        "batch": options.num_batch > 0,
    }
    return frozenset(name for name, is_chosen in chosen.items() if is_chosen)


def estimate(facts: ModelFacts, spec: LoadSpec) -> Need:
    """The memory that loading ``spec`` takes, about."""
    contexts = facts.cache.size(spec)
    return Need(facts.file_bytes + contexts + _OVERHEAD, contexts)


def _context(facts: ModelFacts, wanted: int) -> int:
    least = _LEAST_VISION_CONTEXT if facts.sees else _LEAST_CONTEXT
    num_ctx = max(least, wanted) if wanted > 0 else DEFAULT_CONTEXT
    return min(num_ctx, facts.context_length) if facts.context_length > 0 else num_ctx


def _batch(facts: ModelFacts, options: Options, num_ctx: int) -> int:
    """The batch that was chosen; else a small one, so that a prompt nobody waits for any more is left soon."""
    if options.num_batch > 0:
        return min(max(options.num_batch, _LEAST_BATCH), num_ctx)
    at_once = facts.pooling_type not in (None, _POOLING_LAST)  # such a model reads an input as a whole
    return num_ctx if at_once else min(_BATCH, num_ctx)


def _pooling(facts: ModelFacts, *, embedding: bool) -> Pooling | None:
    """How the model is to make embeddings, if at all.

    One that was made for something else has its say in the last token, which alone has read the whole text. That also
    leaves its batches free, and is what Ollama did as long as its engine made embeddings with such models.
    """
    if facts.pooling_type is None:
        return "last" if embedding else None
    if facts.pooling_type == _POOLING_RANK:
        return "rank"
    return "mean" if facts.pooling_type == _POOLING_NONE else "own"


def _cache_type(kv_cache_type: str, flash_attention: bool | None) -> str:
    """The type of the KV cache; the engine takes a quantised one only with flash attention."""
    return "" if flash_attention is False and kv_cache_type not in _WHOLE_TYPES else kv_cache_type


def _parallel(per_request: int, free_memory: int) -> int:
    """As many requests at once as leave the KV cache within a quarter of the free memory: 4, 2 or 1."""
    parallel = _MOST_PARALLEL
    while parallel > 1 and parallel * per_request > free_memory / 4:
        parallel //= 2
    return parallel
