"""The routes about the server itself, and those of ollama.com's services, which puna does not offer."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from puna import OLLAMA_API_VERSION
from puna.errors import CloudDisabled
from puna.http.dialects import About, Route
from puna.http.dialects.ollama import encode, replies, wire

_VERSION = encode.json(wire.Version(OLLAMA_API_VERSION))
_STATUS = encode.json(wire.Status(wire.Cloud(disabled=True, source="env")))
_NO_RECOMMENDATIONS = encode.json(wire.Recommendations(()))

_ROOT = About(texts=("text/plain",))
_VERSIONED = About(gives=wire.Version, fails=wire.Error)
_STATED = About(gives=wire.Status, fails=wire.Error)
_NO_ACCOUNT = About(fails=wire.Error, succeeds=(), refuses=(503,))
_NOT_SIGNED_IN = About(fails=wire.Error, succeeds=(), refuses=(401,))
_NOT_HERE = About(fails=wire.Error, succeeds=(), refuses=(403,))
_RECOMMENDED = About(gives=wire.Recommendations, fails=wire.Error)


def routes() -> Sequence[Route]:
    """The routes that need no service."""
    experimental = "/api/experimental"
    return (
        Route(("HEAD", "GET"), "/", _root, replies.refuse, "open", about=_ROOT),
        Route(("HEAD", "GET"), "/api/version", _version, replies.refuse, "infer", about=_VERSIONED),
        Route(("GET",), "/api/status", _status, replies.refuse, "infer", about=_STATED),
        Route(("POST",), "/api/me", _me, replies.refuse, "infer", about=_NO_ACCOUNT),
        Route(("POST",), "/api/signout", _signout, replies.refuse, "infer", about=_NOT_SIGNED_IN),
        Route(("DELETE",), "/api/user/keys/{key}", _signout, replies.refuse, "infer", about=_NOT_SIGNED_IN),
        Route(("POST",), f"{experimental}/web_search", _web_search, replies.refuse, "infer", about=_NOT_HERE),
        Route(("POST",), f"{experimental}/web_fetch", _web_fetch, replies.refuse, "infer", about=_NOT_HERE),
        Route(
            ("GET",),
            f"{experimental}/model-recommendations",
            _recommendations,
            replies.refuse,
            "infer",
            about=_RECOMMENDED,
        ),
    )


async def _root(_request: Request) -> Response:
    """Tell that a server is here."""
    # Clients look for these words to know that a server is there.
    return PlainTextResponse("Ollama is running")


async def _version(_request: Request) -> Response:
    """Tell the version of Ollama whose API this is."""
    return replies.json(_VERSION)


async def _status(_request: Request) -> Response:
    """Tell that models run here only."""
    return replies.json(_STATUS)


async def _me(_request: Request) -> Response:
    """Tell that there is no account at ollama.com."""
    return replies.json(encode.error("account unavailable"), 503)


async def _signout(_request: Request) -> Response:
    """Tell that nobody is signed in at ollama.com."""
    return replies.json(encode.error("you are not currently signed in"), 401)


async def _web_search(_request: Request) -> Response:
    """Refuse to search the web, which only ollama.com does."""
    raise CloudDisabled("web search is")


async def _web_fetch(_request: Request) -> Response:
    """Refuse to fetch a page, which only ollama.com does."""
    raise CloudDisabled("web fetch is")


async def _recommendations(_request: Request) -> Response:
    """List what ollama.com recommends: nothing."""
    return replies.json(_NO_RECOMMENDATIONS)
