"""``/metrics``, for Prometheus."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from puna.http.dialects import About, Metrics, Route
from puna.http.dialects.puna import replies

_ABOUT = About(
    texts=("text/plain", "application/openmetrics-text"),
    fails=replies.Error,
    summary="Counts of everything, for Prometheus.",
)


def routes(service: Metrics) -> Sequence[Route]:
    """The route that Prometheus scrapes."""

    async def scrape(request: Request) -> Response:
        text, media_type = service.exposition(request.headers.get("accept", ""))
        return Response(text, media_type=media_type)

    return (Route(("GET",), "/metrics", scrape, replies.refuse, "admin", at_stop="answer", about=_ABOUT),)
