"""What the pool and the policy say to each other: events in, actions out. All are frozen values.

Requests and runners go by number. A request's number grows with its arrival; the policy numbers the runners. A runner
is one model in memory, from the decision to load it until its memory is back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
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
class Need:
    """The memory a load takes, in bytes (0: not known), and the part of it that is for contexts."""

    total: int
    contexts: int = 0


UNKNOWN = Need(0)


@dataclass(frozen=True, slots=True)
class Request:
    """A wish for a lease.

    ``need`` is the memory a load of ``spec`` takes; ``keep_alive`` the seconds the model stays after its last lease
    (None: as the runner's last request said). ``insists`` names the fields of ``spec`` that the caller chose: in the
    others, a runner that has something else will do.
    """

    number: int
    spec: LoadSpec
    need: Need = UNKNOWN
    keep_alive: float | None = None
    insists: frozenset[str] = frozenset()

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
    """A load has ended well."""

    runner: int


@dataclass(frozen=True, slots=True)
class StartFailed:
    """A load has failed and left nothing behind; ``error`` is what its requests are told.

    With ``InsufficientMemory`` it is tried once more, without other models in memory.
    """

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
class Memory:
    """What the machine has ``free`` now, and what each runner that is loaded holds, in bytes.

    Of what a runner holds, ``mapped`` are files: the system counts them as free, though the runner needs them.
    """

    free: int
    held: Mapping[int, int] = field(default_factory=dict)
    mapped: Mapping[int, int] = field(default_factory=dict)


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
