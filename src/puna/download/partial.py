"""The files of an unfinished download, as Ollama has them, so that either resumes what the other began.

``<blob>-partial`` is as large as the whole and has holes; ``<blob>-partial-<N>`` says of one part how much of it is
there. That is what is on the disk, since the data is put there first, now and then. What has been written since is said
beside it, almost as it comes, together with which start of the system it was: a process that is killed loses next to
nothing, and when the power fails only that is believed which was put on the disk. Such a file is rewritten in place, in
one write shorter than a sector, so that neither finds it half-written.
"""

from __future__ import annotations

import fcntl
import os
import re
import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import msgspec

from puna.errors import DiskFull, StoreError
from puna.names import Digest
from puna.store.blobs import Blobs
from puna.store.disk import make_directories, translated

_PART_BYTES = 64_000_000
_MOST_PARTS = 256
_STATE_BYTES = 192
_NOTE_BYTES = 1 << 16

_sync_data = getattr(os, "fdatasync", os.fsync)


@dataclass(slots=True)
class Part:
    """A part of a file: ``size`` bytes from ``offset``, the first ``completed`` of which are there.

    ``noted`` is how many of those its file tells of; ``resumed`` says that there were some before this download began.
    """

    number: int
    offset: int
    size: int
    completed: int = 0
    noted: int = 0
    resumed: bool = False

    @property
    def position(self) -> int:
        """Where what is missing begins."""
        return self.offset + self.completed

    @property
    def missing(self) -> int:
        """How many bytes are missing."""
        return self.size - self.completed


class _State(msgspec.Struct, rename="pascal"):
    """What a part's file says; the first four keys are Ollama's."""

    n: int
    offset: int
    size: int
    completed: int
    seen: int = 0
    boot: str = ""


