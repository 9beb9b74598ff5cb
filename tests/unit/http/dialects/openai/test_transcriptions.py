"""A form with a recording becomes a chat with a model that hears, and its answer the text."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from starlette.requests import Request

from puna.errors import BodyTooLarge, InvalidRequest, ModelNotFound
from puna.events import Done, Event, Text
from puna.http.dialects.openai.transcriptions import routes
from puna.types import ChatRequest

BOUNDARY = "----x"
SOUND = b"RIFF\x00\xff\r\nWAVE--"


class Hears:
    """A model that hears the same in everything."""

    def __init__(self) -> None:
        self.asked: list[ChatRequest] = []

    def resolve(self, model: str) -> None:
        if model != "m":
            raise ModelNotFound(model)

    async def chat(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        self.asked.append(request)
        yield Text(" Hello there. ")
        yield Done("stop")


def form(file: bytes | None = SOUND, **fields: str) -> bytes:
    parts = [f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}'.encode() for name, value in fields.items()]
    if file is not None:
        parts.append(b'Content-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n' + file)
    return b"".join(b"--%s\r\n%s\r\n" % (BOUNDARY.encode(), part) for part in parts) + f"--{BOUNDARY}--\r\n".encode()


def transcribed(body: bytes, chat: Any, kind: str = f"multipart/form-data; boundary={BOUNDARY}") -> tuple[str, str]:
    (route,) = routes(chat)
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Any:
        if messages:
            return messages.pop(0)
        return await asyncio.Event().wait()

    async def scene() -> tuple[str, str]:
        headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
        response: Any = await route.endpoint(Request({"type": "http", "method": "POST", "headers": headers}, receive))
        return response.headers["content-type"], bytes(response.body).decode()

    return asyncio.run(scene())


def test_what_is_said_is_the_text() -> None:
    """The model gets the recording as it is, and answers without whim."""
    chat = Hears()
    kind, text = transcribed(form(model="m", language="en", prompt="Bo"), chat)
    assert ("application/json", {"text": "Hello there."}) == (kind, json.loads(text))
    (request,) = chat.asked
    assert (SOUND,) == request.messages[-1].images
    assert (0.0, "m") == (request.options["temperature"], request.model)
    assert all(word in request.messages[0].content for word in ("verbatim", "en", "Bo"))


def test_plain_text() -> None:
    """For programs that want nothing else."""
    kind, text = transcribed(form(model="m", response_format="text"), Hears())
    assert ("text/plain; charset=utf-8", "Hello there.\n") == (kind, text)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (form(), "model is required"),
        (form(None, model="m"), "file is required"),
        (form(b"", model="m"), "audio file is empty"),
        (form(b"\x89PNG", model="m"), "no recording that can be read: send WAV, MP3 or FLAC"),
        (form(model="m", response_format="srt"), 'response_format: "srt" is not supported'),
        (b"--x", "failed to parse multipart form: "),
    ],
)
def test_a_form_that_lacks_something(body: bytes, text: str) -> None:
    """The error says what."""
    with pytest.raises(InvalidRequest, match=text):
        transcribed(body, Hears())


def test_a_model_that_is_not_there() -> None:
    """It is missed before the recording is looked at."""
    with pytest.raises(ModelNotFound, match="model 'nope' not found"):
        transcribed(form(b"x", model="nope"), Hears())


def test_what_is_no_form() -> None:
    """JSON cannot carry a file."""
    with pytest.raises(InvalidRequest, match="failed to parse multipart form: "):
        transcribed(b"{}", Hears(), "application/json")


def test_a_form_has_bounds() -> None:
    """They are OpenAI's: 25 MiB."""
    with pytest.raises(BodyTooLarge):
        transcribed(form(bytes(26 << 20), model="m"), Hears())
