"""Models in one file: a tar archive in the layout of OCI images, written and read as a stream.

Manifests and blobs are in it byte for byte, so a model that is carried from one store to another keeps its digest.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import IO, TypeVar

import msgspec
from msgspec import Struct

from puna.errors import BlobNotFound, CorruptManifest, InvalidDigest, InvalidRequest, ModelNotFound, StoreError
from puna.names import Digest, ModelName
from puna.store import formats
from puna.store.blobs import Blobs, digest_of
from puna.store.disk import translated
from puna.store.formats import Layer, Manifest
from puna.store.models import Store

_T = TypeVar("_T")

_LAYOUT, _INDEX, _BLOBS = "oci-layout", "index.json", "blobs/sha256/"
_VERSION = "1.0.0"
_INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
_NAME = "org.opencontainers.image.ref.name"
_LARGEST_TEXT = 4 << 20
_BLOCK = 1 << 20


class _Layout(Struct):
    image_layout_version: str = msgspec.field(name="imageLayoutVersion")


class _Entry(Struct, rename="camel", omit_defaults=True):
    media_type: str
    digest: str
    size: int
    annotations: dict[str, str] | None = None


class _Index(Struct, rename="camel"):
    schema_version: int
    media_type: str = ""
    manifests: tuple[_Entry, ...] = ()


Progress = Callable[[int], None]
"""Is told the bytes of each piece of a blob that was written or read."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A model to be exported: its name, its manifest byte for byte, and its blobs."""

    name: ModelName
    content: bytes
    layers: tuple[Layer, ...]


def parcels(store: Store, names: Iterable[ModelName]) -> list[Parcel]:
    """The models ``names``, whatever their case, ready to be exported.

    Raises:
        ModelNotFound: there is no such model.
        CorruptManifest, BlobNotFound, StoreError: one is damaged, or cannot be read.
    """
    found = {}
    for wanted in names:
        name = store.spelling(wanted)
        content = store.manifests.read(name)
        if content is None:
            raise ModelNotFound(wanted.short)
        manifest = formats.read_manifest(content)
        layers = {layer.blob: layer for layer in (manifest.config, *(manifest.layers or ()))}
        for digest, layer in layers.items():
            if store.blobs.size(digest) != layer.size:
                raise _damaged(digest)
        found[name.full] = Parcel(name, content, tuple(layers.values()))
    return list(found.values())


def total_size(parcels: Sequence[Parcel]) -> int:
    """Bytes of all their blobs, each counted once."""
    return sum({layer.blob: layer.size for parcel in parcels for layer in parcel.layers}.values())


def export(store: Store, parcels: Sequence[Parcel], out: IO[bytes], on_progress: Progress = lambda _: None) -> None:
    """Write the models to ``out``, which need not be seekable.

    Raises:
        OSError: ``out`` cannot be written.
        BlobNotFound, StoreError: a blob is gone or damaged; then ``out`` is of no use.
    """
    index = _Index(2, _INDEX_TYPE, tuple(_entry(parcel) for parcel in parcels))
    blobs = {layer.blob: layer.size for parcel in parcels for layer in parcel.layers}
    _add(out, _LAYOUT, msgspec.json.encode(_Layout(_VERSION)))
    _add(out, _INDEX, msgspec.json.encode(index))
    for content in dict.fromkeys(parcel.content for parcel in parcels):
        _add(out, _BLOBS + digest_of(content).hex, content)
    for digest, size in blobs.items():
        _add_blob(out, store.blobs, digest, size, on_progress)
    out.write(bytes(2 * tarfile.BLOCKSIZE))


def _entry(parcel: Parcel) -> _Entry:
    media_type = formats.read_manifest(parcel.content).media_type
    return _Entry(media_type, str(digest_of(parcel.content)), len(parcel.content), {_NAME: parcel.name.full})


def _add(out: IO[bytes], name: str, content: bytes) -> None:
    out.write(_header(name, len(content)))
    out.write(content)
    out.write(_padding(len(content)))


def _add_blob(out: IO[bytes], blobs: Blobs, digest: Digest, size: int, on_progress: Progress) -> None:
    out.write(_header(_BLOBS + digest.hex, size))
    read, left = hashlib.sha256(), size
    with ExitStack() as opened:
        with blobs.found(digest):
            file = opened.enter_context(blobs.path(digest).open("rb", buffering=0))
        while left:
            with translated():
                piece = file.read(min(left, _BLOCK))
            if not piece:
                break
            read.update(piece)
            out.write(piece)
            left -= len(piece)
            on_progress(len(piece))
    if Digest(read.hexdigest()) != digest:
        raise _damaged(digest)
    out.write(_padding(size))


def _header(name: str, size: int) -> bytes:
    member = tarfile.TarInfo(name)
    member.size = size
    return member.tobuf(tarfile.PAX_FORMAT)


def _padding(size: int) -> bytes:
    return bytes(-size % tarfile.BLOCKSIZE)


def _damaged(digest: Digest) -> StoreError:
    return StoreError(f"the blob {digest} is damaged; puna fsck --repair fetches it again, if it can be had")


