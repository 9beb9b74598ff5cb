"""Where a model is that runs on another server."""

from __future__ import annotations

import posixpath
import re
from urllib.parse import urlsplit

from puna.errors import InvalidRequest

_PORT = 11434
_CLOUD = ("ollama.com", "http://ollama.com")
_IN_NO_HOST = re.compile(r'[\x00-\x20\x7f"<>\\^`{|}%]')


def url(host: str) -> str:
    """``host``, which may lack them, with a scheme and a port; a path alone is one on this machine.

    Raises:
        InvalidRequest: it is no address.
    """
    if host.startswith("/"):
        return f"http://localhost:{_PORT}{posixpath.normpath(host)}"
    if host in _CLOUD:
        return "https://ollama.com:443"
    try:
        parts = urlsplit(host if "://" in host else f"http://{host}")
        name, port = parts.hostname or "localhost", parts.port or _PORT
    except ValueError as error:
        raise InvalidRequest("bad remote") from error
    if _IN_NO_HOST.search(parts.netloc):
        raise InvalidRequest("bad remote")
    path = posixpath.normpath(parts.path).rstrip("/") if parts.path else ""
    return f"{parts.scheme}://{f'[{name}]' if ':' in name else name}:{port}{path}"
