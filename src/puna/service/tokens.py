"""Texts as a model reads them: their tokens, and the prompt that a request comes to."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import replace
from typing import Any

from puna.errors import ContextTooLong
from puna.events import Done, Event, PromptProgress, Rendered
from puna.options import merge
from puna.scheduler.pool import Lease
from puna.service import vocabulary
from puna.service.chat import ChatService
from puna.service.leasing import Leasing
from puna.types import ChatRequest, DetokenizeRequest, GenerateRequest, TokenizeRequest


class TokenService:
    """Counts with models that ``leasing`` gives; ``chat`` renders. Every method raises what ``ChatService.chat`` does.

    Nothing is generated.
    """

    def __init__(self, leasing: Leasing, chat: ChatService) -> None:
        self._leasing = leasing
        self._chat = chat

    async def tokenize(self, request: TokenizeRequest) -> Sequence[int]:
        """The tokens of a text."""
        async with self._lease(request.model, request.options, request.keep_alive) as lease:
            return await lease.loaded.tokenize(request.text, framed=request.framed)

    async def detokenize(self, request: DetokenizeRequest) -> str:
        """The text of tokens."""
        vocabulary.check(self._leasing.model(request.model), request.tokens)
        async with self._lease(request.model, request.options, request.keep_alive) as lease:
            return await lease.loaded.detokenize(request.tokens)

    async def render(self, request: ChatRequest | GenerateRequest) -> Rendered:
        """The whole prompt that a request comes to, whether or not it fits, and its tokens."""
        async with aclosing(self._events(replace(request, render_only=True))) as events:
            async for event in events:
                if isinstance(event, Rendered):
                    return event
        return Rendered("")  # there was nothing to say anything to

    async def count(self, request: ChatRequest | GenerateRequest) -> int:
        """The tokens of the prompt that a request comes to, whether or not it fits; those of its images count."""
        if not _images(request):
            return len((await self.render(request)).tokens)
        # Only the engine knows how many tokens it makes of an image; it says so before it has read the first of them.
        silent = replace(request, options={**request.options, "num_predict": 0}, truncate=False)
        try:
            async with aclosing(self._events(silent)) as events:
                async for event in events:
                    if isinstance(event, PromptProgress):
                        return event.total
                    if isinstance(event, Done):
                        return event.usage.prompt_tokens
        except ContextTooLong as error:
            return error.prompt_tokens
        return 0

    def _events(self, request: ChatRequest | GenerateRequest) -> AsyncGenerator[Event, None]:
        return self._chat.chat(request) if isinstance(request, ChatRequest) else self._chat.generate(request)

    def _lease(
        self, name: str, options: Mapping[str, Any], keep_alive: float | None
    ) -> AbstractAsyncContextManager[Lease]:
        model = self._leasing.model(name)
        merged = merge(model.parameters, options)
        return self._leasing.lease(model, self._leasing.plan(model, merged), merged, keep_alive)


def _images(request: ChatRequest | GenerateRequest) -> bool:
    if isinstance(request, GenerateRequest):
        return bool(request.images)
    return any(message.images for message in request.messages)
