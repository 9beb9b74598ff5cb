"""``/v1/responses``."""

from __future__ import annotations

from collections.abc import Sequence

from puna.http.dialects import Chat, Responses, Route, Tokens
from puna.http.dialects.openai import described, replies
from puna.http.dialects.openai.responses.endpoints import Endpoints


def routes(chat: Chat, tokens: Tokens, kept: Responses) -> Sequence[Route]:
    """The routes of responses."""
    endpoints = Endpoints(chat, tokens, kept)
    return (
        Route(
            ("POST",),
            "/v1/responses",
            endpoints.create,
            replies.refuse,
            "infer",
            counted=True,
            about=described.RESPONSES,
        ),
        Route(
            ("POST",),
            "/v1/responses/input_tokens",
            endpoints.count,
            replies.refuse,
            "infer",
            counted=True,
            about=described.INPUT_TOKENS,
        ),
        Route(
            ("GET",),
            "/v1/responses/{id}/input_items",
            endpoints.input_items,
            replies.refuse,
            "infer",
            about=described.INPUT_ITEMS,
        ),
        Route(
            ("POST",), "/v1/responses/{id}/cancel", endpoints.cancel, replies.refuse, "infer", about=described.CANCELED
        ),
        Route(("GET",), "/v1/responses/{id}", endpoints.show, replies.refuse, "infer", about=described.RESPONSE),
        Route(("DELETE",), "/v1/responses/{id}", endpoints.delete, replies.refuse, "infer", about=described.DELETED),
    )
