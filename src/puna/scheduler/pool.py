"""The models in memory, shared by all requests: ``Pool.lease`` waits for a place in one and gives it back.

One task takes events from one inbox, lets ``policy`` decide, and carries the decisions out; there are no locks. What
takes time, a load or a stop, runs in a task of its own that ends by putting an event into the inbox.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal

from puna.durations import FOREVER
from puna.engine import Engine, Loaded, LoadSpec
from puna.errors import OfModel, ShuttingDown
from puna.scheduler.messages import (
    UNKNOWN,
    Action,
    Closed,
    Died,
    Event,
    Grant,
    Key,
    Left,
    Load,
    Memory,
    Need,
    Reject,
    Request,
    Requested,
    Started,
    StartFailed,
    Stop,
    Stopped,
    Tick,
    Unload,
    WakeAt,
)
from puna.scheduler.policy import State
from puna.scheduler.runners import Phase

log = logging.getLogger(__name__)

DEFAULT_MAX_LOADED = 3

News = Literal["loaded", "failed", "evicted"]
"""What became of a model: it is in memory, could not be loaded, or left for others before its time."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to one of a model's slots.

    ``num_ctx`` is the context the request has, in tokens: what it wanted, or less where it left that open and the model
    is loaded with less. ``load_seconds`` is the time from asking until the model was in memory for it; it leaves out
    the wait for a slot.
    """

    loaded: Loaded
    num_ctx: int
    load_seconds: float


@dataclass(frozen=True, slots=True)
class Running:
    """A model in memory, by the ``name`` and ``tag`` it was last asked for with.

    ``memory`` in bytes as it is now, ``num_ctx`` in tokens, ``expires_in`` in seconds (``FOREVER``: never), counted
    from now while there are ``leases``.
    """

    key: Key
    name: str
    tag: Any
    memory: int
    num_ctx: int
    expires_in: float
    leases: int


@dataclass(slots=True)
class _Asking:
    """A caller in ``lease``: how it is answered, and what it asked with at what time."""

    answer: asyncio.Future[Lease | Exception]
    num_ctx: int
    name: str
    tag: Any
    asked: float
    heard: float = 0.0


@dataclass(slots=True)
class _Place:
    """What belongs to one runner: its task, and once it is loaded, the model and whom it was last given to."""

    task: asyncio.Task[None]
    loaded: Loaded | None = None
    ready: float = 0.0
    name: str = ""
    tag: Any = None
    stop: asyncio.Task[None] | None = None


class Pool:
    """Loads models on demand through ``engine``, shares them, and lets them go when they are no longer wanted.

    At most ``max_loaded`` models (0: 3) are in memory, at most ``max_queue`` requests wait; ``default_keep_alive`` is
    in seconds. ``free_memory`` tells the bytes that can be taken now, file caches among them. ``observe`` is told the
    news of models, by the names they were asked for with.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        max_loaded: int,
        max_queue: int,
        default_keep_alive: float,
        free_memory: Callable[[], int],
        observe: Callable[[News, str], None] = lambda _news, _name: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._free_memory = free_memory
        self._observe = observe
        self._clock = clock
        self._names: dict[Key, str] = {}
        self._state = State(
            max_loaded=max_loaded or DEFAULT_MAX_LOADED, max_queue=max_queue, keep_alive=default_keep_alive
        )
        self._numbers = itertools.count(1)
        self._inbox: asyncio.Queue[Event] = asyncio.Queue()
        self._asking: dict[int, _Asking] = {}
        self._places: dict[int, _Place] = {}
        self._alarm: asyncio.TimerHandle | None = None
        self._worker: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return repr(self._state).replace("State", "Pool", 1)

    @asynccontextmanager
    async def lease(
        self,
        wanted: LoadSpec,
        *,
        name: str,
        keep_alive: float | None,
        tag: Any = None,
        need: Need = UNKNOWN,
        insists: frozenset[str] = frozenset(),
    ) -> AsyncIterator[Lease]:
        """Wait until the model is loaded and has a free slot, and hold the slot inside the ``async with``.

        End every generation before leaving the block: what follows may unload the model. Cancelling the wait gives it
        up at once, and with it the load if nobody else wants that. ``name`` and ``tag`` are what ``running`` shows;
        ``keep_alive`` is the seconds the model stays afterwards (None: unchanged); ``need`` is ``plan.estimate`` of
        ``wanted``, and ``insists`` ``plan.insists``: the fields of ``wanted`` in which nothing else will do.

        Raises:
            QueueFull: too many requests wait already.
            LoadFailed: the model could not be loaded.
            InsufficientMemory: it needs more memory than can be made free; the text says how much, and what helps.
            EngineGone: it died again and again while this request waited.
            ShuttingDown: the pool was closed.
        """
        if self._ended:
            raise ShuttingDown
        request = Request(next(self._numbers), wanted, need, keep_alive, insists)
        asking = _Asking(asyncio.get_running_loop().create_future(), wanted.num_ctx, name, tag, self._clock())
        self._asking[request.number] = asking
        self._names[request.key] = name
        try:
            self._post(Requested(request))
            answer = await asking.answer
            if isinstance(answer, Exception):
                raise answer
            yield answer
        finally:
            self._post(Left(request.number))

    async def unload(self, key: Key) -> None:
        """Let a model go; nothing happens if it is not loaded.

        Returns when its memory is back or, while requests run on it, at once: it goes when the last of them ends.
        """
        if self._ended:
            return
        self._post(Unload(key))
        await self._inbox.join()
        stops = [self._places[one.number].stop for one in self._state.runners if one.key == key]
        for stop in filter(None, stops):
            await asyncio.shield(stop)

    def running(self) -> list[Running]:
        """The models in memory, oldest first; those still loading or already on their way out are not among them."""
        now = self._clock()
        return [
            Running(
                key=runner.key,
                name=self._places[runner.number].name,
                tag=self._places[runner.number].tag,
                memory=self._loaded(runner.number).memory,
                num_ctx=runner.spec.num_ctx,
                expires_in=runner.expires_in(now),
                leases=len(runner.leases),
            )
            for runner in self._state.runners
            if runner.phase is Phase.READY
        ]

    def is_loading(self, key: Key) -> bool:
        """Whether a model is on its way into memory."""
        return any(runner.key == key and runner.phase is Phase.LOADING for runner in self._state.runners)

    async def close(self) -> None:
        """Turn away who waits, stop all models, running generations or not, and close the engine."""
        self._post(Closed())
        try:
            if self._worker:
                await asyncio.shield(self._worker)
        finally:
            await self._engine.close()

    @property
    def _ended(self) -> bool:
        return self._worker is not None and self._worker.done()

    def _post(self, event: Event) -> None:
        if self._worker is None:
            self._worker = asyncio.create_task(self._work(), name="puna pool")
        self._inbox.put_nowait(event)

    async def _work(self) -> None:
        try:
            while not self._state.finished or not self._inbox.empty():
                event = await self._inbox.get()
                try:
                    self._step(event)
                except Exception as error:
                    # One mistake must not end the service of all models; whoever it met is told.
                    log.exception("what the pool was told went wrong: %s", event)
                    if isinstance(event, Requested):
                        self._answer(event.request.number, error)
                self._inbox.task_done()
        finally:
            for number in self._asking:  # nobody waits for a task that is gone
                self._answer(number, ShuttingDown())

    def _step(self, event: Event) -> None:
        now = self._clock()
        actions = self._state.take(event, now)
        actions += self._state.decide(now, self._memory() if self._state.weighs_memory else Memory(0))
        match event:
            case Requested(request):
                self._asking[request.number].heard = now
            case Left(number):
                self._asking.pop(number, None)
            case Stopped() | StartFailed():
                known = {runner.number for runner in self._state.runners}
                self._places = {number: place for number, place in self._places.items() if number in known}
        for action in actions:
            log.debug("%s: %s", event, action)
            if isinstance(action, Stop) and not isinstance(event, Died | Closed):
                self._tell_if_evicted(action.runner, now)
            self._carry_out(action)

    def _tell_if_evicted(self, number: int, now: float) -> None:
        runner = next(one for one in self._state.runners if one.number == number)
        if self._places[number].loaded is not None and runner.expires > now:
            self._observe("evicted", self._names[runner.key])

    def _memory(self) -> Memory:
        ready = [runner.number for runner in self._state.runners if runner.phase is Phase.READY]
        loaded = {number: self._loaded(number) for number in ready}
        return Memory(
            free=self._free_memory(),
            held={number: one.memory for number, one in loaded.items()},
            mapped={number: one.mapped for number, one in loaded.items()},
        )

    def _carry_out(self, action: Action) -> None:
        match action:
            case Load(number, spec):
                self._places[number] = _Place(asyncio.create_task(self._live(number, spec), name=f"puna load {number}"))
            case Stop(number):
                place = self._places[number]
                place.stop = asyncio.create_task(self._end(number, place), name=f"puna stop {number}")
            case Grant(number, runner):
                self._grant(number, runner)
            case Reject(number, error):
                # A load is of the name that was asked for first, which may be none of this caller's business.
                named = error.called(self._asking[number].name) if isinstance(error, OfModel) else error
                self._answer(number, named)
            case WakeAt(when):
                if self._alarm:
                    self._alarm.cancel()
                self._alarm = None
                if when < FOREVER:
                    delay = when - self._clock()
                    self._alarm = asyncio.get_running_loop().call_later(delay, self._post, Tick())

    def _grant(self, number: int, runner: int) -> None:
        asking, place = self._asking[number], self._places[runner]
        place.name, place.tag = asking.name, asking.tag
        seconds = max(place.ready, asking.heard) - asking.asked
        loaded = self._loaded(runner)
        self._answer(number, Lease(loaded, min(asking.num_ctx, loaded.spec.num_ctx), seconds))

    def _answer(self, number: int, answer: Lease | Exception) -> None:
        """Answer a caller. One that was cancelled meanwhile hears nothing; its ``Left`` is in the inbox already."""
        future = self._asking[number].answer
        if not future.done():
            future.set_result(answer)

    def _loaded(self, runner: int) -> Loaded:
        loaded = self._places[runner].loaded
        assert loaded is not None
        return loaded

    async def _live(self, number: int, spec: LoadSpec) -> None:
        """The life of one runner, until ``_end`` cancels it or it ends by itself."""
        try:
            loaded = await self._engine.load(spec)
        except Exception as error:  # noqa: BLE001  whatever went wrong, those who wait for the load are to hear of it
            self._observe("failed", self._names[Key.of(spec)])
            self._post(StartFailed(number, error))
            return
        place = self._places[number]
        place.loaded, place.ready = loaded, self._clock()
        self._observe("loaded", self._names[Key.of(spec)])
        self._post(Started(number))
        self._post(Died(number, await loaded.wait_gone()))

    async def _end(self, number: int, place: _Place) -> None:
        place.task.cancel()
        await asyncio.wait([place.task])
        try:
            if place.loaded:
                await place.loaded.close()
        except Exception:
            log.exception("a model did not close cleanly")
        finally:
            self._post(Stopped(number))
