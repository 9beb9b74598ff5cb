"""Several answers of one request: side by side, but not all at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator

import pytest

from puna.errors import EngineError
from puna.events import Done, Event, Text
from puna.http.dialects.openai.choices import merged, whole
from puna.types import Usage

MANY = 500


class Answers:
    """Many answers, each of which says its number; ``most`` were made at the same time."""

    def __init__(self, failing: int = -1) -> None:
        self.begun = 0
        self.running = 0
        self.most = 0
        self._failing = failing

    def __iter__(self) -> Iterator[AsyncGenerator[Event, None]]:
        return (self._answer(at) for at in range(MANY))

    async def _answer(self, at: int) -> AsyncGenerator[Event, None]:
        self.begun += 1
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await asyncio.sleep(0)
            if at == self._failing:
                raise EngineError("it failed")
            yield Text(str(at))
            yield Done("stop", Usage(1, 1))
        finally:
            self.running -= 1


def test_answers_are_whole_in_their_order() -> None:
    """However many are asked for, the server begins no more than it can bear."""
    answers = Answers()
    found = asyncio.run(whole(answers))
    assert [str(at) for at in range(MANY)] == [one.text for one in found]
    assert 1 < answers.most < MANY


def test_events_come_as_they_are_made() -> None:
    """Each with the place of its answer, of which no more than a part are made at the same time."""
    answers = Answers()

    async def heard() -> dict[int, str]:
        return {at: event.text async for at, event in merged(answers) if isinstance(event, Text)}

    assert {at: str(at) for at in range(MANY)} == asyncio.run(heard())
    assert 1 < answers.most < MANY


def test_an_error_ends_them_all() -> None:
    """What was not begun is not made, and nothing goes on."""
    for failing in (Answers(failing=3), Answers(failing=100)):

        async def listen(answers: Answers = failing) -> None:
            async for _ in merged(answers):
                pass

        with pytest.raises(EngineError, match="it failed"):
            asyncio.run(listen())
        with pytest.raises(EngineError, match="it failed"):
            asyncio.run(whole(failing))
        assert 0 == failing.running
        assert failing.begun < 2 * MANY
