"""``/v1/rerank``, in the forms of Jina and of Cohere, which differ only in what a document may be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from puna.errors import InvalidRequest
from puna.http.body import Fields, first_value
from puna.http.cloud import local_name
from puna.http.dialects import About, Reranking, Route
from puna.http.dialects.puna import replies
from puna.http.parameters import KeepAlive, ModelOptions, keep_alive
from puna.http.stream import race
from puna.service.requests import caller
from puna.types import Ranking, RerankRequest


class RerankBody(msgspec.Struct, kw_only=True):
    """A body of ``/v1/rerank``. Documents that are objects have a text, or several."""

    model: Annotated[str, msgspec.Meta(min_length=1, description="The name of a model.", examples=["smollm2"])]
    query: Annotated[str, msgspec.Meta(min_length=1)] | Mapping[str, Any]
    documents: Annotated[Sequence[str | Mapping[str, Any]], msgspec.Meta(min_length=1)]
    top_n: Annotated[
        Annotated[int, msgspec.Meta(ge=1)] | None, msgspec.Meta(description="How many of the best to tell; null: all.")
    ] = None
    return_documents: Annotated[bool | None, msgspec.Meta(description="Repeat the documents.")] = False
    rank_fields: Annotated[
        Sequence[str] | None, msgspec.Meta(description="The fields of documents that are read; none: all.")
    ] = ()
    instruction: Annotated[str | None, msgspec.Meta(description="What it is to answer the query.")] = ""
    raw_scores: Annotated[
        bool | None, msgspec.Meta(description="Scores as the model gives them, in place of those from 0 to 1.")
    ] = False
    options: ModelOptions | None = None
    keep_alive: KeepAlive = None


class Document(msgspec.Struct):
    """A document as it was read."""

    text: str


class Result(msgspec.Struct, omit_defaults=True):
    """How well the document number ``index`` answers the query; the document only where it was asked for."""

    index: int
    relevance_score: float
    document: Document | None = None


class Usage(msgspec.Struct):
    """Tokens that were read, as Jina counts them."""

    prompt_tokens: int
    total_tokens: int


class TokenCount(msgspec.Struct):
    """Tokens that were read, as Cohere counts them."""

    input_tokens: int


class Meta(msgspec.Struct):
    """Where Cohere's clients look for the tokens."""

    tokens: TokenCount


class RerankReply(msgspec.Struct):
    """The reply of ``/v1/rerank``, the best document first."""

    id: str
    object: str
    model: str
    results: Sequence[Result]
    usage: Usage
    meta: Meta


_ABOUT = About(
    takes=RerankBody,
    gives=RerankReply,
    fails=replies.Error,
    refuses=(404,),
    examples={
        "texts": {"model": "smollm2", "query": "Why is the sky blue?", "documents": ["Air scatters light.", "Bread."]}
    },
    summary="Tell how well documents answer a query.",
)


@dataclass(frozen=True, slots=True)
class Call:
    """A decoded call: the request, the model's name as the caller wrote it, and how much of the ranking is wanted."""

    request: RerankRequest
    model: str
    top_n: int
    with_documents: bool


def routes(service: Reranking) -> Sequence[Route]:
    """The routes that rank documents."""

    async def rerank(request: Request) -> Response:
        call = decode(await request.body())
        return replies.json(encode(await race(service.rerank(call.request), request.receive), call))

    paths = ("/v1/rerank", "/v2/rerank", "/rerank")
    return tuple(Route(("POST",), path, rerank, replies.refuse, "infer", counted=True, about=_ABOUT) for path in paths)


def decode(body: bytes) -> Call:
    """Decode a body of ``/v1/rerank``.

    Raises:
        InvalidRequest: a field has the wrong type or is missing.
        CloudDisabled: a cloud model is named.
    """
    fields = Fields(first_value(body), "RerankRequest")
    model = fields.text("model")
    if not (name := local_name(model, "remote model is")):
        raise InvalidRequest("model is required")
    query = fields.raw("query")
    documents = _documents(fields)
    top_n = fields.whole("top_n")
    if fields.raw("top_n") is not None and top_n < 1:
        raise InvalidRequest("top_n must be at least 1")
    request = RerankRequest(
        model=name,
        query=_text(query, ()) if query is not None else "",
        documents=documents,
        instruction=fields.text("instruction"),
        raw_scores=fields.flag("raw_scores"),
        options=fields.mapping("options") or {},
        keep_alive=keep_alive(fields.raw("keep_alive")),
    )
    if not request.query:
        raise InvalidRequest("query is required")
    return Call(request, model, top_n or len(documents), fields.flag("return_documents"))


def encode(ranking: Ranking, call: Call) -> RerankReply:
    """The reply that says ``ranking``."""
    documents = call.request.documents
    results = [
        Result(one.index, one.score, Document(documents[one.index]) if call.with_documents else None)
        for one in ranking.documents[: call.top_n]
    ]
    tokens = ranking.usage.prompt_tokens
    return RerankReply(
        id=caller().id,
        object="list",
        model=call.model,
        results=results,
        usage=Usage(tokens, tokens),
        meta=Meta(TokenCount(tokens)),
    )


def _documents(fields: Fields) -> tuple[str, ...]:
    given = fields.raw("documents")
    if given is None:
        given = fields.raw("texts")
    if not isinstance(given, list) or not given:
        raise InvalidRequest("documents is required: a list of texts")
    wanted = fields.texts("rank_fields")
    return tuple(_text(document, wanted) for document in given)


def _text(value: Any, wanted: Sequence[str]) -> str:
    """What is read of a document: the text it is or has, or its fields, those that are ``wanted`` or all, by name."""
    if isinstance(value, str):
        return value
    if not isinstance(value, dict):
        raise InvalidRequest("a document and a query must be a string, or an object with a text")
    if not wanted and isinstance(text := value.get("text"), str):
        return text
    found = {name: value[name] for name in wanted or value if isinstance(value.get(name), str)}
    if not found:
        raise InvalidRequest("a document that is an object must have a text")
    return "\n".join(f"{name}: {text}" for name, text in found.items())
