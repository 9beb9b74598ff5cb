"""The composition root: the only module that knows everyone. Builds a server from settings and runs it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

import uvicorn
import uvloop

from puna import OLLAMA_API_VERSION, __version__
from puna.config import Settings
from puna.engine.llamacpp import LlamaCpp
from puna.errors import PunaError
from puna.http.app import HEADERS, build
from puna.http.dialects import Services
from puna.scheduler.machine import available_memory
from puna.scheduler.pool import Pool
from puna.service.chat import ChatService
from puna.service.embedding import EmbedService
from puna.service.leasing import Leasing
from puna.service.library import Library
from puna.service.metrics import Metrics
from puna.service.requests import Requests
from puna.service.rerank import RerankService
from puna.service.responses import KeptResponses
from puna.service.tokens import TokenService
from puna.service.transfer import Transfers
from puna.service.watched import WatchedChat, WatchedEmbedding, WatchedReranking
from puna.store.models import Store
from puna.types import PullRequest

log = logging.getLogger(__name__)

_BACKLOG = 2048
_IDLE_CONNECTION_SECONDS = 120
_LAST_REPLIES_SECONDS = 3


@dataclass(frozen=True, slots=True)
class Server:
    """A server, built but not yet listening."""

    settings: Settings
    services: Services
    pool: Pool
    transfers: Transfers

    async def close(self) -> None:
        """Stop what works for nobody in particular: transfers, to be resumed another time, and then the models."""
        await self.transfers.close()
        await self.pool.close()


def compose(settings: Settings) -> Server:
    """Build everything a server is made of. Call it inside a running event loop.

    Raises:
        StoreError: the model store cannot be used.
    """
    store = Store(settings.models, prune=not settings.no_prune, go_template=settings.go_template)
    store.repair()
    engine = LlamaCpp(binary=settings.llama_server, load_timeout=settings.load_timeout)
    # Each of them is told something by the next ones, so they are named before they are there.
    metrics = Metrics(models=lambda: leasing.running(), requests=lambda: requests.running())  # noqa: PLW0108
    requests = Requests(ended=metrics.ended)
    pool = Pool(
        engine,
        max_loaded=settings.max_loaded_models,
        max_queue=settings.max_queue,
        default_keep_alive=settings.keep_alive,
        free_memory=available_memory,
        observe=metrics.happened,
    )
    leasing = Leasing(store, pool, settings)
    transfers = Transfers(store, connections=settings.max_transfers)
    library = Library(
        store, obtain=lambda model: transfers.pull(PullRequest(model)), any_layout=bool(settings.llama_server)
    )
    chat = ChatService(leasing)
    responses = KeptResponses(settings.state, limit=settings.max_responses)
    services = Services(
        chat=WatchedChat(chat, requests),
        embedding=WatchedEmbedding(EmbedService(leasing), requests),
        library=library,
        transfers=transfers,
        tokens=TokenService(leasing, chat),
        responses=responses,
        reranking=WatchedReranking(RerankService(leasing, chat), requests),
        requests=requests,
        metrics=metrics,
    )
    return Server(settings, services, pool, transfers)


def serve(settings: Settings) -> int:
    """Serve until SIGINT or SIGTERM; return the exit status. Says where it listens, on standard error."""
    _log_to_stderr(settings.debug)
    try:
        listener = _listen(settings)
    except OSError as error:
        print(f"Error: listen tcp {settings.host.host}:{settings.host.port}: {error.strerror}", file=sys.stderr)  # noqa: T201
        return 1
    with listener:
        try:
            uvloop.run(_serve(settings, listener))
        except PunaError as error:
            print(f"Error: {error}", file=sys.stderr)  # noqa: T201 -- the command line's own words
            return 1
    return 0


async def _serve(settings: Settings, listener: socket.socket) -> None:
    server = compose(settings)
    host, port = listener.getsockname()[:2]
    config = uvicorn.Config(
        build(server.services, settings, bound_to=host),
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        headers=list(HEADERS),
        backlog=_BACKLOG,
        timeout_keep_alive=_IDLE_CONNECTION_SECONDS,
        timeout_graceful_shutdown=_LAST_REPLIES_SECONDS,
    )
    log.info("Listening on %s:%d (version %s, Ollama API %s)", host, port, __version__, OLLAMA_API_VERSION)
    await _Uvicorn(config, before_shutdown=server.close).serve(sockets=[listener])


class _Uvicorn(uvicorn.Server):
    """Uvicorn that stops models and transfers first, so that what runs ends with a word of why, and then itself."""

    def __init__(self, config: uvicorn.Config, *, before_shutdown: Callable[[], Awaitable[None]]) -> None:
        super().__init__(config)
        self._before_shutdown = before_shutdown

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop at SIGINT and SIGTERM, the same way and with exit status 0."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, stop models and transfers, then let uvicorn finish the replies."""
        for server in self.servers:
            server.close()
        await self._before_shutdown()
        await super().shutdown(sockets)


def _listen(settings: Settings) -> socket.socket:
    address = settings.host
    found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, target = found[0]
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(target)
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _log_to_stderr(debug: int) -> None:
    logging.basicConfig(
        level=logging.DEBUG if debug else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    for noisy in ("asyncio", "httpcore2", "httpx2", "uvicorn", "uvicorn.error"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    logging.getLogger("puna.engine.process").setLevel(logging.DEBUG if debug > 1 else logging.INFO)
