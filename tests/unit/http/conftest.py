"""Services that do what a test says, an ASGI client that leaves when told to, and a real server around both."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import json
import os
import socket
import threading
from array import array
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from starlette.types import Message

from puna import config
from puna.errors import DigestMismatch, InvalidName, ModelNotFound, PunaError, RequestNotFound
from puna.events import Done, Event, Progress, Rendered, Text
from puna.http import app
from puna.http.dialects import Services
from puna.names import Digest, ModelName
from puna.service.keys import KeyFile, Keyring
from puna.types import (
    ChatRequest,
    CreateRequest,
    Details,
    DetokenizeRequest,
    Embeddings,
    EmbedRequest,
    GenerateRequest,
    ModelDetails,
    ModelSummary,
    PullRequest,
    PushRequest,
    Ranking,
    Relevance,
    RerankRequest,
    RunningModel,
    RunningRequest,
    StorePlace,
    Timings,
    TokenizeRequest,
    Usage,
)
from support.served_app import served

DETAILS = Details("", "gguf", "llama", ("llama",), "134.52M", "Q4_1", 8192, 576)
MODIFIED = "2026-11-21T20:41:05.742011893+01:00"


async def say_hello() -> AsyncGenerator[Event, None]:
    yield Text("Hel")
    yield Text("lo")
    yield Done("stop", Usage(5, 2), Timings(0.5, 0.1, 0.25, 0.125))


@dataclass
class FakeChat:
    """Answers with what ``script`` yields, about models of the library."""

    library: FakeLibrary
    script: Callable[[], AsyncGenerator[Event, None]] = say_hello
    asked: list[ChatRequest | GenerateRequest] = field(default_factory=list)
    unloaded: list[str] = field(default_factory=list)
    models: list[RunningModel] = field(default_factory=list)

    def resolve(self, model: str) -> None:
        self.library.require(model)

    async def chat(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        async for event in self._answer(request, empty=not request.messages):
            yield event

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Event, None]:
        async for event in self._answer(request, empty=not request.prompt):
            yield event

    async def unload(self, model: str) -> None:
        self.resolve(model)
        self.unloaded.append(model)

    def running(self) -> list[RunningModel]:
        return self.models

    async def _answer(self, request: ChatRequest | GenerateRequest, *, empty: bool) -> AsyncGenerator[Event, None]:
        self.resolve(request.model)
        self.asked.append(request)
        if empty:
            yield Done("load")
            return
        events = self.script()
        try:
            async for event in events:
                yield event
        finally:
            await events.aclose()


@dataclass
class FakeEmbedding:
    """Makes a vector of each text's length, unless there is a ``fault``; waits for ever if told to."""

    library: FakeLibrary
    asked: list[EmbedRequest] = field(default_factory=list)
    fault: PunaError | None = None
    waits: bool = False
    arrived: threading.Event = field(default_factory=threading.Event)
    left: threading.Event = field(default_factory=threading.Event)

    async def embed(self, request: EmbedRequest) -> Embeddings:
        self.library.require(request.model)
        self.asked.append(request)
        self.arrived.set()
        if self.fault is not None:
            raise self.fault
        try:
            while self.waits:
                await asyncio.sleep(1)
        finally:
            self.left.set()
        if not request.inputs:
            return Embeddings()
        vectors = tuple(array("f", [len(text), 0.1]) for text in request.inputs)
        return Embeddings(vectors, Usage(7), Timings(total=0.5, load=0.25))


