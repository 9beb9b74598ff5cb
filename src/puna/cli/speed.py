"""How fast something goes, from what was seen of it."""

from __future__ import annotations

from puna.durations import format_nanoseconds


class Speed:
    """The speed of one thing that is done bit by bit."""

    def __init__(self) -> None:
        self._first: tuple[float, int] | None = None
        self._latest = (0.0, 0)

    def left(self, done: int, total: int, now: float) -> tuple[float, str] | None:
        """What is done per second, and the time left, as ``1m5s``; None until there is something to tell it from.

        ``done`` of ``total`` are done ``now``, in seconds.
        """
        if self._first is None or done < self._first[1]:
            self._first = self._latest = (now, done)
        if done != self._latest[1]:
            self._latest = (now, done)
        # What is done in large steps has its speed at their ends: it would seem to become slower in between.
        (began, at_first), (then, _) = self._first, self._latest
        if done <= at_first or then <= began:
            return None
        rate = (done - at_first) / (then - began)
        seconds = max((total - done) / rate - (now - then), 0)
        return rate, format_nanoseconds(round(seconds) * 10**9)
