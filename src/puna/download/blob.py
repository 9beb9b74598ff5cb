"""One download: parts fetched side by side, hashed as they join, saved as they grow, and verified."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import random
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import TypeVar

from puna import network
from puna.download.pace import Pace
from puna.download.partial import Part, Partial
from puna.download.ranged import Body, Broken, Fetcher, Location, RangeIgnored, Refused, Source
from puna.errors import DamagedDownload, RegistryError, StoreError, Unreachable
from puna.names import Digest
from puna.store.blobs import Blobs

log = logging.getLogger(__name__)

_T = TypeVar("_T")

_READ_BYTES = 1 << 18
_HASH_BYTES = 1 << 22
_SAVE_SECONDS = 1.0
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses that say nothing against the address."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to try: ``stall`` seconds without a byte, ``tries`` in a row without any, ``pause`` seconds at first.

    The pauses between tries double, up to ``longest_pause``.
    """

    stall: float = 30.0
    tries: int = 6
    pause: float = 0.5
    longest_pause: float = 8.0


@dataclass(slots=True)
class Download:
    """A download of ``total`` bytes that are to have ``digest`` (None: whatever they have) into ``blobs``.

    Its unfinished files are named for ``key``. ``slots`` are the connections that all downloads share.
    """

    source: Source
    blobs: Blobs
    key: Digest
    total: int
    digest: Digest | None
    slots: asyncio.Semaphore
    connections: int
    pace: Pace
    patience: Patience = Patience()
    completed: int = 0

    async def run(self) -> Digest:
        """Download; give the digest of what came. When it fails or is cancelled, what there is stays to be resumed.

        Raises:
            DamagedDownload: it is not what it should be; nothing stays.
            RegistryError: it cannot be had.
            DiskFull, StoreError: it cannot be written.
        """
        threads = ThreadPoolExecutor(self.connections + 2, thread_name_prefix="download")
        try:
            return await _Run(self, threads).run()
        finally:
            threads.shutdown(wait=False)


