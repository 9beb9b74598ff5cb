"""Anthropic's API: ``/v1/messages`` and ``/v1/messages/count_tokens``."""

from __future__ import annotations

from collections.abc import Sequence

from puna.http.dialects import About, Route, Services
from puna.http.dialects.anthropic import wire
from puna.http.dialects.anthropic.messages import Messages, refuse

_MESSAGES = About(
    takes=wire.MessagesRequest,
    gives=wire.Message,
    streams=wire.StreamEvent,
    fails=wire.Error,
    media_type="text/event-stream",
)
_COUNT_TOKENS = About(takes=wire.CountTokensRequest, gives=wire.TokenCount, fails=wire.Error)


def routes(services: Services) -> Sequence[Route]:
    """Every route of the dialect."""
    messages = Messages(services.chat, services.tokens)
    return (
        Route(("POST",), "/v1/messages", messages.create, refuse, about=_MESSAGES),
        Route(("POST",), "/v1/messages/count_tokens", messages.count_tokens, refuse, about=_COUNT_TOKENS),
    )
