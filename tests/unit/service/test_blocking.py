"""Work in threads: a caller never leaves it behind."""

from __future__ import annotations

import asyncio
import threading

import pytest

from puna.service.blocking import blocking


def test_gives_what_the_work_gives() -> None:
    """The result of the work, and its error, are the caller's."""
    assert 3 == asyncio.run(blocking(max, 1, 3))
    with pytest.raises(ZeroDivisionError):
        asyncio.run(blocking(divmod, 1, 0))


@pytest.mark.parametrize("error", [None, OSError("lost")])
def test_a_cancelled_caller_waits(error: OSError | None) -> None:
    """However often it is cancelled, the caller goes on only when the work has ended; its outcome is nobody's then."""
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        go_on.wait()
        ended.set()
        if error:
            raise error

    async def main() -> None:
        caller = asyncio.create_task(blocking(work))
        await asyncio.to_thread(begun.wait)
        for _ in range(2):
            caller.cancel()
            await asyncio.wait([caller], timeout=0.01)
            assert not caller.done()
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await caller
        assert ended.is_set()

    asyncio.run(main())
