"""HTTP responses in OpenAI's form."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Any, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from puna.errors import (
    CloudDisabled,
    ContextTooLong,
    InvalidKey,
    InvalidRequest,
    NotPermitted,
    PunaError,
    RateExceeded,
)
from puna.http.exchanges import failed
from puna.http.stream import EventStream, ascii_json

T = TypeVar("T")

JSON = "application/json"
SSE = "text/event-stream"

Say = Callable[[PunaError], str]
"""The text of an error, on one route."""

_KINDS = {
    400: "invalid_request_error",
    401: "invalid_request_error",
    403: "invalid_request_error",
    404: "not_found_error",
    429: "requests",
}
_CODES = {
    ContextTooLong: "context_length_exceeded",
    InvalidKey: "invalid_api_key",
    NotPermitted: "insufficient_permissions",
    RateExceeded: "rate_limit_exceeded",
}

_encode = msgspec.json.Encoder().encode


async def body(request: Request) -> bytes:
    """The body of a request.

    Raises:
        InvalidRequest: there is none.
    """
    content = await request.body()
    if not content.strip():
        raise InvalidRequest("EOF")
    return content


def json(value: Any, status: int = 200) -> Response:
    """One JSON object."""
    return Response(_encode(value), status, media_type=JSON)


def event(value: Any, name: str = "") -> bytes:
    """One event of a stream, with a name if it has one."""
    # Together, since a stream is made of thousands.
    return b"%sdata: %s\n\n" % (f"event: {name}\n".encode() if name else b"", ascii_json(value))


def refuse(error: Exception, say: Say = str) -> Response:
    """The response to a request that failed with ``error``."""
    failed(error)
    status, shape = _failure(error, say)
    return json(shape, status)


def stream(
    events: AsyncGenerator[T, None],
    encode: Callable[[T], bytes],
    *,
    say: Say = str,
    complain: Callable[[Exception], bytes] | None = None,
) -> EventStream[T]:
    """A response of events as they come. ``complain`` says an error once there were some, if not as one more event."""
    return EventStream(
        events,
        encode=encode,
        refuse=lambda error: refuse(error, say),
        complain=complain or (lambda error: event(_failure(error, say)[1])),
        media_type=SSE,
    )


def text(error: Exception, say: Say = str) -> str:
    """What a client is told of ``error``."""
    if isinstance(error, PunaError):
        return say(error)
    return f"internal error ({type(error).__name__}); the server's log has the details"


def _failure(error: Exception, say: Say) -> tuple[int, dict[str, Any]]:
    status = error.status if isinstance(error, PunaError) else 500
    if isinstance(error, CloudDisabled):
        # The one error that has the form of Ollama's own API everywhere.
        return status, {"error": say(error)}
    code = next((code for type_, code in _CODES.items() if isinstance(error, type_)), None)
    kind = _KINDS.get(status, "api_error")
    return status, {"error": {"message": text(error, say), "type": kind, "param": None, "code": code}}
