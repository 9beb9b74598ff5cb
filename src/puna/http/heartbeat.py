"""Signs of life while an answer is not yet begun: a model that loads, or a long prompt, can be silent for minutes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TypeVar

from puna.service.blocking import finished

T = TypeVar("T")


async def with_beats(
    events: AsyncGenerator[T, None], *, every: float, begins: Callable[[T], bool]
) -> AsyncGenerator[T | None, None]:
    """``events``, and None whenever nothing came for ``every`` seconds, until the first event that ``begins``.

    From then on events pass through as they are, at no cost.
    """
    async with aclosing(events):
        while True:
            step = asyncio.ensure_future(_next(events))
            try:
                while not (await asyncio.wait((step,), timeout=every))[0]:
                    yield None
            finally:
                if not step.done():
                    step.cancel()
                    await finished(asyncio.wait((step,)))
            if not (found := step.result()):
                return
            yield found[0]
            if begins(found[0]):
                break
        async for event in events:
            yield event


async def _next(events: AsyncGenerator[T, None]) -> tuple[T] | None:
    """The next of ``events``, None at their end: a task cannot end with StopAsyncIteration."""
    try:
        return (await anext(events),)
    except StopAsyncIteration:
        return None
