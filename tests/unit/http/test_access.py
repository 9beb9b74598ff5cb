"""Every route there is lets in whom it is for, and nobody else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast, get_args

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from puna import config
from puna.errors import RateExceeded
from puna.http import app
from puna.http.access import Access, headers
from puna.http.dialects import Route, Services
from puna.http.routing import Router
from puna.service.keys import KeyFile, Keyring
from puna.service.requests import caller
from puna.service.rights import KeyScope

INFER, PULL, ADMIN, OPEN = "infer", "pull", "admin", "open"
MODEL = "a request to a model, which counts against the limit of its key"

ROUTES: Mapping[str, tuple[str, ...]] = {
    "GET /": (OPEN,),
    "HEAD /": (OPEN,),
    "DELETE /api/delete": (ADMIN,),
    "DELETE /api/requests/{id}": (INFER,),
    "DELETE /api/user/keys/{key}": (INFER,),
    "DELETE /v1/responses/{id}": (INFER,),
    "GET /api/experimental/model-recommendations": (INFER,),
    "GET /api/ps": (INFER,),
    "GET /api/requests": (INFER,),
    "GET /api/status": (INFER,),
    "GET /api/store": (PULL,),
    "GET /api/tags": (INFER,),
    "GET /api/version": (INFER,),
    "GET /metrics": (ADMIN,),
    "GET /openapi": (INFER,),
    "GET /openapi.json": (INFER,),
    "GET /v1/models": (INFER,),
    "GET /v1/models/{model:path}": (INFER,),
    "GET /v1/responses/{id}": (INFER,),
    "GET /v1/responses/{id}/input_items": (INFER,),
    "HEAD /api/blobs/{digest}": (PULL,),
    "HEAD /api/tags": (INFER,),
    "HEAD /api/version": (INFER,),
    "POST /api/apply-template": (INFER, MODEL),
    "POST /api/blobs/{digest}": (PULL,),
    "POST /api/chat": (INFER, MODEL),
    "POST /api/copy": (PULL,),
    "POST /api/create": (PULL,),
    "POST /api/detokenize": (INFER, MODEL),
    "POST /api/embed": (INFER, MODEL),
    "POST /api/embeddings": (INFER, MODEL),
    "POST /api/experimental/web_fetch": (INFER,),
    "POST /api/experimental/web_search": (INFER,),
    "POST /api/generate": (INFER, MODEL),
    "POST /api/me": (INFER,),
    "POST /api/pull": (PULL,),
    "POST /api/push": (ADMIN,),
    "POST /api/show": (INFER,),
    "POST /api/signout": (INFER,),
    "POST /api/tokenize": (INFER, MODEL),
    "POST /rerank": (INFER, MODEL),
    "POST /v1/audio/transcriptions": (INFER, MODEL),
    "POST /v1/chat/completions": (INFER, MODEL),
    "POST /v1/completions": (INFER, MODEL),
    "POST /v1/embeddings": (INFER, MODEL),
    "POST /v1/messages": (INFER, MODEL),
    "POST /v1/messages/count_tokens": (INFER, MODEL),
    "POST /v1/rerank": (INFER, MODEL),
    "POST /v1/responses": (INFER, MODEL),
    "POST /v1/responses/input_tokens": (INFER, MODEL),
    "POST /v1/responses/{id}/cancel": (INFER,),
    "POST /v2/rerank": (INFER, MODEL),
}
"""What each route there is needs a key for. Who adds a route decides here who may use it."""

NOWHERE = ["GET /nothing", "POST /v1/nothing", "PUT /api/chat", "GET /api/tags/", "GET /metrics/x"]


@dataclass
class Answer:
    """What an ASGI app sends."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            self.body += message.get("body", b"")


