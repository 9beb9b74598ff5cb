"""A model in memory as the policy sees it: what it holds, who uses it, whom it will do for."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from puna.durations import FOREVER
from puna.engine import LoadSpec
from puna.scheduler.messages import Key, Request


class Phase(Enum):
    """Where a runner is in its life. It holds a place among the loaded models in all three."""

    LOADING = "loading"  # the engine reads the model; nobody has a lease
    READY = "ready"  # it serves, or idles until its keep-alive runs out
    STOPPING = "stopping"  # its memory is not back yet; nobody has a lease


@dataclass(slots=True)
class Runner:
    """One model in memory, or on its way in or out. Times in seconds of the caller's clock, sizes in bytes."""

    number: int
    key: Key
    spec: LoadSpec
    need: int
    keep_alive: float
    phase: Phase = Phase.LOADING
    memory: int = 0
    leases: set[int] = field(default_factory=set)
    expires: float = FOREVER
    used: float = 0.0
    barrier: int | None = None

    @property
    def idle(self) -> bool:
        """Loaded, and in nobody's use."""
        return self.phase is Phase.READY and not self.leases

    @property
    def held(self) -> int:
        """Bytes that come back when it stops, as far as is known."""
        return max(self.need, self.memory)

    def expires_in(self, now: float) -> float:
        """Seconds until it leaves memory if nobody asks for it again; while in use, counted from now."""
        return self.keep_alive if self.leases else max(0.0, self.expires - now)

    def serves(self, request: Request) -> bool:
        """Whether it will do for ``request`` as it is loaded; what the request leaves open is no difference."""
        has, wants = self.spec, request.spec
        return (
            wants.num_ctx <= has.num_ctx
            and (wants.threads == has.threads or not request.exact_threads)
            and wants.mmap in (None, has.mmap)
            and (wants.gpu_layers < 0 or wants.gpu_layers == has.gpu_layers)
            and wants.main_gpu in (None, has.main_gpu)
            and wants.kv_cache_type == has.kv_cache_type
            and wants.flash_attention == has.flash_attention
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
