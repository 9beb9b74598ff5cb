from __future__ import annotations

import asyncio
import dataclasses
import gc
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from puna.engine import LoadSpec
from puna.errors import InsufficientMemory, LoadFailed, QueueFull, ShuttingDown
from puna.scheduler.messages import Key, Need
from puna.scheduler.pool import Lease, Pool, Running

SPEC = LoadSpec(Path("smol"), num_ctx=4096, parallel=2, threads=2)
GEMMA = dataclasses.replace(SPEC, model=Path("gemma"))


@pytest.fixture
def run(new_engine: type[Any]) -> Callable[..., None]:
    """Run a story with an engine and a pool over it; whatever it leaves is closed, and nothing may stay behind."""

    def run(story: Callable[[Any, Pool], Awaitable[None]], **given: Any) -> None:
        async def main() -> None:
            engine = new_engine()
            settings: dict[str, Any] = {
                "max_loaded": 2,
                "max_queue": 4,
                "default_keep_alive": 300.0,
                "free_memory": lambda: 1000,
                **given,
            }
            pool = Pool(engine, **settings)
            async with asyncio.timeout(10):
                try:
                    await story(engine, pool)
                finally:
                    await pool.close()
            assert engine.closed
            assert {asyncio.current_task()} == asyncio.all_tasks()

        asyncio.run(main())
        gc.collect()

    return run


@asynccontextmanager
async def leased(
    pool: Pool, engine: Any, spec: LoadSpec = SPEC, *, name: str = "smol:latest", keep_alive: float | None = None
) -> AsyncIterator[Lease]:
    """A lease on a model that has to be loaded first."""
    async with AsyncExitStack() as stack:
        getting = asyncio.create_task(stack.enter_async_context(pool.lease(spec, name=name, keep_alive=keep_alive)))
        await engine.finish(str(spec.model))
        yield await getting


async def seen(pool: Pool, text: str) -> None:
    """Let the pool work until ``text`` is part of what it says of itself."""
    while text not in repr(pool):
        await asyncio.sleep(0)


async def hold(pool: Pool, spec: LoadSpec, until: asyncio.Event, got: asyncio.Queue[str] | None = None) -> None:
    """A caller that takes a lease, says so, and keeps it until it is told to go."""
    async with pool.lease(spec, name=str(spec.model), keep_alive=None):
        if got is not None:
            got.put_nowait(str(spec.model))
        await until.wait()


async def ask(pool: Pool, spec: LoadSpec, **given: Any) -> Lease:
    """A caller that gives its lease back at once."""
    async with pool.lease(spec, **{"name": "x", "keep_alive": None, **given}) as lease:
        return lease


def test_lease(run: Callable[..., None]) -> None:
    """A model is loaded when it is first asked for, and the same model serves the next request."""

    async def story(engine: Any, pool: Pool) -> None:
        async with leased(pool, engine) as first, pool.lease(SPEC, name="x", keep_alive=None) as second:
            assert first.loaded is second.loaded
            assert engine.loaded == [first.loaded]
            assert "<Pool smol: ready 2/2 leases | queue 0>" == repr(pool)
        await engine.saw("load smol")

    run(story)


def test_load_seconds(run: Callable[..., None]) -> None:
    """A lease tells how long its model took to be there, for the statistics; the wait for a slot is no part of it."""
    clock = itertools.count()

    async def story(engine: Any, pool: Pool) -> None:
        async with leased(pool, engine, dataclasses.replace(SPEC, parallel=1)) as first:
            assert first.load_seconds > 1
            waiting = asyncio.create_task(ask(pool, SPEC))
            await seen(pool, "queue 1")
        assert 1 == (await waiting).load_seconds

    run(story, clock=lambda: float(next(clock)))


def test_nothing_is_kept(run: Callable[..., None]) -> None:
    """Requests that are over, served or not, leave nothing behind in the pool."""

    async def story(engine: Any, pool: Pool) -> None:
        async with leased(pool, engine, keep_alive=0.0):
            await ask(pool, SPEC)
        failing = asyncio.create_task(ask(pool, GEMMA))
        await engine.fail("gemma", LoadFailed("no"))
        await asyncio.wait([failing])
        assert isinstance(failing.exception(), LoadFailed)
        await seen(pool, "<Pool queue 0>")
        assert ({}, {}) == (pool._asking, pool._places)

    run(story)


def test_slots(run: Callable[..., None]) -> None:
    """As many requests run on a model as it has slots; the next goes in when one comes out."""

    async def story(engine: Any, pool: Pool) -> None:
        got: asyncio.Queue[str] = asyncio.Queue()
        go = [asyncio.Event() for _ in range(3)]
        callers = [asyncio.create_task(hold(pool, SPEC, until, got)) for until in go]
        await engine.finish("smol")
        await got.get()
        await got.get()
        assert "<Pool smol: ready 2/2 leases | queue 1>" == repr(pool)
        go[0].set()
        await got.get()
        assert "<Pool smol: ready 2/2 leases | queue 0>" == repr(pool)
        for until in go:
            until.set()
        await asyncio.gather(*callers)

    run(story)


