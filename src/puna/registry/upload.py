"""Sending a blob to a registry: in parts, one after the other, or at once where it says where else they go.

The registry knows how far it got. When a connection breaks it is asked, and the upload goes on from there; a registry
that has forgotten it gets it again from the beginning.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlencode

from puna import network
from puna.download.pace import Pace
from puna.errors import DigestMismatch, RegistryError, StoreError, Unreachable
from puna.names import Digest
from puna.registry.replies import bytes_received, checked, exhausted, pause_asked, refusal
from puna.registry.sending import Part, Patience, Sending, Sent
from puna.registry.session import Reply, Session

log = logging.getLogger(__name__)

_T = TypeVar("_T")

_PARTS = 16
_SMALLEST_PART, _LARGEST_PART = 100_000_000, 1_000_000_000
_LEAST_PART = 4_000_000
"""What parts shrink to at a registry that finds them too large."""
_AT_ONCE = 4
_TRIES = 6
_LONGEST_PAUSE = 20.0
_REDIRECTS = (307, 308)
_PASSING = (408, 416, 429, 500, 502, 503, 504)
_OCTETS = {"Content-Type": "application/octet-stream"}


@dataclass(frozen=True, slots=True)
class LocalBlob:
    """A blob to be sent, of ``size`` bytes. ``source`` is a repository that may have it already, "" without one."""

    digest: Digest
    file: Path
    size: int
    source: str = ""


class _Interrupted(Exception):
    """A part did not arrive, and may the next time. ``cause`` is how; ``pause`` how long the registry said to wait."""

    def __init__(self, cause: RegistryError, pause: float = 0.0) -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.pause = pause


class Upload:
    """The upload of ``blob`` to the repository at ``path`` (``/v2/<name>``). ``completed`` is how many bytes are there.

    It uses at most ``connections`` connections at once.
    ``first_pause`` is the seconds before the second try; it doubles with each. ``part_size`` is in bytes, 0: as fits.
    """

    def __init__(
        self,
        session: Session,
        path: str,
        blob: LocalBlob,
        *,
        pace: Pace,
        patience: Patience = Patience(),  # noqa: B008 - frozen
        first_pause: float = 0.5,
        part_size: int = 0,
        connections: int = _AT_ONCE,
    ) -> None:
        self._session = session
        self._path = path
        self._blob = blob
        self._pace = pace
        self._patience = patience
        self._first_pause = first_pause
        self._part_size = part_size or min(max(blob.size // _PARTS, _SMALLEST_PART), _LARGEST_PART)
        self._at_once = min(connections, _AT_ONCE)
        self._threads = ThreadPoolExecutor(self._at_once, thread_name_prefix="upload")
        self._counting = threading.Lock()
        self._sent = 0
        self._url = ""
        self._offset = 0
        self._md5s: list[bytes] = []
        self._refused = 0
        self.completed = 0

    async def run(self) -> None:
        """Send what the registry does not have.

        Raises:
            Unauthorized: nothing may be pushed there.
            RegistryError: it was refused, or failed too often.
            StoreError: the blob cannot be read, or is not what its digest says.
        """
        try:
            if await self._begin(self._blob.source):
                await self._persist()
        finally:
            self._threads.shutdown(wait=False)
        self.completed = self._blob.size

    async def _persist(self) -> None:
        failures, furthest = 0, 0
        while True:
            try:
                await self._send_parts()
                await self._finish()
            except _Interrupted as problem:
                failures = 1 if self._offset > furthest else failures + 1
                furthest = max(furthest, self._offset)
                if failures == _TRIES:
                    raise exhausted(problem.cause) from problem.cause
                pause = max(problem.pause, min(self._first_pause * 2 ** (failures - 1), _LONGEST_PAUSE))
                log.info("upload of %s interrupted, trying again in %.1f s: %s", self._blob.digest, pause, problem)
                await asyncio.sleep(pause)
                if not await self._resume():
                    return
            else:
                return

    async def _begin(self, source: str = "") -> bool:
        """Open an upload; False when there is nothing to send, since the registry took the blob from ``source``."""
        mount = f"?{urlencode({'mount': str(self._blob.digest), 'from': source})}" if source else ""
        reply = await self._session.request("POST", f"{self._path}/blobs/uploads/{mount}")
        if source and reply.status in (401, 403):
            return await self._begin()  # there is no reading the other repository
        if reply.status == 201:
            return False
        checked(reply)
        self._url, self._offset, self._sent, self._md5s = "", 0, 0, []
        self._move_on(reply.url, reply.headers)
        if not self._url:
            raise RegistryError("the registry does not say where to upload to")
        return True

    async def _resume(self) -> bool:
        """Ask how far the registry got, and begin anew if it has forgotten; False when it has everything."""
        if await exists(self._session, self._path, self._blob.digest):
            return False
        reply = await self._session.request("GET", self._url)
        received = bytes_received(reply.headers) if reply.status in (200, 202, 204) else None
        if received is None or received > self._blob.size:
            return await self._begin()
        if received != self._offset:
            self._md5s = []
        self._move_on(reply.url, reply.headers)
        self._offset = self._sent = received
        return True

    async def _send_parts(self) -> None:
        elsewhere: list[asyncio.Task[bytes]] = []
        slots = asyncio.Semaphore(self._at_once)
        try:
            while self._offset < self._blob.size:
                part = Part(self._blob.file, self._offset, min(self._part_size, self._blob.size - self._offset))
                async with slots:
                    sent = await self._patch(part)
                here = self._url
                self._move_on(here, sent.headers)
                if sent.status in _REDIRECTS:
                    target = network.joined(here, sent.headers.get("location", ""))
                    elsewhere.append(asyncio.create_task(self._put(part, target, slots)))
                    self._offset += part.size
                else:
                    self._confirm(part, sent)
            if elsewhere:
                self._md5s = await asyncio.gather(*elsewhere)
        finally:
            for task in elsewhere:
                task.cancel()
            await asyncio.gather(*elsewhere, return_exceptions=True)

    def _confirm(self, part: Part, sent: Sent) -> None:
        received = bytes_received(sent.headers)
        if received is not None and part.offset < received < part.offset + part.size:
            self._offset = self._sent = received  # it took less than it was given
        else:
            self._offset += part.size
        self._md5s.append(sent.md5 or b"")

    async def _patch(self, part: Part) -> Sent:
        """Send ``part`` to the registry, or learn where else it goes."""
        last = part.offset + part.size - 1
        headers = {"Content-Range": f"{part.offset}-{last}", "X-Redirect-Uploads": "1"}
        sent, reply = await self._authorized("PATCH", self._url, headers, part)
        if sent.status == 413 and part.size > _LEAST_PART:
            self._part_size = max(_LEAST_PART, part.size // 4)
            raise _Interrupted(RegistryError("413: the registry takes no parts so large", code=413))
        if sent.status in _PASSING or sent.status == 404:
            raise _Interrupted(refusal(reply), pause_asked(sent.headers))
        checked(reply)
        if sent.md5 is None and sent.status not in _REDIRECTS:
            raise _Interrupted(Unreachable(f"PATCH {self._path}: the reply came before everything was sent"))
        return sent

    async def _put(self, part: Part, url: str, slots: asyncio.Semaphore) -> bytes:
        """Send ``part`` to a place of its own, which is to know nothing of who we are; give its MD5."""
        self._check_downgrade(url)
        for tries in range(1, _TRIES + 1):
            pause = min(self._first_pause * 2 ** (tries - 1), _LONGEST_PAUSE)
            async with slots:
                try:
                    sent = await self._attempt("PUT", url, _OCTETS, part)
                except _Interrupted as interrupted:
                    problem = interrupted.cause
                else:
                    reply = Reply("PUT", url, sent.status, sent.headers, sent.body)
                    if sent.status not in _PASSING:
                        break
                    problem, pause = refusal(reply), max(pause, pause_asked(sent.headers))
            if tries == _TRIES:
                raise exhausted(problem) from problem
            await asyncio.sleep(pause)
        checked(reply)
        if sent.md5 is None or sent.status >= 300:
            raise refusal(reply)
        return sent.md5

    async def _finish(self) -> None:
        """Say what it was all to be."""
        said = {"digest": str(self._blob.digest)}
        if self._md5s and all(self._md5s):
            etag = hashlib.md5(b"".join(self._md5s), usedforsecurity=False).hexdigest()
            said["etag"] = f"{etag}-{len(self._md5s)}"
        url = f"{self._url}{'&' if '?' in self._url else '?'}{urlencode(said)}"
        sent, reply = await self._authorized("PUT", url, {}, Part(self._blob.file, 0, 0))
        if sent.status in (400, 404):
            # It has forgotten the upload, or got something else. A new one mends that, unless the fault is here.
            self._refused += 1
            if self._refused == 1:
                await self._check_file()
                raise _Interrupted(refusal(reply))
        if sent.status in _PASSING:
            raise _Interrupted(refusal(reply), pause_asked(sent.headers))
        checked(reply)

    async def _check_file(self) -> None:
        def digest() -> str:
            with self._blob.file.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()

        found = Digest(await self._threaded(digest))
        if found != self._blob.digest:
            raise DigestMismatch(str(self._blob.digest), str(found))

    async def _authorized(self, method: str, url: str, headers: Mapping[str, str], part: Part) -> tuple[Sent, Reply]:
        """Send one request with what the registry wants to be shown, and once more when it wants something new."""
        shown = self._session.authorization(url)
        sent = await self._attempt(method, url, {**_OCTETS, **headers, **shown}, part)
        reply = Reply(method, url, sent.status, sent.headers, sent.body)
        if sent.status != 401 or not await self._session.authenticate(reply, shown.get("Authorization")):
            return sent, reply
        sent = await self._attempt(method, url, {**_OCTETS, **headers, **self._session.authorization(url)}, part)
        return sent, Reply(method, url, sent.status, sent.headers, sent.body)

    async def _attempt(self, method: str, url: str, headers: Mapping[str, str], part: Part) -> Sent:
        """Send one request, once; what it counted is taken back when the registry did not take it."""
        counted = 0

        def count(size: int) -> None:
            nonlocal counted
            counted += size
            self._count(size)

        sending = Sending(
            method,
            url,
            headers,
            part,
            verified=not self._session.insecure,
            patience=self._patience,
            pace=self._pace,
            progress=count,
        )
        try:
            sent = await self._threaded(sending.run, stop=sending.stop)
        except Unreachable as error:
            self._count(-counted)
            raise _Interrupted(error) from error
        if sent.md5 is None or sent.status >= 300:
            self._count(-counted)
        return sent

    async def _threaded(self, work: Callable[[], _T], stop: Callable[[], None] = lambda: None) -> _T:
        """Do ``work`` in a thread, which has ended when this returns; ``stop`` makes it end early."""
        running = asyncio.get_running_loop().run_in_executor(self._threads, work)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            stop()
            await asyncio.gather(running, return_exceptions=True)
            raise
        except OSError as error:
            raise StoreError(f"{self._blob.file}: {(error.strerror or str(error)).lower()}") from error

    def _count(self, size: int) -> None:
        with self._counting:
            self._sent += size
            self.completed = max(self.completed, min(self._sent, self._blob.size))

    def _move_on(self, base: str, headers: Mapping[str, str]) -> None:
        """Take the place for what comes next from a reply of ``base``, if it says one."""
        found = headers.get("docker-upload-location") or headers.get("location")
        if found:
            self._url = network.joined(base, found)
            self._check_downgrade(self._url)

    def _check_downgrade(self, url: str) -> None:
        if not self._session.insecure and network.origin(url)[0] != "https":
            raise RegistryError(f"a registry of HTTPS wants an upload without it: {network.shown(url)}")


async def exists(session: Session, path: str, digest: Digest) -> bool:
    """Whether the repository at ``path`` has the blob.

    Raises:
        RegistryError: it cannot be told.
    """
    reply = await session.request("HEAD", f"{path}/blobs/{digest}")
    return reply.status != 404 and checked(reply).status < 300
