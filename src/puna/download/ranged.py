"""Ranges of a file by HTTP, read by threads.

Bulk data goes past the asynchronous client: parsing and copying it in the event loop took six times the processor time
(``docs/decisions/0004-downloads.md``), which everything else the server does would have waited for.
"""

from __future__ import annotations

import http.client
import re
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Protocol

from puna import network
from puna.errors import Unreachable

_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 10
_CONNECT_SECONDS = 10.0
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


@dataclass(frozen=True, slots=True)
class Location:
    """Where content can be fetched from, with the headers to send there and to no other host.

    ``verified`` is whether the certificate must be a trusted one.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    verified: bool = True


class Source(Protocol):
    """Something that can be downloaded."""

    async def locate(self, *, refused: bool = False) -> Location:
        """Where it can be fetched from now; ``refused`` says that this did not work with what was said before.

        Raises:
            RegistryError: it cannot be told.
        """
        ...


class Broken(Exception):
    """A try that failed; the next one may not."""


class Refused(Broken):
    """The server answered with ``status`` in the place of content."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the server answered {status}")
        self.status = status


class RangeIgnored(Broken):
    """The server cannot be asked for a part: it sends everything, or says that there is no such part."""


@dataclass(slots=True)
class Body:
    """Content that is arriving. ``total`` is the size of the whole, None where the server does not say."""

    total: int | None
    _response: http.client.HTTPResponse

    def read(self, size: int) -> bytes:
        """What has arrived, ``size`` bytes at most; nothing at the end.

        Raises:
            Broken: the connection broke, or stood still too long.
        """
        with _translated():
            return self._response.read1(size)


class Fetcher:
    """Fetches ranges, one after the other, over a connection that is kept. For one thread, but for ``interrupt``.

    ``stall`` is how many seconds nothing may arrive.
    """

    def __init__(self, *, stall: float) -> None:
        self._stall = stall
        self._connection: http.client.HTTPConnection | None = None
        self._socket: socket.socket | None = None
        self._reaches: tuple[object, ...] = ()
        self._interrupted = threading.Event()

    def interrupt(self) -> None:
        """End what is being fetched, and everything that would be."""
        self._interrupted.set()
        if self._socket is not None:
            with suppress(OSError):  # it was closed already
                # Not by TLS's own way, which is not for two threads.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @contextmanager
    def open(self, location: Location, first: int, last: int | None) -> Iterator[tuple[Body, str]]:
        """The bytes ``first`` to ``last`` of what is at ``location`` (None: all of it), and the URL that had them.

        Raises:
            Refused, RangeIgnored, Broken: there are none.
            Unreachable: there cannot be any, there.
        """
        url, home = location.url, network.origin(location.url)
        for _ in range(_MOST_REDIRECTS + 1):
            headers = dict(location.headers) if network.origin(url) == home else {}
            if last is not None:
                headers["Range"] = f"bytes={first}-{last}"
            response = self._get(url, headers, verified=location.verified)
            target = response.headers.get("Location")
            if response.status not in _REDIRECTS or target is None:
                break
            with _translated():
                response.read1(1 << 16)
            self._settle(response)
            before, url = url, network.joined(url, target)
            if location.verified and network.origin(before)[0] != "http" and network.origin(url)[0] == "http":
                raise Unreachable(f"a redirect leads from HTTPS to HTTP: {network.shown(url)}")
        else:
            raise Unreachable(f"more than {_MOST_REDIRECTS} redirects")
        try:
            yield Body(_checked(response, first, last), response), url
        finally:
            self._settle(response)

    def _get(self, url: str, headers: Mapping[str, str], *, verified: bool) -> http.client.HTTPResponse:
        way = network.way(url)
        kept = self._connection is not None and self._reaches == way.ends
        head = {"User-Agent": network.user_agent(), "Accept-Encoding": "identity", **headers, **way.headers}
        try:
            with _translated():
                if kept:
                    try:
                        return self._send(way.target, head)
                    except (http.client.RemoteDisconnected, ConnectionError):
                        pass  # it was closed while it was not used
                self._connect(way, verified=verified)
                return self._send(way.target, head)
        except Broken:
            self.close()  # whatever is still to come on it answers a question that is no longer asked
            raise

    def _send(self, path: str, headers: Mapping[str, str]) -> http.client.HTTPResponse:
        assert self._connection is not None
        self._connection.request("GET", path, headers=dict(headers))
        return self._connection.getresponse()

    def _connect(self, way: network.Way, *, verified: bool) -> None:
        self.close()
        connection = self._connection = way.connection(verified=verified, timeout=_CONNECT_SECONDS)
        self._reaches = way.ends
        connection.connect()
        connection.sock.settimeout(self._stall)
        self._socket = connection.sock
        if self._interrupted.is_set():
            raise Broken("interrupted")

    def _settle(self, response: http.client.HTTPResponse) -> None:
        """Keep the connection if everything on it was read."""
        if response.will_close or (response.length != 0 and not response.isclosed()):
            self.close()
        response.close()


def _checked(response: http.client.HTTPResponse, first: int, last: int | None) -> int | None:
    """The size of the whole that ``response`` has a part of, if it has the part that was asked for."""
    if response.status == 416:
        raise RangeIgnored("the server says that there is no such part")
    if response.status not in (200, 206):
        raise Refused(response.status)
    if last is None or response.status == 200:
        if last is not None and not (first == 0 and response.length == last + 1):
            raise RangeIgnored("the server sends everything when it is asked for a part")
        return response.length
    found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
    if found is None or int(found.group(1)) != first or int(found.group(2)) > last:
        raise Broken(f"the server sent another part: {response.headers.get('Content-Range', 'it does not say which')}")
    return None if found.group(3) == "*" else int(found.group(3))


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (OSError, http.client.HTTPException, UnicodeError) as error:
        raise Broken(network.reason(error)) from error
