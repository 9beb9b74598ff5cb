"""Who gets a model, which models stay in memory, who waits: decisions, and nothing done about them.

``State.take`` notes an event, ``State.decide`` applies the rules; both return what is to be done. Nothing here reads a
clock, waits or touches a process. Requests for one key stand in one line, first come first served; lines do not block
each other. The rules, in this order:

1. *Refuse* the head of a line that needs a load for which the memory does not suffice even with every runner gone.
2. *Grant* a lease to the head of each line whose runner is ready, compatible and has a free slot.
3. *Stop* what serves nobody: a load whose line is empty or begins with a request it will not do for; an idle runner
   in the same case, or whose keep-alive has run out.
4. *Load* for the heads that have no runner, oldest first:

   a. its own old runner is still stopping: wait for that;
   b. a place is free and the memory suffices: load;
   c. a place is free, the memory does not suffice: wait for loads and stops under way to end, so that the figures are
      certain, then make room; younger heads must wait too, or small models would starve a large one;
   d. no place is free, but a stopping runner's place is not promised to an older head: wait for it;
   e. else make room.

*Making room* stops the idle runner whose keep-alive ends first (then the least recently used); where none is idle, it
waits. A runner in use is never stopped, and younger requests for it go on using its free slots, but only until the
head has waited ``patience`` seconds: then the least busy runner is *barred* to requests younger than that head. Those
older are finite in number, so the runner falls idle and the head gets its place.

Crash loops are bounded: a load that ends well grants a lease at once, so a model that always dies costs a load per
lease, and a request that saw ``MAX_DEATHS`` deaths while it waited is told so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from puna.durations import FOREVER
from puna.errors import EngineGone, InsufficientMemory, QueueFull, ShuttingDown
from puna.scheduler.messages import (
    Action,
    Closed,
    Died,
    Event,
    Grant,
    Key,
    Left,
    Load,
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
from puna.scheduler.runners import Phase, Runner

PATIENCE = 5.0
"""Seconds the oldest request without a place lets younger ones use the places that are taken."""

MAX_DEATHS = 3
"""Deaths of its model that a waiting request sees before it is given up."""


@dataclass(slots=True)
class _Waiting:
    """A request in line ``since`` a time, and how often its model has died meanwhile."""

    request: Request
    since: float
    deaths: int = 0


class State:
    """Everything the scheduler knows. ``max_loaded`` runners at most hold places, ``max_queue`` requests wait.

    One may always wait: no model could be loaded otherwise. ``keep_alive`` is the default in seconds. Its
    ``repr`` tells it all: ``<State smol: ready 2/4 leases | gemma: ready 0/1 leases, expires 300.0 | queue 1>``.
    """

    def __init__(self, *, max_loaded: int, max_queue: int, keep_alive: float, patience: float = PATIENCE) -> None:
        self._max_loaded = max_loaded
        self._max_queue = max(1, max_queue)
        self._keep_alive = keep_alive
        self._patience = patience
        self._runners: dict[int, Runner] = {}
        self._lines: dict[Key, dict[int, _Waiting]] = {}
        self._count = 0
        self._closed = False
        self._alarm = FOREVER

    def __repr__(self) -> str:
        return f"<State {' | '.join([*map(str, self._runners.values()), f'queue {self._queued}'])}>"

    @property
    def runners(self) -> tuple[Runner, ...]:
        """The runners, oldest first; to be read only."""
        return tuple(self._runners.values())

    @property
    def finished(self) -> bool:
        """Whether the server was stopped and every runner is gone."""
        return self._closed and not self._runners

    @property
    def weighs_memory(self) -> bool:
        """Whether ``decide`` will look at the free memory now: some head would need a load."""
        for key, line in self._lines.items():
            runner = self._runner(key)
            if runner is None or runner.phase is Phase.STOPPING or not runner.serves(_first(line).request):
                return True
        return False

    def take(self, event: Event, now: float) -> list[Action]:
        """Note what happened at time ``now``, and say what to do about it in any case; ``decide`` says the rest.

        Events about requests and runners that are not, or no longer, known change nothing.
        """
        match event:
            case Requested(request):
                return self._enqueue(request, now)
            case Left(number):
                self._leave(number, now)
            case Started(number, memory):
                runner = self._runners.get(number)
                if runner and runner.phase is Phase.LOADING:
                    runner.phase, runner.memory, runner.used = Phase.READY, memory, now
                    runner.expires = now + runner.keep_alive
            case StartFailed(number, error):
                return self._fail(number, error)
            case Died(number, words):
                return self._bury(number, words)
            case Stopped(number):
                self._runners.pop(number, None)
            case Unload(key):
                for runner in self._runners.values():
                    if runner.key == key:
                        runner.keep_alive, runner.expires = 0.0, now
            case Tick():
                self._alarm = FOREVER
            case Closed():
                return self._close()
        return []

    def decide(self, now: float, free: int) -> list[Action]:
        """Apply the rules at time ``now`` with ``free`` bytes of memory; after every ``take``."""
        if self._closed:
            return []
        actions = [*self._refuse(free), *self._grant(), *self._stop_useless(now)]
        loads, overdue = self._load(now, free)
        actions += loads
        actions += self._grant()  # to those whose bar was lifted
        alarm = min([overdue, *(runner.expires for runner in self._runners.values() if runner.idle)])
        if alarm != self._alarm:
            self._alarm = alarm
            actions.append(WakeAt(alarm))
        return actions

    def _enqueue(self, request: Request, now: float) -> list[Action]:
        if self._closed:
            return [Reject(request.number, ShuttingDown())]
        if self._queued >= self._max_queue and not self._at_once(request):
            return [Reject(request.number, QueueFull())]
        self._lines.setdefault(request.key, {})[request.number] = _Waiting(request, now)
        return []

    def _leave(self, number: int, now: float) -> None:
        for key, line in self._lines.items():
            if number in line:
                self._drop(key, number)
                return
        for runner in self._runners.values():
            if number in runner.leases:
                runner.leases.remove(number)
                runner.used, runner.expires = now, now + runner.keep_alive
                return

    def _fail(self, number: int, error: Exception) -> list[Action]:
        runner = self._runners.get(number)
        if runner is None or runner.phase is not Phase.LOADING:
            return []
        del self._runners[number]
        told = [one.request for one in self._line(runner.key) if runner.serves(one.request)]
        return [self._reject(request, error) for request in told]

    def _bury(self, number: int, words: str) -> list[Action]:
        """Close what is left of a dead runner, which cleans up after it; whoever waits for it waits for a new one."""
        runner = self._runners.get(number)
        if runner is None or runner.phase is not Phase.READY:
            return []
        actions: list[Action] = [self._stop(runner)]
        for one in self._line(runner.key):
            one.deaths += 1
            if one.deaths == MAX_DEATHS:
                text = f"the model died {MAX_DEATHS} times while this request waited for it: {words}"
                actions.append(self._reject(one.request, EngineGone(text)))
        return actions

    def _close(self) -> list[Action]:
        self._closed = True
        waiting = [one.request for key in list(self._lines) for one in self._line(key)]
        actions: list[Action] = [self._reject(request, ShuttingDown()) for request in waiting]
        running = [runner for runner in self._runners.values() if runner.phase is not Phase.STOPPING]
        return [*actions, *(self._stop(runner) for runner in running), WakeAt(FOREVER)]

    # The rules, in the order of the module's docstring.

    def _refuse(self, free: int) -> Iterator[Action]:
        most = free + sum(runner.held for runner in self._runners.values())
        for key in list(self._lines):
            runner = self._runner(key)
            for one in self._line(key):
                if one.request.need <= most or (runner and runner.serves(one.request)):
                    break
                text = f"the model needs {_size(one.request.need)} of memory and at most {_size(most)} can be made free"
                yield self._reject(one.request, InsufficientMemory(text))

    def _grant(self) -> Iterator[Action]:
        for runner in self._runners.values():
            for one in self._line(runner.key):
                request = one.request
                if not runner.admits(request):
                    break
                self._drop(runner.key, request.number)
                runner.leases.add(request.number)
                if request.keep_alive is not None:
                    runner.keep_alive = request.keep_alive
                yield Grant(request.number, runner.number)

    def _stop_useless(self, now: float) -> Iterator[Action]:
        for runner in self._runners.values():
            head = next(iter(self._line(runner.key)), None)
            if head:
                useless = not runner.serves(head.request)
            else:
                useless = runner.phase is Phase.LOADING or runner.expires <= now
            if useless and (runner.idle or runner.phase is Phase.LOADING):
                yield self._stop(runner)

    def _load(self, now: float, free: int) -> tuple[list[Action], float]:
        """Rule 4; also returns when the patience of the first head without a place ends (FOREVER: none waits so)."""
        actions: list[Action] = []
        bars: dict[int, int] = {}
        overdue = FOREVER
        loading = [runner for runner in self._runners.values() if runner.phase is Phase.LOADING]
        stopping = sum(runner.phase is Phase.STOPPING for runner in self._runners.values())
        places = self._max_loaded - len(self._runners)
        room = free - sum(runner.need for runner in loading)
        changing = bool(loading or stopping)
        for head in self._heads_without_runner():
            short_of_memory = False
            if self._runner(head.request.key):  # 4a
                stopping -= 1
                continue
            if places > 0:
                if head.request.need <= room:  # 4b
                    actions.append(self._start(head.request))
                    places, room, changing = places - 1, room - head.request.need, True
                    continue
                if changing:  # 4c
                    break
                short_of_memory = True
            elif stopping > 0:  # 4d
                stopping -= 1
                continue
            victim = self._idle_victim()
            if victim:
                actions.append(self._stop(victim))
            elif now < head.since + self._patience:
                overdue = min(overdue, head.since + self._patience)
            else:
                self._bar(head.request.number, bars)
            if short_of_memory:
                break
        for runner in self._runners.values():
            runner.barrier = bars.get(runner.number)
        return actions, overdue

    def _heads_without_runner(self) -> list[_Waiting]:
        heads = [
            _first(line)
            for key, line in self._lines.items()
            if not (runner := self._runner(key)) or runner.phase is Phase.STOPPING
        ]
        return sorted(heads, key=lambda head: head.request.number)

    def _idle_victim(self) -> Runner | None:
        idle = (runner for runner in self._runners.values() if runner.idle)
        return min(idle, key=lambda runner: (runner.expires, runner.used), default=None)

    def _bar(self, number: int, bars: dict[int, int]) -> None:
        """Choose the runner that ``number`` waits for, and keep to it: changing one's mind would bar them all."""
        busy = [one for one in self._runners.values() if one.phase is Phase.READY and one.number not in bars]
        if busy:
            chosen = min(busy, key=lambda one: (one.barrier != number, len(one.leases), one.keep_alive, one.used))
            bars[chosen.number] = number

    # Small steps.

    @property
    def _queued(self) -> int:
        return sum(map(len, self._lines.values()))

    def _line(self, key: Key) -> list[_Waiting]:
        return list(self._lines.get(key, {}).values())

    def _runner(self, key: Key) -> Runner | None:
        return next((runner for runner in self._runners.values() if runner.key == key), None)

    def _at_once(self, request: Request) -> bool:
        runner = self._runner(request.key)
        return runner is not None and request.key not in self._lines and runner.admits(request)

    def _start(self, request: Request) -> Load:
        self._count += 1
        self._runners[self._count] = Runner(
            self._count, request.key, request.spec, request.need, keep_alive=self._keep_alive
        )
        return Load(self._count, request.spec)

    def _stop(self, runner: Runner) -> Stop:
        runner.phase, runner.barrier = Phase.STOPPING, None
        runner.leases.clear()
        return Stop(runner.number)

    def _reject(self, request: Request, error: Exception) -> Reject:
        self._drop(request.key, request.number)
        return Reject(request.number, error)

    def _drop(self, key: Key, number: int) -> None:
        line = self._lines[key]
        del line[number]
        if not line:
            del self._lines[key]


def _first(line: dict[int, _Waiting]) -> _Waiting:
    return next(iter(line.values()))


def _size(count: int) -> str:
    mebibytes = count / 2**20
    return f"{mebibytes:.0f} MiB" if mebibytes < 1024 else f"{mebibytes / 1024:.1f} GiB"
