"""The contract of a dialect: one module here that decodes requests to puna's types, and encodes events in its words.

A dialect module has ``routes(services)``. Dialects are found by looking into this package and know nothing of each
other; adding one is adding a module. What they need of puna is named here, so that they depend on nothing below.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

from starlette.requests import Request
from starlette.types import ASGIApp

from puna.events import Event, Progress
from puna.types import (
    ChatRequest,
    CreateRequest,
    Embeddings,
    EmbedRequest,
    GenerateRequest,
    ModelDetails,
    ModelSummary,
    RunningModel,
)


class Chat(Protocol):
    """Chat and generate, and what is in memory."""

    def chat(self, request: ChatRequest, /) -> AsyncGenerator[Event, None]:
        """Continue a conversation; without messages, load the model."""
        ...

    def generate(self, request: GenerateRequest, /) -> AsyncGenerator[Event, None]:
        """Complete a prompt; without one, load the model."""
        ...

    def resolve(self, model: str, /) -> None:
        """Do nothing if ``model`` is installed.

        Raises:
            InvalidName: it cannot be a model's name.
            ModelNotFound: it is not.
        """
        ...

    async def unload(self, model: str, /) -> None:
        """Free the model's memory once its requests have ended; one that is not loaded is fine.

        Raises:
            InvalidName: it cannot be a model's name.
            ModelNotFound: it is not installed.
        """
        ...

    def running(self) -> list[RunningModel]:
        """The models in memory."""
        ...


class Embedding(Protocol):
    """Vectors of texts."""

    async def embed(self, request: EmbedRequest, /) -> Embeddings:
        """Make a vector of each input; without inputs, load the model."""
        ...


class Library(Protocol):
    """The models on disk. The methods that are not async may be called from any thread."""

    def list(self) -> list[ModelSummary]:
        """All models, the newest first."""
        ...

    def show(self, name: str, /, *, verbose: bool, system: str, options: Mapping[str, Any]) -> ModelDetails:
        """Everything there is to show of one model; ``system`` and ``options`` override its own in what is shown."""
        ...

    def copy(self, source: str, destination: str, /) -> None:
        """Give a model a second name."""
        ...

    def delete(self, name: str, /) -> None:
        """Remove a model, and the blobs no other model uses."""
        ...

    def has_blob(self, digest: str, /) -> bool:
        """Whether the blob is there."""
        ...

    async def write_blob(self, digest: str, chunks: AsyncIterator[bytes], /) -> bool:
        """Store a blob; false if it was there already."""
        ...

    def create(self, request: CreateRequest, /) -> AsyncGenerator[Progress, None]:
        """Make a model."""
        ...


@dataclass(frozen=True, slots=True)
class Services:
    """What puna can do."""

    chat: Chat
    embedding: Embedding
    library: Library


@dataclass(frozen=True, slots=True)
class Route:
    """One path and its methods.

    The last segment of ``path`` may be a parameter, ``{name}``. ``endpoint`` gives the response; ``refuse`` makes one
    of any exception it raises. ``limited`` is false where a body may be of any size, since it is not held in memory.
    """

    methods: tuple[str, ...]
    path: str
    endpoint: Callable[[Request], Awaitable[ASGIApp]]
    refuse: Callable[[Exception], ASGIApp]
    limited: bool = True


class Dialect(Protocol):
    """A module of this package."""

    def routes(self, services: Services) -> Sequence[Route]:
        """Every route of the dialect."""
        ...


@cache
def find() -> tuple[Dialect, ...]:
    """All dialects, by name."""
    return tuple(importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__))
