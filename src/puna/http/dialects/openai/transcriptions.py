"""``/v1/audio/transcriptions``, by models that hear."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from python_multipart.exceptions import FormParserError
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp

from puna import media
from puna.errors import InvalidRequest
from puna.http.cloud import local_name
from puna.http.dialects import Chat, Route
from puna.http.dialects.openai import choices, described, replies, wire
from puna.http.guard import limit_body
from puna.http.stream import race
from puna.types import ChatRequest, Message

_MOST_BYTES = 25 * 1024 * 1024
_MULTIPART = "multipart/form-data"

_TASK = (
    "You write down what is said in a recording. Answer with its words, verbatim and in the language in which they are "
    "said, and with nothing else."
)


@dataclass(frozen=True, slots=True)
class _Form:
    """What is asked: a recording, and the form of the reply."""

    model: str
    recording: bytes
    language: str
    prompt: str
    reply: str


def routes(chat: Chat) -> Sequence[Route]:
    """The routes that write down what is said."""
    return (
        Route(
            ("POST",),
            "/v1/audio/transcriptions",
            partial(_transcribe, chat),
            replies.refuse,
            "infer",
            counted=True,
            about=described.TRANSCRIPTIONS,
        ),
    )


async def _transcribe(chat: Chat, request: Request) -> ASGIApp:
    """Write down what is said in a recording."""
    form = await _read(request)
    chat.resolve(form.model)
    if not media.kind(form.recording).startswith("audio/"):
        raise InvalidRequest("the file is no recording that can be read: send WAV, MP3 or FLAC")
    task = _TASK
    if form.language:
        task += f" The language is {form.language}."
    if form.prompt:
        task += f" What was said before it, or words that occur in it: {form.prompt}"
    asked = ChatRequest(
        model=form.model,
        messages=(
            Message("system", task),
            Message("user", "Write down what is said.", images=(form.recording,)),
        ),
        options={"temperature": 0.0},
        think=False,
        think_if_able=True,
    )
    (answer,) = await race(choices.whole([chat.chat(asked)]), request.receive)
    text = answer.text.strip()
    if form.reply == "text":
        return PlainTextResponse(f"{text}\n")
    return replies.json(wire.Transcription(text))


async def _read(request: Request) -> _Form:
    """Read the form.

    Raises:
        InvalidRequest: it is none, or lacks what is needed.
        BodyTooLarge: it has more than 25 MiB.
        CloudDisabled: a cloud model is named.
    """
    if not request.headers.get("content-type", "").lower().startswith(_MULTIPART):
        raise InvalidRequest(f"failed to parse multipart form: request Content-Type isn't {_MULTIPART}")
    limited = Request(request.scope, limit_body(request.scope, request.receive, _MOST_BYTES))
    try:
        async with limited.form() as form:
            return await _form(form)
    except (MultiPartException, FormParserError, KeyError) as error:
        raise InvalidRequest(f"failed to parse multipart form: {error}") from error


async def _form(form: FormData) -> _Form:
    file, reply = form.get("file"), _text(form, "response_format").lower()
    model = local_name(_text(form, "model"), "remote model is")
    if not isinstance(file, UploadFile):
        raise InvalidRequest("file is required: http: no such file")
    if not model:
        raise InvalidRequest("model is required")
    recording = await file.read()
    if not recording:
        raise InvalidRequest("audio file is empty")
    if reply not in {"", "json", "text"}:
        raise InvalidRequest(f'response_format: "{reply}" is not supported (must be "json" or "text")')
    return _Form(model, recording, _text(form, "language"), _text(form, "prompt"), reply)


def _text(form: FormData, name: str) -> str:
    value = form.get(name)
    return value if isinstance(value, str) else ""
