"""OpenAI's API, ``/v1``."""

from __future__ import annotations

from collections.abc import Sequence

from puna.http.dialects import Route, Services
from puna.http.dialects.openai import chat, completions, embeddings, models, responses, transcriptions


def routes(services: Services) -> Sequence[Route]:
    """Every route of the dialect."""
    return (
        *chat.routes(services.chat),
        *completions.routes(services.chat),
        *embeddings.routes(services.embedding),
        *models.routes(services.library),
        *responses.routes(services.chat, services.tokens, services.responses),
        *transcriptions.routes(services.chat),
    )
