"""A model in memory as the policy sees it: what it holds, who uses it, whom it will do for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from puna.durations import FOREVER
from puna.engine import LoadSpec
from puna.scheduler.messages import Key, Need, Request


class Phase(Enum):
    """Where a runner is in its life. It holds a place among the loaded models in all three."""

    LOADING = "loading"  # the engine reads the model; nobody has a lease
    READY = "ready"  # it serves, or idles until its keep-alive runs out
    STOPPING = "stopping"  # its memory is not back yet; nobody has a lease


@dataclass(slots=True)
class Runner:
    """One model in memory, or on its way in or out. Times in seconds of the caller's clock, sizes in bytes.

    ``own`` is what it holds for itself alone, ``mapped`` what it holds of files, when it was last measured; ``alone``
    says that nothing else may be loaded beside it until it is there.
    """

    number: int
    key: Key
    spec: LoadSpec
    need: Need
    keep_alive: float
    phase: Phase = Phase.LOADING
    alone: bool = False
    own: int = 0
    mapped: int = 0
    leases: set[int] = field(default_factory=set)
    expires: float = FOREVER
    used: float = 0.0
    barrier: int | None = None

    @property
    def idle(self) -> bool:
        """Loaded, and in nobody's use."""
        return self.phase is Phase.READY and not self.leases

    @property
    def gives_back(self) -> int:
        """Bytes by which the free memory grows when it stops, at most."""
        return self.own if self.phase is Phase.READY else max(self.own, self.need.total)

    @property
    def unseen(self) -> int:
        """Bytes that it needs though the machine counts them as free: files in use, or what a load will yet take.

        Weights that the engine has rearranged for its processor are mapped still and never looked at again.
        """
        if self.phase is Phase.LOADING:
            return self.need.total
        return min(self.mapped, max(0, self.need.total - self.own)) if self.phase is Phase.READY else 0

    def expires_in(self, now: float) -> float:
        """Seconds until it leaves memory if nobody asks for it again; while in use, counted from now."""
        return self.keep_alive if self.leases else max(0.0, self.expires - now)

    def serves(self, request: Request) -> bool:
        """Whether it will do for ``request`` as it is loaded; what the request leaves open is no difference."""
        has, wants, insists = self.spec, request.spec, request.insists
        return (
            (wants.num_ctx <= has.num_ctx or "num_ctx" not in insists)
            and (wants.threads == has.threads or "threads" not in insists)
            and (wants.batch == has.batch or "batch" not in insists)
            and (wants.mmap is None or (wants.mmap is False) == (has.mmap is False))
            and (wants.gpu_layers < 0 or wants.gpu_layers == has.gpu_layers)
            and wants.main_gpu in (None, has.main_gpu)
            and wants.kv_cache_type == has.kv_cache_type
            and wants.flash_attention == has.flash_attention
            and wants.pooling in (None, has.pooling)
        )

    def admits(self, request: Request) -> bool:
        """Whether ``request`` can have a lease now."""
        return (
            self.phase is Phase.READY
            and len(self.leases) < self.spec.parallel
            and (self.barrier is None or request.number < self.barrier)
            and self.serves(request)
        )

    def __str__(self) -> str:
        text = f"{self.key.model.stem}: {self.phase.value}"
        if self.phase is Phase.READY:
            text += f" {len(self.leases)}/{self.spec.parallel} leases"
            text += f", expires {self.expires:.1f}" if self.idle else ""
            text += f", barred from {self.barrier}" if self.barrier is not None else ""
        return text


def idle_victim(runners: Iterable[Runner]) -> Runner | None:
    """The idle runner that makes room: the one kept for the shortest time, then the one not used for longest."""
    idle = (runner for runner in runners if runner.idle)
    return min(idle, key=lambda one: (one.keep_alive, one.used, one.key.model), default=None)


def busy_victim(runners: Iterable[Runner], number: int, bars: Mapping[int, int]) -> Runner | None:
    """The runner in use that request ``number`` waits for: one that no other waits for, by ``bars``.

    It stays the one it was, since changing one's mind would bar them all; else it is the one kept for the shortest
    time, then the least busy, then the one not used for longest.
    """
    busy = (one for one in runners if one.phase is Phase.READY and one.number not in bars)
    return min(busy, key=lambda one: (one.barrier != number, one.keep_alive, len(one.leases), one.used), default=None)
