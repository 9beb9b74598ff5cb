"""Checking a store: that every manifest can be read, and that every blob is there and is what its name says."""

from __future__ import annotations

import os
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from puna.errors import BlobNotFound, CorruptManifest, StoreError
from puna.names import Digest, ModelName
from puna.store import formats
from puna.store.blobs import BlobFile, file_digest
from puna.store.formats import Layer, Manifest
from puna.store.models import Store
from puna.store.pruning import Leftovers

_THREADS = 8

Use = tuple[ModelName, Layer]
"""A model that needs a blob, and the layer it needs it as."""


@dataclass(frozen=True, slots=True)
class Damage:
    """Something that is not as it must be: what, in words, where, and for which models.

    ``kind``: a "manifest" that is none, or that says what is not so; a blob that is "missing", that is "damaged", or
    that is "unreadable" just now, as a manifest may be too.
    """

    kind: Literal["manifest", "missing", "damaged", "unreadable"]
    problem: str
    path: Path
    file: BlobFile | None = None
    blob: Digest | None = None
    uses: tuple[Use, ...] = ()
    model: ModelName | None = None

    @property
    def models(self) -> tuple[ModelName, ...]:
        """The models that suffer from it."""
        return (self.model,) if self.model else tuple(dict.fromkeys(name for name, _ in self.uses))


@dataclass(frozen=True, slots=True)
class Checked:
    """What was checked, and found. ``leftovers`` are what no model needs, None when that cannot be told."""

    models: int
    blobs: int
    size: int
    damage: tuple[Damage, ...]
    leftovers: Leftovers | None


@dataclass(slots=True)
class _Needs:
    """What the manifests of a store say."""

    models: int = 0
    uses: Mapping[Digest, list[Use]] = field(default_factory=lambda: defaultdict(list))
    damage: list[Damage] = field(default_factory=list)


def check(store: Store, on_progress: Callable[[int, int], None] = lambda _done, _total: None) -> Checked:
    """Read everything in ``store``; ``on_progress`` is told the bytes read and the bytes to read, from any thread.

    Raises:
        StoreError: the store itself cannot be read.
    """
    needs = _read_manifests(store)
    files = [file for file in store.blobs.files() if file.kind == "blob"]
    damage = [*needs.damage, *_wrong_blobs(files, needs, on_progress)]
    damage += _missing(store, {file.digest for file in files if file.path.exists()}, needs)
    damage += _contradictions(store, files, needs, {found.blob for found in damage})
    try:
        leftovers = store.prune(dry_run=True)
    except StoreError:
        leftovers = None
    size = sum(file.size for file in files)
    return Checked(needs.models, len(files), size, tuple(damage), leftovers)


def _read_manifests(store: Store) -> _Needs:
    found = _Needs()
    for name, _ in store.manifests.names():
        found.models += 1
        path = store.manifests.path(name)
        try:
            content = store.manifests.read(name)
            manifest = None if content is None else formats.read_manifest(content)
        except CorruptManifest as error:
            found.damage.append(Damage("manifest", _manifest_problem(path, error), path, model=name))
        except StoreError as error:
            found.damage.append(Damage("unreadable", f"its manifest cannot be read: {error}", path, model=name))
        else:
            for layer in _layers(manifest):
                found.uses[layer.blob].append((name, layer))
    return found


def _manifest_problem(path: Path, error: CorruptManifest) -> str:
    if path.stat().st_size == 0:
        return "its manifest is empty"
    return f"its manifest is damaged: {error.__cause__}"


def _layers(manifest: Manifest | None) -> Sequence[Layer]:
    return () if manifest is None else (manifest.config, *(manifest.layers or ()))


def _wrong_blobs(files: Sequence[BlobFile], needs: _Needs, on_progress: Callable[[int, int], None]) -> Iterator[Damage]:
    total, done, counting = sum(file.size for file in files), 0, threading.Lock()

    def count(size: int) -> None:
        nonlocal done
        with counting:
            done += size
            on_progress(min(done, total), total)

    def judge(file: BlobFile) -> Damage | None:
        uses = tuple(needs.uses.get(file.digest, ())) if file.digest else ()
        try:
            actual = file_digest(file.path, count)
        except FileNotFoundError:
            return None  # removed meanwhile; if a model needs it, it is missing
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            return Damage("unreadable", f"it cannot be read: {reason}", file.path, file, file.digest, uses)
        if actual == file.digest:
            return None
        return Damage("damaged", _blob_problem(file, actual, uses), file.path, file, file.digest, uses)

    with ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1), "fsck") as threads:
        # The largest first, so that no thread is left alone with it at the end.
        yield from filter(None, threads.map(judge, sorted(files, key=lambda file: -file.size)))


def _blob_problem(file: BlobFile, actual: Digest, uses: Sequence[Use]) -> str:
    expected = {layer.size for _, layer in uses} - {file.size}
    if expected:
        return f"it has {file.size} bytes instead of {min(expected)}"
    return f"its content has changed: it has the digest {actual}"


def _missing(store: Store, there: set[Digest | None], needs: _Needs) -> Iterator[Damage]:
    for digest, uses in needs.uses.items():
        # What was removed, or added, while the others were read is only missing if a model still needs it.
        if digest not in there and not store.blobs.exists(digest) and (still := tuple(_still(store, uses))):
            yield Damage("missing", "it is not there", store.blobs.path(digest), blob=digest, uses=still)


def _still(store: Store, uses: Sequence[Use]) -> Iterator[Use]:
    for name, layer in uses:
        content = store.manifests.read(name)
        if content is not None and any(layer.blob == one.blob for one in _layers(formats.read_manifest(content))):
            yield name, layer


def _contradictions(
    store: Store, files: Sequence[BlobFile], needs: _Needs, damaged: set[Digest | None]
) -> Iterator[Damage]:
    """What is wrong though every blob is what its name says: sizes, and configs that are none."""
    for file in files:
        for name, layer in needs.uses.get(file.digest, ()) if file.digest and file.digest not in damaged else ():
            path = store.manifests.path(name)
            if layer.size != file.size:
                problem = f"its manifest says that {layer.digest} has {layer.size} bytes; it has {file.size}"
                yield Damage("manifest", problem, path, model=name)
            elif layer.media_type == formats.CONFIG_TYPE:
                try:
                    formats.read_config(store.blobs.read(layer.blob))
                except (CorruptManifest, BlobNotFound) as error:
                    yield Damage("manifest", f"its config {layer.digest} is none: {error}", path, model=name)
