"""Fetching a model from where it is published.

Its blobs come first, each verified, then its manifest, byte for byte: until that is written, a model of the name is as
it was.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from contextlib import aclosing, contextmanager

from puna import registry
from puna.download import Downloads, Wanted
from puna.errors import CorruptManifest, NotCapable, RegistryError
from puna.events import Progress
from puna.names import Digest, ModelName
from puna.registry import Files, Registry
from puna.service.blocking import blocking
from puna.service.create import create
from puna.store import formats
from puna.store.blobs import Blobs
from puna.store.formats import Layer, Manifest
from puna.store.models import Store
from puna.types import CreateRequest, PullRequest

_TENSORS = "application/vnd.ollama.image.tensor"

Claim = Callable[[Digest], None]


async def pull(store: Store, downloads: Downloads, request: PullRequest) -> AsyncGenerator[Progress, None]:
    """Fetch the model that ``request`` names, saying each step. Raises as ``Transfers.pull`` says."""
    place = registry.open(request.model, insecure=request.insecure)
    async with place:
        with store.blobs.claiming() as claim:
            steps = (
                _pull_model(store, downloads, place, request, claim)
                if isinstance(place, Registry)
                else _pull_files(store, downloads, place, request, claim)
            )
            async with aclosing(steps):
                async for step in steps:
                    yield step


async def _pull_model(
    store: Store, downloads: Downloads, place: Registry, request: PullRequest, claim: Claim
) -> AsyncGenerator[Progress, None]:
    yield Progress("pulling manifest")
    with _doing("pull model manifest"):
        content = await place.manifest()
        manifest = _checked(content)
    for layer in _distinct(manifest):
        source = place.blob(layer.blob)
        wanted = Wanted(source, layer.size, layer.blob, layer.blob, request.limit_rate)
        async with aclosing(_fetch(store.blobs, downloads, wanted)) as found:
            async for step in found:
                if isinstance(step, Progress):
                    yield step
        await blocking(claim, layer.blob)
    yield Progress("verifying sha256 digest")
    yield Progress("writing manifest")
    unused = await blocking(_replaced_blobs, store, place.name, manifest)
    await blocking(store.install, place.name, content)
    if any(not store.blobs.exists(digest) for digest in unused):
        yield Progress("removing unused layers")
    yield Progress("success")


async def _pull_files(
    store: Store, downloads: Downloads, place: Files, request: PullRequest, claim: Claim
) -> AsyncGenerator[Progress, None]:
    yield Progress("pulling manifest")
    with _doing("pull model manifest"):
        files = await place.files()
    digests: dict[str, str] = {}
    for file in files:
        wanted = Wanted(file.source, file.size, file.key, file.digest, request.limit_rate)
        async with aclosing(_fetch(store.blobs, downloads, wanted)) as found:
            async for step in found:
                if isinstance(step, Progress):
                    yield step
                else:
                    digests[file.name] = str(step)
                    await blocking(claim, step)
    yield Progress("verifying sha256 digest")
    steps = create(store, CreateRequest(place.name.short, files=digests))
    async with aclosing(steps):
        async for made in steps:
            yield made


async def _fetch(blobs: Blobs, downloads: Downloads, wanted: Wanted) -> AsyncGenerator[Progress | Digest, None]:
    """Fetch one blob, unless it is there; yield how far it is, and at last its digest."""
    status, shown, done = f"pulling {wanted.key.hex[:12]}", str(wanted.key), -1
    if wanted.digest is None or not await blocking(_is_there, blobs, wanted.digest, wanted.size):
        async with aclosing(downloads.fetch(wanted)) as found:
            async for now in found:
                if isinstance(now, Digest):
                    digest = now
                elif now != done:
                    done = now
                    yield Progress(status, shown, wanted.size, now)
    else:
        digest = wanted.digest
    if done != wanted.size:
        yield Progress(status, shown, wanted.size, wanted.size)
    yield digest


def _is_there(blobs: Blobs, digest: Digest, size: int) -> bool:
    """Whether the blob is there whole: one that a crash cut short is fetched again."""
    return blobs.exists(digest) and blobs.size(digest) == size


def _checked(content: bytes) -> Manifest:
    try:
        manifest = formats.read_manifest(content)
    except CorruptManifest as error:
        raise RegistryError(f"what the registry has is not the manifest of a model: {error.__cause__}") from error
    if any(layer.size < 0 for layer in _distinct(manifest)):
        raise RegistryError("what the registry has is not the manifest of a model: a layer has a negative size")
    if any(layer.media_type == _TENSORS for layer in manifest.layers or ()):
        raise NotCapable("this model requires MLX support, but the MLX runtime is not available")
    return manifest


def _distinct(manifest: Manifest) -> Iterable[Layer]:
    """The layers and then the config, each blob once."""
    return {layer.blob: layer for layer in (*(manifest.layers or ()), manifest.config)}.values()


def _replaced_blobs(store: Store, name: ModelName, manifest: Manifest) -> frozenset[Digest]:
    """The blobs of the model that ``manifest`` replaces that it does not have."""
    before = store.manifests.read(store.spelling(name))
    try:
        return frozenset() if before is None else formats.read_manifest(before).blobs - manifest.blobs
    except CorruptManifest:
        return frozenset()  # what it had cannot be told, and nothing of it is removed


@contextmanager
def _doing(what: str) -> Iterator[None]:
    try:
        yield
    except RegistryError as error:
        raise error.while_doing(what)  # noqa: B904 - it is the same error
