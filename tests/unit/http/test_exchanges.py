"""Every request leaves one line in the log, and when the server stops, each is let finish, ended or refused."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any

import pytest
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from puna.errors import GenerationFailed, InvalidFormat, ModelNotFound, ShuttingDown
from puna.events import Done, Event, PromptProgress, Text
from puna.http.dialects import Route
from puna.http.exchanges import Exchanges, used_a_model
from puna.http.stream import EventStream, note
from puna.service.requests import Requests
from puna.types import Timings, Usage

SCOPE = {
    "type": "http",
    "method": "POST",
    "path": "/api/chat",
    "headers": [(b"user-agent", b"x")],
    "client": ("::1", 9),
}


def refuse(error: Exception) -> PlainTextResponse:
    return PlainTextResponse(f"refused: {error}", getattr(error, "status", 500), headers={"retry-after": "1"})


def stream(events: AsyncGenerator[str, None]) -> EventStream[str]:
    return EventStream(
        events,
        encode=lambda event: event.encode(),
        refuse=refuse,
        complain=lambda error: f"complaint: {error}".encode(),
        media_type="text/plain",
    )


def app(route: Route) -> ASGIApp:
    """What a router makes of one route."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = await route.endpoint(Request(scope, receive))
        except Exception as error:  # noqa: BLE001
            note(error)
            response = route.refuse(error)
        with suppress(ClientDisconnect):
            await response(scope, receive, send)

    return serve


async def ask(exchanges: Exchanges, client: Any, endpoint: Any, **about: Any) -> None:
    route = Route(("POST",), "/api/chat", endpoint, refuse, **about)
    await exchanges.watch(app(exchanges.route(route)))(dict(SCOPE), client.receive, client.send)


def logged(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [{"level": one.levelname} | one.__dict__["fields"] for one in caplog.records if one.name == "puna.request"]


async def hello(_request: Request) -> ASGIApp:
    return PlainTextResponse("hello")


@pytest.fixture(autouse=True)
def info(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


def test_a_request_is_one_line_with_the_id_that_its_reply_has(client: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Who has the reply finds the line."""
    times = iter((10.0, 12.5))
    asyncio.run(ask(Exchanges(clock=lambda: next(times)), client, hello))
    assert [
        {
            "level": "INFO",
            "id": client.headers["x-request-id"],
            "method": "POST",
            "path": "/api/chat",
            "status": 200,
            "seconds": 2.5,
            "client": "::1",
            "outcome": "done",
        }
    ] == logged(caplog)


def test_what_it_took_of_a_model_is_told(client: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Where its time went, and its tokens."""

    async def events() -> AsyncGenerator[Event, None]:
        yield PromptProgress(9, 9)
        yield Text("a secret")
        yield Done("stop", Usage(9, 2, 3), Timings(prompt=0.25, completion=0.5))

    async def endpoint(_request: Request) -> ASGIApp:
        requests = Requests(ended=used_a_model)
        return stream(str(event) async for event in requests.stream("chat", "smol", events()))

    asyncio.run(ask(Exchanges(), client, endpoint))
    [line] = logged(caplog)
    expected = {"model": "smol", "kind": "chat", "prompt_seconds": 0.25, "completion_seconds": 0.5}
    expected |= {"prompt_tokens": 9, "cached_tokens": 3, "completion_tokens": 2, "outcome": "done"}
    assert expected == {name: line[name] for name in expected}
    assert "secret" in client.text
    assert "secret" not in caplog.text + str(line)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ModelNotFound("smol"), ("INFO", 404, "ModelNotFound", "model 'smol' not found")),
        (InvalidFormat('"a secret"'), ("INFO", 400, "InvalidFormat", "invalid format")),
        (GenerationFailed("Failed to parse: a secret"), ("WARNING", 500, "GenerationFailed", "Failed to parse")),
        (RuntimeError("a secret"), ("WARNING", 500, "RuntimeError", None)),
    ],
)
def test_a_failure_is_told_without_what_was_said(
    client: Any, caplog: pytest.LogCaptureFixture, error: Exception, expected: tuple[Any, ...]
) -> None:
    """Its kind and its text, as far as that holds nothing that a caller sent or a model wrote."""

    async def endpoint(_request: Request) -> ASGIApp:
        raise error

    asyncio.run(ask(Exchanges(), client, endpoint))
    [line] = logged(caplog)
    assert expected == (line["level"], line["status"], line["error"], line.get("error_text"))
    assert "error" == line["outcome"]


