"""What registries have of models now: whether a model here is the one that is published."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from puna import registry
from puna.errors import CorruptManifest, RegistryError, RemoteNotFound, Unreachable
from puna.names import Digest, ModelName
from puna.registry import FileSet
from puna.store import formats
from puna.store.blobs import digest_of
from puna.store.formats import Manifest

_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Published:
    """What is published of the model ``name``: its manifest and the digest of that, or why that cannot be told.

    Where it is published as files to make it of, ``digest`` is their version. Without any of them it is not published.
    """

    name: ModelName
    digest: Digest | None = None
    manifest: Manifest | None = None
    files: FileSet | None = None
    error: RegistryError | None = None


async def published(names: Sequence[ModelName], *, insecure: bool = False) -> list[Published]:
    """Ask the registries of the models ``names``, several at once, for their manifests; the order is kept.

    A host that cannot be reached is asked once: then all its models have the same error.
    """
    slots = asyncio.Semaphore(_AT_ONCE)

    async def ask(name: ModelName) -> Published:
        async with slots:
            return await _ask(name, insecure)

    first = {name.host: name for name in reversed(names)}
    answers = dict(zip(first.values(), await asyncio.gather(*map(ask, first.values())), strict=True))

    async def ask_unless_gone(name: ModelName) -> Published:
        known = answers[first[name.host]]
        if name is known.name or isinstance(known.error, Unreachable):
            return replace(known, name=name)
        return await ask(name)

    return await asyncio.gather(*map(ask_unless_gone, names))


async def _ask(name: ModelName, insecure: bool) -> Published:
    try:
        async with registry.open(name.full, insecure=insecure) as place:
            found = await place.contents()
        if isinstance(found, FileSet):
            return Published(name, found.version, files=found)
        return Published(name, digest_of(found), formats.read_manifest(found))
    except RemoteNotFound:
        return Published(name)
    except RegistryError as error:
        return Published(name, error=error)
    except CorruptManifest as error:
        return Published(name, error=RegistryError(f"what it has is not a manifest: {error.__cause__}"))
