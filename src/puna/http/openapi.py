"""The description of the API: an OpenAPI 3.1 document made of the routes and of the types they say they speak."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from puna import __version__
from puna.http.dialects import About, Route

_REFERENCE = "#/components/schemas/{name}"
_PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}")
_JSON = "application/json"

_TITLE = "puna"
_DESCRIPTION = "A local model server: Ollama's API, OpenAI's, Anthropic's, and its own."

_STYLE = (
    "body{font:16px/1.5 sans-serif;max-width:50em;margin:2em auto;padding:0 1em}code,pre{font-size:14px}"
    "pre{overflow:auto;background:#8881;padding:1em}summary{cursor:pointer}b{display:inline-block;min-width:4.5em}"
)


def routes(described: Sequence[Route]) -> Sequence[Route]:
    """The routes that tell of those ``described``: as JSON, and as a page for people."""
    about = document(described)
    data, text = msgspec.json.encode(about), page(about).encode()

    async def as_json(_request: Request) -> Response:
        return Response(data, media_type=_JSON)

    async def as_page(_request: Request) -> Response:
        # Nothing on it comes from elsewhere, and nothing runs.
        policy = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'"}
        return Response(text, headers=policy, media_type="text/html")

    return (
        Route(("GET",), "/openapi.json", as_json, _refuse),
        Route(("GET",), "/openapi", as_page, _refuse),
    )


def document(described: Sequence[Route]) -> dict[str, Any]:
    """The OpenAPI document of ``described``."""
    types = list(dict.fromkeys(type_ for route in described for type_ in _types(route.about)))
    schemas, components = msgspec.json.schema_components(types, ref_template=_REFERENCE)
    schema_of = dict(zip(types, schemas, strict=True)).__getitem__
    paths: dict[str, dict[str, Any]] = {}
    for route in described:
        path = paths.setdefault(_PARAMETER.sub(r"{\1}", route.path), {})
        for method in route.methods:
            path[method.lower()] = _operation(route, method, schema_of)
    return {
        "openapi": "3.1.0",
        "info": {"title": _TITLE, "version": __version__, "description": _DESCRIPTION},
        "paths": dict(sorted(paths.items())),
        "components": {"schemas": components},
    }


def page(about: Mapping[str, Any]) -> str:
    """The document ``about`` as a page of HTML that needs nothing else."""
    parts = [
        f"<!doctype html><meta charset=utf-8><title>{_TITLE}</title>",
        f"<style>{_STYLE}</style>",
        f"<h1>{_TITLE} {html.escape(about['info']['version'])}</h1><p>{html.escape(_DESCRIPTION)}</p>",
    ]
    parts += [
        f"<details><summary><b>{method.upper()}</b> <code>{html.escape(path)}</code> "
        f"{html.escape(operation['summary'])}</summary><pre>{_pretty(operation)}</pre></details>"
        for path, operations in about["paths"].items()
        for method, operation in operations.items()
    ]
    parts.append("<h2>Types</h2>")
    parts += [
        f"<details id={html.escape(name)}><summary><code>{html.escape(name)}</code></summary>"
        f"<pre>{_pretty(schema)}</pre></details>"
        for name, schema in about["components"]["schemas"].items()
    ]
    return "\n".join(parts)


def _operation(route: Route, method: str, schema_of: Callable[[Any], Any]) -> dict[str, Any]:
    about = route.about
    operation: dict[str, Any] = {
        "summary": about.summary or _summary(route.endpoint),
        "operationId": f"{method.lower()}{re.sub(r'[^A-Za-z0-9]+', '_', route.path).rstrip('_')}",
    }
    if names := _PARAMETER.findall(route.path):
        operation["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
            for name in names
        ]
    if about.takes is not None:
        operation["requestBody"] = {"required": True, "content": {_JSON: {"schema": _one_of(about.takes, schema_of)}}}
    operation["responses"] = _responses(about, schema_of)
    return operation


def _responses(about: About, schema_of: Callable[[Any], Any]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    if about.gives is not None:
        content[_JSON] = {"schema": schema_of(about.gives)}
    if about.streams is not None:
        content[about.media_type] = {"schema": {"type": "string"}, "x-item-schema": schema_of(about.streams)}
    error: dict[str, Any] = {"description": "An error."}
    if about.fails is not None:
        error["content"] = {_JSON: {"schema": schema_of(about.fails)}}
    return {"200": {"description": "The reply."} | ({"content": content} if content else {}), "default": error}


def _types(about: About) -> Iterator[Any]:
    yield from about.takes if isinstance(about.takes, tuple) else (about.takes,) if about.takes is not None else ()
    yield from (type_ for type_ in (about.gives, about.streams, about.fails) if type_ is not None)


def _one_of(takes: Any, schema_of: Callable[[Any], Any]) -> Any:
    return {"anyOf": [schema_of(one) for one in takes]} if isinstance(takes, tuple) else schema_of(takes)


def _summary(endpoint: Callable[..., Any]) -> str:
    while isinstance(endpoint, partial):
        endpoint = endpoint.func
    return (endpoint.__doc__ or "").strip().partition("\n")[0]


def _pretty(value: Any) -> str:
    return html.escape(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def _refuse(error: Exception) -> Response:
    return Response(f"internal error ({type(error).__name__})", 500)
