"""A download ends with the right blob or with a word of what went wrong, whatever the server does."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

import pytest

from puna.download import Downloads, Location, Wanted
from puna.errors import DamagedDownload, RegistryError, RemoteNotFound, ShuttingDown, StoreError, Unreachable
from puna.names import Digest
from puna.store.blobs import Blobs
from support import file_server as faults
from support.file_server import Fault, FileServer

Fetch = Callable[[Wanted], list[int | Digest]]

_SURVIVED: dict[str, list[Fault | None]] = {
    "nothing": [],
    "500 twice": [faults.status(500), faults.status(503)],
    "429": [faults.status(429)],
    "416": [faults.status(416)],
    "416 whenever a part is asked for": [faults.status(416), faults.status(416)],
    "ranges are ignored": [faults.everything, faults.everything],
    "ranges are ignored, and the connection is cut": [faults.everything, faults.cut_everything(5000)],
    "another range": [faults.wrong_range],
    "the connection is cut, again and again": [faults.cut(n) for n in (1, 300_000, 0, 0, 70_000, 0, 0, 1)],
    "a stall before the first byte": [faults.stalled(0)],
    "a stall": [faults.stalled(123_456)],
    "wrong bytes": [faults.flipped],
}


@pytest.mark.parametrize("name", _SURVIVED)
def test_a_fault_that_passes_leaves_the_right_blob(name: str, server: FileServer, blobs: Blobs, fetch: Fetch) -> None:
    """What a bad line or server does once is not seen by the user, but for the time it takes."""
    server.faults = list(_SURVIVED[name])
    assert server.digest == fetch(server.wanted())[-1]
    assert server.content == blobs.path(server.digest).read_bytes()
    assert [blobs.path(server.digest)] == list(blobs.directory.iterdir())


_FATAL: dict[str, tuple[Fault, type[Exception], str]] = {
    "500": (faults.status(500), Unreachable, "max retries exceeded"),
    "another range": (faults.wrong_range, Unreachable, "another part"),
    "no byte": (faults.stalled(0), Unreachable, "no answer in time"),
    "another size": (faults.grown, RegistryError, "1000010 bytes where 1000003"),
}


@pytest.mark.parametrize("name", _FATAL)
def test_a_fault_that_stays_is_told_and_what_came_is_kept(
    name: str, server: FileServer, blobs: Blobs, fetch: Fetch
) -> None:
    """The error says what the server does, and another try goes on where this one ended."""
    fault, error, words = _FATAL[name]
    server.faults, server.always = [faults.cut(400_000)], fault
    with pytest.raises(error, match=words):
        fetch(server.wanted())
    assert not blobs.exists(server.digest)
    server.always = None
    before = server.sent
    assert server.digest == fetch(server.wanted())[-1]
    assert len(server.content) - 400_000 == server.sent - before


def test_content_that_is_always_wrong_is_no_blob(server: FileServer, blobs: Blobs, fetch: Fetch) -> None:
    """What does not have its digest is never stored, and nothing of it is left."""
    server.always = faults.flipped
    with pytest.raises(DamagedDownload, match="digest mismatch, file must be downloaded again: want sha256:0651c04b"):
        fetch(server.wanted())
    assert [] == list(blobs.directory.iterdir())


def _leave_partial(blobs: Blobs, server: FileServer, content: bytes, *parts: tuple[int, int, int]) -> None:
    """An unfinished download as Ollama leaves it: parts as (offset, size, completed)."""
    blobs.directory.mkdir(parents=True)
    path = blobs.directory / f"{server.digest.filename}-partial"
    path.write_bytes(content)
    for number, (offset, size, completed) in enumerate(parts):
        state = {"N": number, "Offset": offset, "Size": size, "Completed": completed}
        Path(f"{path}-{number}").write_text(json.dumps(state, separators=(",", ":")) + "\n")


def test_what_ollama_began_is_gone_on_with(server: FileServer, blobs: Blobs, fetch: Fetch) -> None:
    """A download that Ollama left is resumed: only what is missing of its parts is fetched."""
    content = server.content
    there = content[:300_000] + bytes(300_000) + content[600_000:900_000] + bytes(len(content) - 900_000)
    _leave_partial(blobs, server, there, (0, 600_000, 300_000), (600_000, 300_000, 300_000), (900_000, 100_003, 0))
    told = fetch(server.wanted(rate=400_000))
    assert server.digest == told[-1]
    assert 600_000 <= min(step for step in told if isinstance(step, int))
    assert len(content) - 600_000 == server.sent


def test_a_bad_part_is_fetched_again_and_the_others_are_not(server: FileServer, blobs: Blobs, fetch: Fetch) -> None:
    """Of a download with one damaged part, only that part is downloaded again."""
    content = bytearray(server.content)
    content[5] ^= 1
    end = len(content)
    _leave_partial(blobs, server, bytes(content), (0, 200_000, 200_000), (200_000, end - 200_000, end - 200_000))
    assert server.digest == fetch(server.wanted())[-1]
    assert 200_000 == server.sent


@pytest.mark.parametrize(
    "parts",
    [
        ((0, 500_000, 1), (500_001, 500_002, 1)),
        ((0, 500_000, 1),),
        ((0, 1_000_003, 1_000_004),),
        ((0, 1_000_004, 7),),
    ],
    ids=["a gap", "an end missing", "more than there can be", "another size"],
)
def test_notes_that_cannot_be_right_are_not_believed(
    parts: tuple[tuple[int, int, int], ...], server: FileServer, blobs: Blobs, fetch: Fetch
) -> None:
    """Damaged notes of an unfinished download cost its progress, never the blob."""
    _leave_partial(blobs, server, bytes(len(server.content)), *parts)
    assert server.digest == fetch(server.wanted())[-1]
    assert len(server.content) == server.sent


def test_notes_that_cannot_be_read_are_not_believed(server: FileServer, blobs: Blobs, fetch: Fetch) -> None:
    """Nor do notes that are no text any more stand in the way."""
    _leave_partial(blobs, server, bytes(len(server.content)), (0, len(server.content), 7))
    note = blobs.directory / f"{server.digest.filename}-partial-0"
    note.write_bytes(note.read_bytes().replace(b"}", b',"Boot":"\xff"}'))
    assert server.digest == fetch(server.wanted())[-1]
    assert len(server.content) == server.sent


def test_a_download_that_is_left_goes_on_later(
    server: FileServer, blobs: Blobs, downloads: Callable[[], Downloads], fetch: Fetch
) -> None:
    """A client that leaves stops the download at once, and what had come is not fetched again."""
    server.faults = [faults.stalled(700_000)]

    async def leave() -> None:
        async with aclosing(downloads().fetch(server.wanted())) as told:
            async for step in told:
                if step == 700_000:
                    break

    asyncio.run(leave())
    before = server.sent
    assert server.digest == fetch(server.wanted())[-1]
    assert len(server.content) - 700_000 == server.sent - before


def test_one_download_serves_all_who_want_it(server: FileServer, downloads: Callable[[], Downloads]) -> None:
    """Clients that pull one blob share one download and its progress; it lives as long as one of them stays."""

    async def together() -> tuple[list[int | Digest], list[int | Digest]]:
        shared = downloads()
        first = shared.fetch(server.wanted(rate=2_000_000))
        assert isinstance(await anext(first), int)
        second = shared.fetch(server.wanted(rate=2_000_000))
        assert isinstance(await anext(second), int)
        seen = [await anext(first)]
        await first.aclose()
        return seen, [step async for step in second]

    seen, rest = asyncio.run(together())
    assert isinstance(seen[0], int)
    assert server.digest == rest[-1]
    assert len(server.content) == server.sent
    assert rest[:-1] == sorted(rest[:-1], key=lambda step: step if isinstance(step, int) else 0)


def test_a_rate_is_kept(server: FileServer, fetch: Fetch) -> None:
    """``limit_rate`` bounds what a download takes of the line."""
    began = time.monotonic()
    fetch(server.wanted(rate=2_000_000))
    assert time.monotonic() - began >= 0.25


def test_closing_stops_and_tells(server: FileServer, downloads: Callable[[], Downloads]) -> None:
    """A server that stops tells those who wait, and leaves a download that can be resumed."""
    server.faults = [faults.stalled(1000)]

    async def stop() -> None:
        running = downloads()
        told = running.fetch(server.wanted())
        while await anext(told) != 1000:
            pass
        await running.close()
        with pytest.raises(ShuttingDown):
            await anext(told)

    asyncio.run(stop())


def test_two_processes_do_not_write_one_file(server: FileServer, downloads: Callable[[], Downloads]) -> None:
    """A second server on the same store does not disturb a download of the first."""
    server.faults = [faults.stalled(1000)]

    async def both() -> None:
        first, second = downloads(), downloads()
        async with aclosing(first.fetch(server.wanted())) as told:
            while await anext(told) != 1000:
                pass
            with pytest.raises(StoreError, match="another process"):
                [step async for step in second.fetch(server.wanted())]

    asyncio.run(both())


def test_an_empty_file_is_a_blob_too(blobs: Blobs, fetch: Fetch) -> None:
    """Nothing has to be fetched of a file that is empty."""
    with FileServer(b"") as server:
        assert server.digest == fetch(server.wanted())[-1]
        assert b"" == blobs.path(server.digest).read_bytes()


def test_a_file_whose_digest_nobody_knows_is_named_by_what_it_is(
    server: FileServer, blobs: Blobs, fetch: Fetch
) -> None:
    """A plain file from the web becomes a blob under its own digest."""
    told = fetch(server.wanted(key=Digest("a" * 64), digest=None))
    assert server.digest == told[-1]
    assert [blobs.path(server.digest)] == list(blobs.directory.iterdir())


@dataclass(frozen=True)
class _Source:
    location: Location
    error: Exception | None = None

    async def locate(self, *, refused: bool = False) -> Location:
        if refused and self.error is not None:
            raise self.error
        return self.location


def test_credentials_do_not_follow_a_redirect(server: FileServer, fetch: Fetch) -> None:
    """A token for the registry is never shown to the content network it sends us to."""
    with FileServer(server.content) as registry:
        registry.always = faults.redirect(f"{server.url}/cdn?signature=1")
        source = _Source(Location(f"{registry.url}/blob", {"Authorization": "Bearer secret"}))
        assert server.digest == fetch(server.wanted(source=source))[-1]
        assert ["Bearer secret"] == [request.headers.get("authorization") for request in registry.requests]
    assert {"/cdn?signature=1"} == {request.path for request in server.requests}
    assert {None} == {request.headers.get("authorization") for request in server.requests}


def test_an_expired_redirect_is_asked_for_again(server: FileServer, fetch: Fetch) -> None:
    """An address that a content network no longer honours is fetched anew from the registry."""
    with FileServer(server.content) as registry:
        registry.always = faults.redirect(f"{server.url}/cdn")
        server.faults = [faults.cut(1000), faults.status(403)]
        source = _Source(Location(f"{registry.url}/blob"))
        assert server.digest == fetch(server.wanted(source=source))[-1]
        assert 2 == len(registry.requests)


def test_the_source_says_what_is_wrong(server: FileServer, fetch: Fetch) -> None:
    """A blob that the registry does not have is told as that, at once."""
    server.always = faults.status(404)
    source = _Source(Location(f"{server.url}/blob"), RemoteNotFound("file does not exist"))
    with pytest.raises(RemoteNotFound):
        fetch(server.wanted(source=source))
    assert 1 == len(server.requests)


@pytest.mark.parametrize("fault", [faults.redirect("http://["), faults.redirect_and_stall], ids=["nowhere", "stalls"])
def test_a_redirect_that_comes_to_nothing_is_told(fault: Fault, server: FileServer, fetch: Fetch) -> None:
    """A server that redirects to nonsense, or stands still while it does, is an error like any other of its kind."""
    server.always = fault
    with pytest.raises(Unreachable):
        fetch(server.wanted())


def test_redirects_that_lead_round_in_circles_end(server: FileServer, fetch: Fetch) -> None:
    """A server that redirects to itself for ever is an error, not a hang."""
    server.always = faults.redirect(f"{server.url}/again")
    with pytest.raises(Unreachable, match="more than 10 redirects"):
        fetch(server.wanted())
