"""Disks that fail: by killing the process, by losing power, by being full or read-only, at a step that a test chooses.

A step is one call of a method of ``puna.store.disk.Disk``. What a power failure leaves is worked out from a record of
the steps, by the least that POSIX promises: data is on the disk once its file was synced, a name once its directory
was. What was not synced may be there or not, in any combination, and of data the beginning or zeros.
"""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from puna.store.disk import Disk

DIED = 9
STEPS = (
    *("create", "write", "sync", "make_readable", "rename", "link", "clone", "touch", "remove"),
    *("make_directory", "remove_directory", "sync_directory"),
)
NEED_SPACE = ("create", "write", "sync", "rename", "link", "clone", "make_directory")

Wreck = tuple[tuple[str, bytes | None], ...]
"""The files of a store and their contents; ``None`` is a directory."""


class SteppedDisk(Disk):
    """Calls ``before`` with the number and the name of each step before it is taken."""

    def __init__(self, before: Callable[[int, str], None]) -> None:
        self._before = before
        self.steps = 0

    def __getattribute__(self, name: str) -> Any:
        if name in STEPS:
            self._before(self.steps, name)
            self.steps += 1
        return super().__getattribute__(name)


def killing(at: int) -> Disk:
    """A disk before whose step number ``at`` the process dies as by SIGKILL."""

    def before(step: int, _: str) -> None:
        if step == at:
            os._exit(DIED)

    return SteppedDisk(before)


def full(since: int) -> Disk:
    """A disk that is full from step number ``since`` on: what needs space fails, and of what is written half fits."""

    class Full(SteppedDisk):
        def write(self, descriptor: int, data: memoryview) -> int:
            return super().write(descriptor, data[: max(1, len(data) // 2)])

    def before(step: int, name: str) -> None:
        if step >= since and name in NEED_SPACE:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    return Full(before)


def failing(at: int, number: int = errno.EIO) -> Disk:
    """A disk whose step number ``at`` fails with the error ``number``, once."""

    def before(step: int, _: str) -> None:
        if step == at:
            raise OSError(number, os.strerror(number))

    return SteppedDisk(before)


def read_only() -> Disk:
    """A disk on which nothing can be changed."""

    def before(_: int, name: str) -> None:
        if name not in ("sync", "sync_directory"):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    return SteppedDisk(before)


@dataclass
class _File:
    synced: bytes = b""
    data: bytes = b""


@dataclass
class _Change:
    """Names that appear or go in directories, all at once; ``None`` is a directory."""

    directories: set[str]
    gone: tuple[str, ...] = ()
    new: tuple[tuple[str, _File | None], ...] = ()


@dataclass
class _State:
    names: dict[str, _File | None]
    pending: list[_Change] = field(default_factory=list)


class RecordingDisk(Disk):
    """A real disk that also remembers what of the files below ``root`` a power failure could not take."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._open: dict[int, _File] = {}
        self._now: dict[str, _File | None] = {}
        for path in root.rglob("*"):
            content = path.read_bytes() if path.is_file() else b""
            self._now[self._key(path)] = _File(content, content) if path.is_file() else None
        self._state = _State(dict(self._now))
        self.wrecks: dict[Wreck, None] = {}
        """Everything that may be found after a power failure at any step so far, without repetitions."""
        self.last_wrecks: set[Wreck] = set()
        """What may be found after a power failure now."""
        self._fail()

    def create(self, directory: Path, prefix: str) -> tuple[int, Path]:
        descriptor, path = super().create(directory, prefix)
        self._open[descriptor] = file = _File()
        self._change(gone=(), new=((path, file),))
        return descriptor, path

    def write(self, descriptor: int, data: memoryview) -> int:
        self._open[descriptor].data += bytes(data)
        self._fail()
        return super().write(descriptor, data)

    def clone(self, source: int, target: int) -> None:
        # The disk of a test can often not do it; what counts here is that it is not safe before it is synced.
        content = os.pread(source, os.fstat(source).st_size, 0)
        super().write(target, memoryview(content))
        self._open[target].data = content
        self._fail()

    def sync(self, descriptor: int) -> None:
        super().sync(descriptor)
        status = os.fstat(descriptor)
        for key, file in self._now.items():
            if file is not None and os.path.samestat(status, (self._root / key).stat()):
                file.synced = file.data
        self._fail()

    def rename(self, source: Path, target: Path) -> None:
        super().rename(source, target)
        self._change(gone=(source,), new=((target, self._now[self._key(source)]),))

    def link(self, source: Path, target: Path) -> None:
        super().link(source, target)
        content = target.read_bytes()
        self._change(gone=(), new=((target, _File(content, content)),))

    def remove(self, path: Path) -> None:
        super().remove(path)
        self._change(gone=(path,), new=())

    def make_directory(self, path: Path) -> None:
        super().make_directory(path)
        self._change(gone=(), new=((path, None),))

    def remove_directory(self, path: Path) -> None:
        super().remove_directory(path)
        self._change(gone=(path,), new=())

    def sync_directory(self, path: Path) -> None:
        super().sync_directory(path)
        state, kept = self._state, []
        for change in state.pending:
            if self._key(path) in change.directories:
                _apply(state.names, change)
            else:
                kept.append(change)
        state.pending = kept
        self._fail()

    def _change(self, *, gone: tuple[Path, ...], new: tuple[tuple[Path, _File | None], ...]) -> None:
        paths = (*gone, *(path for path, _ in new))
        change = _Change(
            {self._key(path.parent) for path in paths},
            tuple(map(self._key, gone)),
            tuple((self._key(path), file) for path, file in new),
        )
        _apply(self._now, change)
        self._state.pending.append(change)
        self._fail()

    def _fail(self) -> None:
        """Remember what a power failure now may leave."""
        pending = self._state.pending
        self.last_wrecks = set()
        for kept in itertools.product((True, False), repeat=len(pending)):
            names = dict(self._state.names)
            for change in itertools.compress(pending, kept):
                _apply(names, change)
            for data in (_nothing_more, _everything, _half, _zeros):
                self.last_wrecks.add(tuple(sorted(_reachable(names, data))))
        self.wrecks |= dict.fromkeys(self.last_wrecks)

    def _key(self, path: Path) -> str:
        return str(path.relative_to(self._root))


def rebuild(wreck: Wreck, root: Path) -> Path:
    """Lay down under ``root`` what a power failure left."""
    root.mkdir()
    for name, content in wreck:
        if content is None:
            (root / name).mkdir(parents=True, exist_ok=True)
        else:
            (root / name).write_bytes(content)
    return root


def _apply(names: dict[str, _File | None], change: _Change) -> None:
    for name in change.gone:
        names.pop(name, None)
    names.update(change.new)


def _reachable(names: dict[str, _File | None], data: Callable[[_File], bytes]) -> Iterator[tuple[str, bytes | None]]:
    for name, file in names.items():
        if all(str(above) in names for above in list(Path(name).parents)[:-1]):
            yield name, None if file is None else data(file)


def _nothing_more(file: _File) -> bytes:
    return file.synced


def _everything(file: _File) -> bytes:
    return file.data


def _half(file: _File) -> bytes:
    return file.data[: (len(file.synced) + len(file.data)) // 2]


def _zeros(file: _File) -> bytes:
    return file.synced + bytes(len(file.data) - len(file.synced))
