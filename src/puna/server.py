"""The composition root: the only module that knows everyone. Builds a server from settings and runs it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import shutil
import socket
import sys
from dataclasses import dataclass

import uvicorn
import uvloop

from puna import OLLAMA_API_VERSION, __version__, limits, logs, systemd
from puna.address import Address
from puna.announcement import announce, warn_of_meaningless
from puna.config import Settings
from puna.engine.llamacpp import LlamaCpp
from puna.errors import InvalidSetting, PunaError, StoreError
from puna.http import tls
from puna.http.app import HEADERS, build
from puna.http.connection import Connection
from puna.http.dialects import Services
from puna.http.exchanges import Exchanges, used_a_model
from puna.http.guard import is_loopback
from puna.running import LAST_REPLIES_SECONDS, Running
from puna.scheduler.machine import available_memory
from puna.scheduler.pool import Pool
from puna.service import tracing
from puna.service.chat import ChatService
from puna.service.embedding import EmbedService
from puna.service.keys import KeyFile, Keyring
from puna.service.leasing import Leasing
from puna.service.library import Library
from puna.service.metrics import Metrics
from puna.service.requests import Requests, Ticket, caller
from puna.service.rerank import RerankService
from puna.service.responses import KeptResponses
from puna.service.tokens import TokenService
from puna.service.transfer import Transfers
from puna.service.watched import WatchedChat, WatchedEmbedding, WatchedReranking, WatchedTokens
from puna.store.disk import translated
from puna.store.models import Store
from puna.types import PullRequest

log = logging.getLogger(__name__)

_BACKLOG = 2048
_IDLE_CONNECTION_SECONDS = 120
_LOST_CLIENT_SECONDS = 30
"""Silence of a client, in seconds, after which its machine is asked whether it is still there, and between two asks."""
_CERTIFICATE_SECONDS = 60
"""How often it is looked whether the certificate was renewed."""
_TAKEN = "; another server has it, perhaps an Ollama: stop that, or name another port by OLLAMA_HOST"


@dataclass(frozen=True, slots=True)
class Server:
    """A server, built but not yet listening."""

    settings: Settings
    store: Store
    services: Services
    pool: Pool
    transfers: Transfers

    async def close(self) -> None:
        """Stop what works for nobody in particular: transfers, to be resumed another time, and then the models."""
        await self.transfers.close()
        await self.pool.close()


def compose(settings: Settings, *, traces: tracing.Traces | None = None) -> Server:
    """Build everything a server is made of, which tells ``traces`` of its requests. Call it in a running event loop.

    Raises:
        StoreError: the model store cannot be used.
    """
    store = Store(
        settings.models,
        prune=not settings.no_prune,
        go_template=settings.go_template,
        permits=lambda name: caller().rights.may_use(name),  # noqa: PLW0108 -- whoever asks at that moment
    )
    store.repair()
    engine = LlamaCpp(binary=settings.llama_server, load_timeout=settings.load_timeout)
    # Each of them is told something by the next ones, so they are named before they are there.
    metrics = Metrics(models=lambda: leasing.running(), requests=lambda: requests.running())  # noqa: PLW0108

    def ended(ticket: Ticket) -> None:
        metrics.ended(ticket)
        if traces is not None:
            traces.ended(ticket)
        used_a_model(ticket)

    requests = Requests(ended=ended)
    pool = Pool(
        engine,
        max_loaded=settings.max_loaded_models,
        max_queue=settings.max_queue,
        default_keep_alive=settings.keep_alive,
        free_memory=available_memory,
        observe=metrics.happened,
    )
    leasing = Leasing(store, pool, settings)
    any_layout = bool(settings.llama_server)
    transfers = Transfers(store, connections=settings.max_transfers, any_layout=any_layout)
    library = Library(store, obtain=lambda model: transfers.pull(PullRequest(model)), any_layout=any_layout)
    chat = ChatService(leasing)
    responses = KeptResponses(settings.state, limit=settings.max_responses)
    services = Services(
        chat=WatchedChat(chat, requests),
        embedding=WatchedEmbedding(EmbedService(leasing), requests),
        library=library,
        transfers=transfers,
        tokens=WatchedTokens(TokenService(leasing, chat), requests),
        responses=responses,
        reranking=WatchedReranking(RerankService(leasing, chat), requests),
        requests=requests,
        metrics=metrics,
    )
    return Server(settings, store, services, pool, transfers)


def serve(settings: Settings) -> int:
    """Serve until SIGINT, SIGTERM or SIGHUP; return the exit status. Says where it listens, on standard error."""
    limits.open_standard_streams()
    limits.allow_many_files()
    limits.interrupt_nobody()
    log_handler = logs.to_stderr(settings.log_format, settings.debug, journal=systemd.is_journal(2))
    try:
        return _serve_logging(settings)
    finally:
        log_handler.close()


def _serve_logging(settings: Settings) -> int:
    try:
        listeners = _listen(settings)
    except OSError as error:
        place = f"{settings.host.host}:{settings.host.port}"
        remedy = _TAKEN if error.errno == errno.EADDRINUSE else ""
        print(f"Error: listen tcp {place}: bind: {(error.strerror or str(error)).lower()}{remedy}", file=sys.stderr)  # noqa: T201
        return 1
    with contextlib.ExitStack() as opened:
        for listener in listeners:
            opened.enter_context(listener)
        try:
            _check(settings)
            keys = _keyring(settings, listeners[0].getsockname()[0])
            certificate = _certificate(settings)
            uvloop.run(_serve(settings, listeners, keys, certificate))
        except PunaError as error:
            print(f"Error: {error}", file=sys.stderr)  # noqa: T201 -- the command line's own words
            return 1
    return 0


async def _serve(
    settings: Settings, listeners: list[socket.socket], keys: Keyring, certificate: tls.Certificate | None
) -> None:
    host, port = listeners[0].getsockname()[:2]
    traces = tracing.find(os.environ, address=host, port=port)
    server = compose(settings, traces=traces)
    exchanges = Exchanges()
    config = uvicorn.Config(
        build(server.services, settings, bound_to=host, keys=keys, exchanges=exchanges),
        http=Connection,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        headers=list(HEADERS),
        backlog=_BACKLOG,
        timeout_keep_alive=_IDLE_CONNECTION_SECONDS,
        timeout_graceful_shutdown=LAST_REPLIES_SECONDS,
        ssl_context_factory=None if certificate is None else lambda _config, _default: certificate.context,
    )
    for listener in listeners:
        host, port = listener.getsockname()[:2]
        url = Address("http" if certificate is None else "https", host, port).url
        log.info(
            "Listening on %s:%d (version %s, Ollama API %s)",
            *(f"[{host}]" if ":" in host else host, port, __version__, OLLAMA_API_VERSION),
            extra=logs.fields({"url": url, "keys": len(keys)}),
        )
    warn_of_meaningless(os.environ)
    running = Running(
        config,
        exchanges=exchanges,
        drain=settings.drain,
        close_transfers=server.transfers.close,
        close_models=server.pool.close,
    )
    announcing = asyncio.create_task(asyncio.to_thread(announce, settings, server.store), name="puna announcement")
    following = asyncio.create_task(certificate.follow(_CERTIFICATE_SECONDS)) if certificate is not None else None
    await running.serve(sockets=listeners)
    if following is not None:
        following.cancel()
    [problem] = await asyncio.gather(announcing, return_exceptions=True)
    if isinstance(problem, Exception):
        log.error("the server could not say what it is made of", exc_info=problem)
    if traces is not None:
        await asyncio.to_thread(traces.close)


def _check(settings: Settings) -> None:
    """Find out at once what nothing would work without.

    Raises:
        InvalidSetting: the program that is to be the engine cannot be run.
        StoreError: the model store is none, or cannot be made.
    """
    if settings.llama_server and shutil.which(settings.llama_server) is None:
        raise InvalidSetting(f"PUNA_LLAMA_SERVER: {settings.llama_server} is not a program that can be run")
    try:
        with translated():
            settings.models.mkdir(parents=True, exist_ok=True)
    except StoreError as error:
        raise StoreError(f"the model store, OLLAMA_MODELS, cannot be used: {error}") from error


def _keyring(settings: Settings, bound_to: str) -> Keyring:
    """The keys of a server whose listener is bound to ``bound_to``.

    Raises:
        InvalidSetting: others can reach it there, and it has no keys.
        KeysUnreadable: it cannot be told whether it has.
    """
    file, loopback = KeyFile(settings.state), is_loopback(bound_to)
    if not loopback and not file.read() and not settings.insecure_no_keys:
        raise InvalidSetting(
            f"{bound_to} can be reached from other machines, and there are no keys: make one with "
            "`puna keys add NAME --scope admin`, or let in everybody with --insecure-no-keys (PUNA_INSECURE_NO_KEYS=1)"
        )
    if not loopback and not settings.tls_cert:
        log.warning("what goes over the network is not encrypted, keys included: --tls-cert and --tls-key change that")
    # Should the last key be revoked, a server that others reach is closed to all, not open to them.
    return Keyring(file, required=not loopback and not settings.insecure_no_keys)


def _certificate(settings: Settings) -> tls.Certificate | None:
    """What HTTPS is served with, if it is.

    Raises:
        InvalidSetting: it cannot be.
    """
    if not settings.tls_cert and not settings.tls_key:
        return None
    return tls.Certificate(settings.tls_cert, settings.tls_key)


def _listen(settings: Settings) -> list[socket.socket]:
    """The sockets to listen to; one that other machines reach, if there is any, is the first."""
    if given := systemd.listeners():
        for one in given:
            if one.family not in (socket.AF_INET, socket.AF_INET6):
                raise InvalidSetting("the socket that systemd opened is none of TCP: ListenStream= must name a port")
            _notice_lost_clients(one)
        return sorted(given, key=lambda one: is_loopback(one.getsockname()[0]))
    address = settings.host
    found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, target = found[0]
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _notice_lost_clients(listener)
        listener.bind(target)
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return [listener]


def _notice_lost_clients(listener: socket.socket) -> None:
    """Let the connections of ``listener`` end within minutes when the client's machine, or the way to it, is gone.

    They inherit it. Else a request whose client cannot say that it leaves would wait for its model for ever.
    """
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if sys.platform == "linux":
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _LOST_CLIENT_SECONDS)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _LOST_CLIENT_SECONDS)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4)
