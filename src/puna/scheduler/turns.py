"""Turns on the CPU: models that compute at the same time slow each other far more than they would by taking turns.

The engine's threads spin while they wait for each other, so two models with a thread per core each get a fraction of
half the machine. ``Turns`` decides, purely, whose turn it is; ``Arbiter`` pauses and resumes accordingly.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from puna.durations import FOREVER
from puna.engine import Loaded


@dataclass(frozen=True, slots=True)
class Pause:
    """Stop this runner until its next turn."""

    runner: int


@dataclass(frozen=True, slots=True)
class Resume:
    """Let this runner compute again."""

    runner: int


class Turns:
    """Round robin over the busy runners, ``slice_seconds`` each; none when that is 0.

    There are no turns while the threads of all busy runners fit on ``cores``. Whoever is not busy is never paused.
    ``ends`` is when the present turn ends and ``share`` is to be called again, ``FOREVER`` while there are no turns.
    """

    def __init__(self, slice_seconds: float, cores: int) -> None:
        self._slice = slice_seconds
        self._cores = cores
        self._order: list[int] = []
        self._paused: set[int] = set()
        self.ends = FOREVER

    def share(self, busy: Mapping[int, int], now: float) -> list[Pause | Resume]:
        """What changes at time ``now``, given the busy runners and the threads each computes with.

        A runner that becomes busy joins at the end; one that ceases to be leaves its turn to the next.
        """
        holder = next(iter(self._order), None)
        self._order = [runner for runner in self._order if runner in busy]
        self._order += [runner for runner in busy if runner not in self._order]
        if len(busy) < 2 or not self._slice or sum(busy.values()) <= self._cores:
            self.ends = FOREVER
            wanted: set[int] = set()
        else:
            if now >= self.ends and self._order[0] == holder:
                self._order.append(self._order.pop(0))
            if self._order[0] != holder or self.ends == FOREVER:
                self.ends = now + self._slice
            wanted = set(self._order[1:])
        pauses = [Pause(runner) for runner in self._order if runner in wanted - self._paused]
        resumes = [Resume(runner) for runner in sorted(self._paused - wanted)]
        self._paused = wanted
        return [*pauses, *resumes]


class Arbiter:
    """Carries out what ``Turns`` decides, on the event loop's timer. Call ``share`` whenever who is busy changes."""

    def __init__(self, slice_seconds: float, cores: int, clock: Callable[[], float]) -> None:
        self._turns = Turns(slice_seconds, cores)
        self._clock = clock
        self._busy: Mapping[int, Loaded] = {}
        self._paused: dict[int, Loaded] = {}
        self._timer: asyncio.TimerHandle | None = None

    def share(self, busy: Mapping[int, Loaded]) -> None:
        """Let ``busy`` take turns from now on; whoever is no longer among them has been resumed on return."""
        if busy.keys() == self._busy.keys():
            return
        self._busy = busy
        self._turn()

    def _turn(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        now = self._clock()
        for change in self._turns.share({runner: loaded.spec.threads for runner, loaded in self._busy.items()}, now):
            match change:
                case Pause(runner):
                    self._paused[runner] = self._busy[runner]
                    self._paused[runner].pause()
                case Resume(runner):
                    self._paused.pop(runner).resume()
        if self._turns.ends < FOREVER:
            self._timer = asyncio.get_running_loop().call_later(self._turns.ends - now, self._turn)