class Partial:
    """An unfinished download of ``total`` bytes into ``blobs``, named for ``key``.

    Its methods may be called from any thread.
    """

    def __init__(self, blobs: Blobs, key: Digest, total: int) -> None:
        self.total = total
        self.parts: list[Part] = []
        self._blobs = blobs
        self._path = blobs.directory / f"{key.filename}-partial"
        self._states: list[Path] = []
        self._durable: list[int] = []
        self._saving = threading.Lock()
        self._noting = threading.Lock()
        self._file = -1

    def open(self) -> None:
        """Find what there is, and make what there is not.

        Raises:
            DiskFull: there is no room for the rest.
            StoreError: the files cannot be written, or another process is writing them.
        """
        with translated():
            make_directories(self._path.parent)
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
            self._lock()
            found = _found(self._path, self.total)
            self._check_room()
            os.ftruncate(self._file, self.total)
            self.parts = found or _divided(self.total)
            self._name_states(rewrite=not found)

    @property
    def completed(self) -> int:
        """Bytes that are there."""
        return sum(part.completed for part in self.parts)

    @property
    def contiguous(self) -> int:
        """Bytes that are there from the beginning on, without a hole."""
        for part in self.parts:
            if part.missing:
                return part.position
        return self.total

    def add(self, part: Part, data: bytes) -> None:
        """Put ``data`` where what is missing of ``part`` begins.

        Raises:
            DiskFull, StoreError: it cannot be written.
        """
        rest, offset = memoryview(data), part.position
        with translated():
            while rest:
                written = os.pwrite(self._file, rest, offset)
                rest, offset = rest[written:], offset + written
            part.completed += len(data)
            if part.completed - part.noted >= _NOTE_BYTES or not part.missing:
                self._note(part)

    def forget(self, part: Part) -> None:
        """Take all of ``part`` for missing.

        Raises:
            StoreError: that cannot be written.
        """
        with translated():
            part.completed = 0
            self._note(part)

    def read(self, size: int, offset: int) -> bytes:
        """The ``size`` bytes at ``offset``.

        Raises:
            StoreError: they cannot be read.
        """
        with translated():
            return os.pread(self._file, size, offset)

    def save(self) -> None:
        """Put the data on the disk, and then what is there of each part.

        Raises:
            DiskFull, StoreError: it cannot be written.
        """
        with self._saving, translated():
            there = [part.completed for part in self.parts]
            if there == self._durable:
                return
            _sync_data(self._file)
            before, self._durable = self._durable, there
            for part in self.parts:
                if there[part.number] != before[part.number]:
                    self._note(part)

    def _note(self, part: Part) -> None:
        with self._noting:
            part.noted = part.completed
            _rewrite(self._states[part.number], self._state(part))

    def _state(self, part: Part) -> bytes:
        durable = min(self._durable[part.number], part.completed)
        state = _State(part.number, part.offset, part.size, durable, part.completed, _boot())
        return msgspec.json.encode(state).ljust(_STATE_BYTES - 1) + b"\n"

    def close(self) -> None:
        """Save what there is, to be resumed another time.

        Raises:
            DiskFull, StoreError: it cannot be written.
        """
        if self._file < 0:
            return
        try:
            if self._states:
                self.save()
        finally:
            self._close()

    def settle(self, digest: Digest) -> None:
        """Make it the blob ``digest``. What says how far it was goes last: without that it could not be resumed.

        Raises:
            DiskFull, StoreError: it cannot be written.
        """
        self._blobs.adopt(self._path, digest)
        self._close()
        with translated():
            for path in self._states:
                path.unlink(missing_ok=True)

    def discard(self) -> None:
        """Remove everything.

        Raises:
            StoreError: it cannot be removed.
        """
        with translated():
            for path in (*self._states, self._path):
                path.unlink(missing_ok=True)
        self._close()

    def _close(self) -> None:
        os.close(self._file)
        self._file = -1

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(self._file).st_ino == self._path.stat().st_ino:
                return
        except (BlockingIOError, FileNotFoundError):
            pass  # as good as having become another file meanwhile
        raise StoreError(f"{self._path.name} is being downloaded by another process")

    def _check_room(self) -> None:
        system, status = os.fstatvfs(self._file), os.fstat(self._file)
        room, needed = system.f_bavail * system.f_frsize, self.total - status.st_blocks * 512
        if needed > room:
            raise DiskFull(f"the disk of the model store is full: {needed} bytes are needed and {room} are free")

    def _name_states(self, *, rewrite: bool) -> None:
        self._durable = [part.completed for part in self.parts]
        self._states = [self._path.with_name(f"{self._path.name}-{part.number}") for part in self.parts]
        if rewrite:
            for path in _state_files(self._path):
                path.unlink()
            for part, path in zip(self.parts, self._states, strict=True):
                # Whoever looks finds a part's file whole or not at all.
                unfinished = self._path.with_name(f"{self._path.name.removesuffix('-partial')}.{part.number}")
                unfinished.write_bytes(self._state(part))
                unfinished.replace(path)
            self._blobs.settle()


@cache
def _boot() -> str:
    """Which start of the system this is, "" where that cannot be told."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _state_files(path: Path) -> list[Path]:
    pattern = re.compile(re.escape(path.name) + r"-\d+")
    return [found for found in path.parent.iterdir() if pattern.fullmatch(found.name)] if path.parent.is_dir() else []


def _found(path: Path, total: int) -> list[Part]:
    """The parts of the unfinished file ``path`` as their files have them; none unless they are a whole of ``total``."""
    try:
        states = sorted(
            (msgspec.json.decode(state.read_bytes(), type=_State) for state in _state_files(path)),
            key=lambda one: one.n,
        )
        size = path.stat().st_size
    except (msgspec.MsgspecError, UnicodeDecodeError, FileNotFoundError):
        return []
    parts: list[Part] = []
    end = 0
    for number, state in enumerate(states):
        completed = state.seen if state.boot and state.boot == _boot() else state.completed
        if (state.n, state.offset) != (number, end) or not 0 <= completed <= state.size:
            return []
        parts.append(Part(number, state.offset, state.size, completed, completed, resumed=completed > 0))
        end += state.size
    return parts if end == total == size else []


def _divided(total: int) -> list[Part]:
    size = max(_PART_BYTES, -(-total // _MOST_PARTS))
    return [Part(number, offset, min(size, total - offset)) for number, offset in enumerate(range(0, total, size))]


def _rewrite(path: Path, content: bytes) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
    try:
        os.pwrite(file, content, 0)
    finally:
        os.close(file)
