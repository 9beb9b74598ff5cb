"""Who may call, and how much they may send: browser origins (CORS), Host names, and the size of JSON bodies.

A browser lets any page call a server on the user's own machine. Two checks keep strangers' pages out: the ``Origin``
a page comes from must be a welcome one, and, while the server listens on loopback only, the ``Host`` it was called by
must be a local one (a stranger's name that resolves to 127.0.0.1 is how the first check would be got round).
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from enum import Enum, auto

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from puna.errors import BodyTooLarge, InvalidSetting

_IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_LOCAL_HOSTS = ("localhost", "127.0.0.1", "0.0.0.0")  # noqa: S104 -- where pages come from, nothing is bound to it
_LOCAL_ORIGINS = (
    *(f"{scheme}://{host}{port}" for host in _LOCAL_HOSTS for scheme in ("http", "https") for port in ("", ":*")),
    *("app://*", "file://*", "tauri://*", "vscode-webview://*", "vscode-file://*"),
)
_SCHEMES = (
    *("http://", "https://", "chrome-extension://", "safari-extension://"),
    *("moz-extension://", "ms-browser-extension://"),
)
_STAINLESS = (
    *("arch", "async", "custom-poll-interval", "helper-method", "lang", "os", "package-version", "poll-helper"),
    *("retry-count", "runtime", "runtime-version", "timeout"),
)
_REQUEST_HEADERS = (
    *("Authorization", "Content-Type", "User-Agent", "Accept", "X-Requested-With", "OpenAI-Beta"),
    *(f"x-stainless-{name}" for name in _STAINLESS),
    # Ollama leaves these out, so that no page can use Anthropic's client with it.
    *("x-api-key", "anthropic-version", "anthropic-beta", "anthropic-dangerous-direct-browser-access"),
)

_VARY = (b"vary", b"Origin")
_PREFLIGHT = (
    (b"access-control-allow-methods", b"GET,POST,PUT,PATCH,DELETE,HEAD,OPTIONS"),
    (b"access-control-allow-headers", ",".join(_REQUEST_HEADERS).encode()),
    (b"access-control-max-age", b"43200"),
    (b"vary", b"Access-Control-Request-Method"),
    (b"vary", b"Access-Control-Request-Headers"),
)

_PRIVATE = tuple(
    ipaddress.ip_network(network) for network in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
)
_LOCAL_SUFFIXES = (".localhost", ".local", ".internal")


@dataclass(frozen=True, slots=True)
class Origins:
    """The web origins whose pages may call: all of them, exact ones, or those with a given start and end."""

    everyone: bool
    exact: frozenset[str]
    patterns: tuple[tuple[str, str], ...]

    @classmethod
    def parse(cls, extra: Iterable[str]) -> Origins:
        """The local origins and ``extra`` ones, each with at most one ``*``.

        Raises:
            InvalidSetting: an entry has more than one ``*``, or none and no scheme a browser sends.
        """
        exact, patterns, everyone = set(), [], False
        for entry in (*extra, *_LOCAL_ORIGINS):
            origin = entry.strip().lower()
            start, star, end = origin.partition("*")
            if origin == "*":
                everyone = True
            elif "*" in end:
                raise InvalidSetting(f"OLLAMA_ORIGINS: {entry!r} has more than one *")
            elif star:
                patterns.append((start, end))
            elif origin.startswith(_SCHEMES):
                exact.add(origin)
            else:
                raise InvalidSetting(
                    f"OLLAMA_ORIGINS: {entry!r} must be * or hold one, or start with {_listed(_SCHEMES)}"
                )
        return cls(everyone, frozenset(exact), tuple(patterns))

    def allow(self, origin: str) -> bool:
        """Whether pages of ``origin``, as the browser names it, may call."""
        origin = origin.lower()
        return (
            self.everyone
            or origin in self.exact
            or any(
                len(origin) >= len(start) + len(end) and origin.startswith(start) and origin.endswith(end)
                for start, end in self.patterns
            )
        )


class Host(Enum):
    """What a Host header names."""

    ADDRESS = auto()
    """An IP address that is this machine's or of a private network."""
    NAME = auto()
    """A name that only means something locally."""
    FOREIGN = auto()
    """Anything else."""


