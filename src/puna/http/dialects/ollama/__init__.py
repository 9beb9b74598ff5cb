"""Ollama's own API, ``/api``."""

from __future__ import annotations

from collections.abc import Sequence

from puna.http.dialects import Route, Services
from puna.http.dialects.ollama import embedding, inference, local, models, site, tokens, transfer


def routes(services: Services) -> Sequence[Route]:
    """Every route of the dialect."""
    return (
        *site.routes(),
        *inference.routes(services.chat),
        *embedding.routes(services.embedding),
        *models.routes(services.library),
        *local.routes(services.library),
        *transfer.routes(services.transfers),
        *tokens.routes(services.tokens),
    )
