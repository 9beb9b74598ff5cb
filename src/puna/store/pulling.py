"""What unfinished pulls have fetched so far.

A blob that no model needs is a leftover, unless it is one of several of a model that is being pulled: then it must be
there when the pull goes on, however long that takes. So a pull notes what it will fetch, in a small file by the
model's name, until the model is written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from puna.errors import InvalidDigest
from puna.names import Digest, ModelName
from puna.store.disk import DISK, Disk, NewFile, translated

_UNFINISHED = "."


class Pulling:
    """The notes, in ``directory``. Its methods may be called from any thread."""

    def __init__(self, directory: Path, *, disk: Disk = DISK) -> None:
        self._directory = directory
        self._disk = disk

    def note(self, name: ModelName, blobs: Iterable[Digest]) -> None:
        """Keep ``blobs`` for the pull of ``name``, in the place of what was kept for it.

        Raises:
            DiskFull, StoreError: that cannot be written.
        """
        with translated(), NewFile(self._directory, prefix=_UNFINISHED, disk=self._disk) as file:
            file.write("".join(f"{digest}\n" for digest in blobs).encode())
            file.settle(self._path(name))

    def forget(self, name: ModelName) -> None:
        """Keep nothing for ``name`` any more.

        Raises:
            StoreError: the note cannot be removed.
        """
        self._remove(self._path(name))

    def forget_all(self) -> None:
        """Keep nothing any more.

        Raises:
            StoreError: a note cannot be removed.
        """
        for path in self._notes():
            self._remove(path)

    def blobs(self) -> set[Digest]:
        """Everything that is kept.

        Raises:
            StoreError: a note cannot be read.
        """
        found: set[Digest] = set()
        for path in self._notes():
            with translated():
                lines = path.read_text(errors="replace").splitlines()
            for line in lines:
                try:
                    found.add(Digest.parse(line))
                except InvalidDigest:
                    continue  # a note that is damaged keeps what can be read of it
        return found

    def _notes(self) -> Iterator[Path]:
        with translated():
            if self._directory.is_dir():
                yield from sorted(self._directory.iterdir())

    def _path(self, name: ModelName) -> Path:
        return self._directory / hashlib.sha256(name.full.lower().encode()).hexdigest()

    def _remove(self, path: Path) -> None:
        with translated():
            try:
                self._disk.remove(path)
            except FileNotFoundError:
                return
            self._disk.sync_directory(self._directory)
