"""What the pool and the policy say to each other: events in, actions out. All are frozen values.

Requests and runners go by number. A request's number grows with its arrival; the policy numbers the runners. A runner
is one model in memory, from the decision to load it until its memory is back.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from puna.engine import LoadSpec


@dataclass(frozen=True, slots=True)
class Key:
    """Which model, whatever its name: the files that are in memory together. One runner at a time has a key."""

    model: Path
    adapters: tuple[Path, ...] = ()
    projector: Path | None = None

    @classmethod
    def of(cls, spec: LoadSpec) -> Key:
        """The key of what ``spec`` loads."""
        return cls(spec.model, spec.adapters, spec.projector)


@dataclass(frozen=True, slots=True)
class Request:
    """A wish for a lease.

    ``need`` is the memory a load of ``spec`` takes, in bytes (0: not known); ``keep_alive`` the seconds the model stays
    after its last lease (None: as the runner's last request said); ``exact_threads`` says that the caller chose the
    number of threads, so that a runner with another number will not do.
    """

    number: int
    spec: LoadSpec
    need: int = 0
    keep_alive: float | None = None
    exact_threads: bool = False

    @property
    def key(self) -> Key:
        """Which model it asks for."""
        return Key.of(self.spec)


@dataclass(frozen=True, slots=True)
class Requested:
    """Someone asks for a lease."""

    request: Request


@dataclass(frozen=True, slots=True)
class Left:
    """A caller is gone: it stopped waiting, or gave its lease back."""

    request: int


@dataclass(frozen=True, slots=True)
class Started:
    """A load has ended well; the runner holds ``memory`` bytes."""

    runner: int
    memory: int


@dataclass(frozen=True, slots=True)
class StartFailed:
    """A load has failed and left nothing behind; ``error`` is what its requests are told."""

    runner: int
    error: Exception


@dataclass(frozen=True, slots=True)
class Died:
    """A runner's engine ended by itself; ``words`` are its last."""

    runner: int
    words: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """What ``Stop`` asked for is done; the memory is back."""

    runner: int


@dataclass(frozen=True, slots=True)
class Unload:
    """A caller wants the model out of memory as soon as nobody uses it."""

    key: Key


@dataclass(frozen=True, slots=True)
class Tick:
    """The time of the last ``WakeAt`` has come."""


@dataclass(frozen=True, slots=True)
class Closed:
    """The server stops."""


Event = Requested | Left | Started | StartFailed | Died | Stopped | Unload | Tick | Closed


@dataclass(frozen=True, slots=True)
class Load:
    """Load a model; answered by ``Started`` or ``StartFailed``, unless a ``Stop`` comes first."""

    runner: int
    spec: LoadSpec


@dataclass(frozen=True, slots=True)
class Stop:
    """Cancel the runner's load, or close it; answered by ``Stopped``."""

    runner: int


@dataclass(frozen=True, slots=True)
class Grant:
    """Give the request a lease on the runner; it ends with ``Left``."""

    request: int
    runner: int


@dataclass(frozen=True, slots=True)
class Reject:
    """Tell the request why it gets no lease."""

    request: int
    error: Exception


@dataclass(frozen=True, slots=True)
class WakeAt:
    """Send a ``Tick`` at this time; it replaces the time said before. ``FOREVER`` means none is needed."""

    when: float


Action = Load | Stop | Grant | Reject | WakeAt
