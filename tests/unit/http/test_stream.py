"""Answers race the client's leaving, and end in order whatever happens."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse

from puna.errors import EngineGone
from puna.http.stream import EventStream, ascii_json, race


def stream(events: AsyncGenerator[str, None]) -> EventStream[str]:
    return EventStream(
        events,
        encode=lambda event: event.encode(),
        refuse=lambda error: PlainTextResponse(f"refused: {error}", 500),
        complain=lambda error: f"complaint: {error}".encode(),
        media_type="application/x-ndjson",
    )


def run(response: EventStream[str], client: Any) -> None:
    asyncio.run(response({"type": "http"}, client.receive, client.send))


def started(response: EventStream[str], client: Any) -> asyncio.Task[None]:
    return asyncio.create_task(response({"type": "http"}, client.receive, client.send))


def test_events_arrive_one_by_one_and_in_order(client):
    """Each event is sent on its own as soon as it is there, through proxies too, and the response is ended properly."""

    async def events() -> AsyncGenerator[str, None]:
        for piece in ("a", "b", "c"):
            yield piece

    run(stream(events()), client)

    unbuffered = (b"x-accel-buffering", b"no")
    headers = [(b"content-type", b"application/x-ndjson"), unbuffered]
    assert [
        {"type": "http.response.start", "status": 200, "headers": headers},
        {"type": "http.response.body", "body": b"a", "more_body": True},
        {"type": "http.response.body", "body": b"b", "more_body": True},
        {"type": "http.response.body", "body": b"c", "more_body": True},
        {"type": "http.response.body", "body": b"", "more_body": False},
    ] == client.sent


def test_no_events_are_an_empty_answer(client):
    """A source without events is a response all the same."""

    async def events() -> AsyncGenerator[str, None]:
        for piece in ():
            yield piece

    run(stream(events()), client)

    assert (200, "") == (client.status, client.text)


def test_leaving_before_the_first_event_stops_the_work(client):
    """Nobody loads a model for a client that has gone, and nothing is sent to it."""
    cancelled = []

    async def journey() -> None:
        waiting = asyncio.Event()

        async def events() -> AsyncGenerator[str, None]:
            try:
                waiting.set()
                await asyncio.Event().wait()
                yield "never"
            finally:
                cancelled.append(True)

        answering = started(stream(events()), client)
        await waiting.wait()
        client.gone.set()
        with pytest.raises(ClientDisconnect):
            await answering

    asyncio.run(journey())

    assert [True] == cancelled
    assert [] == client.sent


def test_leaving_in_mid_stream_ends_after_the_source_has(client):
    """When a client leaves, the request is over only once the engine has given back what it held."""
    history = []

    async def journey() -> None:
        async def events() -> AsyncGenerator[str, None]:
            try:
                yield "first"
                await asyncio.Event().wait()
            finally:
                released = asyncio.Event()
                asyncio.get_running_loop().call_soon(released.set)
                await released.wait()
                history.append("released")

        answering = started(stream(events()), client)
        await client.news.wait()
        client.gone.set()
        with pytest.raises(ClientDisconnect):
            await answering
        history.append("over")

    asyncio.run(journey())

    assert ["released", "over"] == history
    assert "first" == client.text


def test_a_shutdown_does_not_cut_the_cleaning_up_short(client):
    """Cancelling a request that is already cleaning up waits for it; a lease is never left behind."""
    history = []

    async def journey() -> None:
        cleaning, release = asyncio.Event(), asyncio.Event()

        async def events() -> AsyncGenerator[str, None]:
            try:
                await asyncio.Event().wait()
                yield "never"
            finally:
                cleaning.set()
                await release.wait()
                history.append("released")

        answering = started(stream(events()), client)
        asyncio.get_running_loop().call_soon(client.gone.set)
        await cleaning.wait()
        answering.cancel()
        asyncio.get_running_loop().call_soon(release.set)
        with pytest.raises(asyncio.CancelledError):
            await answering
        history.append("over")

    asyncio.run(journey())

    assert ["released", "over"] == history


def test_the_source_is_closed_before_the_response_ends(client):
    """The client learns of the end only when everything behind it has ended."""
    history = []

    async def events() -> AsyncGenerator[str, None]:
        try:
            yield "only"
        finally:
            history.append([message.get("more_body") for message in client.sent])

    run(stream(events()), client)

    assert [[None, True]] == history


def test_an_error_before_the_first_event_is_a_status(client):
    """As long as nothing was sent, an error is told by the status; silent events do not count."""

    async def events() -> AsyncGenerator[str, None]:
        yield ""
        raise EngineGone("it died")

    run(stream(events()), client)

    assert (500, "refused: it died") == (client.status, client.text)


def test_an_error_after_the_first_event_is_a_last_line(client):
    """A stream that breaks says why before it ends."""

    async def events() -> AsyncGenerator[str, None]:
        yield "some,"
        raise EngineGone("it died")

    run(stream(events()), client)

    assert (200, "some,complaint: it died") == (client.status, client.text)
    assert client.sent[-1]["more_body"] is False


@pytest.mark.parametrize(("error", "expected"), [(ValueError("a bug"), [logging.ERROR]), (EngineGone("x"), [])])
def test_what_nobody_foresaw_is_logged_with_its_traceback(client, caplog, error, expected):
    """Of what was foreseen, the line of the request tells."""

    async def events() -> AsyncGenerator[str, None]:
        yield "some"
        raise error

    run(stream(events()), client)

    assert expected == [record.levelno for record in caplog.records if record.exc_info]
    assert len(expected) == len(caplog.records)


def test_a_whole_answer_races_too():
    """A client that waits for one object and leaves stops the work as well."""
    cancelled = []

    async def journey() -> None:
        working = asyncio.Event()

        async def work() -> None:
            working.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.append(True)
                raise

        async def receive() -> dict[str, str]:
            await working.wait()
            return {"type": "http.disconnect"}

        with pytest.raises(ClientDisconnect):
            await race(work(), receive)

    asyncio.run(journey())

    assert [True] == cancelled


def test_work_that_ends_first_wins(client):
    """The result of the work, or its error, is what the race gives."""

    async def works() -> int:
        return 42

    async def fails() -> int:
        raise EngineGone("it died")

    async def of(work: Callable[[], Any]) -> Any:
        return await race(work(), client.receive)

    assert 42 == asyncio.run(of(works))
    with pytest.raises(EngineGone):
        asyncio.run(of(fails))


@pytest.mark.parametrize("text", ["plain", "é\u2028\u0085日本語😀", '\x00\x1f"\\'])
def test_streamed_json_is_ascii_and_one_line(text):
    """No character that a client may take for a line's end is sent as it is."""
    line = ascii_json({"response": text})

    assert line.isascii()
    assert 1 == len(line.decode().splitlines())
    assert {"response": text} == json.loads(line)
