"""How the store writes: temporary file, fsync, rename, fsync of the directory. At no instant is a file half-written.

Every change the store makes to a disk is a call of one method of ``Disk``, so that tests can cut the power before,
after and between any two of them.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from puna.errors import DiskFull, StoreError
from puna.store.locks import claim

_FILE_MODE = 0o644
_DIRECTORY_MODE = 0o755
_FICLONE = 0x40049409
"""Linux's request to share the data of another file. Python names it from 3.14 on."""


@contextmanager
def translated() -> Iterator[None]:
    """Turn the system's errors into puna's.

    Raises:
        DiskFull: no space, or no quota, is left.
        StoreError: anything else.
    """
    try:
        yield
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        text = f"{place}{(error.strerror or str(error)).lower()}"
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(f"the disk of the model store is full: {text}") from error
        if error.errno == errno.EROFS:
            raise StoreError(f"{text}: the model store can be read, but not changed") from error
        if error.errno in (errno.EACCES, errno.EPERM):
            raise StoreError(f"{text}: ensure path elements are traversable") from error
        raise StoreError(text) from error


class Disk:
    """The changes a store makes to a disk, one method each; all raise OSError as the system does."""

    def create(self, directory: Path, prefix: str) -> tuple[int, Path]:
        """Create a file of a new name that begins with ``prefix``; return its descriptor, for writing, and its path."""
        descriptor, name = tempfile.mkstemp(prefix=prefix, dir=directory)
        return descriptor, Path(name)

    def write(self, descriptor: int, data: memoryview) -> int:
        """Write ``data``, or the beginning of it; return how many bytes."""
        return os.write(descriptor, data)

    def sync(self, descriptor: int) -> None:
        """Put what was written to a file on the disk."""
        os.fsync(descriptor)

    def make_readable(self, descriptor: int) -> None:
        """Let everyone read a file that was created for its owner alone."""
        os.fchmod(descriptor, _FILE_MODE)

    def rename(self, source: Path, target: Path) -> None:
        """Give ``source`` the name ``target``, in the place of what has it."""
        source.replace(target)

    def link(self, source: Path, target: Path) -> None:
        """Give ``source`` the second name ``target``, which nothing has."""
        target.hardlink_to(source)

    def clone(self, source: int, target: int) -> None:
        """Let the empty file ``target`` share the data of ``source``, until one of them is written to (a reflink)."""
        if sys.platform != "linux":
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
        fcntl.ioctl(target, _FICLONE, source)

    def touch(self, path: Path) -> None:
        """Set the time of a file to now."""
        os.utime(path)

    def remove(self, path: Path) -> None:
        """Remove a file."""
        path.unlink()

    def make_directory(self, path: Path) -> None:
        """Make one directory; one that is there already is fine."""
        path.mkdir(mode=_DIRECTORY_MODE, exist_ok=True)

    def remove_directory(self, path: Path) -> None:
        """Remove an empty directory."""
        path.rmdir()

    def sync_directory(self, path: Path) -> None:
        """Put what was created, renamed or removed in a directory on the disk."""
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):  # a file system that knows no such thing
                raise
        finally:
            os.close(descriptor)


DISK = Disk()


class NewFile:
    """A file in ``directory`` that is removed when its block ends, unless ``settle`` gave it its name.

    Until then its name begins with ``prefix``, and it is claimed, so that nobody takes it for a leftover.
    """

    def __init__(self, directory: Path, *, prefix: str, disk: Disk = DISK) -> None:
        self._disk = disk
        make_directories(directory, disk)
        self.descriptor, path = disk.create(directory, prefix)
        self._path: Path | None = path
        claim(self.descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.descriptor)
        if self._path is not None:
            # What cannot be removed now is removed as a leftover later; the error that led here says more.
            with suppress(OSError):
                self._disk.remove(self._path)

    @property
    def path(self) -> Path:
        """Where it lies until it settles."""
        assert self._path is not None, "it has its name already"
        return self._path

    def write(self, data: bytes | memoryview) -> None:
        """Add ``data`` to the file."""
        rest = memoryview(data)
        while rest:
            rest = rest[self._disk.write(self.descriptor, rest) :]

    def settle(self, target: Path) -> None:
        """Put the file on the disk and then in the place of ``target``, whatever was there."""
        self._disk.make_readable(self.descriptor)
        self._disk.sync(self.descriptor)
        make_directories(target.parent, self._disk)
        self._disk.rename(self.path, target)
        self._path = None
        self._disk.sync_directory(target.parent)


def make_directories(directory: Path, disk: Disk = DISK) -> None:
    """Make ``directory`` and its parents, so that they outlive a crash."""
    if directory.is_dir():
        return
    make_directories(directory.parent, disk)
    disk.make_directory(directory)
    disk.sync_directory(directory.parent)
