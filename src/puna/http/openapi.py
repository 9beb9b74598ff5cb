"""The description of the API: an OpenAPI 3.1 document made of the routes and of the types they say they speak."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from typing import Annotated, Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from puna import __version__
from puna.http import reference
from puna.http.dialects import About, Route
from puna.http.dialects.puna import replies

_REFERENCE = "#/components/schemas/{name}"
_REFERRED = re.compile(r'"\$ref":"#/components/schemas/([^"]+)"')
_PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}")
_DIALECTS = "puna.http.dialects."
_TITLES = {"openai": "OpenAI"}
_JSON = "application/json"
_EVENTS = "text/event-stream"

_INFO = {
    "title": "puna",
    "version": __version__,
    "description": "A local model server: Ollama's API, OpenAI's, Anthropic's, and its own.",
    "license": {"name": "MIT", "identifier": "MIT"},
}

_TAGS = {
    "ollama": "Ollama's API.",
    "openai": "OpenAI's API.",
    "anthropic": "Anthropic's API.",
    "puna": "What is puna's own, or nobody's in particular.",
}

_KEYS = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A key of `puna keys add`."},
    "header": {"type": "apiKey", "in": "header", "name": "x-api-key", "description": "The same, as Anthropic has it."},
}

_MEANINGS = {
    200: "The reply.",
    201: "It is new here.",
    400: "The request is not one that can be answered.",
    401: "A key is needed, or another one.",
    403: "It is not allowed: by the key, since only ollama.com could do it, or (without a body) for a web page.",
    404: "There is no such thing.",
    413: "The body is too large.",
    415: "The body is compressed in a way that is not known here.",
    429: "Too many requests with this key; `Retry-After` says in how many seconds one more may come.",
    499: "Someone ended the request.",
    500: "The model, the engine or the store failed, or a value is one that Ollama finds only when it uses it.",
    502: "A registry failed.",
    503: "Not now: too many requests wait, or there is too little memory.",
}


class Document(msgspec.Struct):
    """An OpenAPI document."""

    openapi: str
    info: Mapping[str, Any]
    paths: Mapping[str, Any]
    components: Mapping[str, Any]


_AS_JSON = About(gives=Document, fails=replies.Error)
_AS_PAGE = About(texts=("text/html",), fails=replies.Error)


def routes(described: Sequence[Route]) -> Sequence[Route]:
    """The routes that tell of those ``described``, and of themselves: as JSON, and as a page for people."""

    @cache
    def about() -> dict[str, Any]:
        return document([*described, *own])

    @cache
    def data() -> bytes:
        return msgspec.json.encode(about())

    @cache
    def text() -> bytes:
        return reference.page(about()).encode()

    async def as_json(_request: Request) -> Response:
        """Describe this API as an OpenAPI document."""
        return Response(data(), media_type=_JSON)

    async def as_page(_request: Request) -> Response:
        """Describe this API as a page."""
        # Nothing on it comes from elsewhere, and nothing runs.
        policy = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'"}
        return Response(text(), headers=policy, media_type="text/html")

    own = (
        Route(("GET",), "/openapi.json", as_json, replies.refuse, "infer", about=_AS_JSON),
        Route(("GET",), "/openapi", as_page, replies.refuse, "infer", about=_AS_PAGE),
    )
    return own


def document(described: Sequence[Route]) -> dict[str, Any]:
    """The OpenAPI document of ``described``."""
    types = list(dict.fromkeys(type_ for route in described for type_ in _types(route)))
    schemas, components = msgspec.json.schema_components(types, ref_template=_REFERENCE)
    schema_of = dict(zip(types, schemas, strict=True)).__getitem__
    paths: dict[str, dict[str, Any]] = {}
    for route in described:
        path = paths.setdefault(_PARAMETER.sub(r"{\1}", route.path), {})
        for method in route.methods:
            path[method.lower()] = _operation(route, method, schema_of)
    made = {
        "openapi": "3.1.0",
        "info": _INFO,
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "paths": dict(sorted(paths.items())),
        "components": {"schemas": components, "securitySchemes": _KEYS},
    }
    return _plainly_named(made)


def _operation(route: Route, method: str, schema_of: Callable[[Any], Any]) -> dict[str, Any]:
    about = route.about
    operation: dict[str, Any] = {
        "summary": about.summary or _summary(route.endpoint),
        "operationId": f"{method.lower()}{re.sub(r'[^A-Za-z0-9]+', '_', route.path).rstrip('_')}",
        "tags": [_dialect(route.endpoint)],
        # Keys are asked for only where there are any.
        "security": [] if route.scope == "open" else [{}, *({name: []} for name in _KEYS)],
    }
    in_path = [
        {"name": name, "in": "path", "required": True, "schema": schema_of(_parameter(about, name))}
        for name in _PARAMETER.findall(route.path)
    ]
    in_query = [{"name": name, "in": "query", "schema": schema_of(type_)} for name, type_ in about.query.items()]
    if in_path or in_query:
        operation["parameters"] = in_path + in_query
    if about.takes is not None:
        content: dict[str, Any] = {"schema": _one_of(about.takes, schema_of)}
        if about.examples:
            content["examples"] = {name: {"value": value} for name, value in about.examples.items()}
        operation["requestBody"] = {"required": True, "content": {about.takes_as: content}}
    operation["responses"] = _responses(route, method, schema_of)
    return operation


def _responses(route: Route, method: str, schema_of: Callable[[Any], Any]) -> dict[str, Any]:
    about, silent = route.about, method == "HEAD"
    content: dict[str, Any] = {}
    if about.gives is not None:
        content[_JSON] = {"schema": _one_of(about.gives, schema_of)}
    for media_type in about.texts:
        content[media_type] = {"schema": {"type": "string"}}
    if about.streams is not None:
        items = [schema_of(one) for one in _each(about.streams)]
        if about.streams_as == _EVENTS:
            items = [_event(items)]
        content[about.streams_as] = {"schema": items[0] if len(items) == 1 else {"anyOf": items}}
    failure = {} if about.fails is None else {_JSON: {"schema": _one_of(about.fails, schema_of)}}
    found = {
        str(status): _response(_MEANINGS[status], {} if silent else said)
        for statuses, said in ((about.succeeds, content), (_refusals(route), failure))
        for status in statuses
    }
    return found | {"default": _response("Another error.", {} if silent else failure)}


def _event(items: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The schema of a server-sent event whose data is one of ``items``: JSON, or a text that is always the same."""
    data = [
        item if "enum" in item else {"type": "string", "contentMediaType": _JSON, "contentSchema": item}
        for item in items
    ]
    return {
        "type": "object",
        "description": "One event.",
        "properties": {"event": {"type": "string"}, "data": data[0] if len(data) == 1 else {"anyOf": data}},
        "required": ["data"],
    }


