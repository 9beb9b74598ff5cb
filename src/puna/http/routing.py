"""Which endpoint answers which path, with the answers for everything else that Ollama's clients know.

Starlette's own router differs in every one of those: it adds HEAD to each GET, redirects all methods alike and without
a body, and does not say which methods a path has.
"""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from urllib.parse import quote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from puna.errors import PunaError
from puna.http.access import headers
from puna.http.dialects import Route
from puna.http.encoding import unpacked
from puna.http.guard import limit_body, with_headers
from puna.http.stream import note
from puna.service.requests import caller, calls
from puna.service.rights import Rights


class Router:
    """An ASGI app made of routes, for those whom ``admit`` lets in. JSON bodies may have ``max_body`` bytes.

    ``admit`` tells what a caller may do who wants a route, or None, what there is not; or raises a PunaError.
    """

    def __init__(
        self, routes: Iterable[Route], *, max_body: int, admit: Callable[[Scope, Route | None], Rights]
    ) -> None:
        self._max_body = max_body
        self._admit = admit
        self._paths: dict[str, dict[str, Route]] = {}
        self._parents: dict[str, dict[str, Route]] = {}
        self._roots: dict[str, dict[str, Route]] = {}
        self._inner: dict[tuple[str, str], dict[str, Route]] = {}
        for route in routes:
            parent, _, last = route.path.rpartition("/")
            if parent.endswith("}"):
                table = self._inner.setdefault((parent.rpartition("/")[0], last), {})
            elif not last.startswith("{"):
                table = self._paths.setdefault(route.path, {})
            else:
                table = (self._roots if last.endswith(":path}") else self._parents).setdefault(parent, {})
            for method in route.methods:
                if method in table:
                    raise ValueError(f"two routes for {method} {route.path}")
                table[method] = route

    def methods(self, path: str) -> tuple[str, ...]:
        """The methods ``path`` has; none: there is nothing at it."""
        return tuple(self._find(path))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        assert scope["type"] == "http", "puna is served without ASGI lifespan and WebSockets"
        method, path = scope["method"], scope["path"]
        routes = self._find(path)
        route = routes.get(method)
        try:
            calls(replace(caller(), rights=self._admit(scope, route)))
        except PunaError as error:
            note(error)
            response = _refuse(error) if route is None else route.refuse(error)
            await response(scope, receive, with_headers(send, headers(error)))
            return
        if route is not None:
            await self._serve(route, scope, receive, send)
            return
        if path.endswith("/") and method in self._find(path[:-1]):
            response = _redirect(scope)
        elif routes:
            response = _text(405, "405 method not allowed")
            response.headers["allow"] = ", ".join(routes)
        else:
            response = _text(404, "404 page not found")
        await response(scope, receive, send)

    def _find(self, path: str) -> dict[str, Route]:
        if path in self._paths:
            return self._paths[path]
        parent, _, last = path.rpartition("/")
        if not last:
            return {}
        if parent in self._parents:
            return self._parents[parent]
        above, _, value = parent.rpartition("/")
        if value and (above, last) in self._inner:
            return self._inner[above, last]
        return next((routes for root, routes in self._roots.items() if path.startswith(f"{root}/")), {})

    async def _serve(self, route: Route, scope: Scope, receive: Receive, send: Send) -> None:
        if "{" in route.path:
            before, _, rest = route.path.partition("{")
            name, _, after = rest.partition("}")
            value = scope["path"].removeprefix(before).removesuffix(after)
            scope["path_params"] = {name.removesuffix(":path"): value}
        if route.limited:
            receive = unpacked(scope, limit_body(scope, receive, self._max_body), self._max_body)
        try:
            try:
                response = await route.endpoint(Request(scope, receive))
            except ClientDisconnect:
                raise
            except Exception as error:  # noqa: BLE001 -- whatever it is, the client is told and the log keeps it
                note(error)
                response = route.refuse(error)
            await response(scope, receive, send)
        except ClientDisconnect:
            return


def _refuse(error: PunaError) -> Response:
    """The response to who is not told whether there is anything."""
    return Response(json.dumps({"error": str(error)}), error.status, media_type="application/json")


def _redirect(scope: Scope) -> Response:
    location = quote(scope["path"][:-1])
    if scope["query_string"]:
        location += "?" + scope["query_string"].decode("latin-1")
    if scope["method"] == "GET":
        response = _text(
            301, f'<a href="{html.escape(location)}">Moved Permanently</a>.\n\n', "text/html; charset=utf-8"
        )
    else:
        response = Response(status_code=307)
    response.headers["location"] = location
    return response


def _text(status: int, text: str, media_type: str = "text/plain") -> Response:
    # The header is given whole: Starlette would add a charset that Ollama does not send.
    return Response(text, status, headers={"content-type": media_type})
