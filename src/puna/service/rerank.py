"""Reranking: how well documents answer a query, by a model made for that, or by one that writes yes or no."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import aclosing
from math import exp, log

from puna.errors import ContextTooLong, NotCapable
from puna.events import Done, Text, Thinking
from puna.options import merge
from puna.service.chat import ChatService
from puna.service.leasing import Leasing
from puna.store.models import Model
from puna.types import ChatRequest, Message, Ranking, Relevance, RerankRequest, TokenLogprob, Usage

POOLING_RANK = 4
"""llama.cpp's number for a model that makes a score of a query and a document."""

_AT_ONCE = 4
"""Judgements that one request has made at the same time; each reads only what differs from the one before."""

_MOST_DOCUMENTS = 16
"""What one call of the engine takes. It works through a call before it turns to the next."""

_FRAME = 4
"""Tokens that may stand around a query and a document. Of the texts themselves there are no more than bytes."""

_ALTERNATIVES = 100
"""The likeliest next tokens that are looked at. Where neither answer is among them, the model says neither."""

_LEAST, _MOST = 1e-9, 1 - 1e-9

_ALREADY_PROBABILITIES = frozenset({"qwen3", "qwen3vl"})
"""Architectures whose scores llama.cpp gives as probabilities; those of the others have no bounds."""

_SYSTEM = (
    "Judge whether the Document meets the requirements based on the Query and the Instruct provided. "
    'Note that the answer can only be "yes" or "no".'
)
_INSTRUCTION = "Given a web search query, retrieve relevant passages that answer the query"
"""The words that rerankers which write were trained with; all others understand them."""


class RerankService:
    """Ranks with models that ``leasing`` gives; ``chat`` asks those that write."""

    def __init__(self, leasing: Leasing, chat: ChatService) -> None:
        self._leasing = leasing
        self._chat = chat

    async def rerank(self, request: RerankRequest) -> Ranking:
        """Tell how well each document answers the query. Cancelling it stops it.

        Raises:
            ContextTooLong: the query and a document do not fit into the context.
            NotCapable: the model can neither rank nor write.
            RequestError: the request cannot be answered as it is.
            NotFound, Unavailable, EngineError: nor can it now.
        """
        model = self._leasing.model(request.model)
        if model.gguf.of_architecture("pooling_type") == POOLING_RANK:
            scores, tokens = await self._ranked(model, request)
            bounded = model.gguf.architecture in _ALREADY_PROBABILITIES
        elif "completion" in model.capabilities:
            scores, tokens = await self._judged(request)
            bounded = True
        else:
            raise NotCapable(f'"{request.model}" does not support rerank')
        if bounded and request.raw_scores:
            scores = [_logit(score) for score in scores]
        elif not bounded and not request.raw_scores:
            scores = [_sigmoid(score) for score in scores]
        order = sorted(range(len(scores)), key=lambda index: -scores[index])
        return Ranking(tuple(Relevance(index, scores[index]) for index in order), Usage(tokens))

    async def _ranked(self, model: Model, request: RerankRequest) -> tuple[list[float], int]:
        """The scores of a model made for that, and the tokens it read."""
        options = merge(model.parameters, request.options)
        spec = self._leasing.plan(model, options, embedding=True)
        scores: list[float] = []
        tokens = 0
        async with self._leasing.lease(model, spec, options, request.keep_alive) as lease:
            room = min(lease.num_ctx, lease.loaded.spec.batch)
            query = len(request.query.encode())
            for documents in _calls(request.documents):
                for document in documents:
                    if query + len(document.encode()) + _FRAME > room:
                        text = f"{request.query} {document}"
                        size = len(await lease.loaded.tokenize(text)) + _FRAME
                        if size > room:
                            raise ContextTooLong(size, room)
                ranked = await lease.loaded.rank(request.query, documents)
                scores += ranked.scores
                tokens += ranked.prompt_tokens
        return scores, tokens

    async def _judged(self, request: RerankRequest) -> tuple[list[float], int]:
        """The probabilities with which a model says that each document answers the query, and the tokens it read."""
        found: dict[int, tuple[float, int]] = {}
        waiting = enumerate(request.documents)

        async def judge() -> None:
            for at, document in waiting:
                found[at] = await self._judgement(request, document)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(_AT_ONCE):
                    group.create_task(judge())
        except* Exception as errors:
            raise _first(errors) from errors
        return [found[at][0] for at in sorted(found)], sum(tokens for _, tokens in found.values())

    async def _judgement(self, request: RerankRequest, document: str) -> tuple[float, int]:
        said = (
            f"<Instruct>: {request.instruction or _INSTRUCTION}\n\n<Query>: {request.query}\n\n<Document>: {document}"
        )
        asked = ChatRequest(
            model=request.model,
            options={**request.options, "num_predict": 1, "temperature": 0.0},
            keep_alive=request.keep_alive,
            messages=(Message("system", _SYSTEM), Message("user", said)),
            think=False,
            truncate=False,
            logprobs=True,
            top_logprobs=_ALTERNATIVES,
        )
        score, tokens = 0.0, 0
        async with aclosing(self._chat.chat(asked)) as events:
            async for event in events:
                if isinstance(event, Text | Thinking) and event.logprobs:
                    score = yes_share(event.logprobs[0].alternatives)
                elif isinstance(event, Done):
                    tokens = event.usage.prompt_tokens
        return score, tokens


def yes_share(alternatives: Sequence[TokenLogprob]) -> float:
    """How much more likely yes is than no, from 0 to 1, by the tokens an answer may begin with; 0 if it is neither."""
    shares = {"yes": 0.0, "no": 0.0}
    for one in alternatives:
        word = one.token.strip().lower()
        if word in shares:
            shares[word] += exp(one.logprob)
    total = shares["yes"] + shares["no"]
    return shares["yes"] / total if total else 0.0


def _calls(documents: Sequence[str]) -> Iterator[Sequence[str]]:
    return (documents[start : start + _MOST_DOCUMENTS] for start in range(0, len(documents), _MOST_DOCUMENTS))


def _sigmoid(score: float) -> float:
    return 1 / (1 + exp(-score)) if score >= 0 else exp(score) / (1 + exp(score))


def _logit(probability: float) -> float:
    bounded = min(max(probability, _LEAST), _MOST)
    return log(bounded / (1 - bounded))


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first of ``errors`` that is not a group of others."""
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
