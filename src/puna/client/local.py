"""Plain HTTP/1.1 to a server on this machine, on a socket with httptools as the parser.

Not the standard library's client: importing that takes longer than a loaded model needs to begin its answer.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager

import httptools

from puna.client.transport import CONNECT_SECONDS, broke, no_http, unreachable

_PIECE = 1 << 16


class LocalReply:
    """A ``Reply``. The ``on_*`` methods are called by httptools."""

    def __init__(self, connection: socket.socket, *, to_head: bool) -> None:
        self.status = 0
        self.reason = ""
        self.headers: Mapping[str, str] = {}
        self._connection = connection
        self._to_head = to_head
        self._parser = httptools.HttpResponseParser(self)
        self._unread: list[bytes] = []
        self._complete = self._ends_with_connection = False

    @property
    def leaves_open(self) -> bool:
        """Whether the reply has come whole, and its connection can be used again."""
        kept = self._parser.get_http_version() == "1.1" and self.headers.get("connection", "").lower() != "close"
        return self._complete and not self._ends_with_connection and kept

    def begin(self) -> None:
        """Read the head.

        Raises:
            OSError: the connection broke.
            httptools.HttpParserError: it is no HTTP.
        """
        while not self.status:
            self._receive()

    def read(self) -> bytes:
        """All of the body."""
        return b"".join(self.pieces())

    def pieces(self) -> Iterator[bytes]:
        """The body, as it comes."""
        try:
            while True:
                yield from self._taken()
                if self._complete:
                    return
                self._receive()
        except (OSError, httptools.HttpParserError) as error:
            raise broke(error) from error

    def _taken(self) -> list[bytes]:
        taken, self._unread = self._unread, []
        return taken

    def _receive(self) -> None:
        data = self._connection.recv(_PIECE)
        if data:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserCallbackError as error:
                # Ctrl+C may come while one of the methods below runs; as an error of the parser it would be lost.
                raise error.__context__ or error from None
        elif self.status and self._ends_with_connection:
            self._complete = True
        elif self.status:
            raise ConnectionResetError("the server closed the connection")
        else:
            raise ConnectionResetError(
                "the server closed the connection without an answer, as one does that speaks HTTPS"
            )

    def on_status(self, status: bytes) -> None:
        """Httptools: the phrase of the status."""
        self.reason += status.decode("latin-1")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Httptools: a header."""
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        self.headers = {**self.headers, key: f"{self.headers[key]}, {text}" if key in self.headers else text}

    def on_headers_complete(self) -> None:
        """Httptools: the head is complete."""
        self.status = self._parser.get_status_code()
        bodiless = self._to_head or self.status in (204, 304)
        self._complete = bodiless
        framed = {"content-length", "transfer-encoding"} & self.headers.keys()
        self._ends_with_connection = not bodiless and not framed

    def on_body(self, body: bytes) -> None:
        """Httptools: a piece of the body."""
        self._unread.append(body)

    def on_message_complete(self) -> None:
        """Httptools: the reply is complete."""
        self._complete = True


class LocalTransport:
    """A ``Transport`` that keeps one connection open between requests."""

    def __init__(self, host: str, port: int, path: str, patience: float | None = None) -> None:
        # Of bytes Python makes no international name, for which it would load tables.
        self._place = (host.encode("ascii"), port)
        self._host = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._path = path
        self._patience = patience
        self._idle: socket.socket | None = None
        self._taking = threading.Lock()

    @contextmanager
    def send(
        self, method: str, path: str, *, content: bytes | Iterable[bytes] | None, headers: Mapping[str, str]
    ) -> Generator[LocalReply]:
        """Send a request; leaving the context before the reply's end closes the connection."""
        head = self._head(method, path, content, headers)
        connection, reply = self._answered(head, content, to_head=method == "HEAD")
        whole = False
        try:
            yield reply
            whole = reply.leaves_open
        finally:
            spare = self._exchange(connection) if whole else connection
            if spare is not None:
                spare.close()

    def close(self) -> None:
        """Close the connection."""
        if (idle := self._exchange(None)) is not None:
            idle.close()

    def _exchange(self, connection: socket.socket | None) -> socket.socket | None:
        """Keep ``connection`` for the next request; give the one that was kept. Threads may ask at once."""
        with self._taking:
            kept, self._idle = self._idle, connection
        return kept

    def _head(
        self, method: str, path: str, content: bytes | Iterable[bytes] | None, headers: Mapping[str, str]
    ) -> bytes:
        said = {"Host": self._host, "Accept-Encoding": "identity", **headers}
        if isinstance(content, bytes):
            said["Content-Length"] = str(len(content))
        lines = "".join(f"{name}: {value}\r\n" for name, value in said.items())
        return f"{method} {self._path}{path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1")

    def _answered(
        self, head: bytes, content: bytes | Iterable[bytes] | None, *, to_head: bool
    ) -> tuple[socket.socket, LocalReply]:
        idle = self._exchange(None)
        if idle is not None and not isinstance(content, Iterator):
            try:
                return idle, _ask(idle, head, content, to_head=to_head)
            except (OSError, httptools.HttpParserError):
                idle.close()  # a server closes idle connections after a while; a request that met that was not seen
        elif idle is not None:
            idle.close()
        try:
            limit = CONNECT_SECONDS if self._patience is None else min(CONNECT_SECONDS, self._patience)
            connection = socket.create_connection(self._place, timeout=limit)  # type: ignore[arg-type]
        except OSError as error:
            raise unreachable() from error
        try:
            connection.settimeout(self._patience)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connection, _ask(connection, head, content, to_head=to_head)
        except OSError as error:
            connection.close()
            raise broke(error) from error
        except httptools.HttpParserError as error:
            connection.close()
            raise no_http(f"http://{self._host}") from error
        except BaseException:
            connection.close()
            raise


def _ask(
    connection: socket.socket, head: bytes, content: bytes | Iterable[bytes] | None, *, to_head: bool
) -> LocalReply:
    reply = LocalReply(connection, to_head=to_head)
    if content is None or isinstance(content, bytes):
        connection.sendall(head + (content or b""))
    else:  # as long as its header says
        connection.sendall(head)
        for piece in content:
            connection.sendall(piece)
    reply.begin()
    return reply
