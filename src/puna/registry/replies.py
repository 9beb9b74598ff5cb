"""What a registry's replies to a push mean."""

from __future__ import annotations

import re
from collections.abc import Mapping

from puna.errors import RateLimited, RegistryError, Unauthorized, Unreachable
from puna.registry.session import Reply

_LONGEST_PAUSE = 20.0
_RANGE = re.compile(r"(?:bytes=)?0-(\d+)")


def checked(reply: Reply) -> Reply:
    """``reply``, if it does not say no.

    Raises:
        Unauthorized, RateLimited, RegistryError: it does.
    """
    if reply.status < 400:
        return reply
    if reply.status == 429:
        raise RateLimited(_text(reply), retry_after=pause_asked(reply.headers) or None)
    raise refusal(reply)


def refusal(reply: Reply) -> RegistryError:
    """The error that ``reply`` is."""
    if reply.status == 401:
        return Unauthorized("unauthorized: access denied", code=401)
    if reply.status == 403:
        return Unauthorized(f"unauthorized: access denied: {_text(reply)}", code=403)
    return RegistryError(_text(reply), code=reply.status)


def exhausted(cause: RegistryError) -> RegistryError:
    """The error for what failed too often, at last by ``cause``."""
    kind = Unreachable if isinstance(cause, Unreachable) else RegistryError
    return kind(f"max retries exceeded: {cause}", code=cause.code)


def _text(reply: Reply) -> str:
    return f"{reply.status}: {reply.body.decode('utf-8', 'replace').strip()}"


def pause_asked(headers: Mapping[str, str]) -> float:
    """The seconds a registry asks to be left alone; no more than anybody would wait for."""
    text = headers.get("retry-after", "")
    return min(float(text), _LONGEST_PAUSE) if text.isascii() and text.isdigit() else 0.0


def bytes_received(headers: Mapping[str, str]) -> int | None:
    """How many bytes of an upload the registry has, None if that cannot be told: ``0-0`` may be none or one."""
    found = _RANGE.fullmatch(headers.get("range", ""))
    if found is None:
        return None
    last = int(found.group(1))
    return last + 1 if last else None
