"""How fast downloads may go."""

from __future__ import annotations

import threading
from time import monotonic

_BURST_SECONDS = 0.25


class Pace:
    """At most ``rate`` bytes a second, for all threads together; 0 for no limit. It may be changed at any time."""

    def __init__(self, rate: int = 0) -> None:
        self.rate = rate
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._due = 0.0

    def piece(self, most: int) -> int:
        """How many bytes to ask for at once, ``most`` at most, so that they come steadily."""
        return min(most, max(1024, self.rate // 16)) if self.rate else most

    def spend(self, size: int) -> None:
        """Wait until ``size`` bytes more are within the rate."""
        rate = self.rate
        if not rate:
            return
        with self._lock:
            now = monotonic()
            self._due = max(self._due, now - _BURST_SECONDS) + size / rate
            wait = self._due - now
        if wait > 0:
            self._stopped.wait(wait)

    def stop(self) -> None:
        """Let nobody wait any longer."""
        self.rate = 0
        self._stopped.set()
