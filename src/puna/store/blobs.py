"""Blobs: files named by the SHA-256 of what is in them, which therefore never change."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG
from typing import Literal

from puna.errors import BlobNotFound, CorruptManifest, DigestMismatch, InvalidDigest
from puna.names import Digest
from puna.store.disk import DISK, Disk, NewFile, make_directories, translated
from puna.store.locks import claim, unclaimed

PREFIX = "sha256-"
"""What the names of blobs, and of what may become one, begin with."""

_PARTIAL = re.compile(r"(sha256-[0-9a-f]{64})-partial(-\d+)?")
_LARGEST_TEXT = 64 << 20
_READ_BYTES = 1 << 20


def digest_of(content: bytes) -> Digest:
    """The digest of ``content``."""
    return Digest(hashlib.sha256(content).hexdigest())


def file_digest(path: Path, on_progress: Callable[[int], None] = lambda _: None) -> Digest:
    """The digest of the content of a file; ``on_progress`` is told the bytes of each piece that was read.

    Raises:
        OSError: it cannot be read.
    """
    found = hashlib.sha256()
    buffer = memoryview(bytearray(_READ_BYTES))
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            found.update(buffer[:count])
            on_progress(count)
    return Digest(found.hexdigest())


@dataclass(frozen=True, slots=True)
class BlobFile:
    """A file that lies where the blobs lie.

    ``kind`` is "blob"; "partial", a download that can be resumed, and what belongs to it; "unfinished", which nobody
    can go on with; or "foreign", which is not the store's. ``digest`` is that of the blob, or of the blob to be.
    """

    path: Path
    kind: Literal["blob", "partial", "unfinished", "foreign"]
    digest: Digest | None
    status: os.stat_result

    @property
    def size(self) -> int:
        """The bytes it takes; of a file with holes, those that were written."""
        return min(self.status.st_size, self.status.st_blocks * 512) if self.kind == "partial" else self.status.st_size


class BlobWriter:
    """A blob being written; ``size`` and ``digest`` are of what was written so far."""

    def __init__(self, directory: Path, file: NewFile) -> None:
        self._directory = directory
        self._file = file
        self._hash = hashlib.sha256()
        self.size = 0

    @property
    def digest(self) -> Digest:
        """The digest of everything written."""
        return Digest(self._hash.hexdigest())

    def write(self, data: bytes | memoryview) -> None:
        """Add ``data``.

        Raises:
            DiskFull, StoreError: it cannot be written.
        """
        with translated():
            self._file.write(data)
        self._hash.update(data)
        self.size += len(data)

    def commit(self, expected: Digest | None = None) -> Digest:
        """Make a blob of what was written, once it is safe on the disk.

        Raises:
            DigestMismatch: its digest is not ``expected``; then it does not become a blob.
            DiskFull, StoreError: it cannot be written.
        """
        digest = self.digest
        if expected is not None and digest != expected:
            raise DigestMismatch(str(expected), str(digest))
        with translated():
            self._file.settle(self._directory / digest.filename)
        return digest


class Blobs:
    """The blobs of one store, in ``directory`` on ``disk``. Its methods may be called from any thread."""

    def __init__(self, directory: Path, *, disk: Disk = DISK) -> None:
        self.directory = directory
        self.disk = disk

    def prepare(self) -> os.stat_result:
        """Make the directory if it is not there, and tell what the system knows of it.

        Raises:
            DiskFull, StoreError: it cannot be made.
        """
        with translated():
            make_directories(self.directory, self.disk)
            return self.directory.stat()

    def path(self, digest: Digest) -> Path:
        """Where the blob lies, or would lie."""
        return self.directory / digest.filename

    def exists(self, digest: Digest) -> bool:
        """Whether the blob is there.

        Raises:
            StoreError: the store cannot be read.
        """
        with translated():
            try:
                return S_ISREG(self.path(digest).stat().st_mode)
            except (FileNotFoundError, NotADirectoryError):
                return False

    def size(self, digest: Digest) -> int:
        """Bytes of the blob.

        Raises:
            BlobNotFound: it is not there.
        """
        with self.found(digest):
            return self.path(digest).stat().st_size

    def read(self, digest: Digest) -> bytes:
        """The content of a small blob: a text, or JSON.

        Raises:
            BlobNotFound: it is not there.
            CorruptManifest: it is so large that it cannot be what the manifest says it is.
        """
        if self.size(digest) > _LARGEST_TEXT:
            raise CorruptManifest(f"the blob {digest} is too large to be a text")
        with self.found(digest):
            return self.path(digest).read_bytes()

    def touch(self, digest: Digest) -> None:
        """Set the blob's time to now, which keeps it from being pruned for an hour.

        Raises:
            BlobNotFound: it is not there.
        """
        with self.claiming() as add:
            add(digest)

    @contextmanager
    def claiming(self) -> Iterator[Callable[[Digest], None]]:
        """A function that claims a blob until the block ends, so that no puna removes it though no model needs it yet.

        What is claimed is touched, and is safe on the disk. The function raises BlobNotFound if the blob is not there.
        """
        with ExitStack() as claimed:

            def add(digest: Digest) -> None:
                with self.found(digest):
                    descriptor = os.open(self.path(digest), os.O_RDONLY)
                    claimed.callback(os.close, descriptor)
                    claim(descriptor)
                    with suppress(PermissionError):  # another user's blob: among punas the claim is enough
                        self.disk.touch(self.path(digest))
                    if not os.path.samestat(os.fstat(descriptor), self.path(digest).stat()):
                        raise BlobNotFound(str(digest))  # removed, and made anew, while the claim waited
                    self.disk.sync(descriptor)

            yield add

    @contextmanager
    def open_writer(self) -> Iterator[BlobWriter]:
        """Write a blob in pieces; what is not committed when the block ends is removed.

        Raises:
            DiskFull, StoreError: it cannot be written.
        """
        with translated():
            file = NewFile(self.directory, prefix=PREFIX, disk=self.disk)
        with file:
            yield BlobWriter(self.directory, file)

    def put(self, content: bytes) -> Digest:
        """Store ``content``; one that is there already is touched.

        Raises:
            DiskFull, StoreError: it cannot be written.
        """
        digest = digest_of(content)
        try:
            self.touch(digest)
        except BlobNotFound:
            pass
        else:
            return digest
        with self.open_writer() as writer:
            writer.write(content)
            return writer.commit()

    def adopt(self, file: Path, digest: Digest) -> None:
        """Make the finished and verified download ``file``, which lies in this store, the blob ``digest``.

        Raises:
            DiskFull, StoreError: it cannot be put on the disk; then ``file`` stays what it was.
        """
        with translated():
            descriptor = os.open(file, os.O_RDONLY)
            try:
                self.disk.make_readable(descriptor)
                self.disk.sync(descriptor)
            finally:
                os.close(descriptor)
            self.disk.rename(file, self.path(digest))
            self.disk.sync_directory(self.directory)

    def settle(self) -> None:
        """Put the names of all blobs on the disk, also of those that another program made."""
        if self.directory.is_dir():
            with translated():
                self.disk.sync_directory(self.directory)

    def remove(self, digest: Digest) -> bool:
        """Remove the blob, unless someone claims it; return whether it is gone.

        Raises:
            StoreError: it cannot be removed.
        """
        return self._remove(self.path(digest), None)

    def discard(self, file: BlobFile) -> bool:
        """Remove a file that ``files`` told of, unless someone claims or touched it since; return whether it is gone.

        Raises:
            StoreError: it cannot be removed.
        """
        return self._remove(file.path, file.status.st_mtime_ns)

    def _remove(self, path: Path, seen_ns: int | None) -> bool:
        with translated(), unclaimed(path) as free:
            with suppress(FileNotFoundError):
                if not free or seen_ns not in (None, path.stat().st_mtime_ns):
                    return False
                self.disk.remove(path)
            return True

    def discard_partial(self, digest: Digest) -> bool:
        """Remove what was downloaded of the blob, unless that goes on; return whether it is gone.

        Raises:
            StoreError: it cannot be removed.
        """
        partial = self.directory / f"{digest.filename}-partial"
        with translated(), unclaimed(partial) as free:
            if free:
                # The data goes last: without it, notes of what is complete would be lies.
                for path in [*self.directory.glob(f"{partial.name}-*"), partial]:
                    with suppress(FileNotFoundError):
                        self.disk.remove(path)
            return free

    def set_aside(self, path: Path) -> Path:
        """Move a file of this directory to ``quarantine`` beside it; return where it is then.

        Raises:
            DiskFull, StoreError: it cannot be moved.
        """
        directory = self.directory.resolve().parent / "quarantine"
        with translated():
            make_directories(directory, self.disk)
            self.disk.rename(path, directory / path.name)
            self.disk.sync_directory(directory)
            self.disk.sync_directory(self.directory)
        return directory / path.name

    def rename_old(self) -> None:
        """Give blobs of very old stores, named ``sha256:<hex>``, today's names."""
        with translated():
            for path in self._paths():
                if path.name.startswith("sha256:") and (digest := _digest(path.name)):
                    if self.exists(digest):
                        self.disk.remove(path)
                    else:
                        self.disk.rename(path, self.path(digest))

    def files(self) -> Iterator[BlobFile]:
        """Every file where the blobs lie, in the order of their names."""
        with translated():
            for path in sorted(self._paths()):
                try:
                    status = path.stat()
                except FileNotFoundError:
                    continue  # someone finished or removed it
                yield _classified(path, status)

    def _paths(self) -> list[Path]:
        return [path for path in self.directory.iterdir() if path.is_file()] if self.directory.is_dir() else []

    @contextmanager
    def found(self, digest: Digest) -> Iterator[None]:
        """Take a file that is not there for the blob ``digest``: raise BlobNotFound for it."""
        with translated():
            try:
                yield
            except FileNotFoundError as error:
                raise BlobNotFound(str(digest)) from error


def _classified(path: Path, status: os.stat_result) -> BlobFile:
    if digest := _digest(path.name):
        return BlobFile(path, "blob", digest, status)
    if partial := _PARTIAL.fullmatch(path.name):
        return BlobFile(path, "partial", _digest(partial.group(1)), status)
    return BlobFile(path, "unfinished" if path.name.startswith(PREFIX) else "foreign", None, status)


def _digest(name: str) -> Digest | None:
    try:
        return Digest.parse(name)
    except InvalidDigest:
        return None
