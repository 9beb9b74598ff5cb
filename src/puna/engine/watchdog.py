"""An engine that hangs is ended, so that those who wait for it hear of it and the next request loads the model again.

A process that was stopped, or whose threads wait for each other, closes no connection. It gives itself away: replies
that are waited for do not come, it does not answer when asked how it is, and uses no processor time meanwhile. One that
is merely slow, or on a machine that is, does one of the three.
"""

from __future__ import annotations

import asyncio
import logging

from puna.engine.connection import ConnectionLost, Connections
from puna.engine.process import EngineProcess

log = logging.getLogger(__name__)

SILENCE_SECONDS = 10.0
"""How long a reply may be silent before the engine is asked how it is."""

PATIENCE_SECONDS = 10.0
"""How long it has to answer that."""


async def watch(
    connections: Connections,
    process: EngineProcess,
    name: str,
    *,
    silence: float = SILENCE_SECONDS,
    patience: float = PATIENCE_SECONDS,
) -> None:
    """Return when ``process``, the engine of the model ``name``, has ended, or hangs, in which case it is killed."""
    heard: dict[object, int] = {}
    while not process.gone.done():
        await asyncio.wait([process.gone], timeout=silence)
        before, heard = heard, {one: one.received for one in connections.busy}
        if any(before.get(one) == received for one, received in heard.items()) and await _hangs(
            connections, process, patience
        ):
            log.error("the engine of %s hangs, and is ended", name)
            process.kill()
            return


async def _hangs(connections: Connections, process: EngineProcess, seconds: float) -> bool:
    ticks = process.cpu_ticks()
    try:
        await asyncio.wait_for(connections.get("/health"), seconds)
    except TimeoutError:
        return process.cpu_ticks() == ticks
    except (ConnectionLost, OSError):
        return False  # it ends, or the request that waits meets the same
    return False
