"""HTTP with a registry for the length of one pull or push: who we are, whom we trust, and trying again.

Credentials are for the host they were meant for: a redirect to another one is followed without them, unless that host
has credentials of its own.
"""

from __future__ import annotations

import asyncio
import logging
import random
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import httpx2

from puna import network
from puna.errors import RateLimited, RegistryError, RemoteNotFound, Unauthorized, Unreachable
from puna.network import causes, reason
from puna.registry import challenge
from puna.registry.credentials import Credentials, access_token, credentials_for
from puna.registry.key import default_path

log = logging.getLogger(__name__)

_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 10
_LARGEST_REPLY = 8 << 20


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for a registry, in seconds.

    ``connect`` is for a connection and ``stall`` for the next byte; ``pauses`` are those before the second try and each
    that follows; ``longest_pause`` is what it may ask to be left alone for before that is rather an error.
    """

    connect: float = 10.0
    stall: float = 30.0
    pauses: tuple[float, ...] = (0.25, 1.0, 3.0)
    longest_pause: float = 20.0


@dataclass(frozen=True, slots=True)
class Reply:
    """What was answered: by ``url``, the last one when redirects were followed. The names of headers have no case."""

    method: str
    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    def check(self) -> Self:
        """Give the reply back if it is one of success.

        Raises:
            Unauthorized, RemoteNotFound, RateLimited, RegistryError: it is not.
        """
        if self.status < 400:
            return self
        if self.status == 401:
            raise Unauthorized("unauthorized: access denied", code=401)
        if self.status == 404:
            raise RemoteNotFound("file does not exist", code=404)
        text = self.body.decode("utf-8", "replace").strip()
        if self.status == 429:
            raise RateLimited(f"429: {text}", retry_after=_retry_after(self))
        raise RegistryError(f"{self.status}: {text}", code=self.status)


class Session:
    """Speaks with the registry at ``host`` (``name[:port]``). An async context manager.

    It speaks HTTPS, unless ``scheme`` is another. With ``insecure`` it speaks HTTP, or, to a registry that only takes
    TLS, HTTPS without looking at the certificate.
    ``credentials`` finds what to show a host, ``key`` is where the key of this user lies; ``patience`` is how long to
    wait.
    """

    def __init__(
        self,
        host: str,
        *,
        scheme: str = "https",
        insecure: bool = False,
        credentials: Callable[[str], Credentials | None] = credentials_for,
        key: Path | None = None,
        patience: Patience = Patience(),
    ) -> None:
        self.host = host
        self.insecure = insecure
        self._scheme = "http" if insecure else scheme
        self._scheme_known = not insecure
        self._credentials = credentials
        self._key = key or default_path()
        self._patience = patience
        self._clients: dict[str | None, httpx2.AsyncClient] = {}
        self._shown: dict[tuple[str, str, int], str] = {}
        self._asking = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        for client in self._clients.values():
            await client.aclose()
        self._clients.clear()

    def url(self, path: str) -> str:
        """The URL of ``path`` at the registry."""
        return f"{self._scheme}://{self.host}{path}"

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes = b"",
        follow: bool = True,
    ) -> Reply:
        """Send a request to ``url``, or to the registry when that is a path, and read the reply, whatever its status.

        A failing connection and statuses that pass (5xx, 429) are tried again. A redirect is followed unless
        ``follow`` is off. When the registry asks who we are, it is told.

        Raises:
            Unauthorized: it asks, and we have nothing to show, or what we showed got us nothing.
            Unreachable: there was no whole reply.
            RegistryError: the reply is not one that can be used.
        """
        for _ in range(_MOST_REDIRECTS + 1):
            reply = await self._authorized(method, url, headers or {}, content)
            if reply.status not in _REDIRECTS or not follow or "location" not in reply.headers:
                return reply
            url = network.joined(reply.url, reply.headers["location"])
            self._check_downgrade(reply.url, url)
            if reply.status == 303 and method != "HEAD":
                method, content = "GET", b""
        raise RegistryError(f"{method} {network.shown(url)}: more than {_MOST_REDIRECTS} redirects")

    def authorization(self, url: str) -> dict[str, str]:
        """The headers that show ``url`` who we are, as far as that is known by now."""
        origin = network.origin(url)
        if shown := self._shown.get(origin):
            return {"Authorization": shown}
        # A token needs no question; that it is not sent in the clear is what "insecure" gives up.
        if (token := access_token(_host(url))) and (origin[0] == "https" or self.insecure):
            return {"Authorization": f"Bearer {token}"}
        return {}

    async def _authorized(self, method: str, url: str, headers: Mapping[str, str], content: bytes) -> Reply:
        target = url if "://" in url else self.url(url)
        shown = self.authorization(target)
        reply = await self._persistent(method, url, {**headers, **shown}, content)
        if reply.status != 401 or not await self.authenticate(reply, shown.get("Authorization")):
            return reply
        return await self._persistent(method, reply.url, {**headers, **self.authorization(reply.url)}, content)

    async def authenticate(self, reply: Reply, shown: str | None) -> bool:
        """Get what answers the question of ``reply``, to a request that had ``shown`` as its Authorization.

        ``authorization`` gives it from then on. False when there is nothing to answer with.

        Raises:
            Unauthorized, RegistryError: a token was refused.
        """
        origin = network.origin(reply.url)
        async with self._asking:
            if self._shown.get(origin) not in (None, shown):
                return True  # another request got it meanwhile
            self._shown.pop(origin, None)
            answer = await challenge.answer(
                reply.headers.get("www-authenticate", ""),
                asked_by=reply.url,
                credentials=await asyncio.to_thread(self._credentials, _host(reply.url)),
                key=self._key,
                fetch=self._fetch,
            )
            if answer is None:
                return False
            self._shown[origin] = answer
            return True

    async def _fetch(self, method: str, url: str, headers: Mapping[str, str], content: bytes) -> tuple[int, bytes]:
        reply = await self._persistent(method, url, headers, content)
        return reply.status, reply.body

    async def _persistent(self, method: str, url: str, headers: Mapping[str, str], content: bytes) -> Reply:
        for pause in (*self._patience.pauses, None):
            target = url if "://" in url else self.url(url)
            try:
                reply = await self._once(method, target, headers, content)
            except (httpx2.TransportError, ssl.SSLError) as error:
                changed = _may_be_tls(error) and self._change_scheme(target)
                if pause is None or not (changed or _may_pass(error)):
                    raise Unreachable(f"{_asking(method, target)}: {_failing(error, target)}") from error
                log.debug("trying again: %s %s: %s", method, network.shown(target), error)
            except (httpx2.InvalidURL, httpx2.HTTPError) as error:
                raise Unreachable(f"{_asking(method, target)}: {error}") from error
            else:
                if _wants_tls(reply) and self._change_scheme(target):
                    continue
                self._scheme_known = True
                if (reply.status < 500 and reply.status != 429) or reply.status == 501:
                    return reply
                asked = _retry_after(reply)
                if pause is None or (asked or 0) > self._patience.longest_pause:
                    return reply
                await asyncio.sleep(asked or 0)
            await asyncio.sleep(pause * random.uniform(0.75, 1.25))  # noqa: S311 - spreads clients, hides nothing
        raise Unreachable(f"{_asking(method, url)}: no answer")

    async def _once(self, method: str, url: str, headers: Mapping[str, str], content: bytes) -> Reply:
        body = bytearray()
        client = self._client(network.proxy(url))
        async with client.stream(method, url, headers=headers, content=content or None) as response:
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > _LARGEST_REPLY:
                    raise RegistryError(f"{_asking(method, url)}: the reply is larger than {_LARGEST_REPLY} bytes")
            return Reply(method, str(response.url), response.status_code, response.headers, bytes(body))

    def _client(self, proxy: str | None) -> httpx2.AsyncClient:
        if proxy not in self._clients:
            self._clients[proxy] = httpx2.AsyncClient(
                headers={"User-Agent": network.user_agent()},
                verify=network.tls(verified=not self.insecure),
                proxy=proxy,
                trust_env=False,
                timeout=httpx2.Timeout(self._patience.stall, connect=self._patience.connect, pool=None),
            )
        return self._clients[proxy]

    def _change_scheme(self, url: str) -> bool:
        """Try the other of HTTP and HTTPS next, at a registry that has not answered to one yet; False at any other."""
        if self._scheme_known or _host(url) != self.host:
            return False
        self._scheme = "https" if self._scheme == "http" else "http"
        return True

    def _check_downgrade(self, before: str, after: str) -> None:
        if not self.insecure and network.origin(before)[0] == "https" and network.origin(after)[0] != "https":
            raise RegistryError(f"a redirect leads from HTTPS to HTTP: {network.shown(after)}")


def _host(url: str) -> str:
    """The host of ``url``, with its port where it has one."""
    return urlsplit(url).netloc.rpartition("@")[2]


def _asking(method: str, url: str) -> str:
    """A request in the words that Ollama's users know."""
    return f'{method.capitalize()} "{network.shown(url)}"'


