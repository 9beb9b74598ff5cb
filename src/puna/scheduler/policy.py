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

*Making room* stops the idle runner with the shortest keep-alive (then the least recently used); where none is idle, it
waits. A runner in use is never stopped, and younger requests for it go on using its free slots, but only until the
head has waited ``patience`` seconds: then the runner with the shortest keep-alive (then the least busy) is *barred* to
requests younger than that head. Those older are finite in number, so the runner falls idle and the head gets its place.

*Memory suffices* by figures measured for each decision. The machine counts mapped weights as free, since they are file
caches: those of loaded runners are taken off. Caches of files that nobody uses are free: a model whose file is cached
fits as it did before. A load that runs out of memory all the same is tried once more, with no other model in memory.

A model that is loaded again for those who wait for it keeps the keep-alive it had.

Crash loops are bounded: a load that ends well grants a lease at once, so a model that always dies costs a load per
lease, and a request that saw ``MAX_DEATHS`` deaths while it waited is told so.
"""

from __future__ import annotations

from collections.abc import Iterator

from puna.durations import FOREVER
from puna.errors import EngineGone, InsufficientMemory, QueueFull, ShuttingDown
from puna.scheduler.lines import Lines, Waiting
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
from puna.scheduler.refusal import too_little
from puna.scheduler.runners import Phase, Runner, busy_victim, idle_victim

PATIENCE = 5.0
"""Seconds the oldest request without a place lets younger ones use the places that are taken."""

MAX_DEATHS = 3
"""Deaths of its model that a waiting request sees before it is given up."""


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
        self._lines = Lines()
        self._count = 0
        self._closed = False
        self._alarm = FOREVER

    def __repr__(self) -> str:
        return f"<State {' | '.join([*map(str, self._runners.values()), f'queue {len(self._lines)}'])}>"

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
        for head in self._lines.heads():
            runner = self._runner(head.request.key)
            if runner is None or runner.phase is Phase.STOPPING or not runner.serves(head.request):
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
            case Started(number):
                runner = self._runners.get(number)
                if runner and runner.phase is Phase.LOADING:
                    runner.phase, runner.used, runner.expires = Phase.READY, now, now + runner.keep_alive
            case StartFailed(number, error):
                return self._fail(number, error)
            case Died(number, words):
                return self._bury(number, words)
            case Stopped(number):
                self._forget(number)
            case Unload(key):
                for runner in self._runners.values():
                    if runner.key == key:
                        runner.keep_alive, runner.expires = 0.0, now
            case Tick():
                self._alarm = FOREVER
            case Closed():
                return self._close()
        return []

    def decide(self, now: float, memory: Memory) -> list[Action]:
        """Apply the rules at time ``now`` with ``memory`` as it is; after every ``take``."""
        if self._closed:
            return []
        for number, held in memory.held.items():
            runner = self._runners[number]
            runner.mapped = memory.mapped.get(number, 0)
            runner.own = held - runner.mapped
        actions = [*self._refuse(memory.free), *self._grant(), *self._stop_useless(now)]
        loads, overdue = self._load(now, memory.free)
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
        if len(self._lines) >= self._max_queue and not self._at_once(request):
            return [Reject(request.number, QueueFull())]
        self._lines.add(request, now)
        return []

    def _leave(self, number: int, now: float) -> None:
        if self._lines.drop(number):
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
        again = isinstance(error, InsufficientMemory) and bool(self._runners)
        told = []
        for one in self._lines.of(runner.key):
            if again and not one.alone:
                one.alone = True
            elif runner.serves(one.request):
                told.append(one.request)
        return [self._reject(request, error) for request in told]

    def _bury(self, number: int, words: str) -> list[Action]:
        """Close what is left of a dead runner, which cleans up after it; whoever waits for it waits for a new one."""
        runner = self._runners.get(number)
        if runner is None or runner.phase is not Phase.READY:
            return []
        actions: list[Action] = [self._stop(runner)]
        for one in self._lines.of(runner.key):
            one.deaths += 1
            if one.deaths == MAX_DEATHS:
                text = f"the model died {MAX_DEATHS} times while this request waited for it: {words}"
                actions.append(self._reject(one.request, EngineGone(text)))
        return actions

    def _close(self) -> list[Action]:
        self._closed = True
        waiting = [one.request for key in self._lines.wanted() for one in self._lines.of(key)]
        actions: list[Action] = [self._reject(request, ShuttingDown()) for request in waiting]
        running = [runner for runner in self._runners.values() if runner.phase is not Phase.STOPPING]
        return [*actions, *(self._stop(runner) for runner in running), WakeAt(FOREVER)]

    # The rules, in the order of the module's docstring.

    def _refuse(self, free: int) -> Iterator[Action]:
        most = free + sum(runner.gives_back for runner in self._runners.values())
        for key in self._lines.wanted():
            runner = self._runner(key)
            for one in self._lines.of(key):
                if one.request.need.total <= most or (runner and runner.serves(one.request)):
                    break
                yield self._reject(one.request, too_little(one.request, most))

    def _grant(self) -> Iterator[Action]:
        for runner in self._runners.values():
            for one in self._lines.of(runner.key):
                request = one.request
                if not runner.admits(request):
                    break
                self._lines.drop(request.number)
                runner.leases.add(request.number)
                if request.keep_alive is not None:
                    runner.keep_alive = request.keep_alive
                yield Grant(request.number, runner.number)

    def _stop_useless(self, now: float) -> Iterator[Action]:
        for runner in self._runners.values():
            head = self._lines.head(runner.key)
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
        room = free - sum(runner.unseen for runner in self._runners.values())
        changing = bool(loading or stopping)
        blocked = any(runner.alone for runner in loading)
        for head in self._heads_without_runner():
            short_of_memory = False
            if self._runner(head.request.key):  # 4a
                stopping -= 1
                continue
            if places > 0:
                need = head.request.need.total
                if need <= room and not blocked and not (head.alone and self._runners):  # 4b
                    actions.append(self._start(head))
                    places, room, changing, blocked = places - 1, room - need, True, head.alone
                    continue
                if changing:  # 4c
                    break
                short_of_memory = True
            elif stopping > 0:  # 4d
                stopping -= 1
                continue
            if idle := idle_victim(self._runners.values()):
                actions.append(self._stop(idle))
            elif now < head.since + self._patience:
                overdue = min(overdue, head.since + self._patience)
            elif busy := busy_victim(self._runners.values(), head.request.number, bars):
                bars[busy.number] = head.request.number
            if short_of_memory:
                break
        for runner in self._runners.values():
            runner.barrier = bars.get(runner.number)
        return actions, overdue

    def _heads_without_runner(self) -> Iterator[Waiting]:
        for head in self._lines.heads():
            runner = self._runner(head.request.key)
            if runner is None or runner.phase is Phase.STOPPING:
                yield head

    # Small steps.

    def _runner(self, key: Key) -> Runner | None:
        return next((runner for runner in self._runners.values() if runner.key == key), None)

    def _at_once(self, request: Request) -> bool:
        runner = self._runner(request.key)
        return runner is not None and request.key not in self._lines and runner.admits(request)

    def _start(self, head: Waiting) -> Load:
        self._count += 1
        request, keep_alive = head.request, self._keep_alive if head.keep_alive is None else head.keep_alive
        self._runners[self._count] = Runner(
            self._count, request.key, request.spec, request.need, keep_alive, alone=head.alone
        )
        return Load(self._count, request.spec)

    def _stop(self, runner: Runner) -> Stop:
        runner.phase, runner.barrier = Phase.STOPPING, None
        runner.leases.clear()
        return Stop(runner.number)

    def _forget(self, number: int) -> None:
        """Drop a runner whose memory is back. Whoever waits for it gets the next one with the keep-alive it had."""
        runner = self._runners.pop(number, None)
        if runner and runner.keep_alive > 0:
            for one in self._lines.of(runner.key):
                one.keep_alive = runner.keep_alive

    def _reject(self, request: Request, error: Exception) -> Reject:
        self._lines.drop(request.number)
        return Reject(request.number, error)
