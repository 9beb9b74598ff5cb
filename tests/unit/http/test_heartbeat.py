import asyncio
from collections.abc import AsyncGenerator

import pytest

from puna.http.heartbeat import with_beats


async def gather(events: AsyncGenerator[str | None, None]) -> list[str | None]:
    return [event async for event in events]


def test_who_waits_for_a_model_hears_that_it_is_still_coming() -> None:
    """Until the answer begins there is a beat in every silence; then its events come as they are."""
    gate = asyncio.Event()

    async def events() -> AsyncGenerator[str, None]:
        yield "prompt"
        await gate.wait()
        yield "answer"
        yield "more"

    async def play() -> list[str | None]:
        found: list[str | None] = []
        async for event in with_beats(events(), every=0.001, begins=lambda event: event == "answer"):
            found.append(event)
            if found[-2:] == [None, None]:
                gate.set()
        return found

    found = asyncio.run(play())
    assert "prompt" == found[0]
    assert ["answer", "more"] == found[-2:]
    assert {None} == set(found[1:-2])


def test_an_answer_at_once_has_no_beats() -> None:
    """Nor has one that ends before it begins."""

    async def events() -> AsyncGenerator[str, None]:
        yield "a"
        yield "b"

    assert ["a", "b"] == asyncio.run(gather(with_beats(events(), every=60, begins=lambda _: False)))


def test_who_leaves_while_waiting_stops_the_work() -> None:
    """The work ends, by being cancelled, before the beats do."""
    ended: list[str] = []

    async def events() -> AsyncGenerator[str, None]:
        try:
            await asyncio.Event().wait()
            yield "never"
        finally:
            ended.append("work")

    async def play() -> None:
        beats = with_beats(events(), every=0.001, begins=lambda _: True)
        assert await anext(beats) is None
        waiting = asyncio.ensure_future(gather(beats))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait((waiting,))
        assert ["work"] == ended

    asyncio.run(play())


def test_who_is_in_a_hurry_to_leave_stops_the_work_too() -> None:
    """However often the reader is cancelled, the work has ended before the beats do, and that is all that is raised."""
    ended: list[str] = []

    async def play() -> None:
        stopping, may_end = asyncio.Event(), asyncio.Event()

        async def events() -> AsyncGenerator[str, None]:
            try:
                await asyncio.Event().wait()
                yield "never"
            finally:
                stopping.set()
                await may_end.wait()
                ended.append("work")

        beats = with_beats(events(), every=0.001, begins=lambda _: True)
        assert await anext(beats) is None
        waiting = asyncio.ensure_future(gather(beats))
        await asyncio.sleep(0)
        waiting.cancel()
        await stopping.wait()
        waiting.cancel()
        for _ in range(5):
            await asyncio.sleep(0)
        may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert ["work"] == ended

    asyncio.run(play())


def test_a_failure_is_the_readers() -> None:
    """Before the answer begins as well as after."""

    async def events() -> AsyncGenerator[str, None]:
        yield "a"
        raise ValueError("bad")

    for begins in (True, False):
        with pytest.raises(ValueError, match="bad"):
            asyncio.run(gather(with_beats(events(), every=60, begins=lambda _, begins=begins: begins)))
