"""The services that use models, with every request kept in ``Requests`` while it runs."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from puna.events import Event
from puna.service.chat import ChatService
from puna.service.embedding import EmbedService
from puna.service.requests import Requests
from puna.service.rerank import RerankService
from puna.types import (
    ChatRequest,
    Embeddings,
    EmbedRequest,
    GenerateRequest,
    Ranking,
    RerankRequest,
    RunningModel,
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
        return self._requests.stream("chat", request.model, self._chat.chat(request))

    def generate(self, request: GenerateRequest) -> AsyncGenerator[Event, None]:
        """Complete a prompt."""
        return self._requests.stream("generate", request.model, self._chat.generate(request))

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
        return await self._requests.single("embed", request.model, self._embedding.embed(request))


class WatchedReranking:
    """``RerankService``, watched."""

    def __init__(self, reranking: RerankService, requests: Requests) -> None:
        self._reranking = reranking
        self._requests = requests

    async def rerank(self, request: RerankRequest) -> Ranking:
        """Tell how well each document answers the query."""
        return await self._requests.single("rerank", request.model, self._reranking.rerank(request))