def test_cancelled_while_loading(run: Callable[..., None]) -> None:
    """When the only caller leaves while its model loads, the load is cancelled; the next caller starts afresh."""

    async def story(engine: Any, pool: Pool) -> None:
        caller = asyncio.create_task(ask(pool, SPEC))
        await engine.saw("load smol")
        caller.cancel()
        await engine.saw("load smol", "cancel smol")
        async with leased(pool, engine):
            assert "<Pool smol: ready 1/2 leases | queue 0>" == repr(pool)

    run(story)


def test_cancelling_takes_its_time(run: Callable[..., None]) -> None:
    """A cancelled load keeps its place until it has really ended: two models are not in memory where one may be."""

    async def story(engine: Any, pool: Pool) -> None:
        caller = asyncio.create_task(ask(pool, SPEC))
        await engine.saw("load smol")
        engine.may_cancel.clear()
        caller.cancel()
        await seen(pool, "smol: stopping")
        other = asyncio.create_task(ask(pool, GEMMA))
        await seen(pool, "smol: stopping | queue 1")
        for _ in range(10):
            await asyncio.sleep(0)
        engine.may_cancel.set()
        await engine.finish("gemma")
        await other
        await engine.saw("load smol", "cancel smol", "load gemma")

    run(story, max_loaded=1)


def test_cancelled_while_others_wait(run: Callable[..., None]) -> None:
    """A load goes on as long as one caller waits for it."""

    async def story(engine: Any, pool: Pool) -> None:
        callers = [asyncio.create_task(ask(pool, SPEC)) for _ in range(2)]
        await engine.saw("load smol")
        callers[0].cancel()
        await asyncio.wait([callers[0]])
        await engine.finish("smol")
        await callers[1]
        await engine.saw("load smol")

    run(story)


@pytest.mark.parametrize("steps", range(4))
def test_cancelled_in_the_moment_of_the_grant(run: Callable[..., None], steps: int) -> None:
    """A caller that leaves just when it gets its lease, a step earlier or later, leaves a free slot behind."""

    async def story(engine: Any, pool: Pool) -> None:
        one_slot = dataclasses.replace(SPEC, parallel=1)
        async with leased(pool, engine, one_slot):
            caller = asyncio.create_task(ask(pool, one_slot))
            await seen(pool, "queue 1")
        for _ in range(steps):
            await asyncio.sleep(0)
        caller.cancel()
        await ask(pool, one_slot)
        await seen(pool, "<Pool smol: ready 0/1 leases, expires")
        assert caller.done()

    run(story)


def test_failed_load(run: Callable[..., None]) -> None:
    """Everyone who waited for a load hears why it failed; the next request tries again."""

    async def story(engine: Any, pool: Pool) -> None:
        callers = [asyncio.create_task(ask(pool, SPEC)) for _ in range(2)]
        await engine.fail("smol", LoadFailed("bad magic"))
        for caller in callers:
            with pytest.raises(LoadFailed, match="bad magic"):
                await caller
        assert "<Pool queue 0>" == repr(pool)
        async with leased(pool, engine):
            pass

    run(story)


@pytest.mark.parametrize("kind", [LoadFailed, InsufficientMemory])
def test_failed_load_of_a_model_with_two_names(run: Callable[..., None], kind: type[LoadFailed]) -> None:
    """Everyone hears of the model by the name they asked for: the other one may be none of their business."""

    async def story(engine: Any, pool: Pool) -> None:
        callers = {name: asyncio.create_task(ask(pool, SPEC, name=name)) for name in ("mine", "yours")}
        await engine.fail("smol", kind("bad magic", model="mine"))
        for name, caller in callers.items():
            with pytest.raises(kind, match=f"^failed to load model {name}: bad magic$"):
                await caller

    run(story)


@pytest.mark.parametrize("error", [ZeroDivisionError("oops"), TimeoutError("its own")], ids=repr)
def test_engine_with_a_bug(run: Callable[..., None], error: Exception) -> None:
    """An engine that fails in a way it should not does not leave its callers waiting."""

    async def story(engine: Any, pool: Pool) -> None:
        caller = asyncio.create_task(ask(pool, SPEC))
        await engine.fail("smol", error)
        with pytest.raises(type(error), match=str(error)):
            await caller

    run(story)


