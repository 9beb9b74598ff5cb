"""Who waits for what: a line of requests for each key, first come first served."""

from __future__ import annotations

from dataclasses import dataclass

from puna.scheduler.messages import Key, Request


@dataclass(slots=True)
class Waiting:
    """A request in line ``since`` a time.

    ``deaths`` counts those of its model meanwhile, ``keep_alive`` is that of the runner that went to be loaded again
    for it (None: there was none), and ``alone`` says that its model did not fit into memory beside others.
    """

    request: Request
    since: float
    deaths: int = 0
    keep_alive: float | None = None
    alone: bool = False


class Lines:
    """All lines; ``len`` counts the requests in them, ``in`` says whether there is a line for a key."""

    def __init__(self) -> None:
        self._lines: dict[Key, dict[int, Waiting]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._lines.values()))

    def __contains__(self, key: Key) -> bool:
        return key in self._lines

    def wanted(self) -> list[Key]:
        """Whatever is waited for."""
        return list(self._lines)

    def of(self, key: Key) -> list[Waiting]:
        """The line for ``key``, in its order."""
        return list(self._lines.get(key, {}).values())

    def head(self, key: Key) -> Waiting | None:
        """The first in the line for ``key``."""
        return next(iter(self._lines.get(key, {}).values()), None)

    def heads(self) -> list[Waiting]:
        """The first in each line, oldest first."""
        first = [next(iter(line.values())) for line in self._lines.values()]
        return sorted(first, key=lambda head: head.request.number)

    def add(self, request: Request, now: float) -> None:
        """Put ``request`` at the end of its line."""
        self._lines.setdefault(request.key, {})[request.number] = Waiting(request, now)

    def drop(self, number: int) -> bool:
        """Take a request out of its line, and say whether it was in one."""
        for key, line in self._lines.items():
            if line.pop(number, None):
                if not line:
                    del self._lines[key]
                return True
        return False
