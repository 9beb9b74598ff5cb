import json
import re
from functools import partial
from typing import Any, Literal, cast

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
    route("POST", "/a", takes=Body, gives=Reply, streams=Reply, fails=Body, examples={"only": {"name": "x"}}),
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
    assert {"$ref": "#/components/schemas/Reply"} == replies["application/x-ndjson"]["schema"]
    assert {"only": {"value": {"name": "x"}}} == asked["requestBody"]["content"]["application/json"]["examples"]
    assert {"200", "400", "401", "403", "413", "415", "default"} == set(asked["responses"])
    assert ["name"] == about["components"]["schemas"]["Body"]["required"]
    got, deleted = about["paths"]["/models/{name}"].values()
    assert ("One model.", "name") == (got["summary"], got["parameters"][0]["name"])
    assert 2 == len(deleted["requestBody"]["content"]["application/json"]["schema"]["anyOf"])


def test_a_stream_of_events_is_described_by_their_data() -> None:
    """As JSON in a text, but for texts that are always the same."""
    streams = (Reply, Literal["[DONE]"])
    about = openapi.document([route("POST", "/s", streams=streams, streams_as="text/event-stream")])
    event = about["paths"]["/s"]["post"]["responses"]["200"]["content"]["text/event-stream"]["schema"]
    said, done = event["properties"]["data"]["anyOf"]
    assert ("application/json", {"$ref": "#/components/schemas/Reply"}) == (
        said["contentMediaType"],
        said["contentSchema"],
    )
    assert ["[DONE]"] == done["enum"]


def test_who_may_call_is_described() -> None:
    """Keys, where they may be asked for, and the errors of those who have none."""
    counted, opened = openapi.document(
        [
            Route(("GET",), "/open", endpoint, cast(Any, None), "open"),
            Route(("POST",), "/counted", endpoint, cast(Any, None), "infer", counted=True),
        ]
    )["paths"].values()
    open_, asked = opened["get"], counted["post"]
    assert ([], {"200", "default"}) == (open_["security"], set(open_["responses"]))
    assert [{}, {"bearer": []}, {"header": []}] == asked["security"]
    assert {"401", "403", "429", "503"} <= set(asked["responses"])


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


def test_nothing_is_left_out(site: Any) -> None:
    """Every operation says what it is, what it takes if it takes anything, what it gives, and what its errors are."""
    bodyless = {"/api/me", "/api/signout", "/v1/responses/{id}/cancel"}
    bodyless |= {"/api/experimental/web_search", "/api/experimental/web_fetch"}
    silent = {"/api/copy", "/api/delete", "/api/requests/{id}", "/api/blobs/{digest}"}
    for path, operations in site.send("GET", "/openapi.json").json["paths"].items():
        for method, operation in operations.items():
            where = f"{method} {path}"
            replies = operation["responses"]
            assert operation["summary"].endswith("."), where
            assert (method == "post" and path not in bodyless) <= ("requestBody" in operation), where
            body = operation.get("requestBody", {}).get("content", {}).get("application/json")
            assert body is None or body["examples"], where
            assert "default" in replies, where
            if method != "head" and path != "/":
                failures = [reply for status, reply in replies.items() if not status.startswith("2")]
                assert all(reply["content"]["application/json"]["schema"] for reply in failures), where
                if path not in silent:
                    assert all(reply["content"] for status, reply in replies.items() if status.startswith("2")), where


def test_what_is_named_twice_is_told_apart(site: Any) -> None:
    """Types of two dialects that have one name are called by the dialect as well, and none is lost."""
    names = site.send("GET", "/openapi.json").json["components"]["schemas"]
    assert {"OllamaError", "OpenAIError", "AnthropicError"} <= set(names)
    assert not any("." in name for name in names)


def test_the_server_describes_all_it_has(site: Any) -> None:
    """Each dialect, with its own errors; the ids of operations are no two's."""
    reply = site.send("GET", "/openapi.json")
    paths = reply.json["paths"]
    assert "application/json" == reply.headers["content-type"]
    assert {"/api/chat", "/v1/messages", "/v1/rerank", "/api/requests/{id}", "/metrics"} <= set(paths)
    ids = [operation["operationId"] for path in paths.values() for operation in path.values()]
    assert len(ids) == len(set(ids))
