"""The routes about the server itself, and those of ollama.com's services, which puna does not offer."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from puna import OLLAMA_API_VERSION
from puna.errors import CloudDisabled
from puna.http.dialects import Route
from puna.http.dialects.ollama import encode, replies

_VERSION = msgspec.json.encode({"version": OLLAMA_API_VERSION})
_STATUS = msgspec.json.encode({"cloud": {"disabled": True, "source": "env"}})
_NO_RECOMMENDATIONS = msgspec.json.encode({"recommendations": []})


def routes() -> Sequence[Route]:
    """The routes that need no service."""
    experimental = "/api/experimental"
    return (
        Route(("HEAD", "GET"), "/", _root, replies.refuse),
        Route(("HEAD", "GET"), "/api/version", _version, replies.refuse),
        Route(("GET",), "/api/status", _status, replies.refuse),
        Route(("POST",), "/api/me", _me, replies.refuse),
        Route(("POST",), "/api/signout", _signout, replies.refuse),
        Route(("DELETE",), "/api/user/keys/{key}", _signout, replies.refuse),
        Route(("POST",), f"{experimental}/web_search", _web_search, replies.refuse),
        Route(("POST",), f"{experimental}/web_fetch", _web_fetch, replies.refuse),
        Route(("GET",), f"{experimental}/model-recommendations", _recommendations, replies.refuse),
    )


async def _root(_request: Request) -> Response:
    # Clients look for these words to know that a server is there.
    return PlainTextResponse("Ollama is running")


async def _version(_request: Request) -> Response:
    return replies.json(_VERSION)


async def _status(_request: Request) -> Response:
    return replies.json(_STATUS)


async def _me(_request: Request) -> Response:
    return replies.json(encode.error("account unavailable"), 503)


async def _signout(_request: Request) -> Response:
    return replies.json(encode.error("you are not currently signed in"), 401)


async def _web_search(_request: Request) -> Response:
    raise CloudDisabled("web search is")


async def _web_fetch(_request: Request) -> Response:
    raise CloudDisabled("web fetch is")


async def _recommendations(_request: Request) -> Response:
    return replies.json(_NO_RECOMMENDATIONS)
