"""The ASGI app: the routes of every dialect behind the guard."""

from __future__ import annotations

import socket

from starlette.types import ASGIApp

from puna import __version__
from puna.config import Settings
from puna.http import dialects, openapi
from puna.http.access import Access, Keys
from puna.http.dialects import Route, Services
from puna.http.exchanges import Exchanges
from puna.http.guard import Guard, Origins, is_loopback
from puna.http.routing import Router

HEADERS: tuple[tuple[str, str], ...] = (("server", f"puna/{__version__}"),)
"""What every response carries; the server adds it, since it can do so once for all."""


def all_routes(services: Services) -> list[Route]:
    """Every route there is: those of the dialects, and those that describe them."""
    described = [route for dialect in dialects.find() for route in dialect.routes(services)]
    return [*described, *openapi.routes(described)]


def build(
    services: Services, settings: Settings, *, bound_to: str, keys: Keys, exchanges: Exchanges | None = None
) -> ASGIApp:
    """The app that serves ``services`` to whom ``keys`` admit, to be run without ASGI lifespan.

    ``bound_to`` is the address the listener is bound to ("" for a Unix socket); on loopback, Host headers are checked.
    ``exchanges`` is where its requests are kept while they last.

    Raises:
        InvalidSetting: ``OLLAMA_ORIGINS`` has an entry that cannot be an origin.
    """
    if exchanges is None:
        exchanges = Exchanges()
    router = Router(map(exchanges.route, all_routes(services)), max_body=settings.max_body, admit=Access(keys).admit)
    guard = Guard(
        router,
        origins=Origins.parse(settings.origins),
        loopback=is_loopback(bound_to),
        hostname=socket.gethostname(),
        methods=router.methods,
    )
    return exchanges.watch(guard)
