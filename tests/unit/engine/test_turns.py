"""Turns of answers and embeddings, with a clock that the test sets."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress

import pytest

from puna.engine.turns import Kind, Turns

OTHER: dict[Kind, Kind] = {"answer": "embedding", "embedding": "answer"}

pytestmark = pytest.mark.parametrize("kind", OTHER)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


async def begin(turns: Turns, kind: Kind) -> None:
    async with turns.turn(kind):
        pass


async def as_far_as_it_gets(task: asyncio.Task[None]) -> bool:
    """Whether ``task`` ends without anything else happening."""
    for _ in range(5):
        await asyncio.sleep(0)
    return task.done()


def test_a_request_holds_up_no_other_at_first(kind: Kind) -> None:
    """While a request is new, those of the other kind begin beside it."""

    async def check() -> None:
        turns = Turns(patience=5, clock=Clock())
        async with turns.turn(kind):
            assert await as_far_as_it_gets(asyncio.create_task(begin(turns, OTHER[kind])))

    asyncio.run(check())


def test_a_request_that_has_waited_comes_before_new_ones_of_the_other_kind(kind: Kind) -> None:
    """However many answers are asked for one after the other, an embedding gets its turn, and the other way round."""

    async def check() -> None:
        clock = Clock()
        turns = Turns(patience=5, clock=clock)
        async with turns.turn(kind):
            clock.now += 5
            assert await as_far_as_it_gets(asyncio.create_task(begin(turns, kind)))
            other = asyncio.create_task(begin(turns, OTHER[kind]))
            assert not await as_far_as_it_gets(other)
        assert await as_far_as_it_gets(other)

    asyncio.run(check())


def test_a_request_that_is_served_keeps_nobody_waiting(kind: Kind) -> None:
    """A long answer is not waited for to its end."""

    async def check() -> None:
        clock = Clock()
        turns = Turns(patience=5, clock=clock)
        async with turns.turn(kind) as is_served:
            is_served()
            clock.now += 5
            assert await as_far_as_it_gets(asyncio.create_task(begin(turns, OTHER[kind])))

    asyncio.run(check())


def test_a_request_waits_for_none_that_came_after_it(kind: Kind) -> None:
    """Requests that follow each other do not keep one of the other kind waiting."""

    async def check() -> None:
        clock = Clock()
        turns = Turns(patience=5, clock=clock)
        async with AsyncExitStack() as later:
            async with turns.turn(kind):
                clock.now += 5
                other = asyncio.create_task(begin(turns, OTHER[kind]))
                assert not await as_far_as_it_gets(other)
                await later.enter_async_context(turns.turn(kind))
                clock.now += 5
            assert await as_far_as_it_gets(other)

    asyncio.run(check())


def test_a_request_that_failed_is_waited_for_no_longer(kind: Kind) -> None:
    """An error ends a request's turn as a reply does."""

    async def check() -> None:
        clock = Clock()
        turns = Turns(patience=5, clock=clock)
        with suppress(ZeroDivisionError):
            async with turns.turn(kind):
                clock.now += 5 / 0
        clock.now += 5
        assert await as_far_as_it_gets(asyncio.create_task(begin(turns, OTHER[kind])))

    asyncio.run(check())