def _response(meaning: str, content: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": meaning} | ({"content": content} if content else {})


def _refusals(route: Route) -> Sequence[int]:
    """The statuses of the errors that a route is known for."""
    about = route.about
    found = set(about.refuses)
    if about.takes is not None:
        found.add(400)
        if route.limited:
            found |= {413, 415}
    if route.scope != "open":
        found |= {401, 403}
    if route.counted:
        found |= {429, 503}
    return sorted(found)


def _types(route: Route) -> Iterator[Any]:
    about = route.about
    for one in (about.takes, about.gives, about.streams, about.fails):
        if one is not None:
            yield from _each(one)
    yield from (_parameter(about, name) for name in _PARAMETER.findall(route.path))
    yield from about.query.values()


def _parameter(about: About, name: str) -> Any:
    return about.parameters.get(name, Annotated[str, msgspec.Meta(min_length=1)])


def _each(one: Any) -> Iterable[Any]:
    return one if isinstance(one, tuple) else (one,)


def _one_of(types: Any, schema_of: Callable[[Any], Any]) -> Any:
    schemas = [schema_of(one) for one in _each(types)]
    return {"anyOf": schemas} if len(schemas) > 1 else schemas[0]


def _unwrapped(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    while isinstance(endpoint, partial):
        endpoint = endpoint.func
    return endpoint


def _summary(endpoint: Callable[..., Any]) -> str:
    return (_unwrapped(endpoint).__doc__ or "").strip().partition("\n")[0]


def _dialect(endpoint: Callable[..., Any]) -> str:
    module = _unwrapped(endpoint).__module__
    return module.removeprefix(_DIALECTS).split(".")[0] if module.startswith(_DIALECTS) else "puna"


def _plainly_named(made: dict[str, Any]) -> dict[str, Any]:
    """``made`` with types that several dialects have called by their dialect and name, instead of by their module."""
    schemas = made["components"]["schemas"]
    made["components"]["schemas"] = {_plain_name(name): schemas[name] for name in sorted(schemas, key=_plain_name)}
    named = _REFERRED.sub(lambda found: f'"$ref":"{_REFERENCE.format(name=_plain_name(found[1]))}"', _json(made))
    plain: dict[str, Any] = msgspec.json.decode(named)
    return plain


def _plain_name(name: str) -> str:
    # puna.http.dialects.openai.responses.wire.Message is OpenaiResponsesMessage.
    module, _, plain = name.rpartition(".")
    packages = module.removeprefix(_DIALECTS).split(".")[:-1] if module.startswith(_DIALECTS) else []
    return "".join(_TITLES.get(part, part.capitalize()) for part in packages) + plain


def _json(made: Mapping[str, Any]) -> str:
    return msgspec.json.encode(made).decode()