def test_engine_death(run: Callable[..., None]) -> None:
    """When an engine dies it is noticed at once and cleaned up, and whoever waits gets a new one."""

    async def story(engine: Any, pool: Pool) -> None:
        one_slot = dataclasses.replace(SPEC, parallel=1)
        async with leased(pool, engine, one_slot):
            waiting = asyncio.create_task(ask(pool, one_slot))
            await seen(pool, "queue 1")
            engine.loaded[0].die("out of memory")
            await engine.finish("smol")
            assert engine.loaded[0] is not (await waiting).loaded
        assert ["load smol", "close smol", "load smol"] == engine.journal
        assert "<Pool smol: ready 0/1 leases, expires" in repr(pool)

    run(story)


def test_keep_alive_expires(run: Callable[..., None]) -> None:
    """An idle model leaves memory by itself when its keep-alive is over."""

    async def story(engine: Any, pool: Pool) -> None:
        async with leased(pool, engine, keep_alive=0.01) as lease:
            pass
        assert "" == await lease.loaded.wait_gone()
        assert ["load smol", "close smol"] == engine.journal

    run(story)


def test_eviction(run: Callable[..., None]) -> None:
    """At the limit an idle model is closed before the next one is loaded."""

    async def story(engine: Any, pool: Pool) -> None:
        async with leased(pool, engine):
            pass
        async with leased(pool, engine, GEMMA):
            assert ["load smol", "close smol", "load gemma"] == engine.journal

    run(story, max_loaded=1)


def test_queue_full(run: Callable[..., None]) -> None:
    """More callers than may wait are turned away at once."""

    async def story(engine: Any, pool: Pool) -> None:
        callers = [asyncio.create_task(ask(pool, SPEC)) for _ in range(4)]
        await seen(pool, "queue 4")
        with pytest.raises(QueueFull):
            await ask(pool, SPEC)
        await engine.finish("smol")
        await asyncio.gather(*callers)

    run(story)


def test_memory(run: Callable[..., None]) -> None:
    """A model that needs more memory than there is says so instead of loading."""

    async def story(engine: Any, pool: Pool) -> None:
        with pytest.raises(InsufficientMemory):
            await ask(pool, SPEC, need=Need(1001))
        assert [] == engine.journal

    run(story)


def test_memory_is_weighed_as_it_is(run: Callable[..., None]) -> None:
    """What the loaded models hold is measured when another one is asked for: mapped files in use are not free."""

    async def story(engine: Any, pool: Pool) -> None:
        getting = asyncio.create_task(ask(pool, SPEC, need=Need(600)))
        await engine.finish("smol")
        loaded = (await getting).loaded
        loaded.memory = loaded.mapped = 600
        other = asyncio.create_task(ask(pool, GEMMA, need=Need(500)))
        await engine.finish("gemma")
        await other
        assert ["load smol", "close smol", "load gemma"] == engine.journal

    run(story)


def test_out_of_memory(run: Callable[..., None]) -> None:
    """A load that finds too little memory after all is tried once more when the others are gone."""

    async def story(engine: Any, pool: Pool) -> None:
        async with leased(pool, engine):
            pass
        caller = asyncio.create_task(ask(pool, GEMMA))
        await engine.fail("gemma", InsufficientMemory("no"))
        await engine.saw("load smol", "load gemma", "close smol", "load gemma")
        await engine.fail("gemma", InsufficientMemory("still no"))
        with pytest.raises(InsufficientMemory, match="still no"):
            await caller

    run(story)


@pytest.mark.parametrize(("expected", "wanted", "insists"), [(2048, 8192, ()), (1024, 1024, ("num_ctx",))])
def test_context_of_a_lease(run: Callable[..., None], expected: int, wanted: int, insists: tuple[str, ...]) -> None:
    """A request gets the context it asks for; where it asks for none, at most what the model has."""

    async def story(engine: Any, pool: Pool) -> None:
        async with leased(pool, engine, dataclasses.replace(SPEC, num_ctx=2048)):
            spec = dataclasses.replace(SPEC, num_ctx=wanted)
            assert expected == (await ask(pool, spec, insists=frozenset(insists))).num_ctx
        await engine.saw("load smol")

    run(story)


def test_unload(run: Callable[..., None]) -> None:
    """Unloading an idle model returns when it is gone."""

    async def story(engine: Any, pool: Pool) -> None:
        async with leased(pool, engine):
            pass
        await pool.unload(Key.of(SPEC))
        assert ["load smol", "close smol"] == engine.journal
        assert [] == pool.running()

    run(story)


def test_unload_in_use(run: Callable[..., None]) -> None:
    """Unloading a model in use returns at once; it goes when its last request ends."""

    async def story(engine: Any, pool: Pool) -> None:
        async with leased(pool, engine) as lease:
            await pool.unload(Key.of(SPEC))
            assert ["load smol"] == engine.journal
        await lease.loaded.wait_gone()
        assert ["load smol", "close smol"] == engine.journal

    run(story)


