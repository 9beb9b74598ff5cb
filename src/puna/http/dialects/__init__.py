"""The contract of a dialect: one module here that decodes requests to puna's types, and encodes events in its words.

A dialect module has ``routes(services)``. Dialects are found by looking into this package and know nothing of each
other; adding one is adding a module. What they need of puna is named here, so that they depend on nothing below.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal, Protocol

from starlette.requests import Request
from starlette.types import ASGIApp

from puna.events import Event, Progress, Rendered
from puna.service.rights import KeyScope
from puna.types import (
    ChatRequest,
    CreateRequest,
    DetokenizeRequest,
    Embeddings,
    EmbedRequest,
    GenerateRequest,
    ModelDetails,
    ModelSummary,
    PullRequest,
    PushRequest,
    Ranking,
    RerankRequest,
    RunningModel,
    RunningRequest,
    StoredResponse,
    StorePlace,
    TokenizeRequest,
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

    def place(self) -> StorePlace:
        """Where they are on this machine."""
        ...

    def create(self, request: CreateRequest, /) -> AsyncGenerator[Progress, None]:
        """Make a model."""
        ...


class Transfers(Protocol):
    """Models that come and go."""

    def pull(self, request: PullRequest, /) -> AsyncGenerator[Progress, None]:
        """Fetch a model from where it is published."""
        ...

    def push(self, request: PushRequest, /) -> AsyncGenerator[Progress, None]:
        """Send a model to the registry its name says."""
        ...


class Tokens(Protocol):
    """Texts as a model reads them."""

    async def tokenize(self, request: TokenizeRequest, /) -> Sequence[int]:
        """The tokens of a text."""
        ...

    async def detokenize(self, request: DetokenizeRequest, /) -> str:
        """The text of tokens."""
        ...

    async def render(self, request: ChatRequest | GenerateRequest, /) -> Rendered:
        """The prompt that a request comes to, and its tokens."""
        ...

    async def count(self, request: ChatRequest | GenerateRequest, /) -> int:
        """The tokens of that prompt, its images among them."""
        ...


class Responses(Protocol):
    """Answers that are kept."""

    async def save(self, response: StoredResponse, /) -> bool:
        """Keep an answer; false if there is no room for it."""
        ...

    async def load(self, id_: str, /) -> StoredResponse:
        """The answer of that id.

        Raises:
            ResponseNotFound: it is not kept.
        """
        ...

    async def conversation(self, id_: str, /) -> Sequence[StoredResponse]:
        """The answer of that id and all that it went on from, the first one first. Raises as ``load``, for each."""
        ...

    async def delete(self, id_: str, /) -> None:
        """Forget the answer of that id. Raises as ``load``."""
        ...


class Reranking(Protocol):
    """Documents by how well they answer a query."""

    async def rerank(self, request: RerankRequest, /) -> Ranking:
        """Tell how well each document answers the query."""
        ...


class Requests(Protocol):
    """What runs."""

    def running(self) -> list[RunningRequest]:
        """The requests that use a model, or wait for one, the oldest first."""
        ...

    def cancel(self, id_: str, /) -> None:
        """End the request of that id.

        Raises:
            RequestNotFound: there is none.
        """
        ...


class Metrics(Protocol):
    """Counts of everything."""

    def exposition(self, accept: str, /) -> tuple[bytes, str]:
        """All of it as text, and its media type, in the form that ``accept`` (an HTTP header) asks for."""
        ...


@dataclass(frozen=True, slots=True)
class Services:
    """What puna can do."""

    chat: Chat
    embedding: Embedding
    library: Library
    transfers: Transfers
    tokens: Tokens
    responses: Responses
    reranking: Reranking
    requests: Requests
    metrics: Metrics


@dataclass(frozen=True, slots=True)
class About:
    """What the description of the API says of a route, in types that msgspec knows.

    ``takes`` is its body, of the media type ``takes_as``; ``gives`` its reply in JSON, ``texts`` the media types of one
    that is text; ``streams`` an item of a streamed reply, which is of the type ``streams_as``; ``fails`` an error.
    Several types in a tuple are one of them; None: there is none.
    ``succeeds`` are the statuses of a reply, ``refuses`` those of errors that the route is known for, beside those that
    follow from what it takes and of whom. ``parameters`` are the types of those in its path, ``query`` those after it.
    ``examples`` are bodies by name, ``summary`` is a sentence ("": the endpoint's own).
    """

    takes: Any = None
    takes_as: str = "application/json"
    gives: Any = None
    texts: tuple[str, ...] = ()
    streams: Any = None
    streams_as: str = "application/x-ndjson"
    fails: Any = None
    succeeds: tuple[int, ...] = (200,)
    refuses: tuple[int, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    query: Mapping[str, Any] = field(default_factory=dict)
    examples: Mapping[str, Any] = field(default_factory=dict)
    summary: str = ""


AtStop = Literal["finish", "break off", "answer"]
"""What becomes of a route's requests when the server stops: they finish, are ended, or even new ones are answered."""


@dataclass(frozen=True, slots=True)
class Route:
    """One path and its methods.

    The last segment of ``path``, or the one before it, may be a parameter, ``{name}``; the last one may also be
    ``{name:path}``, which may have slashes.
    ``endpoint`` gives the response; ``refuse`` makes one of any exception it raises. ``scope`` is what a key must be
    for where keys are needed; "open": none ever is. Unless it is said, it must be for everything.
    ``counted`` requests count against the limit of their key: those that make a model work. ``limited`` is false where
    a body may be of any size, since it is not held in memory. ``at_stop`` is what becomes of its requests when the
    server stops. ``about`` is for the description of the API.
    """

    methods: tuple[str, ...]
    path: str
    endpoint: Callable[[Request], Awaitable[ASGIApp]]
    refuse: Callable[[Exception], ASGIApp]
    scope: KeyScope | Literal["open"] = "admin"
    counted: bool = False
    limited: bool = True
    at_stop: AtStop = "finish"
    about: About = field(default_factory=About)


class Dialect(Protocol):
    """A module of this package."""

    def routes(self, services: Services) -> Sequence[Route]:
        """Every route of the dialect."""
        ...


@cache
def find() -> tuple[Dialect, ...]:
    """All dialects, by name."""
    return tuple(importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__))
