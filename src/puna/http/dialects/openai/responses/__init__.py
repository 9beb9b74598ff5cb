"""``/v1/responses``."""

from __future__ import annotations

from collections.abc import Sequence

from puna.http.dialects import Chat, Responses, Route
from puna.http.dialects.openai import replies
from puna.http.dialects.openai.responses.endpoints import Endpoints


def routes(chat: Chat, kept: Responses) -> Sequence[Route]:
    """The routes of responses."""
    endpoints = Endpoints(chat, kept)
    return (
        Route(("POST",), "/v1/responses", endpoints.create, replies.refuse),
        Route(("GET",), "/v1/responses/{id}", endpoints.show, replies.refuse),
        Route(("DELETE",), "/v1/responses/{id}", endpoints.delete, replies.refuse),
    )
