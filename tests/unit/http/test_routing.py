"""Paths, methods and slashes are answered as Ollama's router answers them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from puna.http.dialects import Route
from puna.http.routing import Router
from puna.service.rights import EVERYTHING, Rights


async def endpoint(request: Request) -> Response:
    return PlainTextResponse(f"{request.method} {request.path_params} {len(await request.body())}")


async def broken(_request: Request) -> Response:
    raise ValueError("a bug")


def refuse(error: Exception) -> Response:
    return PlainTextResponse(f"refused: {error}", 500)


def everyone(_scope: Any, _route: Route | None) -> Rights:
    return EVERYTHING


ROUTES = (
    Route(("GET", "HEAD"), "/", endpoint, refuse),
    Route(("GET", "HEAD"), "/api/tags", endpoint, refuse),
    Route(("POST",), "/api/chat", endpoint, refuse),
    Route(("HEAD",), "/api/blobs/{digest}", endpoint, refuse),
    Route(("POST",), "/api/blobs/{digest}", endpoint, refuse, limited=False),
    Route(("GET",), "/v1/models", endpoint, refuse),
    Route(("GET",), "/v1/models/{model:path}", endpoint, refuse),
    Route(("GET",), "/v1/responses/{id}", endpoint, refuse),
    Route(("GET",), "/v1/responses/{id}/items", endpoint, refuse),
    Route(("GET",), "/broken", broken, refuse),
)


def ask(client: Any, method: str, path: str, query: str = "") -> Any:
    scope = {"type": "http", "method": method, "path": path, "query_string": query.encode(), "headers": []}
    asyncio.run(Router(ROUTES, max_body=4, admit=everyone)(scope, client.receive, client.send))
    return client


def test_a_route_gets_its_request(client):
    """By its method and path."""
    client.body = b"1234"

    assert "POST {} 4" == ask(client, "POST", "/api/chat").text


def test_the_last_segment_may_be_a_parameter(client):
    """The endpoint finds it by its name."""
    client.body = b"12345"

    assert "POST {'digest': 'sha256:abc'} 5" == ask(client, "POST", "/api/blobs/sha256:abc").text


@pytest.mark.parametrize(("path", "id_"), [("/v1/responses/items", "items"), ("/v1/responses/a/items", "a")])
def test_so_may_the_one_before_it(client, path, id_):
    """What is asked of a thing stands after its name."""
    client.body = b"1"

    assert f"GET {{'id': '{id_}'}} 1" == ask(client, "GET", path).text


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/nope"),
        ("GET", "/api"),
        ("GET", "//api/tags"),
        ("POST", "/api/blobs"),
        ("POST", "/api/blobs/"),
        ("POST", "/api/blobs/a/b"),
        ("GET", "/v1/responses//items"),
        ("GET", "/v1/responses/a/b"),
        ("GET", "/v1/responses/a/b/items"),
        ("GET", "/api/tags//"),
        ("GET", "/api/chat/"),
    ],
)
def test_unknown_paths(client, method, path):
    """What is not there is said in plain text."""
    answer = ask(client, method, path)

    assert (404, "404 page not found", "text/plain") == (answer.status, answer.text, answer.headers["content-type"])


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/api/tags", "GET, HEAD"),
        ("GET", "/api/chat", "POST"),
        ("HEAD", "/api/chat", "POST"),
        ("OPTIONS", "/api/chat", "POST"),
        ("GET", "/api/blobs/sha256:abc", "HEAD, POST"),
    ],
)
def test_wrong_methods(client, method, path, allowed):
    """A known path says which methods it has; HEAD is there only where it is said to be."""
    answer = ask(client, method, path)

    assert (405, "405 method not allowed", "text/plain") == (answer.status, answer.text, answer.headers["content-type"])
    assert allowed == answer.headers["allow"]


def test_a_slash_too_many_redirects_get(client):
    """With a page for those who do not follow."""
    answer = ask(client, "GET", "/api/tags/", "a=1&b=2")

    assert (301, "/api/tags?a=1&b=2", "text/html; charset=utf-8") == (
        answer.status,
        answer.headers["location"],
        answer.headers["content-type"],
    )
    assert '<a href="/api/tags?a=1&amp;b=2">Moved Permanently</a>.\n\n' == answer.text


@pytest.mark.parametrize(
    ("method", "path", "location"),
    [
        ("POST", "/api/chat/", "/api/chat"),
        ("HEAD", "/api/tags/", "/api/tags"),
        ("POST", "/api/blobs/a b/", "/api/blobs/a%20b"),
    ],
)
def test_a_slash_too_many_redirects_others(client, method, path, location):
    """So that they come again with the same method and body."""
    answer = ask(client, method, path)

    assert (307, location, "") == (answer.status, answer.headers["location"], answer.text)


def test_a_body_above_the_limit_is_the_dialect_s_to_refuse(client):
    """Every dialect says it in its own form."""
    client.body = b"12345"

    assert (500, "refused: the request body is too large: it has 5 bytes and may have 4") == (
        ask(client, "POST", "/api/chat").status,
        client.text,
    )


def test_a_bug_is_answered_and_logged(client, caplog):
    """Whatever an endpoint raises, the client gets an answer and the log the traceback."""
    answer = ask(client, "GET", "/broken")

    assert (500, "refused: a bug") == (answer.status, answer.text)
    assert caplog.records[0].exc_info[0] is ValueError


def test_a_client_that_leaves_is_not_answered(client):
    """There is nobody to answer, and that is no error."""
    client.gone.set()

    assert [] == ask(client, "POST", "/api/chat").sent


def test_two_routes_for_one_path_are_a_mistake():
    """Two dialects cannot claim the same path; the start fails with its name."""
    with pytest.raises(ValueError, match="two routes for POST /api/chat"):
        Router((*ROUTES, Route(("POST",), "/api/chat", endpoint, refuse)), max_body=1, admit=everyone)


@pytest.mark.parametrize("name", ["smollm2", "team/smol:one", "host:5000/team/smol"])
def test_a_name_may_have_slashes(client: Any, name: str) -> None:
    """Where a path ends in the name of a model."""
    client.body = b"1"

    assert f"GET {{'model': '{name}'}} 1" == ask(client, "GET", f"/v1/models/{name}").text
