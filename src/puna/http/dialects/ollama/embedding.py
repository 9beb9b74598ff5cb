"""``/api/embed``, and ``/api/embeddings`` as it was before there was that."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from puna.errors import ContextTooLong, InvalidOption, InvalidRequest, ModelNotFound, NotFinite, PunaError
from puna.http import parameters
from puna.http.body import Fields, first_value
from puna.http.cloud import local_name
from puna.http.dialects import About, Embedding, Route
from puna.http.dialects.ollama import bodies, replies, wire
from puna.http.dialects.ollama.replies import Say
from puna.http.stream import note, race
from puna.types import Embeddings, EmbedRequest

_VECTOR = {"type": "array", "items": {"type": "number"}}


class EmbedReply(msgspec.Struct, omit_defaults=True):
    """The reply of ``/api/embed``. Durations in nanoseconds."""

    model: str
    embeddings: Annotated[Sequence[msgspec.Raw], msgspec.Meta(extra_json_schema={"items": _VECTOR})]
    total_duration: int = 0
    load_duration: int = 0
    prompt_eval_count: int = 0


class EmbeddingsReply(msgspec.Struct):
    """The reply of ``/api/embeddings``."""

    embedding: Annotated[msgspec.Raw, msgspec.Meta(extra_json_schema=_VECTOR)]


_EMBED = About(
    takes=bodies.EmbedBody,
    gives=EmbedReply,
    fails=wire.Error,
    refuses=(404, 500),
    examples={
        "a text": {"model": "smollm2", "input": "Why is the sky blue?"},
        "several": {"model": "smollm2", "input": ["Why is the sky blue?", "Why is the grass green?"]},
    },
)
_EMBEDDINGS = About(
    takes=bodies.EmbeddingsBody,
    gives=EmbeddingsReply,
    fails=wire.Error,
    refuses=(404, 500),
    examples={"a text": {"model": "smollm2", "prompt": "Why is the sky blue?"}},
)

_encode = msgspec.json.Encoder().encode


def routes(service: Embedding) -> Sequence[Route]:
    """The routes that make embeddings."""
    endpoints = _Endpoints(service)
    return (
        Route(("POST",), "/api/embed", endpoints.embed, replies.refuse, "infer", counted=True, about=_EMBED),
        Route(
            ("POST",), "/api/embeddings", endpoints.embeddings, replies.refuse, "infer", counted=True, about=_EMBEDDINGS
        ),
    )


class _Endpoints:
    def __init__(self, service: Embedding) -> None:
        self._service = service

    async def embed(self, request: Request) -> Response:
        """Make a vector of each input."""
        asked, model = decode_embed(await request.body())
        try:
            found = await race(self._service.embed(asked), request.receive)
        except PunaError as error:
            return _refused(error, partial(_say, model=model))
        return replies.json(encode_embed(found, model))

    async def embeddings(self, request: Request) -> Response:
        """Make a vector of one prompt."""
        asked, model = decode_embeddings(await request.body())
        try:
            found = await race(self._service.embed(asked), request.receive)
        except PunaError as error:
            return _refused(error, partial(_say_of_old, model=model))
        return replies.json(encode_embeddings(found))


def decode_embed(body: bytes) -> tuple[EmbedRequest, str]:
    """Decode a body of ``/api/embed``: the request, and the model's name as the caller wrote it.

    Raises:
        InvalidRequest: a field has the wrong type.
        ModelNotFound: no model is named.
        CloudDisabled: a cloud model is.
    """
    fields = Fields(first_value(body), "EmbedRequest")
    truncate, dimensions = fields.flag("truncate", default=True), fields.whole("dimensions")
    common, model = _common(fields, ModelNotFound(""))
    inputs = _inputs(fields.raw("input"))
    return EmbedRequest(inputs=inputs, truncate=truncate, dimensions=dimensions, **common), model


def decode_embeddings(body: bytes) -> tuple[EmbedRequest, str]:
    """Decode a body of ``/api/embeddings``, as ``decode_embed``; no model is an ``InvalidRequest`` here."""
    fields = Fields(first_value(body), "EmbeddingRequest")
    prompt = fields.text("prompt")
    common, model = _common(fields, InvalidRequest("model is required"))
    inputs = (prompt,) if prompt else ()
    return EmbedRequest(inputs=inputs, truncate=False, normalize=False, **common), model


def encode_embed(embeddings: Embeddings, model: str) -> bytes:
    """The body of a reply of ``/api/embed``."""
    timings = embeddings.timings
    return _encode(
        EmbedReply(
            model,
            [_numbers(vector) for vector in embeddings.vectors],
            total_duration=round(timings.total * 1e9),
            load_duration=round(timings.load * 1e9),
            prompt_eval_count=embeddings.usage.prompt_tokens,
        )
    )


def encode_embeddings(embeddings: Embeddings) -> bytes:
    """The body of a reply of ``/api/embeddings``."""
    return _encode(EmbeddingsReply(_numbers(embeddings.vectors[0] if embeddings.vectors else ())))


def _common(fields: Fields, nameless: PunaError) -> tuple[dict[str, Any], str]:
    """What both routes take, and the model's name as the caller wrote it. ``nameless`` is raised if there is none."""
    model = fields.text("model")
    options = fields.mapping("options") or {}
    keep_alive = parameters.keep_alive(fields.raw("keep_alive"))
    name = local_name(model, "remote model is")
    if not name:
        raise nameless
    return {"model": name, "options": options, "keep_alive": keep_alive}, model


def _inputs(value: Any) -> tuple[str, ...]:
    match value:
        case None | "":
            return ()
        case str():
            return (value,)
        case list() if all(isinstance(item, str) for item in value):
            return tuple(value)
    raise InvalidRequest("invalid input type")


def _numbers(vector: Sequence[float]) -> msgspec.Raw:
    """``vector`` as a JSON list."""
    # Nine digits tell every 32-bit float from the next; a double's seventeen would make the reply half as long again.
    return msgspec.Raw(("[" + ",".join(["%.9g"] * len(vector)) % tuple(vector) + "]").encode())


def _refused(error: PunaError, say: Say) -> Response:
    note(error)
    return replies.refuse(error, say)


def _say(error: PunaError, model: str) -> tuple[int, str]:
    match error:
        case ModelNotFound():
            return 404, f'model "{model}" not found, try pulling it first'
        case InvalidOption():
            return 500, str(error)
        case ContextTooLong():
            tokens, room = error.prompt_tokens, error.limit
            return 400, f"the input length exceeds the context length: it has {tokens} tokens, and {room} are possible"
        case _:
            return replies.plainly(error)


def _say_of_old(error: PunaError, model: str) -> tuple[int, str]:
    """What the older route says: that it is the server's fault, if it is not the name's."""
    status, text = _say(error, model)
    return (500 if isinstance(error, ContextTooLong | NotFinite) else status), text