@dataclass
class Gate:
    """The app as it is built, with keys, and without services behind it: who comes in meets an error."""

    asgi: ASGIApp
    secrets: dict[str, str]

    def ask(self, route: str, *credentials: tuple[str, str]) -> Answer:
        """Send a request without a body for ``route``, with these headers."""
        method, _, path = route.partition(" ")
        sent = [(b"host", b"localhost"), *((name.encode(), value.encode()) for name, value in credentials)]
        scope = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": sent}
        answer, asked = Answer(), [{"type": "http.request", "body": b"", "more_body": False}]

        async def receive() -> Any:
            return asked.pop() if asked else {"type": "http.disconnect"}

        asyncio.run(cast(Any, self.asgi)(scope, receive, answer.send))
        return answer

    def with_key(self, route: str, name: str) -> Answer:
        return self.ask(route, ("authorization", f"Bearer {self.secrets[name]}"))


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Gate:
    file = KeyFile(tmp_path_factory.mktemp("state"))
    secrets = {scope: file.add(scope, scopes=[scope])[0] for scope in get_args(KeyScope)}
    secrets["slow"], _ = file.add("slow", scopes=["infer"], rate=1)
    settings = config.read({})
    return Gate(
        app.build(NONE, settings, bound_to="127.0.0.1", keys=Keyring(file, required=False)),
        secrets,
    )


class _Nothing:
    """A service that has nothing of what is asked of it."""

    def __getattr__(self, name: str) -> Any:
        def missing(*_: Any, **__: Any) -> Any:
            raise NotImplementedError(name)

        return missing


NONE = cast(Services, _Nothing())
for _name in Services.__slots__:
    setattr(NONE, _name, _Nothing())


def described() -> Iterator[tuple[str, Route]]:
    for route in app.all_routes(NONE):
        for method in route.methods:
            yield f"{method} {route.path}", route


def path(route: str) -> str:
    """``route`` with something in the place of its parameter."""
    return (
        route.replace("{digest}", f"sha256:{'0' * 64}")
        .replace("{model:path}", "a/b")
        .replace("{id}", "x")
        .replace("{key}", "k")
    )


def test_every_route_is_for_whom_the_table_says() -> None:
    """Nobody gets to use a route by oversight: each is in the table, with what its key must be for."""
    found = {name: (route.scope, *((MODEL,) if route.counted else ())) for name, route in described()}
    assert dict(sorted(ROUTES.items())) == dict(sorted(found.items()))


def test_a_route_of_which_nothing_is_said_is_for_admin() -> None:
    """Who forgets to say whom a route is for has closed it."""

    async def endpoint(_request: Request) -> Response:
        return Response()

    assert "admin" == Route(("GET",), "/new", endpoint, lambda _: Response()).scope


@pytest.mark.parametrize("route", [*ROUTES, *NOWHERE])
def test_who_has_no_key_comes_in_nowhere(gate: Gate, route: str) -> None:
    """Without a key, or with a wrong one, all paths are alike, those that do not exist too: 401."""
    for credentials in ([], [("authorization", "Bearer puna_wrong")], [("x-api-key", "wrong")]):
        answer = gate.ask(path(route), *credentials)
        if OPEN in ROUTES.get(route, ()):
            assert 200 == answer.status
            continue
        assert (401, "Bearer") == (answer.status, answer.headers["www-authenticate"])
        assert b"key" in answer.body
        assert "allow" not in answer.headers


@pytest.mark.parametrize("route", ROUTES)
def test_a_key_opens_what_it_is_for_and_nothing_else(gate: Gate, route: str) -> None:
    """A key for something else is refused with the name of the scope that is missing; admin opens everything."""
    needed = ROUTES[route][0]
    for scope in get_args(KeyScope):
        answer = gate.with_key(path(route), scope)
        refused = answer.status == 403 and f'needs the scope \\"{needed}\\"'.encode() in answer.body
        assert refused is not (needed in (OPEN, scope) or scope == ADMIN), (scope, answer)
        assert answer.status not in (401, 405, 429) or "/api/sign" in route or "/user/keys" in route


@pytest.mark.parametrize("route", NOWHERE)
def test_with_a_key_what_is_not_there_is_not_found(gate: Gate, route: str) -> None:
    """Who may come in is told as Ollama tells it."""
    assert gate.with_key(route, INFER).status in (301, 404, 405)


@pytest.mark.parametrize(
    "credentials",
    [("authorization", "Bearer {}"), ("authorization", "bearer  {} "), ("x-api-key", "{}"), ("x-api-key", " {} ")],
)
def test_keys_are_taken_as_clients_send_them(gate: Gate, credentials: tuple[str, str]) -> None:
    """OpenAI's and Ollama's clients send a bearer token, Anthropic's x-api-key."""
    name, value = credentials
    assert 200 == gate.ask("GET /api/version", (name, value.format(gate.secrets[INFER]))).status


