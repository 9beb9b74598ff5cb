"""Waiting for what happens elsewhere, in another thread or process, by looking."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE_SECONDS = 60


def until(condition: Callable[[], bool]) -> None:
    """Wait until ``condition()`` holds."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.01)