def _failing(error: Exception, url: str) -> str:
    if not any(isinstance(cause, ConnectionRefusedError) for cause in causes(error)):
        return reason(error)
    place = httpx2.URL(url)
    port = place.port or {"http": 80}.get(place.scheme, 443)
    return f"dial tcp {place.host}:{port}: connect: {reason(error)}"


def _may_be_tls(error: Exception) -> bool:
    """Whether a connection ended as it does when one side speaks TLS and the other does not."""
    kinds = (httpx2.RemoteProtocolError, httpx2.ReadError, ssl.SSLError)
    return any(isinstance(cause, kinds) for cause in causes(error))


def _wants_tls(reply: Reply) -> bool:
    """Whether a server that only takes TLS says so to a request of HTTP; a reply to HEAD has no room for the words."""
    return reply.status == 400 and (reply.method == "HEAD" or b"HTTPS" in reply.body)


def _may_pass(error: Exception) -> bool:
    """Whether a failure may pass soon. A certificate stays bad, and where nobody listens, nobody will in a second."""
    stay = (ssl.SSLCertVerificationError, ConnectionRefusedError, socket.gaierror)
    return not any(isinstance(cause, stay) or network.speaks_no_tls(cause) for cause in causes(error))


def _retry_after(reply: Reply) -> float | None:
    text = reply.headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() else None
