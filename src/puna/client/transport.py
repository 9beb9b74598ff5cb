"""How requests travel: what the client needs of HTTP, and which library does it for an address.

Most servers are on this machine, spoken to in plain HTTP; a socket and httptools do that, and are loaded in a fraction
of the time. Certificates, proxies and redirects are httpx2's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Protocol
from urllib.parse import urlsplit

from puna.errors import ServerUnreachable

CONNECT_SECONDS = 10.0

_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - replaced, not bound
_LOCAL = re.compile(r"localhost|127\.[0-9.]+|::1")


class Reply(Protocol):
    """A reply whose body is still to be read. Reading raises ``ServerUnreachable`` when the connection breaks."""

    status: int
    reason: str
    headers: Mapping[str, str]
    """By their names in lower case."""

    def read(self) -> bytes:
        """All of the body."""
        ...

    def pieces(self) -> Iterator[bytes]:
        """The body, as it comes."""
        ...


class Transport(Protocol):
    """Connections to one server."""

    def send(
        self, method: str, path: str, *, content: bytes | Iterable[bytes] | None, headers: Mapping[str, str]
    ) -> AbstractContextManager[Reply]:
        """Send a request; leaving the context before the reply's end closes the connection.

        Raises:
            ServerUnreachable: no server answers, or the connection broke.
        """
        ...

    def close(self) -> None:
        """Close the connections."""
        ...


def connect(base_url: str, patience: float | None = None) -> Transport:
    """The transport for the server at ``base_url``; nothing is sent yet.

    ``patience`` is how many seconds the server may be silent while it is waited for; None: as many as it takes.

    Raises:
        ServerUnreachable: it is no address.
    """
    try:
        parts = urlsplit(base_url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise ServerUnreachable(f"{base_url!r} is not a server's address: {error}") from error
    if not host or parts.scheme not in ("http", "https") or re.search(r"\s", base_url):
        raise ServerUnreachable(f"{base_url!r} is not a server's address, such as http://127.0.0.1:11434")
    host = _WILDCARDS.get(host, host)
    local = _LOCAL.fullmatch(host) is not None
    if local and parts.scheme == "http":
        from puna.client.local import LocalTransport  # noqa: PLC0415 - only one of the two is needed

        return LocalTransport(host, port or 80, parts.path.rstrip("/"), patience)
    from puna.client.remote import RemoteTransport  # noqa: PLC0415

    shown = f"[{host}]" if ":" in host else host
    netloc = shown if port is None else f"{shown}:{port}"
    return RemoteTransport(parts._replace(netloc=netloc).geturl(), patience, use_proxies=not local)


def unreachable() -> ServerUnreachable:
    """That no server answers on this machine."""
    return ServerUnreachable("could not connect to puna server, run 'puna serve' to start it")


def out_of_reach(url: str, why: object) -> ServerUnreachable:
    """That no server answers at ``url``, which is on another machine."""
    return ServerUnreachable(f"could not connect to {url}: {why}; OLLAMA_HOST says where the server is")


def broke(error: Exception) -> ServerUnreachable:
    """That a server stopped answering."""
    said = str(error) or type(error).__name__
    return ServerUnreachable(f"the connection to the server broke: {said}; its log may tell why")


def no_http(url: str) -> ServerUnreachable:
    """That something else than an HTTP server answers at ``url``."""
    return ServerUnreachable(f"what answers at {url} does not speak HTTP; OLLAMA_HOST says where the server is")
