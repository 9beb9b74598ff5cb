"""A file becomes a blob without a second copy where that is safe, and is never changed by it or with it."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from puna.errors import DiskFull
from puna.store.blobs import Blobs, digest_of
from puna.store.disk import Disk
from puna.store.sharing import share

WEIGHTS = bytes(range(256)) * 100
DIGEST = digest_of(WEIGHTS)


class Cloning(Disk):
    """A disk that can clone: what it does is what the system would have done."""

    def clone(self, source: int, target: int) -> None:
        os.pwrite(target, os.pread(source, os.fstat(source).st_size, 0), 0)


class NotCloning(Disk):
    """A disk that cannot."""

    def clone(self, source: int, target: int) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "weights.gguf"
    path.write_bytes(WEIGHTS)
    os.utime(path, (1000, 1000))
    return path


def blobs(tmp_path: Path, disk: Disk) -> Blobs:
    return Blobs(tmp_path / "store" / "blobs", disk=disk)


def names(found: Blobs) -> list[str]:
    return [path.name for path in found.directory.iterdir()]


def test_a_reflink(tmp_path: Path, file: Path) -> None:
    """Where the file system can, the blob is a clone: a file of its own, young, and readable by everyone."""
    found = blobs(tmp_path, Cloning())
    read: list[int] = []
    assert DIGEST == share(found, file, read.append)
    assert [DIGEST.filename] == names(found)
    blob = found.path(DIGEST)
    assert WEIGHTS == blob.read_bytes()
    assert 0o644 == blob.stat().st_mode & 0o777
    assert not blob.samefile(file)
    assert 1000 == file.stat().st_mtime < blob.stat().st_mtime
    assert len(WEIGHTS) == sum(read)


def test_a_hard_link(tmp_path: Path, file: Path) -> None:
    """Elsewhere a file that nobody may write to gets a second name. Its mode stays, and it outlives the blob."""
    file.chmod(0o444)
    found = blobs(tmp_path, NotCloning())
    assert DIGEST == share(found, file)
    assert [DIGEST.filename] == names(found)
    assert found.path(DIGEST).samefile(file)
    assert 0o444 == file.stat().st_mode & 0o777
    found.remove(DIGEST)
    assert WEIGHTS == file.read_bytes()


@pytest.mark.parametrize("mode", [0o644, 0o600, 0o464, 0o400])
def test_a_file_that_may_change(tmp_path: Path, file: Path, mode: int) -> None:
    """A file that someone may write to is not linked, or editing it would damage the blob; nor one not for everyone."""
    file.chmod(mode)
    found = blobs(tmp_path, NotCloning())
    assert None is share(found, file)
    assert [] == names(found)


def test_a_link_to_a_link(tmp_path: Path, file: Path) -> None:
    """A symbolic link, as in a cache of downloads, means the file it leads to."""
    file.chmod(0o444)
    (tmp_path / "snapshot").symlink_to(file)
    found = blobs(tmp_path, NotCloning())
    assert DIGEST == share(found, tmp_path / "snapshot")
    assert found.path(DIGEST).samefile(file)
    assert not found.path(DIGEST).is_symlink()


@pytest.mark.parametrize("disk", [Cloning(), NotCloning()])
def test_a_blob_that_is_there(tmp_path: Path, file: Path, disk: Disk) -> None:
    """A blob that is there stays as it is, and is young again."""
    file.chmod(0o444)
    found = blobs(tmp_path, disk)
    found.put(WEIGHTS)
    os.utime(found.path(DIGEST), (1000, 1000))
    assert DIGEST == share(found, file)
    assert [DIGEST.filename] == names(found)
    assert not found.path(DIGEST).samefile(file)
    assert 1000 < found.path(DIGEST).stat().st_mtime


def test_another_disk(tmp_path: Path, file: Path) -> None:
    """Where neither can be done, nothing is left of the attempt."""

    class Elsewhere(NotCloning):
        def link(self, source: Path, target: Path) -> None:
            raise OSError(errno.EXDEV, "Invalid cross-device link")

    file.chmod(0o444)
    found = blobs(tmp_path, Elsewhere())
    assert None is share(found, file)
    assert [] == names(found)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """A missing file is an error of the file, not of the store."""
    with pytest.raises(FileNotFoundError, match="nowhere"):
        share(blobs(tmp_path, Cloning()), tmp_path / "nowhere")


@pytest.mark.parametrize("base", [Cloning, NotCloning])
def test_errors_on_the_way(tmp_path: Path, file: Path, base: Callable[[], Any]) -> None:
    """When the disk fails on the way, nothing is left of it, and the file is unharmed."""

    class Full(base):  # type: ignore[misc]
        def sync(self, descriptor: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    file.chmod(0o444)
    found = blobs(tmp_path, Full())
    with pytest.raises(DiskFull):
        share(found, file)
    assert [] == names(found)
    assert WEIGHTS == file.read_bytes()


def test_the_real_disk(tmp_path: Path, file: Path) -> None:
    """Whatever the file system of this test can, the blob is right or there is none."""
    found = blobs(tmp_path, Disk())
    assert share(found, file) in (DIGEST, None)
    assert names(found) in ([DIGEST.filename], [])