def test_a_stream_that_fails_is_told_though_its_status_is_200(client: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing that went wrong is overlooked."""

    async def events() -> AsyncGenerator[str, None]:
        yield "a"
        raise ModelNotFound("smol")

    async def endpoint(_request: Request) -> ASGIApp:
        return stream(events())

    asyncio.run(ask(Exchanges(), client, endpoint))
    [line] = logged(caplog)
    assert ("WARNING", 200, "ModelNotFound") == (line["level"], line["status"], line["error"])


async def endless(_request: Request) -> ASGIApp:
    async def events() -> AsyncGenerator[str, None]:
        yield "a"
        await asyncio.Event().wait()

    return stream(events())


async def begun(exchanges: Exchanges, client: Any, endpoint: Any, **about: Any) -> asyncio.Task[None]:
    """A request whose reply has begun."""
    task = asyncio.create_task(ask(exchanges, client, endpoint, **about))
    while not client.sent:
        await client.news.wait()
    return task


def test_who_leaves_is_told_of(client: Any, caplog: pytest.LogCaptureFixture) -> None:
    """That is no error, and no answer either."""

    async def run() -> None:
        task = await begun(Exchanges(), client, endless)
        client.gone.set()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())
    [line] = logged(caplog)
    assert ("INFO", "canceled") == (line["level"], line["outcome"])


def test_a_stream_that_is_ended_says_why(client: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Its last line is an error, and then it is whole."""

    async def run() -> None:
        exchanges = Exchanges()
        task = await begun(exchanges, client, endless)
        assert (1, 1) == (len(exchanges), exchanges.cut())
        await task
        await exchanges.idle()

    asyncio.run(run())
    assert "acomplaint: the server is shutting down" == client.text
    assert client.sent[-1]["more_body"] is False
    assert "ShuttingDown" == logged(caplog)[0]["error"]


def test_an_answer_that_is_ended_before_it_began_is_a_503(client: Any) -> None:
    """The client may try another server."""

    async def run() -> None:
        exchanges, waiting = Exchanges(), asyncio.Event()

        async def endpoint(_request: Request) -> ASGIApp:
            waiting.set()
            await asyncio.Event().wait()
            return PlainTextResponse("never")

        task = asyncio.create_task(ask(exchanges, client, endpoint))
        await waiting.wait()
        exchanges.cut()
        await task

    asyncio.run(run())
    assert (503, f"refused: {ShuttingDown()}") == (client.status, client.text)


def test_only_what_breaks_off_is_ended_at_once(client: Any) -> None:
    """Downloads go on another time; answers finish."""

    async def run() -> None:
        exchanges = Exchanges()
        task = await begun(exchanges, client, endless)
        assert 0 == exchanges.cut("break off")
        exchanges.cut()
        await task

    asyncio.run(run())


def test_a_server_that_stops_says_when_to_come_back(client: Any) -> None:
    """And closes the connection, so that the next request goes to another server."""

    async def run() -> None:
        exchanges = Exchanges(clock=lambda: 0.0)
        exchanges.refuse_new(12.5)
        await ask(exchanges, client, hello)

    asyncio.run(run())
    assert (503, "13", "close") == (client.status, client.headers["retry-after"], client.headers["connection"])


def test_whoever_runs_the_server_may_look_on(client: Any) -> None:
    """Metrics are answered to the end."""

    async def run() -> None:
        exchanges = Exchanges()
        exchanges.refuse_new(10)
        await ask(exchanges, client, hello, at_stop="answer")

    asyncio.run(run())
    assert 200 == client.status


def test_a_request_cancelled_by_someone_else_stays_cancelled(client: Any) -> None:
    """Only what the server ends says that the server is stopping."""

    async def run() -> None:
        task = await begun(Exchanges(), client, endless)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert "a" == client.text
