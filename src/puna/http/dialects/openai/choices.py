"""Several answers to one request, made side by side."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import aclosing

from puna.events import Answer, Event, fold

_AT_ONCE = 64
"""Answers of one request that are made at the same time: thousands would fill the queue, and the memory."""

_AHEAD = 64
"""Events that may wait for a client that reads slowly."""

_Answers = Iterator[tuple[int, AsyncGenerator[Event, None]]]
"""Those that nobody makes yet, with their places; several take from it."""


async def merged(answers: Iterable[AsyncGenerator[Event, None]]) -> AsyncGenerator[tuple[int, Event], None]:
    """The events of all ``answers`` as they come, each with the place of its answer.

    The first error of one ends them all.
    """
    queue: asyncio.Queue[tuple[int, Event] | Exception | None] = asyncio.Queue(_AHEAD)
    waiting = enumerate(answers)
    tasks = [asyncio.ensure_future(_pass_on(waiting, queue)) for _ in range(_AT_ONCE)]
    running = len(tasks)
    try:
        while running:
            found = await queue.get()
            if found is None:
                running -= 1
            elif isinstance(found, Exception):
                raise found
            else:
                yield found
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def whole(answers: Iterable[AsyncGenerator[Event, None]]) -> list[Answer]:
    """All ``answers`` in their order; the first error of one ends them all."""
    found: dict[int, Answer] = {}
    waiting = enumerate(answers)
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(_AT_ONCE):
                group.create_task(_gather(waiting, found))
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [found[at] for at in sorted(found)]


async def _pass_on(waiting: _Answers, queue: asyncio.Queue[tuple[int, Event] | Exception | None]) -> None:
    try:
        for at, answer in waiting:
            async with aclosing(answer) as events:
                async for event in events:
                    await queue.put((at, event))
    except Exception as error:  # noqa: BLE001 -- whatever it is, it is raised where the events are read
        await queue.put(error)
    else:
        await queue.put(None)


async def _gather(waiting: _Answers, found: dict[int, Answer]) -> None:
    for at, answer in waiting:
        async with aclosing(answer) as events:
            found[at] = await fold(events)
