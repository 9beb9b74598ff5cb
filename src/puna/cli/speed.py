"""How fast something goes, from what was seen of it."""

from __future__ import annotations

from puna.durations import format_nanoseconds


class Speed:
    """The speed of one thing that is done bit by bit."""

    def __init__(self) -> None:
        self._first: tuple[float, int] | None = None

    def left(self, done: int, total: int, now: float) -> tuple[float, str] | None:
        """What is done per second, and the time left, as ``1m5s``; None until there is something to tell it from.

        ``done`` of ``total`` are done ``now``, in seconds.
        """
        if self._first is None or done < self._first[1]:
            self._first = (now, done)
        began, at_first = self._first
        if done <= at_first or now <= began:
            return None
        rate = (done - at_first) / (now - began)
        return rate, format_nanoseconds(round((total - done) / rate) * 10**9)
