"""Blobs: what is stored is whole and is what its name says, whatever happens while it is written."""

from __future__ import annotations

import errno
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from puna.errors import BlobNotFound, CorruptManifest, DigestMismatch, DiskFull, StoreError
from puna.names import Digest
from puna.store.blobs import Blobs, digest_of
from puna.store.disk import translated

HELLO = Digest("2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824")
Deaths = Callable[[Callable[[], object]], Iterator[int]]


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "store" / "blobs")


def names(blobs: Blobs) -> list[str]:
    return sorted(path.name for path in blobs.directory.iterdir()) if blobs.directory.exists() else []


def test_written_in_pieces(blobs: Blobs) -> None:
    """What is written in pieces is one blob, under the name of its digest, readable by everyone."""
    with blobs.open_writer() as writer:
        writer.write(b"hel")
        writer.write(b"lo")
        assert not blobs.exists(HELLO)
        assert (HELLO, 5) == (writer.commit(HELLO), writer.size)
    assert ["sha256-" + HELLO.hex] == names(blobs)
    assert b"hello" == blobs.path(HELLO).read_bytes() == blobs.read(HELLO)
    assert 5 == blobs.size(HELLO)
    assert 0o644 == blobs.path(HELLO).stat().st_mode & 0o777


def test_a_store_that_cannot_be_looked_into(tmp_path: Path) -> None:
    """Whether a blob is there cannot be told then, and the error says why."""
    with pytest.raises(StoreError) as caught:
        Blobs(tmp_path / ("long" * 100)).exists(HELLO)
    assert "file name too long" in str(caught.value)


def test_where_there_is_no_directory_there_is_no_blob(tmp_path: Path) -> None:
    """Neither where one is missing, nor where a file has its place."""
    (tmp_path / "file").touch()
    assert not Blobs(tmp_path / "missing").exists(HELLO)
    assert not Blobs(tmp_path / "file").exists(HELLO)


def test_a_wrong_digest(blobs: Blobs) -> None:
    """Content that is not what was announced is not stored under any name."""
    with blobs.open_writer() as writer:
        writer.write(b"hello")
        with pytest.raises(DigestMismatch) as caught:
            writer.commit(Digest("0" * 64))
    assert (f"sha256:{'0' * 64}", str(HELLO)) == (caught.value.expected, caught.value.actual)
    assert [] == names(blobs)


def test_an_abandoned_write(blobs: Blobs) -> None:
    """A write that is given up leaves nothing behind."""

    def give_up() -> None:
        with blobs.open_writer() as writer:
            writer.write(b"hello")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        give_up()
    assert [] == names(blobs)


def test_put_again(blobs: Blobs) -> None:
    """Storing what is there already only makes it young again."""
    assert HELLO == blobs.put(b"hello")
    os.utime(blobs.path(HELLO), (1, 1))
    assert HELLO == blobs.put(b"hello")
    assert 1 < blobs.path(HELLO).stat().st_mtime


def test_what_is_not_there(blobs: Blobs) -> None:
    """Asking for a blob that is not there is answered with its digest."""
    for ask in (blobs.size, blobs.read, blobs.touch):
        with pytest.raises(BlobNotFound, match=HELLO.hex):
            ask(HELLO)
    blobs.remove(HELLO)


def test_a_text_of_gigabytes(blobs: Blobs) -> None:
    """A manifest cannot make the server read gigabytes as a text."""
    blobs.put(b"hello")
    os.truncate(blobs.path(HELLO), 3 << 30)
    with pytest.raises(CorruptManifest, match="too large"):
        blobs.read(HELLO)


def test_old_names(blobs: Blobs) -> None:
    """Blobs of very old stores get today's names."""
    blobs.put(b"hello")
    blobs.path(HELLO).rename(blobs.directory / f"sha256:{HELLO.hex}")
    blobs.rename_old()
    assert [HELLO.filename] == names(blobs)


def test_killed_at_any_step(blobs: Blobs, deaths: Deaths) -> None:
    """Wherever a writer is killed, a blob is there as a whole or not at all."""

    def work() -> None:
        with blobs.open_writer() as writer:
            for _ in range(3):
                writer.write(bytes(1000))
                sys.audit("between")
            writer.commit()

    digest = digest_of(bytes(3000))
    steps, stored = 0, 0
    for steps in deaths(work):  # noqa: B007 - counted
        complete = [name for name in names(blobs) if name == digest.filename]
        assert [bytes(3000)] * len(complete) == [blobs.path(digest).read_bytes() for _ in complete]
        stored += len(complete)
        blobs.remove(digest)
    assert 7 <= steps, "it died at every step"
    assert 1 <= stored, "at the end it lived"


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), DiskFull, "no space left on device"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), DiskFull, "disk quota exceeded"),
        (
            PermissionError(errno.EACCES, "Permission denied", "/x"),
            StoreError,
            "/x: permission denied: ensure path elements are traversable",
        ),
        (OSError(errno.EIO, "Input/output error", "/x"), StoreError, "/x: input/output error"),
    ],
)
def test_errors_of_the_disk(error: OSError, kind: type[StoreError], text: str) -> None:
    """A full disk and a missing permission are named as what they are."""
    with pytest.raises(kind) as caught, translated():
        raise error
    assert kind is type(caught.value)
    assert str(caught.value).endswith(text)


def test_a_disk_that_takes_no_more(blobs: Blobs) -> None:
    """When writing fails half-way, the error is told and nothing is left."""
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(StoreError, match="too large"), blobs.open_writer() as writer:
            writer.write(bytes(5000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert [] == names(blobs)


def test_digests() -> None:
    """A digest is the SHA-256 of the content."""
    assert HELLO == digest_of(b"hello")
