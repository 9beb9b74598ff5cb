"""The services that use models, with every request kept in ``Requests`` while it runs, and made again if need be."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from functools import partial

from puna.events import Event, Rendered
from puna.service import again
from puna.service.chat import ChatService
from puna.service.embedding import EmbedService
from puna.service.requests import Requests
from puna.service.rerank import RerankService
from puna.service.tokens import TokenService
from puna.types import (
    ChatRequest,
    DetokenizeRequest,
    Embeddings,
    EmbedRequest,
    GenerateRequest,
    Ranking,
    RerankRequest,
    RunningModel,
    TokenizeRequest,
)


class WatchedChat:
    """``ChatService``, watched."""

    def __init__(self, chat: ChatService, requests: Requests) -> None:
        self._chat = chat
        self._requests = requests
        self.resolve = chat.resolve
        self.unload = chat.unload

    def chat(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        """Continue a conversation."""
        return self._requests.stream("chat", request.model, again.stream(partial(self._chat.chat, request)))

    def generate(self, request: GenerateRequest) -> AsyncGenerator[Event, None]:
        """Complete a prompt."""
        return self._requests.stream("generate", request.model, again.stream(partial(self._chat.generate, request)))

    def running(self) -> list[RunningModel]:
        """The models in memory."""
        return self._chat.running()


class WatchedEmbedding:
    """``EmbedService``, watched."""

    def __init__(self, embedding: EmbedService, requests: Requests) -> None:
        self._embedding = embedding
        self._requests = requests

    async def embed(self, request: EmbedRequest) -> Embeddings:
        """Make a vector of each input."""
        return await self._requests.single(
            "embed", request.model, again.single(partial(self._embedding.embed, request)), lambda one: one.usage
        )


class WatchedReranking:
    """``RerankService``, watched."""

    def __init__(self, reranking: RerankService, requests: Requests) -> None:
        self._reranking = reranking
        self._requests = requests

    async def rerank(self, request: RerankRequest) -> Ranking:
        """Tell how well each document answers the query."""
        return await self._requests.single(
            "rerank", request.model, again.single(partial(self._reranking.rerank, request)), lambda one: one.usage
        )


class WatchedTokens:
    """``TokenService``, watched."""

    def __init__(self, tokens: TokenService, requests: Requests) -> None:
        self._tokens = tokens
        self._requests = requests

    async def tokenize(self, request: TokenizeRequest) -> Sequence[int]:
        """The tokens of a text."""
        return await self._requests.single(
            "tokenize", request.model, again.single(partial(self._tokens.tokenize, request))
        )

    async def detokenize(self, request: DetokenizeRequest) -> str:
        """The text of tokens."""
        return await self._requests.single(
            "detokenize", request.model, again.single(partial(self._tokens.detokenize, request))
        )

    async def render(self, request: ChatRequest | GenerateRequest) -> Rendered:
        """The prompt that a request comes to, and its tokens."""
        return await self._requests.single(
            "apply-template", request.model, again.single(partial(self._tokens.render, request))
        )

    async def count(self, request: ChatRequest | GenerateRequest) -> int:
        """The tokens of that prompt."""
        return await self._requests.single(
            "count-tokens", request.model, again.single(partial(self._tokens.count, request))
        )
