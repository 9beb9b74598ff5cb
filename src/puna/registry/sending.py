"""One request that carries a part of a file, in a thread.

A registry may answer before it has the whole of it: to send the part elsewhere, or to say no. So the reply is looked
for all the while, and what is left is then not sent. Most HTTP clients only look afterwards.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import io
import os
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from puna import network
from puna.download.pace import Pace
from puna.errors import Unreachable

_PIECE = 1 << 17
_LARGEST_REPLY = 1 << 20


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds to wait: for a connection, for the other side to take a piece, and for its reply once it has all."""

    connect: float = 10.0
    piece: float = 30.0
    reply: float = 300.0


@dataclass(frozen=True, slots=True)
class Part:
    """``size`` bytes of ``file`` from ``offset`` on."""

    file: Path
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Sent:
    """What was answered. ``md5`` is of the part, None when it was not sent whole; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    md5: bytes | None


class Sending:
    """One request. ``progress`` is told the bytes of every piece that was sent."""

    def __init__(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        part: Part,
        *,
        verified: bool = True,
        patience: Patience,
        pace: Pace,
        progress: Callable[[int], None],
    ) -> None:
        self._method = method
        self._url = url
        self._headers = headers
        self._part = part
        self._verified = verified
        self._patience = patience
        self._pace = pace
        self._progress = progress
        self._connection: http.client.HTTPConnection | None = None
        self._stopped = threading.Event()

    def run(self) -> Sent:
        """Send it and read the reply, whatever its status.

        Raises:
            Unreachable: the connection cannot be made, or broke, or nothing happened for too long.
            OSError: the file cannot be read.
        """
        file = os.open(self._part.file, os.O_RDONLY)
        try:
            return self._exchange(file)
        except (ssl.SSLError, http.client.HTTPException, _Lost) as error:
            raise Unreachable(f"{self._method} {network.shown(self._url)}: {network.reason(error)}") from error
        finally:
            os.close(file)
            if self._connection is not None:
                self._connection.close()

    def stop(self) -> None:
        """Make ``run``, in another thread, end soon, with Unreachable."""
        self._stopped.set()
        connection = self._connection
        end = None if connection is None else connection.sock
        if end is not None:
            with contextlib.suppress(OSError):  # it may be closed just now
                # Not by TLS's own way, which is not for two threads.
                socket.socket.shutdown(end, socket.SHUT_RDWR)

    def _exchange(self, file: int) -> Sent:
        with _lost():
            way = network.way(self._url)
            connection = self._connection = way.connection(verified=self._verified, timeout=self._patience.connect)
            connection.connect()
            if self._stopped.is_set():
                raise InterruptedError("stopped")
            connection.putrequest(self._method, way.target, skip_host=True, skip_accept_encoding=True)
            connection.putheader("Host", urlsplit(self._url).netloc.rpartition("@")[2])
            for name, value in {**self._headers, **way.headers}.items():
                connection.putheader(name, value)
            connection.putheader("User-Agent", network.user_agent())
            connection.putheader("Content-Length", str(self._part.size))
            connection.endheaders()
            connection.sock.settimeout(self._patience.piece)
        md5, early = self._send(file, connection.sock)
        with _lost():
            connection.sock.settimeout(self._patience.reply)
            response = http.client.HTTPResponse(_Begun(early, connection.sock), method=self._method)  # type: ignore[arg-type]
            with response:
                response.begin()
                body = response.read(_LARGEST_REPLY)
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Sent(response.status, headers, body, md5)

    def _send(self, file: int, end: socket.socket) -> tuple[bytes | None, bytes]:
        """Send the part; give its MD5, or None and the first bytes of the reply that came too early."""
        md5 = hashlib.md5(usedforsecurity=False)
        at, left = self._part.offset, self._part.size
        while left:
            piece = os.pread(file, min(self._pace.piece(_PIECE), left), at)
            if not piece:
                raise OSError(f"{self._part.file} is shorter than it was")
            with _lost():
                if early := _arrived(end):
                    return None, early
            try:
                end.sendall(piece)
            except (BrokenPipeError, ConnectionResetError):
                # It may have said why, before it hung up.
                return None, b""
            except OSError as error:
                raise _Lost(error) from error
            md5.update(piece)
            at, left = at + len(piece), left - len(piece)
            self._progress(len(piece))
            self._pace.spend(len(piece))
            if self._stopped.is_set():
                raise _Lost(InterruptedError("stopped"))
        return md5.digest(), b""


class _Lost(Exception):
    """The connection failed; not to be confused with a file that cannot be read."""


@contextlib.contextmanager
def _lost() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _Lost(error) from error


def _arrived(end: socket.socket) -> bytes:
    """What the other side has sent by now, without waiting for it."""
    if not select.select([end], [], [], 0)[0]:
        return b""
    before = end.gettimeout()
    end.settimeout(0)
    try:
        received = end.recv(_PIECE)
    except (ssl.SSLWantReadError, BlockingIOError):
        return b""  # TLS has things of its own to say
    finally:
        end.settimeout(before)
    if not received:
        raise ConnectionResetError("the connection was closed")
    return received


class _Begun(io.RawIOBase):
    """A connection of which the ``first`` bytes were read already, as ``HTTPResponse`` wants it."""

    def __init__(self, first: bytes, end: socket.socket) -> None:
        super().__init__()
        self._first = first
        self._end = end

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._first:
            return self._end.recv_into(buffer)
        piece, self._first = self._first[: len(buffer)], self._first[len(buffer) :]
        buffer[: len(piece)] = piece
        return len(piece)