class _Run:
    """What a download knows while it runs."""

    def __init__(self, download: Download, threads: ThreadPoolExecutor) -> None:
        self._download = download
        self._threads = threads
        self._patience = download.patience
        self._location: Location | None = None
        self._ranges = True
        self._hash = hashlib.sha256()
        self._hashed = 0
        self._partial = Partial(download.blobs, download.key, download.total)

    async def run(self) -> Digest:
        try:
            await self._in_thread(self._partial.open)
            self._report()
            digest = await self._fetch_and_verify()
            await self._in_thread(self._partial.settle, digest)
        except DamagedDownload:
            await self._in_thread(self._partial.discard)
            raise
        finally:
            await self._in_thread(self._partial.close)
        return digest

    async def _fetch_and_verify(self) -> Digest:
        wanted, digest = self._download.digest, await self._fetch_and_hash()
        if wanted is None or digest == wanted:
            return digest
        log.warning("what was downloaded has the digest %s and should have %s", digest, wanted)
        # Which part is wrong only shows when it comes anew; what an earlier run left is suspected first.
        for part in sorted(self._partial.parts, key=lambda part: not part.resumed):
            before = await self._in_thread(self._digest_of, part)
            await self._in_thread(self._partial.forget, part)
            await self._fetch_and_hash()
            if await self._in_thread(self._digest_of, part) != before:
                digest = Digest(self._hash.hexdigest())
                if digest == wanted:
                    return digest
        raise DamagedDownload(str(wanted), str(digest))

    def _digest_of(self, part: Part) -> bytes:
        found = hashlib.sha256()
        end = part.offset + part.size
        for offset in range(part.offset, end, _HASH_BYTES):
            found.update(self._partial.read(min(_HASH_BYTES, end - offset), offset))
        return found.digest()

    async def _fetch_and_hash(self) -> Digest:
        self._hash, self._hashed = hashlib.sha256(), 0
        keeping, hashing = asyncio.ensure_future(self._keep()), asyncio.ensure_future(self._follow())
        try:
            await self._fetch(keeping)
            await hashing
            return Digest(self._hash.hexdigest())
        finally:
            await _ended(keeping, hashing)

    async def _fetch(self, keeping: asyncio.Future[None]) -> None:
        """Fetch all that is missing. What cannot be saved ends it too."""
        fetching = asyncio.ensure_future(self._fetch_missing())
        try:
            await asyncio.wait((fetching, keeping), return_when=asyncio.FIRST_COMPLETED)
            if keeping.done():
                keeping.result()
            await fetching
        finally:
            await _ended(fetching)

    async def _fetch_missing(self) -> None:
        if self._ranges:
            try:
                await self._fetch_parts()
            except RangeIgnored:
                self._ranges = False
        if not self._ranges:
            with closing(Fetcher(stall=self._patience.stall)) as fetcher:
                await self._try(lambda: self._partial.completed, self._receive_whole, fetcher)

    async def _fetch_parts(self) -> None:
        queue = deque(part for part in self._partial.parts if part.missing)
        workers = [asyncio.ensure_future(self._work(queue)) for _ in range(min(self._download.connections, len(queue)))]
        try:
            for worker in asyncio.as_completed(workers):
                await worker
        finally:
            await _ended(*workers)

    async def _work(self, queue: deque[Part]) -> None:
        with closing(Fetcher(stall=self._patience.stall)) as fetcher:
            while queue:
                part = queue.popleft()
                async with self._download.slots:
                    await self._try(partial(getattr, part, "completed"), self._receive, fetcher, part)

    async def _try(
        self, progress: Callable[[], int], receive: Callable[..., None], fetcher: Fetcher, *what: Part
    ) -> None:
        """Call ``receive`` until it ends well, or has failed so often without any progress that it is given up."""
        tries, refusals = 0, 0
        while True:
            before = progress()
            location = await self._locate()
            try:
                await self._in_thread(receive, fetcher, location, *what, interrupt=fetcher.interrupt)
            except Broken as error:
                failure = error
            else:
                return
            if isinstance(failure, RangeIgnored) and what:
                refusals += 1
                if refusals > 1:
                    raise failure
            tries = 0 if progress() > before else tries + 1
            if tries >= self._patience.tries:
                raise Unreachable(f"max retries exceeded: {network.shown(location.url)}: {failure}") from failure
            log.info("trying again: %s: %s", network.shown(location.url), failure)
            if isinstance(failure, Refused) and failure.status not in _PASSING:
                # The address may have expired, or the token: the source knows, or says what is wrong.
                self._location = await self._download.source.locate(refused=True)
            pause = min(self._patience.pause * 2 ** max(tries - 1, 0), self._patience.longest_pause)
            await asyncio.sleep(pause * random.uniform(0.75, 1.25))  # noqa: S311 - spreads clients, hides nothing

    async def _locate(self) -> Location:
        if self._location is None:
            self._location = await self._download.source.locate()
        return self._location

    def _receive(self, fetcher: Fetcher, location: Location, part: Part) -> None:
        with fetcher.open(location, part.position, part.offset + part.size - 1) as (body, url):
            self._check_size(body)
            self._found_at(location, url)
            while part.missing:
                data = self._read(body, part.missing)
                self._partial.add(part, data)
                self._report()

    def _receive_whole(self, fetcher: Fetcher, location: Location) -> None:
        """Read everything from the beginning on, and keep what is missing."""
        with fetcher.open(location, 0, None) as (body, _):
            self._check_size(body)
            for part in self._partial.parts:
                skipped = part.completed
                while skipped:
                    skipped -= len(self._read(body, skipped))
                while part.missing:
                    data = self._read(body, part.missing)
                    self._partial.add(part, data)
                    self._report()

    def _read(self, body: Body, most: int) -> bytes:
        data = body.read(min(self._download.pace.piece(_READ_BYTES), most))
        if not data:
            raise Broken("the server stopped before the end")
        self._download.pace.spend(len(data))
        return data

    def _report(self) -> None:
        self._download.completed = max(self._download.completed, self._partial.completed)

    def _check_size(self, body: Body) -> None:
        if body.total is not None and body.total != self._partial.total:
            raise RegistryError(f"the server has {body.total} bytes where {self._partial.total} were announced")

    def _found_at(self, asked: Location, url: str) -> None:
        """Go straight to where a redirect led; if it leads there no more, the source is asked again."""
        if url != asked.url and self._location is asked:
            self._location = Location(url, {}, verified=asked.verified)

    async def _keep(self) -> None:
        """Save what there is, as often as it costs little; when the power fails, what came since is lost."""
        pause = _SAVE_SECONDS
        while True:
            await asyncio.sleep(pause)
            began = monotonic()
            await self._in_thread(self._partial.save)
            pause = min(max(_SAVE_SECONDS, 4 * (monotonic() - began)), 10.0)

    async def _follow(self) -> None:
        """Hash what has come without a hole, until that is everything."""
        while self._hashed < self._partial.total:
            if self._partial.contiguous > self._hashed:
                await self._in_thread(self._hash_to, self._partial.contiguous)
            else:
                await asyncio.sleep(0.01)

    def _hash_to(self, end: int) -> None:
        while self._hashed < end:
            data = self._partial.read(min(_HASH_BYTES, end - self._hashed), self._hashed)
            if not data:
                raise StoreError("the unfinished download was cut short by another program")
            self._hash.update(data)
            self._hashed += len(data)

    async def _in_thread(
        self, function: Callable[..., _T], *args: object, interrupt: Callable[[], None] | None = None
    ) -> _T:
        """Call ``function`` in a thread of this download. A caller that is cancelled waits until it has returned."""
        work = asyncio.get_running_loop().run_in_executor(self._threads, function, *args)
        cancelled: asyncio.CancelledError | None = None
        while not work.done():
            try:
                await asyncio.wait([work])
            except asyncio.CancelledError as error:
                cancelled = error
                if interrupt is not None:
                    interrupt()
        if cancelled is not None:
            with suppress(Exception):
                work.result()  # it is nobody's any more
            raise cancelled
        return work.result()


async def _ended(*tasks: asyncio.Future[None]) -> None:
    """Cancel what still runs of ``tasks``, and wait until all have ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
