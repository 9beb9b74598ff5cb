"""HTTP responses in Ollama's form."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import TypeVar

from starlette.responses import Response

from puna.errors import PunaError
from puna.http.dialects.ollama import encode
from puna.http.exchanges import failed
from puna.http.stream import EventStream

T = TypeVar("T")

JSON = "application/json; charset=utf-8"
NDJSON = "application/x-ndjson"

Say = Callable[[PunaError], tuple[int, str]]
"""The status and the text of an error, on one route."""


def plainly(error: PunaError) -> tuple[int, str]:
    """What an error says of itself: right on most routes."""
    return error.status, str(error)


def json(body: bytes, status: int = 200) -> Response:
    """One JSON object, or the error it is."""
    return Response(body, status, media_type=JSON)


def refuse(error: Exception, say: Say = plainly) -> Response:
    """The response to a request that failed with ``error``."""
    failed(error)
    status, text = _said(error, say)
    return json(encode.error(text), status)


def stream(events: AsyncGenerator[T, None], line: Callable[[T], bytes], say: Say = plainly) -> EventStream[T]:
    """A response of one line per event."""
    return EventStream(
        events,
        encode=line,
        refuse=lambda error: refuse(error, say),
        complain=lambda error: encode.error_line(_said(error, say)[1]),
        media_type=NDJSON,
    )


def _said(error: Exception, say: Say) -> tuple[int, str]:
    if isinstance(error, PunaError):
        return say(error)
    return 500, f"internal error ({type(error).__name__}); the server's log has the details"
