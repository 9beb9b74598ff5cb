"""Manifests: one small file per model, at ``<host>/<namespace>/<model>/<tag>``.

Names keep their case on disk and are found without regard to it, so a store never has two that differ in case only.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

from puna.names import ModelName
from puna.store.disk import DISK, Disk, NewFile, translated
from puna.store.locks import unclaimed

_UNFINISHED = "."
"""What the names of unfinished files begin with. No part of a model's name may, so nobody takes one for a manifest."""

_LEVELS = 4
_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG)
"""Errors that say: there is no such file, nor can there be."""


class Manifests:
    """The manifests of one store, in ``directory``. Its methods may be called from any thread."""

    def __init__(self, directory: Path, *, disk: Disk = DISK) -> None:
        self.directory = directory
        self._disk = disk

    def path(self, name: ModelName) -> Path:
        """Where the manifest of ``name`` lies, or would lie."""
        return self.directory.joinpath(*name.parts)

    def spelling(self, name: ModelName) -> ModelName:
        """``name`` as the store spells it: each part that exists under what came before it takes its case."""
        directory, parts = self.directory, []
        with translated():
            for part in name.parts:
                found = _entry(directory, part) or part
                parts.append(found)
                directory /= found
        return ModelName(*parts)

    def names(self) -> Iterator[tuple[ModelName, os.stat_result]]:
        """Every manifest and what the system knows of its file. Files that cannot be manifests are passed over."""
        for parts, entry in _files(self.directory, ()):
            name = ModelName.from_parts(*parts) if len(parts) == _LEVELS else None
            if name is not None:
                yield name, entry.stat()

    def status(self, name: ModelName) -> os.stat_result | None:
        """What the system knows of the manifest of ``name``, None if there is none.

        Raises:
            StoreError: it cannot be told.
        """
        with translated():
            try:
                return self.path(name).stat()
            except OSError as error:
                if error.errno in _ABSENT:
                    return None
                raise

    def read(self, name: ModelName) -> bytes | None:
        """The manifest of ``name``, None if there is none.

        Raises:
            StoreError: it cannot be read.
        """
        with translated():
            try:
                return self.path(name).read_bytes()
            except OSError as error:
                if error.errno in _ABSENT:
                    return None
                raise

    def write(self, name: ModelName, content: bytes) -> None:
        """Write the manifest of ``name`` in the place of what was there.

        Raises:
            DiskFull, StoreError: it cannot be written.
        """
        path = self.path(name)
        with translated(), NewFile(path.parent, prefix=_UNFINISHED, disk=self._disk) as file:
            file.write(content)
            file.settle(path)

    def remove(self, name: ModelName) -> None:
        """Remove the manifest of ``name``, and the directories that are empty then."""
        path = self.path(name)
        with translated():
            try:
                self._disk.remove(path)
            except FileNotFoundError:
                return
            self._disk.sync_directory(path.parent)
            for directory in list(path.parents)[: _LEVELS - 1]:
                if not self._remove_if_empty(directory):
                    break

    def tidy(self, than: float) -> None:
        """Remove unfinished files last touched before ``than`` (seconds since the epoch), and empty directories."""
        with translated():
            for _, entry in list(_files(self.directory, ())):
                path = Path(entry.path)
                if entry.name.startswith(_UNFINISHED) and entry.stat().st_mtime < than:
                    with unclaimed(path) as free:
                        if free:
                            self._disk.remove(path)
            for directory, _, _ in os.walk(self.directory, topdown=False):
                if Path(directory) != self.directory:
                    self._remove_if_empty(Path(directory))

    def _remove_if_empty(self, directory: Path) -> bool:
        # Where nothing may be removed, the system tells that first, also of what is not empty.
        if any(directory.iterdir()):
            return False
        try:
            self._disk.remove_directory(directory)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                return False
            raise
        return True


def _entry(directory: Path, part: str) -> str | None:
    """What ``directory`` has under the name ``part``, or else under that name in another case."""
    try:
        entries = [entry.name for entry in directory.iterdir()]
    except OSError as error:
        if error.errno in _ABSENT:
            return None
        raise
    return part if part in entries else next((entry for entry in entries if entry.lower() == part.lower()), None)


def _files(directory: Path | str, above: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], os.DirEntry[str]]]:
    """The files in ``directory`` and below, no deeper than manifests lie, each with the parts of its path."""
    with translated():
        try:
            entries = list(os.scandir(directory))
        except (FileNotFoundError, NotADirectoryError):
            return  # a store not yet made, or a directory removed meanwhile
    for entry in entries:
        parts = (*above, entry.name)
        if len(parts) < _LEVELS and entry.is_dir():
            yield from _files(entry.path, parts)
        elif entry.is_file():
            yield parts, entry
