"""Large schemas hold up nobody else, and take no more memory than is set aside for them."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from puna.engine.compiling import Remembered, compiling

SMALL = {"type": "object"}
LARGE = {"enum": [f"choice {number}" for number in range(1000)]}


def test_a_small_schema_costs_no_thread() -> None:
    """It is done at once."""
    assert threading.get_ident() == asyncio.run(compiling(SMALL, threading.get_ident))


def test_a_large_schema_leaves_the_loop_to_others() -> None:
    """Also when every thread of the loop waits for a disk."""
    busy = threading.Event()

    async def story() -> bool:
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1) as few:
            loop.set_default_executor(few)
            waiting = loop.run_in_executor(None, busy.wait)
            go_on = threading.Event()
            work = asyncio.create_task(compiling(LARGE, go_on.wait, 60))
            await asyncio.sleep(0)
            go_on.set()
            try:
                return await work
            finally:
                busy.set()
                await waiting

    assert asyncio.run(story())


def test_what_is_wrong_with_a_large_schema_is_told() -> None:
    """As with a small one."""
    with pytest.raises(ZeroDivisionError):
        asyncio.run(compiling(LARGE, divmod, 1, 0))


def test_what_was_asked_for_last_is_remembered() -> None:
    """As much of it as there is room for."""
    called: list[str] = []

    def work(*texts: str) -> str:
        called.append(texts[0])
        return texts[0] * 2

    remembered = Remembered(work, characters=6)
    assert ["aaaa", "bbbb", "aaaa"] == [remembered("aa", "!"), remembered("bb", "!"), remembered("aa", "!")]
    assert "cccc" == remembered("cc", "!")
    assert ["aa", "bb", "cc"] == called
    assert ["aaaa", "cccc", "bbbb"] == [remembered("aa", "!"), remembered("cc", "!"), remembered("bb", "!")]
    assert ["aa", "bb", "cc", "bb"] == called
    assert 2 == len(remembered)
    assert "d" * 20 == remembered("d" * 10)
    assert 2 == len(remembered)


def test_an_error_is_not_remembered() -> None:
    """The next one who asks hears it anew."""
    remembered = Remembered(int, characters=100)
    for _ in range(2):
        with pytest.raises(ValueError, match="invalid literal"):
            remembered("none")
    assert 0 == len(remembered)