def test_unload_during_close(run: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Unloading in the pool's last moment does not hang."""

    async def story(engine: Any, pool: Pool) -> None:
        async with leased(pool, engine) as lease:
            pass
        unloading = []

        async def close() -> None:
            unloading.append(asyncio.create_task(pool.unload(Key.of(SPEC))))

        monkeypatch.setattr(lease.loaded, "close", close)
        await pool.close()
        await asyncio.gather(*unloading)

    run(story)


def test_unload_unknown(run: Callable[..., None]) -> None:
    """Unloading what is not loaded does nothing."""

    async def story(engine: Any, pool: Pool) -> None:
        await pool.unload(Key.of(SPEC))
        assert [] == engine.journal

    run(story)


def test_running(run: Callable[..., None]) -> None:
    """A running model is shown by the name it was last asked for, once it is loaded."""

    async def story(engine: Any, pool: Pool) -> None:
        async with leased(pool, engine, name="smol:latest"):
            assert ["smol:latest"] == [one.name for one in pool.running()]
            async with pool.lease(SPEC, name="copy:latest", keep_alive=60.0, tag="digest"):
                loading = asyncio.create_task(ask(pool, GEMMA))
                await engine.saw("load smol", "load gemma")
                expected = Running(Key(Path("smol")), "copy:latest", "digest", 100, 4096, expires_in=60.0, leases=2)
                assert [expected] == pool.running()
                await engine.finish("gemma")
                await loading
        await seen(pool, "ready 0/2")
        assert 59 < pool.running()[0].expires_in <= 60

    run(story)


def test_close(run: Callable[..., None]) -> None:
    """Closing turns away those who wait, cancels loads, closes models in use, and lets nobody in afterwards."""

    async def story(engine: Any, pool: Pool) -> None:
        one_slot = dataclasses.replace(SPEC, parallel=1)
        async with leased(pool, engine, one_slot):
            waiting = asyncio.create_task(ask(pool, one_slot))
            loading = asyncio.create_task(ask(pool, GEMMA))
            await engine.saw("load smol", "load gemma")
            await pool.close()
            for caller in (waiting, loading):
                with pytest.raises(ShuttingDown):
                    await caller
            assert ["cancel gemma", "close smol"] == sorted(engine.journal[2:])
        with pytest.raises(ShuttingDown):
            await ask(pool, SPEC)
        await pool.unload(Key.of(SPEC))

    run(story)


def test_a_request_during_close(run: Callable[..., None]) -> None:
    """A request that comes while the pool closes hears so."""

    async def story(engine: Any, pool: Pool) -> None:
        async with leased(pool, engine):
            closing = asyncio.create_task(pool.close())
            await asyncio.sleep(0)
            with pytest.raises(ShuttingDown):
                await ask(pool, SPEC)
            await closing

    run(story)


def test_a_model_that_does_not_close_cleanly(
    run: Callable[..., None], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An error while closing a model is logged, and its place is free for the next."""

    async def story(engine: Any, pool: Pool) -> None:
        async with leased(pool, engine) as lease:
            monkeypatch.setattr(lease.loaded, "close", lambda: 1 / 0)
        async with leased(pool, engine, GEMMA):
            assert ["load smol", "load gemma"] == engine.journal
        assert "did not close cleanly" in caplog.text

    run(story, max_loaded=1)


def test_it_tells_the_news(run: Callable[..., None]) -> None:
    """Loads and those that fail, and a model that had to go for another; not one whose time was over."""
    news: list[tuple[str, str]] = []

    async def story(engine: Any, pool: Pool) -> None:
        waiting = asyncio.create_task(ask(pool, SPEC, name="smol"))
        await seen(pool, "loading")
        assert pool.is_loading(Key.of(SPEC))
        assert not pool.is_loading(Key.of(GEMMA))
        await engine.fail("smol", LoadFailed("bad"))
        with pytest.raises(LoadFailed):
            await waiting
        async with leased(pool, engine, name="smol"):
            assert not pool.is_loading(Key.of(SPEC))
        async with leased(pool, engine, GEMMA, name="gemma", keep_alive=0):
            pass
        await pool.unload(Key.of(GEMMA))

    run(story, max_loaded=1, observe=lambda *one: news.append(one))
    assert [("failed", "smol"), ("loaded", "smol"), ("evicted", "smol"), ("loaded", "gemma")] == news


def test_a_mistake_ends_one_request_not_the_pool(run: Callable[..., None]) -> None:
    """Whoever met it is told, and the next one is served."""
    trouble = [ZeroDivisionError("oops")]

    def free_memory() -> int:
        if trouble:
            raise trouble.pop()
        return 1000

    async def story(engine: Any, pool: Pool) -> None:
        with pytest.raises(ZeroDivisionError, match="oops"):
            await ask(pool, SPEC)
        async with leased(pool, engine):
            pass

    run(story, free_memory=free_memory)
