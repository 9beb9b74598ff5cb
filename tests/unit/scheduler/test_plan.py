from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from puna.engine import LoadSpec
from puna.options import Options
from puna.scheduler.plan import ModelFacts, estimate, plan

GIB = 2**30
FACTS = ModelFacts(Path("weights"), file_bytes=GIB, context_length=8192, kv_bytes_per_token=20_000)


def planned(facts: ModelFacts = FACTS, options: Options | None = None, **given: Any) -> LoadSpec:
    settings = {"context_length": 0, "num_parallel": 0, "free_memory": 16 * GIB, "cores": 6, **given}
    return plan(facts, options or Options(), **settings)


def test_defaults() -> None:
    """With nothing said a model gets 4096 tokens, up to four requests at once, and a thread per physical core."""
    assert LoadSpec(Path("weights"), num_ctx=4096, parallel=4, threads=6, batch=512) == planned()


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
    facts = ModelFacts(Path("weights"), GIB, context_length=trained, kv_bytes_per_token=1)
    assert expected == planned(facts, Options(num_ctx=num_ctx), context_length=setting).num_ctx


def test_vision_context() -> None:
    """A model that sees gets room for a picture, whatever was asked."""
    facts = ModelFacts(Path("weights"), GIB, 8192, 1, projector=Path("eyes"))
    spec = planned(facts, Options(num_ctx=512))
    assert (2048, Path("eyes")) == (spec.num_ctx, spec.projector)


@pytest.mark.parametrize(("expected", "free"), [(4, 4000), (2, 3999), (2, 2000), (1, 1999), (1, 0)])
def test_parallel_follows_memory(expected: int, free: int) -> None:
    """Fewer requests run at once where their caches would take more than a quarter of the free memory."""
    facts = ModelFacts(Path("weights"), 0, context_length=250, kv_bytes_per_token=1)
    assert expected == planned(facts, free_memory=free).parallel


def test_parallel_as_set() -> None:
    """A number that was set is used, memory or not."""
    assert 16 == planned(num_parallel=16, free_memory=0).parallel


def test_small_cache_types_leave_room() -> None:
    """A quantised cache lets more requests run at once in the same memory."""
    facts = ModelFacts(Path("weights"), 0, context_length=250, kv_bytes_per_token=1)
    assert (2, 4) == (
        planned(facts, free_memory=2200).parallel,
        planned(facts, free_memory=2200, kv_cache_type="q8_0").parallel,
    )


@pytest.mark.parametrize(("expected", "num_batch", "num_ctx"), [(512, 512, 0), (64, 64, 0), (100, 512, 100)])
def test_batch(expected: int, num_batch: int, num_ctx: int) -> None:
    """A batch is never larger than the context."""
    assert expected == planned(options=Options(num_batch=num_batch, num_ctx=num_ctx)).batch


def test_batch_of_nothing() -> None:
    """A batch of 0 means the default."""
    assert 512 == planned(options=Options(num_batch=0)).batch


def test_passed_through() -> None:
    """Whatever else was asked for reaches the engine as it is."""
    facts = ModelFacts(Path("weights"), GIB, 8192, 1, adapters=(Path("lora"),))
    options = Options(num_thread=3, num_gpu=0, main_gpu=1, use_mmap=False)
    spec = planned(facts, options, kv_cache_type="q8_0", flash_attention=True)
    assert (3, 0, 1, False) == (spec.threads, spec.gpu_layers, spec.main_gpu, spec.mmap)
    assert ("q8_0", True, (Path("lora"),)) == (spec.kv_cache_type, spec.flash_attention, spec.adapters)


def test_estimate() -> None:
    """The estimate is the files, the cache of all slots, and a fixed allowance for the engine itself."""
    spec = LoadSpec(Path("weights"), num_ctx=1000, parallel=2, threads=1)
    quantised = LoadSpec(Path("weights"), num_ctx=1000, parallel=2, threads=1, kv_cache_type="q8_0")
    base = estimate(0, 0, spec)
    assert GIB + 2 * 1000 * 64 == estimate(GIB, 64, spec) - base
    assert GIB + 2 * 1000 * 34 == estimate(GIB, 64, quantised) - base