def judge_host(host: str, *, hostname: str, is_own: Callable[[_IPAddress], bool]) -> Host:
    """What the Host header ``host`` names, on a machine called ``hostname``; ``is_own`` knows its addresses."""
    name = _without_port(host).lower()
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        local = name in ("", "localhost", hostname.lower()) or name.endswith(_LOCAL_SUFFIXES)
        return Host.NAME if local else Host.FOREIGN
    private = any(address in network for network in _PRIVATE)
    if private or address.is_loopback or address.is_unspecified or is_own(address):
        return Host.ADDRESS
    return Host.FOREIGN


def is_loopback(address: str) -> bool:
    """Whether a listener bound to ``address``, an IP address or ``localhost``, is reachable from this machine only."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def is_own_address(address: _IPAddress) -> bool:
    """Whether ``address`` belongs to one of this machine's interfaces."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except OSError:
        return False
    return True


class Guard:
    """The outermost ASGI layer: answers callers who may not come in, and browsers that ask whether they may.

    ``methods`` tells which methods a path has. ``loopback`` says that the server listens on loopback only, where the
    Host is checked.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        origins: Origins,
        loopback: bool,
        hostname: str,
        methods: Callable[[str], tuple[str, ...]],
    ) -> None:
        self._app = app
        self._origins = origins
        self._loopback = loopback
        self._hostname = hostname
        self._methods = methods

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it here."""
        origin, host = _header(scope, b"origin"), _header(scope, b"host")
        if origin and origin not in (f"http://{host}", f"https://{host}"):
            if not self._origins.allow(origin):
                await self._answer(scope, send, 403)
                return
            granted = "*" if self._origins.everyone else origin
            send = with_headers(send, ((b"access-control-allow-origin", granted.encode("latin-1")), _VARY))
            if scope["method"] == "OPTIONS":
                await self._answer(scope, send, 204, _PREFLIGHT)
                return
        if self._loopback:
            match judge_host(host, hostname=self._hostname, is_own=is_own_address):
                case Host.FOREIGN:
                    await self._answer(scope, send, 403)
                    return
                case Host.NAME if scope["method"] == "OPTIONS":
                    await self._answer(scope, send, 204)
                    return
        await self._app(scope, receive, send)

    async def _answer(self, scope: Scope, send: Send, status: int, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
        """Answer without a body. Who uses a method that the path does not have is told which it has."""
        methods = self._methods(scope["path"])
        allow = ((b"allow", ", ".join(methods).encode()),) if methods and scope["method"] not in methods else ()
        length = () if status == 204 else ((b"content-length", b"0"),)
        await send({"type": "http.response.start", "status": status, "headers": [*length, *allow, *headers]})
        await send({"type": "http.response.body", "body": b""})


def limit_body(scope: Scope, receive: Receive, limit: int) -> Receive:
    """``receive``, but raising ``BodyTooLarge`` instead of giving more than ``limit`` bytes of body.

    A body that announces its size is refused before a byte of it is read.
    """
    announced = _header(scope, b"content-length")
    size = 0

    async def limited() -> Message:
        nonlocal size
        if size == 0 and announced.isdecimal() and int(announced) > limit:
            raise BodyTooLarge(int(announced), limit)
        message = await receive()
        size += len(message.get("body", b""))
        if size > limit:
            raise BodyTooLarge(size, limit)
        return message

    return limited


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    name, colon, _ = host.rpartition(":")
    return name if colon and ":" not in name else host


def _listed(words: tuple[str, ...]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


def _header(scope: Scope, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")


def with_headers(send: Send, headers: tuple[tuple[bytes, bytes], ...]) -> Send:
    """``send``, adding ``headers`` to the response."""

    # Not a coroutine function: a stream sends thousands of messages, and only the first concerns this.
    def sending(message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *headers]}
        return send(message)

    return sending
