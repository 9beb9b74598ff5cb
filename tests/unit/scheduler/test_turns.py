from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from puna.durations import FOREVER
from puna.engine import LoadSpec
from puna.scheduler.turns import Arbiter, Turns

ALL = 2  # threads: as many as there are cores


def tell(turns: Turns, busy: str, now: float) -> str:
    changes = turns.share({ord(name): ALL for name in busy}, now)
    return " ".join(f"{'-' if type(change).__name__ == 'Pause' else '+'}{chr(change.runner)}" for change in changes)


STORIES: dict[str, list[tuple[float, str, str, float]]] = {
    "one busy model computes without pause": [(0, "a", "", FOREVER), (9, "a", "", FOREVER)],
    "two take turns": [
        (0, "a", "", FOREVER),
        (5, "ab", "-b", 15),
        (15, "ab", "-a +b", 25),
        (25, "ab", "-b +a", 35),
    ],
    "three go round": [
        (0, "abc", "-b -c", 10),
        (10, "abc", "-a +b", 20),
        (20, "abc", "-b +c", 30),
        (30, "abc", "-c +a", 40),
    ],
    "when all but one are done, that one is resumed": [
        (0, "ab", "-b", 10),
        (4, "b", "+b", FOREVER),
    ],
    "a model that is done while it is paused is resumed": [
        (0, "ab", "-b", 10),
        (4, "a", "+b", FOREVER),
    ],
    "one that is done gives the rest of its turn to the next, which gets a whole one": [
        (0, "abc", "-b -c", 10),
        (4, "bc", "+b", 14),
        (14, "bc", "-b +c", 24),
    ],
    "nobody is passed over when one is done just as its turn ends": [
        (0, "abc", "-b -c", 10),
        (10, "bc", "+b", 20),
    ],
    "one that joins waits for its turn and shortens nobody's": [
        (0, "ab", "-b", 10),
        (4, "abc", "-c", 10),
        (10, "abc", "-a +b", 20),
        (20, "abc", "-b +c", 30),
    ],
    "a change among those who wait does not end the turn": [
        (0, "abc", "-b -c", 10),
        (4, "ab", "+c", 10),
    ],
    "everything is resumed when nothing is busy": [
        (0, "abc", "-b -c", 10),
        (4, "", "+b +c", FOREVER),
    ],
}


@pytest.mark.parametrize("steps", STORIES.values(), ids=STORIES.keys())
def test_stories(steps: list[tuple[float, str, str, float]]) -> None:
    """What the story's title says: at a time these are busy, so these are paused (-) and resumed (+) until then."""
    turns = Turns(10.0, cores=2)
    for now, busy, changes, ends in steps:
        assert (now, changes, ends) == (now, tell(turns, busy, now), turns.ends)


def test_off() -> None:
    """A slice of 0 lets all compute at once."""
    turns = Turns(0.0, cores=2)
    assert ("", FOREVER) == (tell(turns, "ab", 0), turns.ends)


def test_enough_cores() -> None:
    """Models whose threads fit on the cores together have no need of turns; one more makes turns for all."""
    turns = Turns(10.0, cores=4)
    assert ("", FOREVER) == (tell(turns, "ab", 0), turns.ends)
    assert ("-b -c", 11.0) == (tell(turns, "abc", 1), turns.ends)
    assert ("+b +c", FOREVER) == (tell(turns, "ac", 2), turns.ends)


def test_arbiter(new_loaded: type[Any]) -> None:
    """Busy models are paused and resumed in turn by the clock, and all run again on return when they are done."""

    async def story() -> None:
        journal: list[str] = []
        a, b = (new_loaded(LoadSpec(Path(name), 4096, 1, threads=ALL), journal) for name in "ab")
        arbiter = Arbiter(0.001, 2, time.monotonic)
        arbiter.share({1: a})
        arbiter.share({1: a, 2: b})
        assert ["pause b"] == journal
        for who in (a, b, a):
            who.changed.clear()
            await who.changed.wait()
        assert ["pause b", "pause a", "resume b", "pause b", "resume a", "pause a", "resume b"] == journal[:7]
        arbiter.share({2: b})
        arbiter.share({})
        resumed = {word: [one for one in journal if one == word] for word in journal}
        assert len(resumed["pause a"]) == len(resumed["resume a"])
        assert len(resumed["pause b"]) == len(resumed["resume b"])

    asyncio.run(story())
