"""What a service says to systemd, and gets from it: how it is, sockets that were opened for it, and its journal.

All are environment variables and a few bytes: sd_notify(3), sd_listen_fds(3) and systemd.exec(5).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

_FIRST_SOCKET = 3


def notify(*state: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Tell the service manager of each ``state``, such as ``READY=1``; false if there is none that listens."""
    place = environ.get("NOTIFY_SOCKET", "")
    if not place.startswith(("/", "@")):
        return False
    # A name that begins with @ is one in the abstract namespace, where the kernel wants a zero byte.
    address = f"\0{place[1:]}" if place.startswith("@") else place
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as speaking:
            speaking.sendto("\n".join(state).encode(), address)
    except OSError:
        return False
    return True


def listeners(environ: Mapping[str, str] = os.environ) -> list[socket.socket]:
    """The sockets that were opened for this process, in the order of the unit; none without socket activation."""
    if environ.get("LISTEN_PID") != str(os.getpid()):
        return []
    count = environ.get("LISTEN_FDS", "")
    numbers = range(_FIRST_SOCKET, _FIRST_SOCKET + (int(count) if count.isdecimal() else 0))
    found = [socket.socket(fileno=number) for number in numbers]
    for one in found:
        one.set_inheritable(False)
    return found


def is_journal(descriptor: int, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether what is written to the file ``descriptor`` goes straight to the journal."""
    try:
        found = os.fstat(descriptor)
    except OSError:
        return False
    return environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"