@dataclass
class FakeLibrary:
    """Models that are names, and blobs in memory."""

    names: set[str] = field(default_factory=lambda: {"smol:latest"})
    blobs: dict[str, bytes] = field(default_factory=dict)
    created: list[CreateRequest] = field(default_factory=list)
    shown: list[tuple[str, bool, str, Mapping[str, Any]]] = field(default_factory=list)
    remote_host: str = ""
    fault: PunaError | None = None

    def require(self, name: str) -> str:
        short = ModelName.parse(name).short
        if short not in self.names:
            raise ModelNotFound(name)
        return short

    def list(self) -> list[ModelSummary]:
        return [
            ModelSummary(name, MODIFIED, 91_000_000, "5" * 64, DETAILS, ("completion",)) for name in sorted(self.names)
        ]

    def show(self, name: str, *, verbose: bool, system: str, options: Mapping[str, Any]) -> ModelDetails:
        self.require(name)
        self.shown.append((name, verbose, system, options))
        info = {"general.architecture": "llama"}
        return ModelDetails("# Modelfile", DETAILS, info, ("completion",), MODIFIED, remote_host=self.remote_host)

    def copy(self, source: str, destination: str) -> None:
        self.require(source)
        self.names.add(ModelName.parse(destination).short)

    def delete(self, name: str) -> None:
        self.names.remove(self.require(name))

    def has_blob(self, digest: str) -> bool:
        return str(Digest.parse(digest)) in self.blobs

    async def write_blob(self, digest: str, chunks: AsyncIterator[bytes]) -> bool:
        expected = str(Digest.parse(digest))
        if expected in self.blobs:
            return False
        content = b"".join([chunk async for chunk in chunks])
        actual = f"sha256:{hashlib.sha256(content).hexdigest()}"
        self.blobs[actual] = content
        if actual != expected:
            raise DigestMismatch(expected, actual)
        return True

    async def create(self, request: CreateRequest) -> AsyncGenerator[Progress, None]:
        if not request.model:
            raise InvalidName(request.model)
        self.created.append(request)
        if self.fault is not None:
            raise self.fault
        yield Progress("parsing GGUF")
        yield Progress("writing manifest")
        yield Progress("success")

    def place(self) -> StorePlace:
        return StorePlace("/models", 7, 42)


@dataclass
class FakeTransfers:
    """Moves nothing, says so in steps, and then raises ``fault`` if there is one."""

    pulled: list[PullRequest] = field(default_factory=list)
    pushed: list[PushRequest] = field(default_factory=list)
    fault: PunaError | None = None

    async def pull(self, request: PullRequest) -> AsyncGenerator[Progress, None]:
        ModelName.parse(request.model)
        self.pulled.append(request)
        async for step in self._steps("pulling manifest", "pulling 0123456789ab"):
            yield step

    async def push(self, request: PushRequest) -> AsyncGenerator[Progress, None]:
        ModelName.parse(request.model)
        self.pushed.append(request)
        async for step in self._steps("retrieving manifest", "pushing 0123456789ab"):
            yield step

    async def _steps(self, first: str, moving: str) -> AsyncGenerator[Progress, None]:
        yield Progress(first)
        if self.fault is not None:
            raise self.fault
        for done in (0, 7):
            yield Progress(moving, f"sha256:{'0' * 64}", 7, done)
        yield Progress("success")


@dataclass
class FakeTokens:
    """A token for each letter; a prompt is what was said, in brackets."""

    library: FakeLibrary
    asked: list[Any] = field(default_factory=list)

    async def tokenize(self, request: TokenizeRequest) -> list[int]:
        self._asked(request)
        return [ord(letter) for letter in request.text]

    async def detokenize(self, request: DetokenizeRequest) -> str:
        self._asked(request)
        return "".join(map(chr, request.tokens))

    async def render(self, request: ChatRequest | GenerateRequest) -> Rendered:
        self._asked(request)
        said = [one.content for one in request.messages] if isinstance(request, ChatRequest) else [request.prompt]
        prompt = "".join(f"[{one}]" for one in said)
        return Rendered(prompt, tokens=tuple(map(ord, prompt)))

    async def count(self, request: ChatRequest | GenerateRequest) -> int:
        return len((await self.render(request)).tokens)

    def _asked(self, request: Any) -> None:
        self.library.require(request.model)
        self.asked.append(request)


