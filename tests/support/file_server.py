"""A server of one file that does to each request what a test says: for the precise faults of a download."""

from __future__ import annotations

import hashlib
import re
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

from puna.download import Location, Wanted
from puna.names import Digest

_RANGE = re.compile(r"bytes=(\d+)-(\d+)")


@dataclass
class Request:
    path: str
    headers: dict[str, str]
    first: int | None
    last: int | None
    sent: int = 0
    over: threading.Event = field(default_factory=threading.Event)


Fault = Callable[["FileServer", Request, socket.socket], None]


@dataclass
class FileServer:
    """Serves ``content`` at every path, with ranges; each of ``faults`` answers one request in its stead."""

    content: bytes
    faults: list[Fault | None] = field(default_factory=list)
    always: Fault | None = None
    requests: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._open: list[tuple[socket.socket, threading.Thread]] = []
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    @property
    def digest(self) -> Digest:
        return Digest(hashlib.sha256(self.content).hexdigest())

    @property
    def sent(self) -> int:
        """The bytes of all requests, once the last of them is over."""
        assert all(request.over.wait(60) for request in self.requests)
        return sum(request.sent for request in self.requests)

    async def locate(self, *, refused: bool = False) -> Location:
        """The whole server is a source."""
        return Location(f"{self.url}/blob")

    def wanted(self, **fields: object) -> Wanted:
        said = {"source": self, "size": len(self.content), "key": self.digest, "digest": self.digest}
        return Wanted(**said | fields)  # type: ignore[arg-type]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()
        for peer, thread in self._open:
            with suppress(OSError):
                peer.shutdown(socket.SHUT_RDWR)
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                peer, _ = self._socket.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(peer,))
            self._open.append((peer, thread))
            thread.start()

    def _serve(self, peer: socket.socket) -> None:
        try:
            with peer:
                while (request := _read(peer)) is not None:
                    self.requests.append(request)
                    try:
                        if not self._answer(request, peer):
                            return
                    finally:
                        request.over.set()
        except OSError:
            return

    def _answer(self, request: Request, peer: socket.socket) -> bool:
        """Whether the connection may be used again."""
        fault = self.faults.pop(0) if self.faults else self.always
        if fault is not None:
            fault(self, request, peer)
        elif request.first is None:
            everything(self, request, peer)
        else:
            self.part(request, peer, request.first, (request.last or 0) + 1)
        return fault is None

    def part(self, request: Request, peer: socket.socket, first: int, end: int, *, upto: int | None = None) -> None:
        """Send a range, or only the bytes before ``upto`` of what was announced."""
        total = len(self.content)
        head(peer, 206, f"Content-Range: bytes {first}-{end - 1}/{total}", f"Content-Length: {end - first}")
        send(request, peer, self.content[first : end if upto is None else upto])


def _read(peer: socket.socket) -> Request | None:
    data = b""
    while b"\r\n\r\n" not in data:
        more = peer.recv(65536)
        if not more:
            return None
        data += more
    first, *lines = data.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
    found = _RANGE.fullmatch(headers.get("range", ""))
    return Request(first.split()[1], headers, *(map(int, found.groups()) if found else (None, None)))


def head(peer: socket.socket, status: int, *lines: str) -> None:
    peer.sendall("\r\n".join([f"HTTP/1.1 {status} X", *lines, "", ""]).encode())


def send(request: Request, peer: socket.socket, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        count = peer.send(rest[:65536])
        request.sent += count
        rest = rest[count:]


def everything(server: FileServer, request: Request, peer: socket.socket) -> None:
    head(peer, 200, f"Content-Length: {len(server.content)}")
    send(request, peer, server.content)


def status(code: int, *lines: str) -> Fault:
    return lambda _server, _request, peer: head(peer, code, "Content-Length: 0", *lines)


def cut(after: int) -> Fault:
    """End the connection after so many bytes of the range."""

    def fault(server: FileServer, request: Request, peer: socket.socket) -> None:
        first = request.first or 0
        server.part(request, peer, first, (request.last or 0) + 1, upto=first + after)

    return fault


def cut_everything(after: int) -> Fault:
    def fault(server: FileServer, request: Request, peer: socket.socket) -> None:
        head(peer, 200, f"Content-Length: {len(server.content)}")
        send(request, peer, server.content[:after])

    return fault


def wrong_range(server: FileServer, request: Request, peer: socket.socket) -> None:
    first = (request.first or 0) + 1
    server.part(request, peer, first, min(len(server.content), (request.last or 0) + 2))


def flipped(server: FileServer, request: Request, peer: socket.socket) -> None:
    """The right range with wrong content."""
    first, end = request.first or 0, (request.last or 0) + 1
    head(peer, 206, f"Content-Range: bytes {first}-{end - 1}/{len(server.content)}", f"Content-Length: {end - first}")
    send(request, peer, bytes(byte ^ 1 for byte in server.content[first:end]))


def grown(server: FileServer, request: Request, peer: socket.socket) -> None:
    first, end = request.first or 0, (request.last or 0) + 1
    head(
        peer, 206, f"Content-Range: bytes {first}-{end - 1}/{len(server.content) + 7}", f"Content-Length: {end - first}"
    )
    send(request, peer, server.content[first:end])


def stalled(after: int) -> Fault:
    """Send so many bytes of the range, then nothing, until the client has left."""

    def fault(server: FileServer, request: Request, peer: socket.socket) -> None:
        first = request.first or 0
        server.part(request, peer, first, (request.last or 0) + 1, upto=first + after)
        peer.recv(1)

    return fault


def redirect_and_stall(_server: FileServer, _request: Request, peer: socket.socket) -> None:
    """Announce a page with a redirect, and never send it."""
    head(peer, 307, "Location: /elsewhere", "Content-Length: 100")
    peer.recv(1)


def redirect(url: str) -> Fault:
    """Send the client elsewhere."""
    return status(307, f"Location: {url}")
