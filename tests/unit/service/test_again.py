"""A request is made once more where its engine died and nobody has heard anything of it yet."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from puna.errors import EngineGone, LoadFailed
from puna.service import again


class Made:
    """Fails as told, the first times that it is made, after the events that come before."""

    def __init__(self, *failures: tuple[str, Exception]) -> None:
        self.failures = list(failures)
        self.times = 0

    async def events(self) -> AsyncGenerator[str, None]:
        self.times += 1
        before, error = self.failures.pop(0) if self.failures else ("", None)
        for letter in before:
            yield letter
        if error is not None:
            raise error
        yield "all"

    async def result(self) -> str:
        return [event async for event in self.events()][-1]


GONE = EngineGone("signal: SIGKILL")


def heard(made: Made) -> list[str]:
    async def run() -> list[str]:
        return [event async for event in again.stream(made.events)]

    return asyncio.run(run())


def test_nobody_notices_an_engine_that_dies_before_it_speaks() -> None:
    """The answer is that of the next engine, streamed or not."""
    made = Made(("", GONE))
    assert ["all"] == heard(made)
    assert 2 == made.times
    assert "all" == asyncio.run(again.single(Made(("", GONE)).result))


def test_what_was_said_is_not_said_again() -> None:
    """An answer that breaks off is an error: another one would not go on where it ended."""
    made = Made(("a", GONE))
    with pytest.raises(EngineGone):
        heard(made)
    assert 1 == made.times


def test_a_request_that_kills_its_engine_does_so_twice_at_most() -> None:
    """Then it is told."""
    made = Made(("", GONE), ("", GONE))
    with pytest.raises(EngineGone):
        heard(made)
    assert 2 == made.times
    with pytest.raises(EngineGone):
        asyncio.run(again.single(Made(("", GONE), ("", GONE)).result))


def test_other_errors_are_told_at_once() -> None:
    """A model that cannot be loaded cannot be loaded a moment later either."""
    made = Made(("", LoadFailed("no")))
    with pytest.raises(LoadFailed):
        heard(made)
    assert 1 == made.times
