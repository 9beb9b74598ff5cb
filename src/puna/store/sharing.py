"""Making a file that lies on the same disk a blob, without a second copy of its data."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path

from puna.names import Digest
from puna.store.blobs import PREFIX, Blobs, file_digest
from puna.store.disk import NewFile, translated
from puna.store.locks import claim


def share(blobs: Blobs, file: Path, on_progress: Callable[[int], None] = lambda _: None) -> Digest | None:
    """Make ``file`` a blob without a second copy of its data, if that can be done safely; else return None.

    Where the file system can, the two share their data until one is written to (a reflink). Elsewhere a file that
    nobody may write to, and that is ours, becomes the blob under a second name (a hard link); one that may be
    written to must not, since the blob would change with it. ``on_progress`` is told the bytes of each piece read.

    Raises:
        OSError: ``file`` cannot be read.
        DiskFull, StoreError: the blob cannot be written.
    """
    with file.open("rb") as source:
        digest = _cloned(blobs, source.fileno(), on_progress)
        if digest is None and _is_fixed(os.fstat(source.fileno())):
            digest = _linked(blobs, file.resolve(), on_progress)
    if digest is not None:
        blobs.touch(digest)
    return digest


def _cloned(blobs: Blobs, source: int, on_progress: Callable[[int], None]) -> Digest | None:
    with translated(), NewFile(blobs.directory, prefix=PREFIX, disk=blobs.disk) as new:
        try:
            blobs.disk.clone(source, new.descriptor)
        except OSError:
            return None  # another disk, or a file system that cannot do it
        digest = file_digest(new.path, on_progress)
        if not blobs.exists(digest):
            new.settle(blobs.path(digest))
        return digest


def _linked(blobs: Blobs, source: Path, on_progress: Callable[[int], None]) -> Digest | None:
    second = blobs.directory / f"{PREFIX}{secrets.token_hex(8)}"
    with translated():
        try:
            blobs.disk.link(source, second)
        except OSError:
            return None
        try:
            with second.open("rb") as file:
                claim(file.fileno())
                digest = file_digest(second, on_progress)
                blobs.disk.sync(file.fileno())
            if not blobs.exists(digest):
                blobs.disk.rename(second, blobs.path(digest))
                blobs.disk.sync_directory(blobs.directory)
                return digest
        except BaseException:
            blobs.disk.remove(second)
            raise
        blobs.disk.remove(second)
        return digest


def _is_fixed(status: os.stat_result) -> bool:
    """Whether a file is ours and nobody may write to it."""
    return stat.S_IMODE(status.st_mode) & 0o666 == 0o444 and status.st_uid == os.geteuid()
