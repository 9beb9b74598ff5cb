"""The scheduler's promises under any sequence of events, in a small world that plays the engine and the callers."""

from __future__ import annotations

from pathlib import Path

from hypothesis import assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from puna.durations import FOREVER
from puna.engine import LoadSpec
from puna.errors import InsufficientMemory, LoadFailed
from puna.scheduler.messages import (
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

MODELS = st.sampled_from(["a", "b", "c", "d"])
MEMORY = 100


def handle(state: State, event: Event, now: float, memory: Memory) -> list[Action]:
    """Any figure will do for the free memory where the state says that it is not weighed."""
    actions = state.take(event, now)
    return actions + state.decide(now, memory if state.weighs_memory else Memory(-1))


class World(RuleBasedStateMachine):
    """Events in any order; every action is checked against what the world knows to be true."""

    @initialize(max_loaded=st.integers(1, 3), max_queue=st.integers(1, 6))
    def begin(self, max_loaded: int, max_queue: int) -> None:
        self.state = State(max_loaded=max_loaded, max_queue=max_queue, keep_alive=300.0)
        self.max_loaded, self.max_queue = max_loaded, max_queue
        self.now, self.alarm, self.count, self.closed = 0.0, FOREVER, 0, False
        self.specs: dict[int, LoadSpec] = {}
        self.needs: dict[Path, int] = {}
        self.files: dict[Path, int] = {}
        self.wants: dict[int, int] = {}
        self.loading: set[int] = set()
        self.ready: set[int] = set()
        self.stopping: set[int] = set()
        self.waiting: set[int] = set()
        self.leases: dict[int, int] = {}
        self.orphans: set[int] = set()
        self.excused: set[int] = set()
        self.were_ready: set[int] = set()

    def need(self, runner: int) -> int:
        return self.needs[self.specs[runner].model]

    def own(self, runner: int) -> int:
        """What it has taken beside files: nothing yet if it was never ready."""
        return self.need(runner) - self.files[self.specs[runner].model] if runner in self.were_ready else 0

    def memory(self, ready: set[int]) -> Memory:
        """What the system tells: mapped files count as free."""
        return Memory(
            free=MEMORY - sum(map(self.own, self.ready | self.stopping)),
            held={one: self.need(one) for one in ready},
            mapped={one: self.need(one) - self.own(one) for one in ready},
        )

    def send(self, event: Event) -> None:
        dying = {event.runner} if isinstance(event, Died) else set()
        for action in handle(self.state, event, self.now, self.memory(self.ready - dying)):
            match action:
                case Load(runner, spec):
                    assert runner not in self.specs
                    assert not self.closed
                    alive = self.loading | self.ready | self.stopping
                    assert Key.of(spec) not in {Key.of(self.specs[one]) for one in alive}
                    self.specs[runner] = spec
                    self.loading.add(runner)
                    needed = sum(map(self.need, self.loading | self.ready)) + sum(map(self.own, self.stopping))
                    assert needed <= MEMORY
                case Stop(runner):
                    assert runner in self.loading | self.ready
                    assert self.closed or runner not in self.leases.values()
                    self.loading.discard(runner)
                    self.ready.discard(runner)
                    self.stopping.add(runner)
                    self.orphans |= {one for one, of in self.leases.items() if of == runner}
                    self.leases = {one: of for one, of in self.leases.items() if of != runner}
                case Grant(request, runner):
                    assert runner in self.ready
                    self.waiting.remove(request)
                    self.leases[request] = runner
                    assert list(self.leases.values()).count(runner) <= self.specs[runner].parallel
                    assert self.wants[request] <= MEMORY
                case Reject(request, error):
                    self.waiting.remove(request)
                    excused = self.wants[request] > MEMORY or request in self.excused
                    assert excused or not isinstance(error, InsufficientMemory)
                case WakeAt(when):
                    assert when > self.now
                    self.alarm = when
        assert len(self.loading | self.ready | self.stopping) <= self.max_loaded
        assert len(self.waiting) <= self.max_queue
        assert repr(self.state).endswith(f"queue {len(self.waiting)}>")

    @rule(
        model=MODELS,
        need=st.integers(0, MEMORY + 10),
        files=st.integers(0, 100),
        num_ctx=st.sampled_from([1024, 4096]),
        parallel=st.integers(1, 2),
        keep_alive=st.sampled_from([None, 0.0, 10.0, FOREVER]),
        any_ctx=st.booleans(),
    )
    def ask(
        self, model: str, *, need: int, files: int, num_ctx: int, parallel: int, keep_alive: float | None, any_ctx: bool
    ) -> None:
        self.count += 1
        self.waiting.add(self.count)
        spec = LoadSpec(Path(model), num_ctx, parallel, threads=1)
        need = self.wants[self.count] = self.needs.setdefault(spec.model, need)
        self.files.setdefault(spec.model, need * files // 100)
        insists = frozenset[str]() if any_ctx else frozenset({"num_ctx"})
        self.send(Requested(Request(self.count, spec, Need(need), keep_alive, insists)))
        if self.closed:
            assert self.count not in self.waiting

    @precondition(lambda self: self.waiting or self.leases or self.orphans)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        request = data.draw(st.sampled_from(sorted(self.waiting | set(self.leases) | self.orphans)))
        self.waiting.discard(request)
        self.leases.pop(request, None)
        self.orphans.discard(request)
        self.send(Left(request))

    @precondition(lambda self: self.loading)
    @rule(data=st.data(), end=st.sampled_from(["well", "badly", "without memory"]))
    def load_ends(self, data: st.DataObject, end: str) -> None:
        runner = data.draw(st.sampled_from(sorted(self.loading)))
        self.loading.remove(runner)
        if end == "well":
            self.ready.add(runner)
            self.were_ready.add(runner)
            self.send(Started(runner))
            assert runner in self.leases.values()
        elif end == "badly":
            self.send(StartFailed(runner, LoadFailed("no")))
        else:
            self.excused |= self.waiting
            self.send(StartFailed(runner, InsufficientMemory("no")))

    @precondition(lambda self: self.stopping)
    @rule(data=st.data())
    def stop_ends(self, data: st.DataObject) -> None:
        runner = data.draw(st.sampled_from(sorted(self.stopping)))
        self.stopping.remove(runner)
        self.send(Stopped(runner))

    @precondition(lambda self: self.ready)
    @rule(data=st.data())
    def die(self, data: st.DataObject) -> None:
        runner = data.draw(st.sampled_from(sorted(self.ready)))
        self.orphans |= {one for one, of in self.leases.items() if of == runner}
        self.leases = {one: of for one, of in self.leases.items() if of != runner}
        self.send(Died(runner, "oops"))

    @rule(model=MODELS)
    def unload(self, model: str) -> None:
        self.send(Unload(Key(Path(model))))

    @rule(seconds=st.sampled_from([0.5, 3.0, 20.0]))
    def time_passes(self, seconds: float) -> None:
        end = self.now + seconds
        while self.alarm <= end:
            self.now, self.alarm = self.alarm, FOREVER
            self.send(Tick())
        self.now = end

    @rule(number=st.integers(1000, 1001))
    def rumour(self, number: int) -> None:
        for event in (Left(number), Started(number), StartFailed(number, LoadFailed("")), Died(number, "")):
            before = repr(self.state)
            self.send(event)
            assert before == repr(self.state)

    @rule(chance=st.integers(0, 20))
    def close(self, chance: int) -> None:
        assume(chance == 0)
        self.closed = True
        self.send(Closed())
        assert not self.waiting

    def teardown(self) -> None:
        """When loads and stops end and leases are given back, nobody is left waiting, however busy the rest is."""
        if not hasattr(self, "state"):
            return
        for _ in range(20 * (self.count + 1)):
            if not self.waiting:
                break
            self.time_passes(6.0)
            for runner in sorted(self.loading):
                if runner in self.loading:
                    self.loading.remove(runner)
                    self.ready.add(runner)
                    self.were_ready.add(runner)
                    self.send(Started(runner))
            for runner in sorted(self.stopping):
                self.stopping.remove(runner)
                self.send(Stopped(runner))
            oldest = min(self.leases, default=None)
            if oldest is not None:
                del self.leases[oldest]
                self.send(Left(oldest))
        assert not self.waiting, self.state


TestAnySequence = World.TestCase
TestAnySequence.settings = settings(max_examples=60, stateful_step_count=40, deadline=None, database=None)


def test_no_starvation() -> None:
    """A steady stream of requests for loaded models cannot keep another model out of memory forever."""
    state, memory = State(max_loaded=1, max_queue=10, keep_alive=300.0), Memory(MEMORY)
    popular, other = (LoadSpec(Path(name), 4096, 2, threads=1) for name in ("popular", "other"))
    handle(state, Requested(Request(1, popular)), 0.0, memory)
    handle(state, Started(1), 0.0, memory)
    handle(state, Requested(Request(2, other)), 0.5, memory)
    active, number, now = {1}, 2, 0.5
    while active:
        number, now = number + 1, now + 0.5
        arrived = handle(state, Requested(Request(number, popular)), now, memory)
        active |= {action.request for action in arrived if isinstance(action, Grant)}
        ended = min(active)
        freed = handle(state, Left(ended), now, memory)
        active = (active - {ended}) | {action.request for action in freed if isinstance(action, Grant)}
        assert now < 10
    assert repr(state).startswith("<State popular: stopping")
