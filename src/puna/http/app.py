"""The ASGI app: the routes of every dialect behind the guard."""

from __future__ import annotations

import socket

from starlette.types import ASGIApp

from puna import __version__
from puna.config import Settings
from puna.http import dialects, openapi
from puna.http.dialects import Services
from puna.http.guard import Guard, Origins, is_loopback
from puna.http.routing import Router

HEADERS: tuple[tuple[str, str], ...] = (("server", f"puna/{__version__}"),)
"""What every response carries; the server adds it, since it can do so once for all."""


def build(services: Services, settings: Settings, *, bound_to: str) -> ASGIApp:
    """The app that serves ``services``, to be run without ASGI lifespan.

    ``bound_to`` is the address the listener is bound to ("" for a Unix socket); on loopback, Host headers are checked.

    Raises:
        InvalidSetting: ``OLLAMA_ORIGINS`` has an entry that cannot be an origin.
    """
    routes = [route for dialect in dialects.find() for route in dialect.routes(services)]
    router = Router([*routes, *openapi.routes(routes)], max_body=settings.max_body)
    return Guard(
        router,
        origins=Origins.parse(settings.origins),
        loopback=is_loopback(bound_to),
        hostname=socket.gethostname(),
        methods=router.methods,
    )
