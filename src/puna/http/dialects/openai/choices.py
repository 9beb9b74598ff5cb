"""Several answers to one request, made side by side."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from puna.events import Answer, Event, fold

_AHEAD = 64
"""Events that may wait for a client that reads slowly."""


async def merged(answers: Sequence[AsyncGenerator[Event, None]]) -> AsyncGenerator[tuple[int, Event], None]:
    """The events of all ``answers`` as they come, each with the place of its answer.

    The first error of one ends them all.
    """
    queue: asyncio.Queue[tuple[int, Event | Exception | None]] = asyncio.Queue(_AHEAD)
    tasks = [asyncio.ensure_future(_pass_on(at, answer, queue)) for at, answer in enumerate(answers)]
    running = len(tasks)
    try:
        while running:
            at, event = await queue.get()
            if event is None:
                running -= 1
            elif isinstance(event, Exception):
                raise event
            else:
                yield at, event
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def whole(answers: Sequence[AsyncGenerator[Event, None]]) -> list[Answer]:
    """All ``answers``; the first error of one ends them all."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_whole(answer)) for answer in answers]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]


async def _pass_on(
    at: int, answer: AsyncGenerator[Event, None], queue: asyncio.Queue[tuple[int, Event | Exception | None]]
) -> None:
    try:
        async with aclosing(answer) as events:
            async for event in events:
                await queue.put((at, event))
    except Exception as error:  # noqa: BLE001 -- whatever it is, it is raised where the events are read
        await queue.put((at, error))
    else:
        await queue.put((at, None))


async def _whole(answer: AsyncGenerator[Event, None]) -> Answer:
    async with aclosing(answer) as events:
        return await fold(events)
