"""HTTP responses in puna's own form."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.responses import Response

from puna.errors import PunaError

JSON = "application/json"

_encode = msgspec.json.Encoder().encode


class Error(msgspec.Struct):
    """What went wrong."""

    error: str


def json(value: Any, status: int = 200) -> Response:
    """One JSON value."""
    return Response(_encode(value), status, media_type=JSON)


def refuse(error: Exception) -> Response:
    """The response to a request that failed with ``error``."""
    if isinstance(error, PunaError):
        return json(Error(str(error)), error.status)
    return json(Error(f"internal error ({type(error).__name__}); the server's log has the details"), 500)
