"""What is puna's own, or nobody's in particular: what runs, reranking, metrics, and the API's description."""

from __future__ import annotations

from collections.abc import Sequence

from puna.http.dialects import Route, Services
from puna.http.dialects.puna import metrics, requests, rerank


def routes(services: Services) -> Sequence[Route]:
    """Every route of the dialect."""
    return (
        *requests.routes(services.requests),
        *rerank.routes(services.reranking),
        *metrics.routes(services.metrics),
    )
