"""Answers and embeddings of one model take turns.

llama.cpp puts the two into different batches. It goes on with answers that have begun, and else takes what lies in the
first slot; where one kind overlaps without end, the other would never begin.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Literal

PATIENCE_SECONDS = 5.0
"""How long a request waits for the model before requests of the other kind that come later wait for it."""

Kind = Literal["answer", "embedding"]


class Turns:
    """Who may begin at one loaded model. ``clock`` gives seconds, from any start."""

    def __init__(self, *, patience: float = PATIENCE_SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        self._patience = patience
        self._clock = clock
        self._waiting: dict[Kind, dict[asyncio.Future[None], float]] = {"answer": {}, "embedding": {}}

    @asynccontextmanager
    async def turn(self, kind: Kind) -> AsyncIterator[Callable[[], None]]:
        """Enter it when a request may be made: at once, or after those of the other kind that were patient too long.

        From then on the request waits for the model, until the function that this gives is called, or the context ends.
        """
        now, others = self._clock(), self._waiting["embedding" if kind == "answer" else "answer"]
        if overdue := [one for one, since in others.items() if now - since >= self._patience]:
            await asyncio.wait(overdue)
        served = asyncio.get_running_loop().create_future()
        alike = self._waiting[kind]
        alike[served] = self._clock()

        def is_served() -> None:
            if alike.pop(served, None) is not None:
                served.set_result(None)

        try:
            yield is_served
        finally:
            is_served()
