"""llama.cpp as the engine: a child process for each loaded model, spoken to in llama-server's HTTP over a Unix socket.

The default child is ``puna.engine.runner``; a ``llama-server`` binary of the operator's (``PUNA_LLAMA_SERVER``) takes
its place with the same flags and the same protocol.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from puna import media
from puna.durations import FOREVER
from puna.engine import (
    Embedded,
    Generated,
    LoadSpec,
    Ranked,
    Sampling,
    embedding,
    loading,
    openmp,
    protocol,
    ranking,
    watchdog,
)
from puna.engine.compiling import compiling
from puna.engine.connection import ConnectionLost, Connections
from puna.engine.process import CHECK, EngineProcess
from puna.engine.schema import Guard
from puna.engine.sockets import Sockets
from puna.engine.turns import Turns
from puna.errors import ContextTooLong, EngineError, EngineGone, GenerationFailed, LoadFailed
from puna.events import Piece, PromptProgress
from puna.types import Conversation, Prompt

log = logging.getLogger(__name__)

_END_SECONDS = 2.0
"""How long the end of a process may take to follow that of its connections."""

_UNREACHABLE = FileNotFoundError | ConnectionRefusedError

_FIRST_LOOK, _LAST_LOOK = 0.005, 0.25
"""Seconds between two looks at a binary that does not say when it is ready: they double from one to the other."""


class LlamaCpp:
    """Loads models into llama.cpp processes.

    ``binary`` is the llama-server to use ("": the runner); ``environ`` is the environment of the processes (None: this
    process's, for the runner with an OpenMP runtime that shares the cores). A load that shows no sign of progress for
    ``load_timeout`` seconds is given up.
    """

    def __init__(
        self, *, binary: str = "", environ: Mapping[str, str] | None = None, load_timeout: float = FOREVER
    ) -> None:
        self._binary = binary
        self._load_timeout = load_timeout
        if environ is None:
            # An operator's binary is built against libraries of its own.
            environ = os.environ if binary else openmp.environment(os.environ)
        # A debugger's backtrace would push the reason of an abort out of the engine's last words.
        self._environ = {"GGML_NO_BACKTRACE": "1", **environ}
        self._sockets = Sockets()
        self._loaded: set[LlamaCppModel] = set()

    async def load(self, spec: LoadSpec) -> LlamaCppModel:
        """Start a process for ``spec`` and wait until it answers; raises as the contract says."""
        name = spec.name or spec.model.name
        try:
            file_bytes = spec.model.stat().st_size
        except OSError as error:
            raise LoadFailed(f"no weights: {_why(error)}: {CHECK}", model=name) from error
        try:
            socket = self._sockets.new()
            process, ready_fd = await self._start(spec, socket, name)
        except OSError as error:
            raise LoadFailed(f"its engine cannot be started: {_why(error)}", model=name) from error
        connections = Connections(socket)
        try:
            waiting = _read_byte(ready_fd) if ready_fd is not None else _answers(connections)
            await loading.wait(waiting, process, name, self._load_timeout)
            media_marker = await _media_marker(connections, name) if spec.projector else ""
        except BaseException:
            process.kill()
            connections.close()
            await asyncio.shield(process.gone)
            socket.unlink(missing_ok=True)
            raise
        finally:
            if ready_fd is not None:
                os.close(ready_fd)
        model = LlamaCppModel(
            spec, process, connections, file_bytes=file_bytes, media_marker=media_marker, on_close=self._forget
        )
        self._loaded.add(model)
        return model

    async def close(self) -> None:
        """Stop every process and remove the private directory."""
        await asyncio.gather(*(model.close() for model in tuple(self._loaded)))
        self._sockets.close()

    def _forget(self, model: LlamaCppModel) -> None:
        self._loaded.discard(model)

    async def _start(self, spec: LoadSpec, socket: Path, name: str) -> tuple[EngineProcess, int | None]:
        flags = _flags(spec, socket)
        if self._binary:
            arguments = ["--exec", self._binary, *flags]
            return await EngineProcess.start(arguments, name=name, environ=self._environ), None
        own = ["--kv-unified", "--kv-unified-per-slot", str(spec.num_ctx), "--cache-ram", str(spec.prompt_cache >> 20)]
        ready, tell = os.pipe()
        try:
            arguments = ["--ready-fd", str(tell), *flags, *own]
            process = await EngineProcess.start(arguments, name=name, environ=self._environ, pass_fds=[tell])
        except BaseException:
            os.close(ready)
            raise
        finally:
            os.close(tell)
        return process, ready


def _flags(spec: LoadSpec, socket: Path) -> list[str]:
    """The command line of llama-server that ``spec`` means."""
    numbers = {
        "--ctx-size": spec.num_ctx * spec.parallel,
        "--parallel": spec.parallel,
        "--batch-size": spec.batch,
        "--ubatch-size": spec.batch,
        "--threads": spec.threads,
        "--n-gpu-layers": spec.gpu_layers if spec.gpu_layers >= 0 else None,
        "--main-gpu": spec.main_gpu,
    }
    flags = ["--model", str(spec.model), "--host", str(socket), "--no-webui", "--offline", "--context-shift"]
    for flag, number in numbers.items():
        if number is not None:
            flags += [flag, str(number)]
    if spec.mmap is False:
        flags += ["--load-mode", "none"]
    if spec.flash_attention is not None:
        flags += ["--flash-attn", "on" if spec.flash_attention else "off"]
    if spec.kv_cache_type:
        flags += ["--cache-type-k", spec.kv_cache_type, "--cache-type-v", spec.kv_cache_type]
    for adapter in spec.adapters:
        flags += ["--lora", str(adapter)]
    if spec.projector is not None:
        flags += ["--mmproj", str(spec.projector)]
    if spec.pooling is not None:
        flags += ["--embeddings", *(["--pooling", spec.pooling] if spec.pooling != "own" else [])]
    return flags


def _asked(
    prompt: Prompt | Conversation, sampling: Sampling, media_marker: str
) -> tuple[tuple[str, bytes], Guard | None]:
    """What the engine is asked, and who sees to it that a schema is kept to; beside tools, an answer need not."""
    request = protocol.request(prompt, sampling, media_marker)
    free = isinstance(prompt, Conversation) and prompt.tools
    return request, None if free or sampling.format is None or sampling.format == "json" else Guard(sampling.format)


async def _read_byte(fd: int) -> None:
    """Wait until the runner writes to the pipe ``fd``."""
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    try:
        loop.add_reader(fd, ready.set)
        await ready.wait()
        if not os.read(fd, 1):
            await asyncio.Event().wait()  # closed without a word: the process is ending, and its watcher will say why
    finally:
        loop.remove_reader(fd)


async def _answers(connections: Connections) -> None:
    """Wait until a binary that has no way to say so answers that its model is loaded."""
    pause = _FIRST_LOOK
    while True:
        try:
            status, _ = await connections.get("/health")
        except (OSError, ConnectionLost):
            status = 0
        if status == 200:
            return
        await asyncio.sleep(pause)
        pause = min(pause * 2, _LAST_LOOK)


async def _media_marker(connections: Connections, name: str) -> str:
    """What stands for a picture in a prompt."""
    try:
        return protocol.media_marker(*await connections.get("/props"))
    except (OSError, ConnectionLost) as error:
        raise LoadFailed("the engine went away once it had loaded it", model=name) from error


class LlamaCppModel:
    """One loaded model: ``puna.engine.Loaded`` over one process, reached by ``connections``."""

    def __init__(
        self,
        spec: LoadSpec,
        process: EngineProcess,
        connections: Connections,
        *,
        file_bytes: int,
        media_marker: str = "",
        on_close: Callable[[LlamaCppModel], None],
    ) -> None:
        self._spec = spec
        self._process = process
        self.connections = connections
        self._media_marker = media_marker
        self._file_bytes = file_bytes
        self._on_close = on_close
        self._closed = False
        self._turns = Turns()
        watching = watchdog.watch(connections, process, spec.name or spec.model.name)
        self._watching = asyncio.create_task(watching, name=f"puna watchdog {process.pid}")

    @property
    def spec(self) -> LoadSpec:
        """What it was loaded with."""
        return self._spec

    @property
    def memory(self) -> int:
        """Bytes the process holds, its mapped weights among them."""
        return self._process.resident_bytes() or self._file_bytes

    @property
    def mapped(self) -> int:
        """How many of them the system would give away."""
        return self._process.mapped_bytes() if self._process.resident_bytes() else self.memory

    @property
    def pid(self) -> int:
        """The id of its process."""
        return self._process.pid

    async def generate(self, prompt: Prompt | Conversation, sampling: Sampling) -> AsyncGenerator[Generated, None]:
        """Answer ``prompt`` as the contract says."""
        (path, body), guard = await compiling(sampling.format, _asked, prompt, sampling, self._media_marker)
        decoder = protocol.Decoder(sampling)
        try:
            async with self._turns.turn("answer") as is_served, self.connections.stream(path, body) as reply:
                is_served()
                if reply.status != 200:
                    raise protocol.failure(reply.status, await reply.body())
                async for data in reply.events():
                    for item in decoder.feed(data):
                        if isinstance(item, PromptProgress) and item.total > sampling.num_ctx:
                            raise ContextTooLong(item.total, sampling.num_ctx)
                        if guard is not None and isinstance(item, Piece) and not guard.accepts(item.text):
                            raise GenerationFailed("the engine does not keep to the JSON Schema it was given")
                        yield item
        except (ConnectionLost, OSError) as error:
            raise await self._gone(error) from error
        if not decoder.stopped:
            raise await self._gone()

    async def render(self, conversation: Conversation) -> str:
        """The prompt the model's own template makes of ``conversation``, with ``[img-N]`` for each image."""
        body: dict[str, Any] = {"messages": conversation.messages, "tools": conversation.tools}
        if conversation.template_kwargs:
            body["chat_template_kwargs"] = conversation.template_kwargs
        text = str((await self._ask("/apply-template", body, self._media_marker))["prompt"])
        return media.numbered(text, self._media_marker) if self._media_marker and self._media_marker in text else text

    async def embed(self, inputs: Sequence[str | Sequence[int]]) -> Embedded:
        """The vectors of ``inputs`` as the contract says, by one request."""
        path, body = embedding.request(inputs)
        try:
            async with self._turns.turn("embedding"):
                status, reply = await self.connections.post(path, body)
        except (ConnectionLost, OSError) as error:
            raise await self._gone(error) from error
        if status != 200:
            raise protocol.failure(status, reply)
        return embedding.decode(reply, len(inputs))

    async def rank(self, query: str, documents: Sequence[str]) -> Ranked:
        """How well ``documents`` answer ``query`` as the contract says, by one request."""
        path, body = ranking.request(query, documents)
        try:
            status, reply = await self.connections.post(path, body)
        except (ConnectionLost, OSError) as error:
            raise await self._gone(error) from error
        if status != 200:
            raise protocol.failure(status, reply)
        return ranking.decode(reply, len(documents))

    async def tokenize(self, text: str, *, framed: bool = False) -> list[int]:
        """The tokens of ``text`` as the contract says."""
        return list((await self._ask("/tokenize", {"content": text, "add_special": framed}))["tokens"])

    async def detokenize(self, tokens: Sequence[int]) -> str:
        """The text of ``tokens``."""
        return str((await self._ask("/detokenize", {"tokens": list(tokens)}))["content"])

    async def wait_gone(self) -> str:
        """Return when the process has ended."""
        await asyncio.shield(self._process.gone)
        return "" if self._closed else self._process.end

    async def close(self) -> None:
        """Stop the process."""
        self._closed = True
        self._watching.cancel()
        self.connections.close()
        await self._process.stop()
        self.connections.socket.unlink(missing_ok=True)
        self._on_close(self)

    async def _ask(self, path: str, body: dict[str, Any], media_marker: str = "") -> dict[str, Any]:
        try:
            status, reply = await self.connections.post(path, protocol.encode(body, media_marker))
        except (ConnectionLost, OSError) as error:
            raise await self._gone(error) from error
        if status != 200:
            raise protocol.failure(status, reply)
        try:
            return msgspec.json.decode(reply, type=dict[str, Any])
        except protocol.UNREADABLE as error:
            raise GenerationFailed(f"the engine answered {path} with what is not JSON") from error

    async def _gone(self, error: Exception | None = None) -> EngineError:
        """The error for a connection that broke, or could not be made.

        The process's end, which is the reason, follows within moments. One whose socket is gone serves nobody any more.
        """
        if self._closed:
            return EngineGone("the model was unloaded while it answered")
        if isinstance(error, OSError) and not isinstance(error, _UNREACHABLE | ConnectionError):
            return GenerationFailed(f"the engine cannot be reached: {_why(error)}")
        done, _ = await asyncio.wait([self._process.gone], timeout=_END_SECONDS)
        if not done and isinstance(error, _UNREACHABLE):
            log.error("the engine of %s cannot be reached any more, and is ended", self._spec.name)
            self._process.kill()
            await asyncio.wait([self._process.gone])
        return EngineGone(
            "model runner has unexpectedly stopped, this may be due to resource limitations or an internal error, "
            f"check puna's server logs for details: {self._process.end or 'the engine closed the connection'}"
        )


def _why(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
