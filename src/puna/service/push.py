"""Pushing a model to the registry that its name says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass

from puna import registry
from puna.download.pace import Pace
from puna.errors import CorruptManifest, InvalidName, ModelNotFound, NotCapable
from puna.events import Progress
from puna.names import Digest, ModelName
from puna.registry import Writable
from puna.registry.upload import LocalBlob
from puna.service.blocking import blocking
from puna.store.formats import Layer, Manifest
from puna.store.models import Store
from puna.types import PushRequest

_REPORT_SECONDS = 0.06


@dataclass(frozen=True, slots=True)
class _Parcel:
    """A model as it is pushed: its manifest, byte for byte, and the blobs that names."""

    name: ModelName
    manifest: Manifest
    content: bytes
    blobs: tuple[LocalBlob, ...]


async def push(store: Store, request: PushRequest, *, connections: int) -> AsyncGenerator[Progress, None]:
    """Push the model that ``request`` names, saying each step, and of each blob every 60 ms how much of it is there.

    It uses at most ``connections`` connections at once.
    Closing the generator ends it. Raises as ``Transfers.push`` says.
    """
    name = ModelName.parse(request.model)
    yield Progress("retrieving manifest")
    try:
        parcel = await blocking(_parcel, store, name)
    except ModelNotFound:
        yield Progress("couldn't retrieve manifest")
        raise
    async with registry.open(parcel.name.full, insecure=request.insecure) as place:
        if not isinstance(place, Writable):
            raise NotCapable(f"models cannot be pushed to {parcel.name.host}")
        for blob in parcel.blobs:
            async with aclosing(_pushed(place, blob, request.limit_rate, connections)) as steps:
                async for step in steps:
                    yield step
        yield Progress("pushing manifest")
        await place.put_manifest(parcel.content, parcel.manifest.media_type)
    yield Progress("success")


async def _pushed(
    place: Writable, blob: LocalBlob, limit_rate: int, connections: int
) -> AsyncGenerator[Progress, None]:
    def step(completed: int) -> Progress:
        return Progress(f"pushing {blob.digest.hex[:12]}", str(blob.digest), blob.size, completed)

    if not await place.has(blob.digest):
        upload = place.upload(blob, pace=Pace(limit_rate), connections=connections)
        running = asyncio.ensure_future(upload.run())
        try:
            while not running.done():
                yield step(upload.completed)
                await asyncio.wait((running,), timeout=_REPORT_SECONDS)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        running.result()
    yield step(blob.size)


def _parcel(store: Store, name: ModelName) -> _Parcel:
    model = store.model(name)
    content = store.manifests.read(model.name)
    if content is None:
        raise ModelNotFound(name.short)
    layers = (*(model.manifest.layers or ()), model.manifest.config)
    for layer in layers:
        if (size := store.blobs.size(layer.blob)) != layer.size:
            raise CorruptManifest(f"the blob {layer.digest} has {size} bytes and should have {layer.size}")
    known = _repositories(store, model.name)
    blobs = {
        layer.blob: LocalBlob(layer.blob, store.blobs.path(layer.blob), layer.size, _source(layer, model.name, known))
        for layer in layers
    }
    return _Parcel(model.name, model.manifest, content, tuple(blobs.values()))


def _source(layer: Layer, name: ModelName, known: Mapping[Digest, str]) -> str:
    """A repository of the same registry that may have the blob: that of the model it came from, or of another."""
    try:
        parent = ModelName.parse(layer.parent)
    except InvalidName:
        return known.get(layer.blob, "")
    if parent.host.lower() != name.host.lower() or _repository(parent) == _repository(name):
        return known.get(layer.blob, "")
    return _repository(parent)


def _repositories(store: Store, name: ModelName) -> Mapping[Digest, str]:
    """For each blob of the models here that are of the same registry, but of another repository, that repository."""
    return {
        digest: _repository(other.name)
        for other in store.models()
        if other.name.host.lower() == name.host.lower() and _repository(other.name) != _repository(name)
        for digest in other.manifest.blobs
    }


def _repository(name: ModelName) -> str:
    return f"{name.namespace}/{name.model}"
