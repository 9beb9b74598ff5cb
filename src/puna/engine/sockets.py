"""Where the engines' sockets are: a private directory of this server's, which nothing of another server's is in."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from pathlib import Path

_SOCKET_PATH_LIMIT = 107
"""Bytes a Unix socket's path may have (``sun_path`` of Linux, without its final zero)."""

_PREFIX = "puna-engines-"
_NEW_SECONDS = 60
"""How old a directory is at least before it may count as left behind: one is made first and locked then."""


class Sockets:
    """The directory, made when it is needed, and again where something has tidied it away meanwhile.

    It is locked while the server lives. Those that nobody locks were left behind by servers that were killed, and go.
    """

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._lock = -1
        self._count = 0

    def new(self) -> Path:
        """A path for a socket.

        Raises:
            OSError: there is no place for one.
        """
        if self._folder is None or not self._folder.is_dir():
            self.close()
            self._folder = _made()
            self._lock = os.open(self._folder, os.O_RDONLY)
            fcntl.flock(self._lock, fcntl.LOCK_SH)
            _remove_left_behind(self._folder.parent)
        self._count += 1
        return self._folder / f"{self._count}.sock"

    def close(self) -> None:
        """Remove the directory."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None


def _made() -> Path:
    folder = tempfile.mkdtemp(prefix=_PREFIX)
    if len(os.fsencode(folder)) + len("/999999.sock") > _SOCKET_PATH_LIMIT:
        Path(folder).rmdir()
        folder = tempfile.mkdtemp(prefix=_PREFIX, dir="/tmp")
    return Path(folder)


def _remove_left_behind(parent: Path, *, now: float | None = None) -> None:
    """Remove the directories in ``parent`` of servers that are no more, as far as they are this user's."""
    oldest_new = (time.time() if now is None else now) - _NEW_SECONDS
    for folder in parent.glob(f"{_PREFIX}*"):
        try:
            status = folder.lstat()
            if status.st_uid != os.getuid() or status.st_mtime > oldest_new:
                continue
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            continue  # another server removes it, too
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            continue
        finally:
            os.close(descriptor)
