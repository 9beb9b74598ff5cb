"""How a request comes by the model it needs: found in the store, planned for the machine, leased from the pool."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from math import inf
from pathlib import Path

from puna import timestamps
from puna.config import Settings
from puna.engine import LoadSpec
from puna.errors import CloudDisabled
from puna.gguf import foreign
from puna.options import Options
from puna.scheduler.cache import Cache
from puna.scheduler.machine import available_memory, physical_cores
from puna.scheduler.messages import Key
from puna.scheduler.plan import ModelFacts, estimate, insists, plan
from puna.scheduler.pool import Lease, Pool, Running
from puna.service import media
from puna.service.blocking import blocking
from puna.service.requests import ticket
from puna.store.models import Model, Store
from puna.types import RunningModel


class Leasing:
    """Leases models of ``store`` from ``pool``, as ``settings`` and the machine have it."""

    def __init__(
        self, store: Store, pool: Pool, settings: Settings, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._pool = pool
        self._settings = settings
        self.clock = clock
        """Seconds, from any start."""
        self._cores = physical_cores()
        self._memory, self._memory_read = 0, -inf
        self._embedding: set[Path] = set()

    def model(self, name: str) -> Model:
        """The model of that name.

        Raises:
            InvalidName: it cannot be a model's name.
            ModelNotFound: it is not installed.
            CloudDisabled: it runs elsewhere; only its stub is here.
        """
        model = self._store.model(name)
        if model.config.remote_host:
            raise CloudDisabled("remote model is")
        return model

    async def opened(self, name: str) -> Model:
        """As ``model``, once the headers of its files are read: the first time that waits for a disk, in a thread."""
        model = self.model(name)
        if not model.is_read:
            await blocking(getattr, model, "capabilities")
        return model

    def plan(self, model: Model, options: Options, *, embedding: bool = False) -> LoadSpec:
        """How ``model`` is to be loaded for a request with ``options``, its own already merged in.

        Once one has asked for embeddings, the model is loaded for them as well, whoever asks.
        """
        if embedding:
            self._embedding.add(model.weights)
        return plan(
            _facts(model),
            options,
            context_length=self._settings.context_length,
            num_parallel=self._settings.num_parallel,
            free_memory=self._free_memory(),
            cores=self._cores,
            kv_cache_type=self._settings.kv_cache_type,
            flash_attention=self._settings.flash_attention,
            # On the CPU it costs nothing. A binary of the operator's may use a GPU, where llama.cpp takes room for the
            # probabilities of a whole batch of tokens: half a gigabyte with a large vocabulary.
            embedding=not self._settings.llama_server or model.weights in self._embedding,
        )

    @asynccontextmanager
    async def lease(
        self, model: Model, spec: LoadSpec, options: Options, keep_alive: float | None
    ) -> AsyncIterator[Lease]:
        """The model in memory for as long as the context lasts.

        Entering it raises NotCapable for weights that llama.cpp reads wrongly, and Unavailable or EngineError.
        """
        if model.peculiarity and not self._settings.llama_server:
            foreign.check(model.gguf)
        kept = ticket()
        if kept is not None:
            kept.waits(model.name.short, partial(self._pool.is_loading, Key.of(spec)))
        async with self._pool.lease(
            replace(spec, name=model.name.short),
            name=model.name.short,
            tag=model,
            keep_alive=keep_alive,
            need=estimate(_facts(model), spec),
            insists=insists(options, context_length=self._settings.context_length),
        ) as lease:
            if kept is not None:
                kept.has_its_turn(lease.load_seconds)
            yield lease

    async def unload(self, name: str) -> None:
        """Free the model's memory once no request uses it; one that is not loaded is fine.

        Raises:
            InvalidName, ModelNotFound: as ``model`` raises them.
        """
        model = self._store.model(name)
        if not model.config.remote_host:
            await self._pool.unload(Key.of(self.plan(model, Options())))

    def running(self) -> list[RunningModel]:
        """The models in memory that the caller may use, the one that stays longest first."""
        found = sorted(self._pool.running(), key=lambda one: one.expires_in, reverse=True)
        return [_running_model(one) for one in found if self._store.permits(one.tag.name)]

    def _free_memory(self) -> int:
        """The machine's available memory, at most a second old: it only guides how many slots a load gets."""
        now = self.clock()
        if now - self._memory_read > 1:
            self._memory, self._memory_read = available_memory(), now
        return self._memory


def _facts(model: Model) -> ModelFacts:
    pooling_type = model.gguf.of_architecture("pooling_type")
    return ModelFacts(
        weights=model.weights,
        file_bytes=model.size,
        context_length=model.gguf.context_length,
        cache=Cache.of(model.gguf),
        adapters=model.adapters,
        projector=media.projector(model),
        sees="vision" in model.capabilities,
        pooling_type=pooling_type if isinstance(pooling_type, int) else None,
    )


def _running_model(running: Running) -> RunningModel:
    model: Model = running.tag
    return RunningModel(
        name=running.name,
        size=running.memory,
        size_vram=0,
        digest=model.digest.hex,
        details=model.details,
        expires=timestamps.after(running.expires_in),
        context_length=running.num_ctx,
    )
