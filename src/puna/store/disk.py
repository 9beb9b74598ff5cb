"""How the store writes: temporary file, fsync, rename, fsync of the directory. At no instant is a file half-written."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from puna.errors import DiskFull, StoreError

_FILE_MODE = 0o644
_DIRECTORY_MODE = 0o755


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
        if error.errno in (errno.EACCES, errno.EPERM):
            raise StoreError(f"{text}: ensure path elements are traversable") from error
        raise StoreError(text) from error


class NewFile:
    """A file in ``directory`` that is removed when its block ends, unless ``settle`` gave it its name.

    Until then its name begins with ``prefix``.
    """

    def __init__(self, directory: Path, *, prefix: str) -> None:
        make_directory(directory)
        descriptor, name = tempfile.mkstemp(prefix=prefix, dir=directory)
        self._path: Path | None = Path(name)
        # Without a buffer, since what a full disk did not take must not be written again when it is closed.
        self._file = os.fdopen(descriptor, "wb", buffering=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def write(self, data: bytes) -> None:
        """Add ``data`` to the file."""
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]

    def settle(self, target: Path) -> None:
        """Put the file on the disk and then in the place of ``target``, whatever was there."""
        assert self._path is not None, "it has its name already"
        os.fchmod(self._file.fileno(), _FILE_MODE)
        os.fsync(self._file.fileno())
        make_directory(target.parent)
        self._path.replace(target)
        self._path = None
        sync_directory(target.parent)


def make_directory(directory: Path) -> None:
    """Make ``directory`` and its parents, so that they outlive a crash."""
    if directory.is_dir():
        return
    make_directory(directory.parent)
    directory.mkdir(mode=_DIRECTORY_MODE, exist_ok=True)
    sync_directory(directory.parent)


def sync_directory(directory: Path) -> None:
    """Put what was created, renamed or removed in ``directory`` on the disk."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
