"""The route for programs on the same machine: where the model store is. To anybody else there is no such route."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Sequence

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from puna.http.dialects import About, Library, Route
from puna.http.dialects.ollama import replies, wire
from puna.types import StorePlace

_PASSED_ON = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip")
"""Headers by which a proxy on this machine says that it asks for someone else."""


_ABOUT = About(gives=StorePlace, fails=wire.Error)


def routes(library: Library) -> Sequence[Route]:
    """The route for programs on the same machine."""

    async def place(request: Request) -> Response:
        """Tell programs on the same machine where the models are; to others there is no such route."""
        if not _is_local(request):
            return PlainTextResponse("404 page not found", 404)
        return replies.json(msgspec.json.encode(await asyncio.to_thread(library.place)))

    return (Route(("GET",), "/api/store", place, replies.refuse, "pull", about=_ABOUT),)


def _is_local(request: Request) -> bool:
    if request.client is None or any(name in request.headers for name in _PASSED_ON):
        return False
    try:
        address = ipaddress.ip_address(request.client.host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)  # what a socket for both kinds of address calls 127.0.0.1
    return (mapped or address).is_loopback
