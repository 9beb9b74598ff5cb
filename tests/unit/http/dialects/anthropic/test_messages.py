import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

from starlette.requests import Request

from puna.errors import GenerationFailed
from puna.events import Done, Event, Text
from puna.http.dialects.anthropic.messages import Messages

ASKED = {"model": "smol", "max_tokens": 5, "messages": [{"role": "user", "content": "Hi"}]}


def test_a_message_is_answered(site: Any) -> None:
    """Whole, with an id that errors and logs share."""
    reply = site.send("POST", "/v1/messages", ASKED, {"x-api-key": "any", "anthropic-version": "2023-06-01"})
    assert (200, "application/json") == (reply.status, reply.headers["content-type"])
    assert [{"type": "text", "text": "Hello"}] == reply.json["content"]
    assert f"req_{reply.headers['x-request-id']}" == reply.headers["request-id"]


def test_a_stream_has_the_same_headers(site: Any) -> None:
    """And the type that browsers know."""
    reply = site.send("POST", "/v1/messages", ASKED | {"stream": True})
    assert "text/event-stream" == reply.headers["content-type"].partition(";")[0]
    assert f"req_{reply.headers['x-request-id']}" == reply.headers["request-id"]
    assert reply.text.startswith("event: message_start\n")
    assert reply.text.endswith('event: message_stop\ndata: {"type":"message_stop"}\n\n')


def test_tokens_are_counted_without_an_answer(site: Any) -> None:
    """No limit is asked for."""
    body = {name: value for name, value in ASKED.items() if name != "max_tokens"}
    reply = site.send("POST", "/v1/messages/count_tokens", body)
    assert {"input_tokens": len("[Hi]")} == reply.json
    assert [] == site.chat.asked


def test_an_error_has_anthropics_form(site: Any) -> None:
    """Whether or not a stream was asked for; the server's overload says when to come back."""
    for stream in (False, True):
        reply = site.send("POST", "/v1/messages", ASKED | {"model": "nope", "stream": stream})
        assert (404, "not_found_error") == (reply.status, reply.json["error"]["type"])
        assert reply.headers["request-id"] == reply.json["request_id"]
    assert 400 == site.send("POST", "/v1/messages", b"{").status


def test_a_failure_after_the_beginning_is_an_event(site: Any) -> None:
    """The last one."""

    async def fail() -> AsyncGenerator[Event, None]:
        yield Text("Hel")
        raise GenerationFailed("it broke")

    site.chat.script = fail
    reply = site.send("POST", "/v1/messages", ASKED | {"stream": True})
    *_, last = reply.text.rstrip("\n").split("\n\n")
    name, data = last.split("\n")
    assert "event: error" == name
    assert {"type": "api_error", "message": "it broke"} == json.loads(data.removeprefix("data: "))["error"]


def test_a_client_hears_while_a_model_loads(client: Any) -> None:
    """The message begins, and pings keep it alive until there is an answer."""
    gate = asyncio.Event()

    class Loading:
        async def chat(self, _request: Any) -> AsyncGenerator[Event, None]:
            await gate.wait()
            yield Text("Hello")
            yield Done("stop")

    async def ask() -> None:
        client.body = json.dumps(ASKED | {"stream": True}).encode()
        scope = {"type": "http", "method": "POST", "path": "/v1/messages", "headers": [], "query_string": b""}
        messages = Messages(Loading(), None, ping_every=0.001)  # type: ignore[arg-type]
        response = await messages.create(Request(scope, client.receive))
        answering = asyncio.ensure_future(response(scope, client.receive, client.send))
        while client.text.count("event: ping") < 3:
            client.news.clear()
            await client.news.wait()
        gate.set()
        await answering

    asyncio.run(ask())
    names = [line.removeprefix("event: ") for line in client.text.splitlines() if line.startswith("event: ")]
    assert ["message_start", "ping", "ping", "ping"] == names[:4]
    assert [
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ] == [name for name in names[1:] if name != "ping"]
