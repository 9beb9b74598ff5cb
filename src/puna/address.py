"""Where a server listens, or is reached, and how ``OLLAMA_HOST`` says it.

Apart from all other settings, so that a command which only needs a server begins at once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

DEFAULT_PORT = 11434
DEFAULT = f"127.0.0.1:{DEFAULT_PORT}"


class Address(NamedTuple):
    """Where a server listens, or is reached: ``http(s)://host:port/path``."""

    scheme: str
    host: str
    port: int
    path: str = ""

    @property
    def url(self) -> str:
        """The base URL, without a trailing slash."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.path}"


def parse_address(text: str) -> Address:
    """Parse ``[scheme://]host[:port][/path]`` as ``OLLAMA_HOST`` is read; an invalid port becomes the default.

    The default is 11434 without a scheme, else the scheme's own. Without a host it is 127.0.0.1.
    """
    scheme, sep, rest = text.strip().partition("://")
    if sep:
        port = {"http": 80, "https": 443}.get(scheme, DEFAULT_PORT)
    elif scheme == "ollama.com":
        scheme, rest, port = "https", scheme, 443
    else:
        scheme, rest, port = "http", scheme, DEFAULT_PORT
    rest, slash, path = rest.partition("/")
    # More than one colon without brackets is an IPv6 address, not a host with a port.
    found = re.fullmatch(r"(\[[^\]]*\]|[^:]*)(?::([^:]*))?", rest)
    host, port_text = (found.group(1), found.group(2)) if found else (rest.strip("[]"), None)
    if port_text is not None:
        if port_text.isascii() and port_text.isdigit() and int(port_text) <= 65535:
            port = int(port_text)
        else:
            import logging  # noqa: PLC0415 - seldom needed, and slow to import

            logging.getLogger(__name__).warning("invalid port %r in %r, using %d", port_text, text, port)
    return Address(scheme, host.strip("[]") or "127.0.0.1", port, f"/{path}".rstrip("/") if slash else "")


def of_server(environ: Mapping[str, str]) -> Address:
    """The address that ``OLLAMA_HOST`` names in ``environ``, or the default one."""
    return parse_address(clean(environ.get("OLLAMA_HOST", "")) or DEFAULT)


def clean(text: str) -> str:
    """The value ``text`` of a variable without the spaces and quotes around it."""
    return text.strip().strip("\"'").strip()
