"""What registries have of models now: whether a model here is the one that is published."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from puna import registry
from puna.errors import CorruptManifest, RegistryError, RemoteNotFound
from puna.names import Digest, ModelName
from puna.registry import Registry
from puna.store import formats
from puna.store.blobs import digest_of
from puna.store.formats import Manifest

_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Published:
    """What is published of the model ``name``: its manifest and the digest of that, or why that cannot be told.

    Without any of them it is not published.
    """

    name: ModelName
    digest: Digest | None = None
    manifest: Manifest | None = None
    error: RegistryError | None = None


async def published(names: Sequence[ModelName], *, insecure: bool = False) -> list[Published]:
    """Ask the registries of the models ``names``, several at once, for their manifests; the order is kept."""
    slots = asyncio.Semaphore(_AT_ONCE)

    async def ask(name: ModelName) -> Published:
        async with slots:
            return await _ask(name, insecure)

    return await asyncio.gather(*map(ask, names))


async def _ask(name: ModelName, insecure: bool) -> Published:
    try:
        async with registry.open(name.full, insecure=insecure) as place:
            if not isinstance(place, Registry):
                return Published(name)  # a file, which has no versions
            content = await place.manifest()
        return Published(name, digest_of(content), formats.read_manifest(content))
    except RemoteNotFound:
        return Published(name)
    except RegistryError as error:
        return Published(name, error=error)
    except CorruptManifest as error:
        return Published(name, error=RegistryError(f"what it has is not a manifest: {error.__cause__}"))
