"""Blobs: files named by the SHA-256 of what is in them, which therefore never change."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from puna.errors import BlobNotFound, CorruptManifest, DigestMismatch, InvalidDigest
from puna.names import Digest
from puna.store.disk import NewFile, translated

_PREFIX = "sha256-"
_LARGEST_TEXT = 64 << 20


def digest_of(content: bytes) -> Digest:
    """The digest of ``content``."""
    return Digest(hashlib.sha256(content).hexdigest())


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

    def write(self, data: bytes) -> None:
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
    """The blobs of one store, in ``directory``. Its methods may be called from any thread."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def path(self, digest: Digest) -> Path:
        """Where the blob lies, or would lie."""
        return self.directory / digest.filename

    def exists(self, digest: Digest) -> bool:
        """Whether the blob is there."""
        return self.path(digest).is_file()

    def size(self, digest: Digest) -> int:
        """Bytes of the blob.

        Raises:
            BlobNotFound: it is not there.
        """
        with self._found(digest):
            return self.path(digest).stat().st_size

    def read(self, digest: Digest) -> bytes:
        """The content of a small blob: a text, or JSON.

        Raises:
            BlobNotFound: it is not there.
            CorruptManifest: it is so large that it cannot be what the manifest says it is.
        """
        if self.size(digest) > _LARGEST_TEXT:
            raise CorruptManifest(f"the blob {digest} is too large to be a text")
        with self._found(digest):
            return self.path(digest).read_bytes()

    def touch(self, digest: Digest) -> None:
        """Set the blob's time to now, which keeps it from being pruned at a start for an hour.

        Raises:
            BlobNotFound: it is not there.
        """
        with self._found(digest):
            self.path(digest).touch()

    @contextmanager
    def open_writer(self) -> Iterator[BlobWriter]:
        """Write a blob in pieces; what is not committed when the block ends is removed.

        Raises:
            DiskFull, StoreError: it cannot be written.
        """
        with translated():
            file = NewFile(self.directory, prefix=_PREFIX)
        with file:
            yield BlobWriter(self.directory, file)

    def put(self, content: bytes) -> Digest:
        """Store ``content``; one that is there already is touched.

        Raises:
            DiskFull, StoreError: it cannot be written.
        """
        digest = digest_of(content)
        if self.exists(digest):
            self.touch(digest)
            return digest
        with self.open_writer() as writer:
            writer.write(content)
            return writer.commit()

    def remove(self, digest: Digest) -> None:
        """Remove the blob; one that is not there is fine."""
        with translated():
            self.path(digest).unlink(missing_ok=True)

    def rename_old(self) -> None:
        """Give blobs of very old stores, named ``sha256:<hex>``, today's names."""
        with translated():
            for path in self._files():
                if path.name.startswith("sha256:") and (digest := _digest(path.name)):
                    path.rename(self.path(digest))

    def remove_older(self, than: float, *, keep: set[Digest]) -> None:
        """Remove what was last touched before ``than`` (seconds since the epoch) and is not in ``keep``.

        Unfinished files are removed like blobs.
        """
        with translated():
            for path in self._files():
                if _digest(path.name) not in keep and path.stat().st_mtime < than:
                    path.unlink()

    def _files(self) -> list[Path]:
        return [path for path in self.directory.iterdir() if path.is_file()] if self.directory.is_dir() else []

    @contextmanager
    def _found(self, digest: Digest) -> Iterator[None]:
        with translated():
            try:
                yield
            except FileNotFoundError as error:
                raise BlobNotFound(str(digest)) from error


def _digest(name: str) -> Digest | None:
    try:
        return Digest.parse(name)
    except InvalidDigest:
        return None
