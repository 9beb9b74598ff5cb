"""Fetching again what a store has lost, from where its models came from. For a command: each call runs to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import aclosing

from puna import registry
from puna.download import Downloads, Wanted
from puna.errors import InvalidName, InvalidRequest, Unreachable
from puna.events import Progress
from puna.names import Digest, ModelName
from puna.service.transfer import Transfers
from puna.store import formats
from puna.store.formats import Layer
from puna.store.models import Store
from puna.types import PullRequest


class Refetching:
    """Fetches into ``store`` over at most ``connections`` connections at once, telling ``report`` how far it is.

    ``any_layout`` says that the engine reads weights which llama.cpp does not.
    """

    def __init__(
        self,
        store: Store,
        *,
        connections: int,
        report: Callable[[Progress], None],
        insecure: bool = False,
        any_layout: bool = False,
    ) -> None:
        self._store = store
        self._connections = connections
        self._report = report
        self._insecure = insecure
        self._any_layout = any_layout
        self._unreachable: dict[str, Unreachable] = {}

    def fetch_blob(self, name: ModelName, layer: Layer) -> None:
        """Put the blob of one layer of the model ``name`` into the store, verified, in the place of what is there.

        Raises:
            RegistryError: it cannot be had.
            DiskFull, StoreError: it cannot be written.
        """
        made_of = self._made_of(name)
        self._ask(name, self._blob(name, layer) if made_of is None else self._model(*made_of))

    def fetch_model(self, name: ModelName) -> None:
        """Fetch the model ``name`` anew, with those of its blobs that are not in the store.

        Raises:
            RegistryError: it cannot be had.
            DiskFull, StoreError: it cannot be written.
        """
        self._ask(name, self._model(name.full))

    def _ask(self, name: ModelName, work: Coroutine[None, None, None]) -> None:
        """Do ``work`` with the registry of ``name``; one that could not be reached is not waited for again."""
        if name.host in self._unreachable:
            work.close()
            raise self._unreachable[name.host]
        try:
            asyncio.run(work)
        except Unreachable as error:
            self._unreachable[name.host] = error
            raise

    async def _blob(self, name: ModelName, layer: Layer) -> None:
        async with registry.open(name.full, insecure=self._insecure) as place:
            downloads = Downloads(self._store.blobs, connections=self._connections)
            wanted = Wanted(place.blob(layer.blob), layer.size, layer.blob, layer.blob)
            try:
                async with aclosing(downloads.fetch(wanted)) as steps:
                    async for step in steps:
                        if isinstance(step, int):
                            status = f"pulling {layer.blob.hex[:12]}"
                            self._report(Progress(status, layer.digest, layer.size, step))
            finally:
                await downloads.close()

    def _made_of(self, name: ModelName) -> tuple[str, Digest] | None:
        """Where the files were that the model ``name`` was made of, and their version; None if it was pulled whole."""
        content = self._store.manifests.read(name)
        for layer in (content and formats.read_manifest(content).layers) or ():
            origin = layer.parent.rpartition("@")[0]
            version = formats.noted_version(layer.parent, origin)
            if version is not None and self._names(origin, name):
                return origin, version
        return None

    def _names(self, origin: str, name: ModelName) -> bool:
        """Whether what is pulled from ``origin`` is called ``name``: a copy has the name of what it was copied from."""
        try:
            return registry.open(origin, insecure=self._insecure).name.same_as(name)
        except (InvalidName, InvalidRequest):
            return False

    async def _model(self, reference: str, version: Digest | None = None) -> None:
        transfers = Transfers(self._store, connections=self._connections, any_layout=self._any_layout)
        try:
            async with aclosing(transfers.pull(PullRequest(reference, self._insecure), anew=version)) as steps:
                async for step in steps:
                    self._report(step)
        finally:
            await transfers.close()
