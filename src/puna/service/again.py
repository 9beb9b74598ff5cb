"""A request whose engine dies before it has said anything is made once more: its client need not know.

Engines die of other requests' faults, too, of the system's want of memory, and of whoever kills them; the next one that
needs the model loads it again, and that may as well be the same.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import TypeVar

from puna.errors import EngineGone

log = logging.getLogger(__name__)

T = TypeVar("T")


async def stream(make: Callable[[], AsyncGenerator[T, None]]) -> AsyncGenerator[T, None]:
    """The events of what ``make`` makes. Raises as they do, EngineGone only where some came or it happens again."""
    begun = again = False
    while True:
        try:
            async with aclosing(make()) as events:
                async for event in events:
                    begun = True
                    yield event
        except EngineGone as error:
            if begun or again:
                raise
            _note(error)
            again = True
        else:
            return


async def single(make: Callable[[], Awaitable[T]]) -> T:
    """What ``make`` makes. Raises as that does, EngineGone only if it happens twice."""
    try:
        return await make()
    except EngineGone as error:
        _note(error)
    return await make()


def _note(error: EngineGone) -> None:
    log.warning("a request is made once more, since it had no answer yet: %s", error)
