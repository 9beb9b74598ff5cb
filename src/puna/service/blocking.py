"""Work that waits for a disk, in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


async def blocking(function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Call ``function`` in a thread, for a moment: its threads are few, and everything that waits for a disk has them.

    A caller that is cancelled waits until it has returned, so that it never works on files that were closed meanwhile.
    """
    return await finished(asyncio.to_thread(function, *args, **kwargs))


async def finished(awaitable: Awaitable[_T]) -> _T:
    """What ``awaitable`` gives. A caller that is cancelled waits until it has ended by itself."""
    work = asyncio.ensure_future(awaitable)
    cancelled: asyncio.CancelledError | None = None
    while not work.done():
        try:
            await asyncio.wait([work])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        work.exception()  # it is nobody's any more
        raise cancelled
    return work.result()