@dataclass
class FakeReranking:
    """The longer a document, the better."""

    library: FakeLibrary
    asked: list[RerankRequest] = field(default_factory=list)

    async def rerank(self, request: RerankRequest) -> Ranking:
        self.library.require(request.model)
        self.asked.append(request)
        order = sorted(enumerate(request.documents), key=lambda one: -len(one[1]))
        return Ranking(tuple(Relevance(at, len(text) / 100) for at, text in order), Usage(7))


@dataclass
class FakeRequests:
    """Requests that someone says run."""

    requests: list[RunningRequest] = field(default_factory=list)

    def running(self) -> list[RunningRequest]:
        return self.requests

    def cancel(self, id_: str) -> None:
        if id_ not in [one.id for one in self.requests]:
            raise RequestNotFound(id_)
        self.requests = [one for one in self.requests if one.id != id_]


class FakeMetrics:
    """Tells what it was asked for."""

    def exposition(self, accept: str) -> tuple[bytes, str]:
        return f"# {accept}".encode(), "text/plain"


@dataclass
class AsgiClient:
    """The other end of one ASGI request: keeps what is sent to it, and leaves when told to."""

    sent: list[Message] = field(default_factory=list)
    body: bytes = b""
    news: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    body_given: bool = False

    async def receive(self) -> Message:
        if self.body and not self.body_given:
            self.body_given = True
            return {"type": "http.request", "body": self.body, "more_body": False}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.sent.append(message)
        self.news.set()

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.sent[0]["headers"]}

    @property
    def text(self) -> str:
        return b"".join(message["body"] for message in self.sent[1:]).decode()


@dataclass
class Answer:
    """A whole HTTP response."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.text.split("\n") if line]


@dataclass
class Site:
    """A server on a port of its own, and what is behind it."""

    port: int
    chat: FakeChat
    embedding: FakeEmbedding
    library: FakeLibrary
    transfers: FakeTransfers
    tokens: FakeTokens
    reranking: FakeReranking
    requests: FakeRequests

    def send(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        connection.request(method, path, data, dict(headers or {}))
        response = connection.getresponse()
        answer = Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read().decode())
        connection.close()
        return answer

    def begin(self, path: str, body: Any) -> socket.socket:
        """Send a request and leave its answer unread."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        data = json.dumps(body).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(data)}\r\n\r\n"
        connection.sendall(head.encode() + data)
        return connection


@pytest.fixture
def client() -> AsgiClient:
    return AsgiClient()


@pytest.fixture(scope="session")
def running_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    library = FakeLibrary()
    chat, embedding, transfers = FakeChat(library), FakeEmbedding(library), FakeTransfers()
    settings = config.read({"PUNA_MAX_BODY": "1000", "OLLAMA_MODELS": os.devnull})
    tokens, reranking, requests = FakeTokens(library), FakeReranking(library), FakeRequests()
    services = Services(
        chat=chat,
        embedding=embedding,
        library=library,
        transfers=transfers,
        tokens=tokens,
        responses=cast(Any, None),
        reranking=reranking,
        requests=requests,
        metrics=FakeMetrics(),
    )
    keys = Keyring(KeyFile(tmp_path_factory.mktemp("state")), required=False)
    site = app.build(services, settings, bound_to="127.0.0.1", keys=keys)
    with served(site, server_header=False, headers=list(app.HEADERS)) as port:
        yield Site(port, chat, embedding, library, transfers, tokens, reranking, requests)


@pytest.fixture
def site(running_site: Site) -> Site:
    """A server with one model, ``smol``, that says hello; JSON bodies may have 1000 bytes."""
    vars(running_site.library).update(vars(FakeLibrary()))
    vars(running_site.transfers).update(vars(FakeTransfers()))
    vars(running_site.chat).update(vars(FakeChat(running_site.library)))
    vars(running_site.embedding).update(vars(FakeEmbedding(running_site.library)))
    vars(running_site.tokens).update(vars(FakeTokens(running_site.library)))
    vars(running_site.reranking).update(vars(FakeReranking(running_site.library)))
    vars(running_site.requests).update(vars(FakeRequests()))
    return running_site
