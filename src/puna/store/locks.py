"""Who may change a store while others use it: advisory locks, which the system frees when their process ends.

There are two. ``exclusive`` is held by whoever changes which blobs are needed, or removes some, for as long as that
takes. A claim is a shared lock on one file, held by whoever is making something of it: ``unclaimed`` is asked before
a file is removed. Both work between threads and between processes. Ollama knows neither; against it there is only the
time of a file, which whatever uses a blob sets to now, and by which both servers spare what is younger than an hour.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_WITHOUT_LOCKS = (errno.EBADF, errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
"""What network file systems say when they lock nothing, or no directories."""


@contextmanager
def exclusive(directory: Path) -> Iterator[None]:
    """Wait until nobody else is in such a block for ``directory``. One that is not there needs no lock.

    Raises:
        OSError: the directory cannot be opened.
    """
    try:
        descriptor = os.open(directory, os.O_RDONLY)
    except (FileNotFoundError, NotADirectoryError):
        yield
        return
    try:
        _lock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def claim(descriptor: int) -> None:
    """Claim the open file until it is closed. Several may claim one."""
    _lock(descriptor, fcntl.LOCK_SH)


@contextmanager
def unclaimed(path: Path) -> Iterator[bool]:
    """Tell whether nobody claims the file ``path``, and let nobody claim it until the block ends.

    One that cannot be opened is claimed by nobody.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        yield True
        return
    try:
        yield _lock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.close(descriptor)


def _lock(descriptor: int, operation: int) -> bool:
    try:
        fcntl.flock(descriptor, operation)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _WITHOUT_LOCKS:
            raise
    return True
