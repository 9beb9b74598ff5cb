"""``/api/tokenize``, ``/api/detokenize`` and ``/api/apply-template``: what a model reads, without an answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from puna.errors import InvalidRequest
from puna.http.body import Fields, first_value
from puna.http.cloud import local_name
from puna.http.dialects import About, Route, Tokens
from puna.http.dialects.ollama import bodies, decode, replies, wire
from puna.http.parameters import keep_alive
from puna.http.stream import race
from puna.types import ChatRequest, DetokenizeRequest, GenerateRequest, TokenizeRequest


class Tokenized(msgspec.Struct):
    """The reply of ``/api/tokenize``."""

    model: str
    tokens: Sequence[int]


class Detokenized(msgspec.Struct):
    """The reply of ``/api/detokenize``."""

    model: str
    text: str


class AppliedTemplate(msgspec.Struct, omit_defaults=True):
    """The reply of ``/api/apply-template``; ``prompt`` has ``[img-N]`` where the image number N stands."""

    model: str
    prompt: str
    tokens: Sequence[int]
    image_count: int = 0


_TOKENIZE = About(
    takes=bodies.TokenizeBody,
    gives=Tokenized,
    fails=wire.Error,
    refuses=(404,),
    examples={"a text": {"model": "smollm2", "text": "Why is the sky blue?"}},
)
_DETOKENIZE = About(
    takes=bodies.DetokenizeBody,
    gives=Detokenized,
    fails=wire.Error,
    refuses=(404,),
    examples={"tokens": {"model": "smollm2", "tokens": [42, 198]}},
)
_APPLY_TEMPLATE = About(
    takes=(bodies.ChatBody, bodies.GenerateBody),
    gives=AppliedTemplate,
    fails=wire.Error,
    refuses=(404, 500),
    examples={
        "a chat": {"model": "smollm2", "messages": [{"role": "user", "content": "Hi"}]},
        "a prompt": {"model": "smollm2", "prompt": "Hi"},
    },
)

_encode = msgspec.json.Encoder().encode
_TEXT = ("text", "prompt", "content")


def routes(service: Tokens) -> Sequence[Route]:
    """The routes that show how a model reads."""
    endpoints = _Endpoints(service)
    return (
        Route(("POST",), "/api/tokenize", endpoints.tokenize, replies.refuse, "infer", counted=True, about=_TOKENIZE),
        Route(
            ("POST",), "/api/detokenize", endpoints.detokenize, replies.refuse, "infer", counted=True, about=_DETOKENIZE
        ),
        Route(
            ("POST",),
            "/api/apply-template",
            endpoints.apply_template,
            replies.refuse,
            "infer",
            counted=True,
            about=_APPLY_TEMPLATE,
        ),
    )


class _Endpoints:
    def __init__(self, service: Tokens) -> None:
        self._service = service

    async def tokenize(self, request: Request) -> Response:
        """Make tokens of a text."""
        asked, model = decode_tokenize(await request.body())
        tokens = await race(self._service.tokenize(asked), request.receive)
        return replies.json(_encode(Tokenized(model, tokens)))

    async def detokenize(self, request: Request) -> Response:
        """Make a text of tokens."""
        asked, model = decode_detokenize(await request.body())
        text = await race(self._service.detokenize(asked), request.receive)
        return replies.json(_encode(Detokenized(model, text)))

    async def apply_template(self, request: Request) -> Response:
        """Make the prompt, and its tokens, that a body of chat or generate comes to."""
        asked, model = decode_apply_template(await request.body())
        found = await race(self._service.render(asked), request.receive)
        return replies.json(_encode(AppliedTemplate(model, found.prompt, found.tokens, found.image_count)))


def decode_tokenize(body: bytes) -> tuple[TokenizeRequest, str]:
    """Decode a body of ``/api/tokenize``: the request, and the model's name as the caller wrote it.

    Raises:
        InvalidRequest: a field has the wrong type, or no model or text is given.
        CloudDisabled: a cloud model is named.
    """
    fields = Fields(first_value(body), "TokenizeRequest")
    common, model = _common(fields)
    given = [name for name in _TEXT if fields.raw(name) is not None]
    if len(given) != 1:
        raise InvalidRequest("one of text, prompt and content is required")
    return TokenizeRequest(text=fields.text(given[0]), framed=fields.flag("add_special"), **common), model


def decode_detokenize(body: bytes) -> tuple[DetokenizeRequest, str]:
    """Decode a body of ``/api/detokenize``; raises as ``decode_tokenize``."""
    fields = Fields(first_value(body), "DetokenizeRequest")
    common, model = _common(fields)
    tokens = fields.wholes("tokens")
    if any(not 0 <= token < 2**31 for token in tokens):
        raise InvalidRequest("tokens must be numbers from 0 on")
    return DetokenizeRequest(tokens=tokens, **common), model


def decode_apply_template(body: bytes) -> tuple[ChatRequest | GenerateRequest, str]:
    """Decode a body of ``/api/chat``, or else of ``/api/generate``.

    Raises:
        InvalidRequest: a field has the wrong type, or there is neither a message nor a prompt.
        InvalidFormat: ``format`` is none.
        ModelNotFound: no model is named.
        CloudDisabled: a cloud model is named.
    """
    fields = Fields(first_value(body), "ApplyTemplateRequest")
    chats = fields.raw("messages") is not None
    call = decode.chat(body) if chats else decode.generate(body)
    if call.fault is not None:
        raise call.fault
    request = call.request
    if not (request.messages if isinstance(request, ChatRequest) else request.prompt):
        raise InvalidRequest("messages or a prompt is required")
    return request, call.model


def _common(fields: Fields) -> tuple[dict[str, Any], str]:
    model = fields.text("model")
    if not (name := local_name(model, "remote model is")):
        raise InvalidRequest("model is required")
    options = fields.mapping("options") or {}
    return {"model": name, "options": options, "keep_alive": keep_alive(fields.raw("keep_alive"))}, model
