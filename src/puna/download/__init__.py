"""Downloads into the store: in parts, resumed where they broke off, verified, and shared by all who want the same."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from puna.download.blob import Download, Patience
from puna.download.pace import Pace
from puna.download.ranged import Location, Source
from puna.errors import ShuttingDown
from puna.names import Digest
from puna.store.blobs import Blobs

__all__ = ["Downloads", "Location", "Patience", "Source", "Wanted"]

log = logging.getLogger(__name__)

_REPORT_SECONDS = 0.06


@dataclass(frozen=True, slots=True)
class Wanted:
    """Something to download: from ``source``, ``size`` bytes, which are to have ``digest`` where that is known.

    ``key`` stands for the digest until then: downloads of one key are one. ``rate`` is in bytes a second, 0: no limit.
    """

    source: Source
    size: int
    key: Digest
    digest: Digest | None
    rate: int = 0


@dataclass(slots=True, eq=False)
class _Shared:
    """A download and everybody who waits for it."""

    download: Download
    task: asyncio.Future[Digest]
    waiting: list[Wanted] = field(default_factory=list)


class Downloads:
    """The downloads into ``blobs``, over at most ``connections`` connections at once."""

    def __init__(self, blobs: Blobs, *, connections: int, patience: Patience = Patience()) -> None:  # noqa: B008 - frozen
        self._blobs = blobs
        self._connections = connections
        self._slots = asyncio.Semaphore(connections)
        self._patience = patience
        self._running: dict[Digest, _Shared] = {}

    async def fetch(self, wanted: Wanted) -> AsyncGenerator[int | Digest, None]:
        """Download; yield the bytes that are there every 60 ms, never fewer than before, and at last the digest.

        Who wants what is being downloaded shares that. When the last of them closes the generator, it is stopped, to be
        resumed another time.

        Raises:
            DamagedDownload: what came is not what it should be.
            RegistryError: it cannot be had.
            DiskFull, StoreError: it cannot be written.
        """
        shared = await self._join(wanted)
        try:
            while not (await asyncio.wait((shared.task,), timeout=_REPORT_SECONDS))[0]:
                yield shared.download.completed
        finally:
            self._leave(shared, wanted)
        if shared.task.cancelled():
            raise ShuttingDown
        yield shared.task.result()

    async def close(self) -> None:
        """Stop all downloads, to be resumed another time."""
        running = [shared.task for shared in self._running.values()]
        for shared in self._running.values():
            shared.download.pace.stop()
            shared.task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _join(self, wanted: Wanted) -> _Shared:
        while (shared := self._running.get(wanted.key)) is not None and not shared.waiting:
            await asyncio.wait((shared.task,))  # it is being stopped
        if shared is None:
            shared = self._start(wanted)
        shared.waiting.append(wanted)
        shared.download.pace.rate = _rate(shared.waiting)
        return shared

    def _start(self, wanted: Wanted) -> _Shared:
        waiting: list[Wanted] = []
        download = Download(
            source=_AnyOf(waiting),
            blobs=self._blobs,
            key=wanted.key,
            total=wanted.size,
            digest=wanted.digest,
            slots=self._slots,
            connections=self._connections,
            pace=Pace(),
            patience=self._patience,
        )
        shared = _Shared(download, asyncio.ensure_future(download.run()), waiting)
        self._running[wanted.key] = shared
        shared.task.add_done_callback(lambda task: self._ended(wanted.key, task))
        return shared

    def _ended(self, key: Digest, task: asyncio.Future[Digest]) -> None:
        del self._running[key]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.info("the download of %s ended: %s", key, error)

    def _leave(self, shared: _Shared, wanted: Wanted) -> None:
        shared.waiting[:] = [one for one in shared.waiting if one is not wanted]
        if shared.waiting:
            shared.download.pace.rate = _rate(shared.waiting)
        elif not shared.task.done():
            shared.download.pace.stop()
            shared.task.cancel()


@dataclass(frozen=True, slots=True)
class _AnyOf:
    """The source of whoever still waits: that of one who left may be closed."""

    waiting: list[Wanted]

    async def locate(self, *, refused: bool = False) -> Location:
        return await self.waiting[0].source.locate(refused=refused)


def _rate(waiting: list[Wanted]) -> int:
    """Nobody is slowed down by another's limit."""
    rates = [one.rate for one in waiting]
    return 0 if 0 in rates else max(rates)
