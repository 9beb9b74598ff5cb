from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from puna.engine import LoadSpec
from puna.options import Options
from puna.scheduler.cache import Cache
from puna.scheduler.plan import ModelFacts, estimate, insists, plan

GIB = 2**30
FACTS = ModelFacts(Path("weights"), file_bytes=GIB, context_length=8192, cache=Cache(20_000))


def planned(facts: ModelFacts = FACTS, options: Options | None = None, **given: Any) -> LoadSpec:
    settings = {"context_length": 0, "num_parallel": 0, "free_memory": 16 * GIB, "cores": 6, **given}
    return plan(facts, options or Options(), **settings)


def test_defaults() -> None:
    """With nothing said a model gets 4096 tokens, up to four requests at once, and a thread per physical core."""
    spec = planned()
    expected = LoadSpec(Path("weights"), num_ctx=4096, parallel=4, threads=6, batch=512, prompt_cache=spec.prompt_cache)
    assert expected == spec


@pytest.mark.parametrize(
    ("expected", "num_ctx", "setting", "trained"),
    [
        (2048, 2048, 0, 8192),
        (2048, 2048, 1024, 8192),
        (1024, 0, 1024, 8192),
        (8192, 20_000, 0, 8192),
        (8192, 0, 20_000, 8192),
        (2000, 0, 0, 2000),
        (20_000, 20_000, 0, 0),
        (4, 1, 0, 8192),
        (4096, -1, 0, 8192),
    ],
)
def test_context(expected: int, num_ctx: int, setting: int, trained: int) -> None:
    """The request's or model's num_ctx wins over the setting, within what the model was trained for and 4 at least."""
    facts = ModelFacts(Path("weights"), GIB, context_length=trained, cache=Cache(1))
    assert expected == planned(facts, Options(num_ctx=num_ctx), context_length=setting).num_ctx


def test_vision_context() -> None:
    """A model that sees gets room for a picture, whatever was asked."""
    facts = ModelFacts(Path("weights"), GIB, 8192, Cache(1), projector=Path("eyes"), sees=True)
    spec = planned(facts, Options(num_ctx=512))
    assert (2048, Path("eyes")) == (spec.num_ctx, spec.projector)


def test_vision_context_of_a_short_model() -> None:
    """That room is never more than the model was trained for."""
    assert 1024 == planned(ModelFacts(Path("weights"), GIB, 1024, Cache(1), sees=True), Options(num_ctx=512)).num_ctx


@pytest.mark.parametrize(("expected", "free"), [(4, 4000), (2, 3999), (2, 2000), (1, 1999), (1, 0)])
def test_parallel_follows_memory(expected: int, free: int) -> None:
    """Fewer requests run at once where their caches would take more than a quarter of the free memory."""
    facts = ModelFacts(Path("weights"), 0, context_length=250, cache=Cache(1))
    assert expected == planned(facts, free_memory=free).parallel


def test_parallel_as_set() -> None:
    """A number that was set is used, memory or not."""
    assert 16 == planned(num_parallel=16, free_memory=0).parallel


def test_small_cache_types_leave_room() -> None:
    """A quantised cache lets more requests run at once in the same memory."""
    facts = ModelFacts(Path("weights"), 0, context_length=250, cache=Cache(1))
    assert (2, 4) == (
        planned(facts, free_memory=2200).parallel,
        planned(facts, free_memory=2200, kv_cache_type="q8_0").parallel,
    )


@pytest.mark.parametrize(
    ("expected", "num_batch", "num_ctx"), [(512, 0, 0), (64, 64, 0), (2048, 2048, 0), (100, 512, 100), (100, 0, 100)]
)
def test_batch(expected: int, num_batch: int, num_ctx: int) -> None:
    """A batch is what was asked for, else short enough to be left soon; and never larger than the context."""
    assert expected == planned(options=Options(num_batch=num_batch, num_ctx=num_ctx)).batch


