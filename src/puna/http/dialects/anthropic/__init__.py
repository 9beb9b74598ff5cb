"""Anthropic's API: ``/v1/messages`` and ``/v1/messages/count_tokens``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from puna.http.dialects import About, Route, Services
from puna.http.dialects.anthropic import bodies, wire
from puna.http.dialects.anthropic.messages import Messages, refuse

_HI: dict[str, Any] = {"model": "smollm2", "messages": [{"role": "user", "content": "Hi"}]}

_MESSAGES = About(
    takes=bodies.MessagesBody,
    gives=wire.Message,
    streams=wire.StreamEvent,
    streams_as="text/event-stream",
    fails=wire.Error,
    refuses=(404,),
    examples={
        "a message": _HI | {"max_tokens": 16},
        "a stream": _HI | {"max_tokens": 16, "stream": True, "system": "Be brief.", "stop_sequences": ["."]},
    },
)
_COUNT_TOKENS = About(
    takes=bodies.CountTokensBody,
    gives=wire.TokenCount,
    fails=wire.Error,
    refuses=(404,),
    examples={"a message": _HI, "a system message": _HI | {"system": [{"type": "text", "text": "Be brief."}]}},
)


def routes(services: Services) -> Sequence[Route]:
    """Every route of the dialect."""
    messages = Messages(services.chat, services.tokens)
    return (
        Route(("POST",), "/v1/messages", messages.create, refuse, "infer", counted=True, about=_MESSAGES),
        Route(
            ("POST",),
            "/v1/messages/count_tokens",
            messages.count_tokens,
            refuse,
            "infer",
            counted=True,
            about=_COUNT_TOKENS,
        ),
    )
