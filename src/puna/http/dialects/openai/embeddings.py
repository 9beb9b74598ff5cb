"""``/v1/embeddings``."""

from __future__ import annotations

import base64
import sys
from array import array
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.types import ASGIApp

from puna.errors import InvalidRequest, ModelNotFound, PunaError
from puna.http import parameters as common
from puna.http.body import Fields, first_value
from puna.http.cloud import local_name
from puna.http.dialects import Embedding, Route
from puna.http.dialects.openai import described, replies, wire
from puna.http.dialects.openai.completions import tokens
from puna.http.stream import note, race
from puna.types import EmbedRequest

Encode = Callable[["array[float]"], Any]
"""How a vector is written."""


def routes(embedding: Embedding) -> Sequence[Route]:
    """The routes that make embeddings."""
    return (
        Route(
            ("POST",),
            "/v1/embeddings",
            partial(_embed, embedding),
            replies.refuse,
            "infer",
            counted=True,
            about=described.EMBEDDINGS,
        ),
    )


def decode(body: bytes) -> tuple[EmbedRequest, str, Encode]:
    """Decode a body: the request, the model's name as the caller wrote it, and how vectors are to be written.

    Raises:
        InvalidRequest: a field is not what it must be.
        ModelNotFound: no model is named.
        CloudDisabled: a cloud model is.
    """
    fields = Fields(first_value(body), "EmbedRequest")
    model, form = fields.text("model"), fields.text("encoding_format")
    name = local_name(model, "remote model is")
    encode = {"": _numbers, "float": _numbers, "base64": _base64}.get(form.lower())
    if encode is None:
        raise InvalidRequest(f"Invalid value for 'encoding_format' = {form}. Supported values: ['float', 'base64'].")
    request = EmbedRequest(
        model=name,
        inputs=_inputs(fields.raw("input")),
        options=dict(fields.mapping("options") or {})
        | ({"num_ctx": fields.whole("num_ctx")} if fields.raw("num_ctx") is not None else {}),
        keep_alive=common.keep_alive(fields.raw("keep_alive")),
        truncate=fields.flag("truncate", default=True),
        dimensions=fields.whole("dimensions"),
    )
    if not name:
        raise ModelNotFound("")
    return request, model, encode


async def _embed(embedding: Embedding, request: Request) -> ASGIApp:
    """Make a vector of each input."""
    asked, model, encode = decode(await replies.body(request))
    try:
        found = await race(embedding.embed(asked), request.receive)
    except PunaError as error:
        note(error)
        return replies.refuse(error, partial(_say, model))
    vectors = [wire.Embedding(embedding=encode(vector), index=index) for index, vector in enumerate(found.vectors)]
    taken = found.usage.prompt_tokens
    usage = wire.EmbeddingUsage(taken, taken)
    return replies.json(wire.Embeddings(data=vectors, model=model, usage=usage))


def _inputs(value: Any) -> tuple[str | tuple[int, ...], ...]:
    match value:
        case str():
            return (value,)
        case [] | None:
            raise InvalidRequest("invalid input")
        case list() if all(isinstance(one, str) for one in value):
            return tuple(value)
        case list() if tokens(value):
            return (tuple(value),)
        case list() if all(isinstance(one, list) and tokens(one) for one in value):
            return tuple(tuple(one) for one in value)
    raise InvalidRequest("invalid input type")


def _say(model: str, error: PunaError) -> str:
    return f'model "{model}" not found, try pulling it first' if isinstance(error, ModelNotFound) else str(error)


def _numbers(vector: array[float]) -> msgspec.Raw:
    # Nine digits tell every 32-bit float from the next.
    return msgspec.Raw(("[" + ",".join(["%.9g"] * len(vector)) % tuple(vector) + "]").encode())


def _base64(vector: array[float]) -> str:
    if sys.byteorder == "big":
        vector = array("f", vector)
        vector.byteswap()
    return base64.b64encode(vector).decode()