@pytest.mark.parametrize("value", ["{}", "Basic {}", "Bearer", "Bearer ", "Token {}", "Bearer{}"])
def test_nothing_else_is_a_key(gate: Gate, value: str) -> None:
    """Of other schemes of authorization nothing is taken."""
    assert 401 == gate.ask("GET /api/version", ("authorization", value.format(gate.secrets[INFER]))).status


@pytest.mark.parametrize(
    ("route", "error"),
    [
        ("POST /api/chat", "a key is needed"),
        ("POST /v1/chat/completions", {"type": "invalid_request_error", "code": "invalid_api_key"}),
        ("POST /v1/messages", {"type": "authentication_error"}),
        ("POST /v1/rerank", "a key is needed"),
        ("GET /nothing", "a key is needed"),
    ],
)
def test_a_refusal_has_the_form_of_its_dialect(gate: Gate, route: str, error: Any) -> None:
    """So that every client says what is wrong."""
    said = json.loads(gate.ask(route).body)["error"]
    if isinstance(error, str):
        assert error in said
    else:
        assert error.items() <= said.items()
        assert "a key is needed" in said["message"]


def test_who_asks_too_often_is_told_when_to_come_back(gate: Gate) -> None:
    """Requests to models are counted and the one too many is a 429 in the dialect's form; listings are not counted."""
    assert 429 != gate.with_key("POST /v1/embeddings", "slow").status

    native, openai, anthropic = (
        gate.with_key(f"POST {p}", "slow") for p in ("/api/embed", "/v1/completions", "/v1/messages")
    )
    for answer in (native, openai, anthropic):
        assert 429 == answer.status
        assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert "1 requests a minute" in json.loads(native.body)["error"]
    assert "rate_limit_exceeded" == json.loads(openai.body)["error"]["code"]
    assert "rate_limit_error" == json.loads(anthropic.body)["error"]["type"]
    assert 200 == gate.with_key("GET /api/version", "slow").status


@pytest.mark.parametrize(("wait", "said"), [(0.001, b"1"), (1.0, b"1"), (1.2, b"2"), (60.0, b"60")])
def test_the_wait_is_in_whole_seconds(wait: float, said: bytes) -> None:
    """Never less than it takes, and at least one."""
    assert ((b"retry-after", said),) == headers(RateExceeded(60, wait))


def test_strangers_pages_are_refused_before_their_keys_are_looked_at(gate: Gate) -> None:
    """Neither a page of elsewhere nor a foreign name for this machine comes in with a key, and preflights need none."""
    key = ("authorization", f"Bearer {gate.secrets[ADMIN]}")

    assert 403 == gate.ask("GET /api/version", ("origin", "https://evil.example"), key).status
    assert 204 == gate.ask("OPTIONS /api/chat", ("origin", "http://localhost:3000")).status
    refused = gate.ask("GET /api/version", ("origin", "http://localhost:3000"))
    assert (401, "http://localhost:3000") == (refused.status, refused.headers["access-control-allow-origin"])


def test_a_body_that_cannot_be_read_as_keys_closes_every_route(tmp_path: Path) -> None:
    """With a damaged file of keys there is nothing but the answer that the server is there."""
    file = KeyFile(tmp_path)
    secret, _ = file.add("root", scopes=["admin"])
    file.path.write_text("{")
    closed = Gate(
        app.build(NONE, config.read({}), bound_to="127.0.0.1", keys=Keyring(file, required=False)), {"root": secret}
    )

    for route in ROUTES:
        answer = closed.with_key(path(route), "root")
        assert (200 if OPEN in ROUTES[route] else 503) == answer.status, route
        assert str(tmp_path).encode() not in answer.body


def test_services_know_whose_request_it_is(tmp_path: Path) -> None:
    """What a key may do goes with its request, down to where models are looked up."""
    file = KeyFile(tmp_path)
    secret, key = file.add("alice", scopes=["infer"], models=["a*"])
    seen = []

    async def endpoint(_request: Request) -> Response:
        seen.append(caller().rights)
        return Response()

    route = Route(("GET",), "/x", endpoint, lambda _: Response(status_code=500), "infer")
    router = Router([route], max_body=1, admit=Access(Keyring(file, required=False)).admit)
    assert 200 == Gate(router, {"alice": secret}).with_key("GET /x", "alice").status
    assert [key.rights] == seen
