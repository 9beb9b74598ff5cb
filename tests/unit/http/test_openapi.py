import json
import re
from functools import partial
from typing import Any, cast

import msgspec

from puna.http import openapi
from puna.http.dialects import About, Route


class Body(msgspec.Struct):
    """What is asked."""

    name: str
    size: int = 0


class Reply(msgspec.Struct):
    """What is answered."""

    text: str


async def endpoint(_first: Any, _request: Any) -> Any:
    """Say something.

    At length.
    """


def route(method: str, path: str, **about: Any) -> Route:
    return Route((method,), path, partial(endpoint, None), cast(Any, None), about=About(**about))


ROUTES = [
    route("POST", "/a", takes=Body, gives=Reply, streams=Reply, fails=Body),
    route("GET", "/models/{name:path}", summary="One model."),
    route("DELETE", "/models/{name:path}", takes=(Body, Reply)),
]


def test_every_route_is_described() -> None:
    """By its types, its parameters and what its endpoint says of itself."""
    about = openapi.document(ROUTES)

    assert "3.1.0" == about["openapi"]
    assert ["/a", "/models/{name}"] == list(about["paths"])
    asked = about["paths"]["/a"]["post"]
    assert "Say something." == asked["summary"]
    assert {"$ref": "#/components/schemas/Body"} == asked["requestBody"]["content"]["application/json"]["schema"]
    replies = asked["responses"]["200"]["content"]
    assert {"application/json", "application/x-ndjson"} == set(replies)
    assert {"$ref": "#/components/schemas/Reply"} == replies["application/x-ndjson"]["x-item-schema"]
    assert ["name"] == about["components"]["schemas"]["Body"]["required"]
    got, deleted = about["paths"]["/models/{name}"].values()
    assert ("One model.", "name") == (got["summary"], got["parameters"][0]["name"])
    assert 2 == len(deleted["requestBody"]["content"]["application/json"]["schema"]["anyOf"])


def test_every_reference_leads_somewhere() -> None:
    """A program can follow each of them."""
    text = json.dumps(openapi.document(ROUTES))
    names = json.loads(text)["components"]["schemas"]
    assert set(re.findall(r'"#/components/schemas/([^"]+)"', text)) <= set(names)


def test_the_page_needs_no_network(site: Any) -> None:
    """People without one can read it: nothing on it is fetched, and nothing runs."""
    page = site.send("GET", "/openapi")
    assert (200, "text/html; charset=utf-8") == (page.status, page.headers["content-type"])
    assert not re.search(r"<script|<link|<img|src=|@import|url\(|https?://", page.text)
    assert "/api/chat" in page.text


def test_the_server_describes_all_it_has(site: Any) -> None:
    """Each dialect, with its own errors; the ids of operations are no two's."""
    reply = site.send("GET", "/openapi.json")
    paths = reply.json["paths"]
    assert "application/json" == reply.headers["content-type"]
    assert {"/api/chat", "/v1/messages", "/v1/rerank", "/api/requests/{id}", "/metrics"} <= set(paths)
    ids = [operation["operationId"] for path in paths.values() for operation in path.values()]
    assert len(ids) == len(set(ids))
