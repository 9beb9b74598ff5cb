"""Fetching a model from where it is published.

Its blobs come first, each verified, then its manifest, byte for byte: until that is written, a model of the name is as
it was.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from dataclasses import dataclass

from puna import registry
from puna.download import Downloads, Wanted
from puna.errors import BlobNotFound, CorruptManifest, ModelNotFound, NotCapable, RegistryError, StoreError
from puna.events import Progress
from puna.names import Digest, ModelName
from puna.registry import FileSet, Place
from puna.service.blocking import blocking
from puna.service.create import create
from puna.store import formats
from puna.store.blobs import Blobs
from puna.store.formats import Layer, Manifest
from puna.store.models import Store
from puna.types import CreateRequest, PullRequest

_TENSORS = "application/vnd.ollama.image.tensor"


async def pull(
    store: Store,
    downloads: Downloads,
    request: PullRequest,
    *,
    anew: Digest | None = None,
    any_layout: bool = False,
) -> AsyncGenerator[Progress, None]:
    """Fetch the model that ``request`` names, saying each step. Raises as ``Transfers.pull`` says.

    ``anew`` is the version of a model made of files that is to be made again, whatever is there of it; ``any_layout``
    says that the engine reads weights which llama.cpp does not.
    """
    place = registry.open(request.model, insecure=request.insecure)
    store.require_permitted(place.name)
    async with place:
        yield Progress("pulling manifest")
        work = _Pull(store, downloads, place, request.limit_rate, anew, any_layout)
        with _doing("pull model manifest"):
            found = await place.contents()
            steps = work.of_files(found) if isinstance(found, FileSet) else work.whole(found, _checked(found))
        async with aclosing(steps):
            async for step in steps:
                yield step


@dataclass(frozen=True, slots=True)
class _Pull:
    """One pull, from ``place``, at ``rate`` bytes per second at most (0: as fast as it goes)."""

    store: Store
    downloads: Downloads
    place: Place
    rate: int
    anew: Digest | None
    any_layout: bool

    async def whole(self, content: bytes, manifest: Manifest) -> AsyncGenerator[Progress, None]:
        """Fetch the blobs of ``manifest``, and then write that, as its ``content`` is."""
        store, name = self.store, self.place.name
        layers = list(_distinct(manifest))
        with store.blobs.claiming() as claim:
            await blocking(_keep, store, name, {layer.blob: layer.size for layer in layers})
            for layer in layers:
                wanted = Wanted(self.place.blob(layer.blob), layer.size, layer.blob, layer.blob, self.rate)
                async with aclosing(self._fetch(wanted)) as steps:
                    async for step in steps:
                        if isinstance(step, Progress):
                            yield step
                await blocking(claim, layer.blob)
            yield Progress("verifying sha256 digest")
            yield Progress("writing manifest")
            unused = await blocking(_replaced_blobs, store, name, manifest)
            await blocking(store.install, name, content)
            await blocking(store.pulling.forget, name)
        if any(not store.blobs.exists(digest) for digest in unused):
            yield Progress("removing unused layers")
        yield Progress("success")

    async def of_files(self, found: FileSet) -> AsyncGenerator[Progress, None]:
        """Fetch the files that were ``found``, and make the model of them."""
        store, name = self.store, self.place.name
        if self.anew is not None and self.anew != found.version:
            raise RegistryError(f"another version is published now: puna update {name.short} fetches it")
        if self.anew is None and await blocking(_is_made, store, name, found):
            for file in found.files:
                yield Progress(f"pulling {file.key.hex[:12]}", str(file.key), file.size, file.size)
            yield Progress("success")
            return
        digests: dict[str, str] = {}
        with store.blobs.claiming() as claim:
            await blocking(_keep, store, name, {file.digest: file.size for file in found.files if file.digest})
            for file in found.files:
                wanted = Wanted(file.source, file.size, file.key, file.digest, self.rate)
                async with aclosing(self._fetch(wanted)) as steps:
                    async for step in steps:
                        if isinstance(step, Progress):
                            yield step
                        else:
                            digests[file.name] = str(step)
                            await blocking(claim, step)
            yield Progress("verifying sha256 digest")
            parent = formats.versioned(found.origin, found.version)
            wish = CreateRequest(name.short, files=digests)
            async with aclosing(create(store, wish, any_layout=self.any_layout, parent=parent)) as making:
                async for made in making:
                    if made.status != "success":
                        yield made
        await blocking(store.pulling.forget, name)
        # What was joined, or written anew, is in the store a second time.
        await blocking(store.remove_unneeded, [Digest.parse(digest) for digest in digests.values()])
        yield Progress("success")

    async def _fetch(self, wanted: Wanted) -> AsyncGenerator[Progress | Digest, None]:
        """Fetch one blob, unless it is there and not wanted anew; yield how far it is, and at last its digest."""
        status, shown, done = f"pulling {wanted.key.hex[:12]}", str(wanted.key), -1
        digest, blobs = wanted.digest, self.store.blobs
        if digest is None or self.anew or not await blocking(_is_there, blobs, digest, wanted.size):
            async with aclosing(self.downloads.fetch(wanted)) as found:
                async for now in found:
                    if isinstance(now, Digest):
                        digest = now
                    elif now != done:
                        done = now
                        yield Progress(status, shown, wanted.size, now)
        if done != wanted.size:
            yield Progress(status, shown, wanted.size, wanted.size)
        assert digest is not None, "a download ends with it"
        yield digest


def _keep(store: Store, name: ModelName, blobs: Mapping[Digest, int]) -> None:
    """Have kept what is fetched of ``blobs``, until ``name`` is there, whatever happens meanwhile."""
    if not all(_is_there(store.blobs, digest, size) for digest, size in blobs.items()):
        store.pulling.note(name, blobs)


def _is_there(blobs: Blobs, digest: Digest, size: int) -> bool:
    """Whether the blob is there whole: one that a crash cut short is fetched again."""
    return blobs.exists(digest) and blobs.size(digest) == size


def _is_made(store: Store, name: ModelName, found: FileSet) -> bool:
    """Whether the model ``name`` is there whole, made of just the files that were ``found``."""
    try:
        model = store.model(name)
    except (ModelNotFound, StoreError, BlobNotFound):
        return False
    layers = (*(model.manifest.layers or ()), model.manifest.config)
    return any(formats.noted_version(layer.parent, found.origin) == found.version for layer in layers) and all(
        _is_there(store.blobs, layer.blob, layer.size) for layer in layers
    )


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
