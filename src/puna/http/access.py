"""Who may come in: the key that a request brings, and whether it is for what the request wants."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Protocol

from starlette.types import Scope

from puna.errors import InvalidKey, PunaError, RateExceeded
from puna.http.dialects import Route
from puna.service.rights import NOTHING, Rights

_BEARER = b"bearer "


class Keys(Protocol):
    """The keys that the server knows."""

    def admit(self, presented: list[bytes], /) -> Rights:
        """What the caller may do who presented these keys.

        Raises:
            InvalidKey: none was presented, or none is known.
            KeysUnreadable: which keys there are cannot be told.
        """
        ...

    def count(self, rights: Rights, /) -> None:
        """Count one request against the limit of the key that ``rights`` come from.

        Raises:
            RateExceeded: that is one too many.
        """
        ...


class Access:
    """Lets requests in by their keys, which ``keys`` knows."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def admit(self, scope: Scope, route: Route | None) -> Rights:
        """What the caller may do who wants ``route``, or (None) what there is not.

        Raises:
            InvalidKey: a key is needed, and none that is known was given.
            ScopeMissing: the route needs another one.
            RateExceeded: it was used too often.
            KeysUnreadable: nobody may come in.
        """
        if route is None:
            return self._keys.admit(list(_presented(scope)))
        if route.scope == "open":
            return NOTHING
        rights = self._keys.admit(list(_presented(scope)))
        rights.require(route.scope)
        if route.counted:
            self._keys.count(rights)
        return rights


def headers(error: PunaError) -> tuple[tuple[bytes, bytes], ...]:
    """What the response that refuses someone for ``error`` has to say in headers."""
    match error:
        case InvalidKey():
            return ((b"www-authenticate", b"Bearer"),)
        case RateExceeded():
            return ((b"retry-after", b"%d" % max(1, math.ceil(error.retry_after))),)
        case _:
            return ()


def _presented(scope: Scope) -> Iterator[bytes]:
    """The keys that a request brings, in the headers that clients of OpenAI, Ollama and Anthropic have them in."""
    for name, value in scope["headers"]:
        if name == b"authorization" and value[: len(_BEARER)].lower() == _BEARER:
            key = value[len(_BEARER) :].strip()
        elif name == b"x-api-key":
            key = value.strip()
        else:
            continue
        if key:
            yield key
