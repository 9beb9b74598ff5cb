"""The way out of this machine: which certificates are trusted, which proxies asked, and how puna introduces itself.

Everything that leaves for the world takes it from here, whatever HTTP client carries it.
"""

from __future__ import annotations

import base64
import http.client
import os
import platform
import re
import socket
import ssl
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from urllib.parse import unquote, urljoin, urlsplit

import httpx2

from puna import OLLAMA_API_VERSION, __version__
from puna.errors import Unreachable

_LOOPBACK = re.compile(r"localhost|127\.[0-9.]+|::1")
_USER = re.compile(r"^([^/]*//)[^/]*@")
_PORTS = {"http": 80, "https": 443}
_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "UNKNOWN_PROTOCOL")
"""OpenSSL's names for it, which change with its version."""
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


def user_agent() -> str:
    """How puna introduces itself. Registries tell clients by it, so it says which release of Ollama's is spoken."""
    machine = platform.machine()
    return (
        f"puna/{__version__} ({_MACHINES.get(machine, machine)} {platform.system().lower()}) "
        f"ollama/{OLLAMA_API_VERSION} Python/{platform.python_version()}"
    )


@cache
def tls(*, verified: bool = True) -> ssl.SSLContext:
    """The certificates to trust: the system's, or those of SSL_CERT_FILE or SSL_CERT_DIR; any if not ``verified``.

    Raises:
        Unreachable: they cannot be read.
    """
    try:
        return httpx2.create_ssl_context(verify=verified)
    except OSError as error:
        raise Unreachable(f"the certificates to trust cannot be read: {error}") from error


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port of ``url``: where credentials may go that were meant for it.

    Raises:
        Unreachable: it is no URL that can be fetched.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError as error:
        raise Unreachable(f"{shown(url)!r} is not a URL: {error}") from error
    if parts.scheme not in _PORTS or not parts.hostname:
        raise Unreachable(f"{shown(url)!r} is not a URL of http or https")
    return parts.scheme, parts.hostname, port


def joined(url: str, target: str) -> str:
    """Where ``target``, which came from ``url``, leads: a URL, or one relative to that.

    Raises:
        Unreachable: nowhere.
    """
    try:
        return urljoin(url, target)
    except ValueError as error:
        raise Unreachable(f"{shown(url)} leads to {shown(target)!r}, which is not a URL: {error}") from error


def shown(url: str) -> str:
    """``url`` as errors and logs may have it: without user and password, and without its query, which may be signed."""
    return _USER.sub(r"\1", url.partition("?")[0])


def proxy(url: str) -> str | None:
    """The URL of the proxy to ask for ``url`` as HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY have it, or None.

    No proxy is ever asked for this machine.

    Raises:
        Unreachable: ``url`` cannot be fetched, or the proxy is of a kind that puna does not speak to.
    """
    scheme, host, port = origin(url)
    proxies = urllib.request.getproxies()
    found = proxies.get(scheme) or proxies.get("all")
    if not found or _LOOPBACK.fullmatch(host) or urllib.request.proxy_bypass(f"{host}:{port}"):
        return None
    found = found if "://" in found else f"http://{found}"
    try:
        origin(found)
    except Unreachable as error:
        raise Unreachable(f"the proxy cannot be used: {error}") from error
    return found


@dataclass(frozen=True, slots=True)
class Way:
    """How ``url`` is reached for bulk data: directly, or by ``proxy``."""

    url: str
    proxy: str | None

    @property
    def ends(self) -> tuple[object, ...]:
        """What a connection must have in common with another to serve in its place."""
        return origin(self.url), self.proxy

    @property
    def target(self) -> str:
        """What the request line says: the path, or to a proxy of HTTP everything."""
        parts = urlsplit(self.url)._replace(fragment="")
        return parts.geturl() if self._asks_proxy else parts._replace(scheme="", netloc="").geturl() or "/"

    @property
    def headers(self) -> dict[str, str]:
        """What the proxy is to be told in a request."""
        return _proxy_credentials(self.proxy) if self.proxy and self._asks_proxy else {}

    @property
    def _asks_proxy(self) -> bool:
        return self.proxy is not None and origin(self.url)[0] == "http"

    def connection(self, *, verified: bool, timeout: float) -> http.client.HTTPConnection:
        """A connection that goes this way and is not made yet; ``timeout`` is in seconds.

        Raises:
            Unreachable: there can be none.
        """
        scheme, host, port = origin(self.url)
        if self.proxy is None:
            return _connection(scheme, host, port, verified, timeout)
        secure, proxy_host, proxy_port = origin(self.proxy)
        if (scheme, secure) == ("https", "https"):
            raise Unreachable("HTTPS through a proxy that is itself spoken to by HTTPS is not supported")
        made = _connection(
            "https" if "https" in (scheme, secure) else "http", proxy_host, proxy_port, verified, timeout
        )
        if scheme == "https":
            made.set_tunnel(host, port, _proxy_credentials(self.proxy))
        return made


def way(url: str) -> Way:
    """The way to ``url``.

    Raises:
        Unreachable: there is none.
    """
    return Way(url, proxy(url))


def _connection(scheme: str, host: str, port: int, verified: bool, timeout: float) -> http.client.HTTPConnection:
    if scheme == "http":
        return http.client.HTTPConnection(host, port, timeout=timeout)
    return http.client.HTTPSConnection(host, port, timeout=timeout, context=tls(verified=verified))


def _proxy_credentials(proxy: str) -> dict[str, str]:
    parts = urlsplit(proxy)
    if not parts.username:
        return {}
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {"Proxy-Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


def causes(error: BaseException) -> Iterator[BaseException]:
    """``error`` and everything it came from."""
    queue: list[BaseException | None] = [error]
    seen: set[int] = set()
    while queue:
        cause = queue.pop(0)
        if cause is None or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        queue += [cause.__cause__, cause.__context__]
        if isinstance(cause, BaseExceptionGroup):
            queue += cause.exceptions


def speaks_no_tls(error: BaseException) -> bool:
    """Whether a connection failed because what came in answer to TLS was something else."""
    return isinstance(error, ssl.SSLError) and error.reason in _NO_TLS


def reason(error: BaseException) -> str:
    """What went wrong with a connection, in the system's words."""
    for cause in causes(error):
        match cause:
            case ssl.SSLCertVerificationError():
                return f"the certificate is not trusted: {cause.verify_message}"
            case ssl.SSLError() if speaks_no_tls(cause):
                return "the server does not speak HTTPS, and HTTP has to be allowed (insecure)"
            case TimeoutError() | httpx2.TimeoutException():
                return "no answer in time"
            case socket.gaierror():
                return f"the host is not known: {cause.strerror}"
            case OSError(errno=int(number)) if number > 0 and not isinstance(cause, ssl.SSLError):
                return os.strerror(number).lower()
    return str(error) or type(error).__name__