def load(
    store: Store, source: IO[bytes], on_progress: Progress = lambda _: None, *, name: ModelName | None = None
) -> list[ModelName]:
    """Put the models in the archive ``source``, which need not be seekable, into the store; return their names.

    Every blob is verified before the first model appears; of an archive that is damaged nothing stays. ``name`` is what
    its only model is to be called.

    Raises:
        InvalidRequest: it is not such an archive, or is not complete.
        InvalidName: a model in it has no valid name.
        DigestMismatch: a blob in it is damaged.
        DiskFull, StoreError: it cannot be written.
    """
    written: set[Digest] = set()
    try:
        with store.blobs.claiming() as claim:
            index = _read(store.blobs, source, claim, written, on_progress)
            models = [_model(store.blobs, entry, name) for entry in index.manifests]
            if not models or (name is not None and len(models) > 1):
                raise InvalidRequest(f"the archive has {len(models)} models")
            for found, content in models:
                store.install(found, content)
            return [store.spelling(found) for found, _ in models]
    finally:
        store.remove_unneeded(written)  # manifests, which lie elsewhere in a store, and what came of a failure


def _read(
    blobs: Blobs, source: IO[bytes], claim: Callable[[Digest], None], written: set[Digest], on_progress: Progress
) -> _Index:
    texts: dict[str, bytes] = {}
    with _archive(source) as archive:
        for member in archive:
            name = member.name.removeprefix("./")
            if name not in (_LAYOUT, _INDEX) and not name.startswith(_BLOBS):
                continue
            file = archive.extractfile(member) if member.isreg() else None
            if file is None:
                if member.isdir():
                    continue
                raise InvalidRequest(f"{name} in the archive is not a file")
            if name in (_LAYOUT, _INDEX):
                texts[name] = _text(file, name, member.size)
            else:
                digest = _digest(name)
                if _take(blobs, digest, file, member.size, on_progress):
                    written.add(digest)
                claim(digest)
    if _LAYOUT not in texts or _INDEX not in texts:
        raise InvalidRequest("the archive is not in the layout of OCI images, or is not complete")
    if _decoded(texts[_LAYOUT], _Layout, _LAYOUT).image_layout_version != _VERSION:
        raise InvalidRequest("the archive is in a version of the layout of OCI images that is not known")
    return _decoded(texts[_INDEX], _Index, _INDEX)


@contextmanager
def _archive(source: IO[bytes]) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(fileobj=source, mode="r|*", bufsize=_BLOCK) as archive:
            yield archive
    except (tarfile.TarError, EOFError) as error:
        raise InvalidRequest(f"the archive cannot be read: {error}") from error


def _digest(name: str) -> Digest:
    try:
        return Digest.parse(f"sha256:{name.removeprefix(_BLOBS)}")
    except InvalidDigest as error:
        raise InvalidRequest(f"{name} in the archive is not the name of a blob") from error


def _text(file: IO[bytes], name: str, size: int) -> bytes:
    if size > _LARGEST_TEXT:
        raise InvalidRequest(f"{name} in the archive is too large")
    content = file.read()
    if len(content) < size:
        raise InvalidRequest("the archive is not complete")
    return content


def _take(blobs: Blobs, digest: Digest, file: IO[bytes], size: int, on_progress: Progress) -> bool:
    """Put a blob into the store; return whether it was not there before."""
    if blobs.exists(digest) and blobs.size(digest) == size:
        on_progress(size)
        return False
    with blobs.open_writer() as writer:
        while piece := file.read(_BLOCK):
            writer.write(piece)
            on_progress(len(piece))
        if writer.size < size:
            raise InvalidRequest("the archive is not complete")
        writer.commit(digest)
    return True


def _model(blobs: Blobs, entry: _Entry, name: ModelName | None) -> tuple[ModelName, bytes]:
    """The name and the manifest of one model of the archive, all of whose blobs are there."""
    annotated = (entry.annotations or {}).get(_NAME)
    if name is None and annotated is None:
        raise InvalidRequest("a model in the archive has no name")
    found = name or ModelName.parse(annotated or "")
    try:
        content = blobs.read(Digest.parse(entry.digest))
        manifest = formats.read_manifest(content)
        complete = all(blobs.size(layer.blob) == layer.size for layer in _layers(manifest))
    except (BlobNotFound, InvalidDigest) as error:
        raise InvalidRequest(f"the archive is not complete: {error}") from error
    except CorruptManifest as error:
        raise InvalidRequest(f"{found} in the archive is not a model: {error}") from error
    if not complete:
        raise InvalidRequest(f"{found} in the archive is not what its manifest says")
    if not any(layer.holds() for layer in _layers(manifest)):
        raise InvalidRequest(f"{found} in the archive is not a model, but another image")
    return found, content


def _layers(manifest: Manifest) -> Sequence[Layer]:
    return (manifest.config, *(manifest.layers or ()))


def _decoded(content: bytes, kind: type[_T], name: str) -> _T:
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"{name} in the archive is damaged: {error}") from error