@pytest.mark.parametrize(
    ("expected", "pooling_type", "embedding"),
    [
        ((512, None), None, False),
        ((512, "last"), None, True),
        ((4096, "mean"), 0, True),
        ((4096, "own"), 1, True),
        ((4096, "own"), 2, False),
        ((512, "own"), 3, True),
        ((4096, "rank"), 4, True),
        ((4096, "rank"), 4, False),
    ],
)
def test_embeddings(expected: tuple[int, str | None], pooling_type: int | None, *, embedding: bool) -> None:
    """A model made for embeddings pools as it was made to; what looks at a whole text at once gets it in one batch."""
    facts = ModelFacts(Path("weights"), GIB, 8192, Cache(1), pooling_type=pooling_type)
    spec = planned(facts, embedding=embedding)
    assert expected == (spec.batch, spec.pooling)


@pytest.mark.parametrize(
    ("expected", "options", "context_length"),
    [
        (set(), Options(), 0),
        ({"num_ctx"}, Options(num_ctx=2048), 0),
        ({"num_ctx"}, Options(), 2048),
        ({"threads", "batch"}, Options(num_thread=2, num_batch=64), 0),
    ],
)
def test_insists(expected: set[str], options: Options, context_length: int) -> None:
    """Only what somebody chose can be a reason to load a model again."""
    assert expected == insists(options, context_length=context_length)


@pytest.mark.parametrize(("batch", "threads"), [(1, 10**9), (32, 512)])
def test_the_engines_limits(batch: int, threads: int) -> None:
    """What llama.cpp would end itself at is its limit instead."""
    spec = planned(options=Options(num_batch=batch, num_thread=threads))
    assert (32, 512) == (spec.batch, spec.threads)


@pytest.mark.parametrize(("expected", "free"), [(8 * GIB, 64 * GIB), (GIB, 5 * GIB + 2**28), (0, GIB)])
def test_prompt_cache_follows_memory(expected: int, free: int) -> None:
    """Earlier prompts are kept in a quarter of what the model leaves free, so that they drive nothing out."""
    assert expected == planned(ModelFacts(Path("weights"), GIB, 8192, Cache(0)), free_memory=free).prompt_cache


@pytest.mark.parametrize(
    ("expected", "kv_cache_type", "flash_attention"),
    [("q8_0", "q8_0", None), ("q8_0", "q8_0", True), ("", "q8_0", False), ("f16", "f16", False)],
)
def test_cache_type(expected: str, kv_cache_type: str, *, flash_attention: bool | None) -> None:
    """A quantised cache without flash attention, which no engine can do, does not keep the model from loading."""
    assert expected == planned(kv_cache_type=kv_cache_type, flash_attention=flash_attention).kv_cache_type


def test_passed_through() -> None:
    """Whatever else was asked for reaches the engine as it is."""
    facts = ModelFacts(Path("weights"), GIB, 8192, Cache(1), adapters=(Path("lora"),))
    options = Options(num_thread=3, num_gpu=0, main_gpu=1, use_mmap=False)
    spec = planned(facts, options, kv_cache_type="q8_0", flash_attention=True)
    assert (3, 0, 1, False) == (spec.threads, spec.gpu_layers, spec.main_gpu, spec.mmap)
    assert ("q8_0", True, (Path("lora"),)) == (spec.kv_cache_type, spec.flash_attention, spec.adapters)


def test_estimate() -> None:
    """The estimate is the files, the contexts of all slots, and a fixed allowance for the engine itself."""
    spec = LoadSpec(Path("weights"), num_ctx=1000, parallel=2, threads=1)
    facts = ModelFacts(Path("weights"), GIB, 8192, Cache(64))
    base = estimate(ModelFacts(Path("weights"), 0, 8192, Cache(0)), spec)
    assert (0, 2 * 1000 * 64) == (base.contexts, estimate(facts, spec).contexts)
    assert GIB + 2 * 1000 * 64 == estimate(facts, spec).total - base.total
