"""The store: models by name, each one typed object made of its manifest and the blobs that names."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from puna.errors import BlobNotFound, CorruptManifest, ModelNotFound, ModelNotPermitted, StoreError
from puna.names import Digest, ModelName
from puna.store import formats
from puna.store.blobs import Blobs, digest_of
from puna.store.disk import DISK, Disk, make_directories, translated
from puna.store.formats import Manifest
from puna.store.locks import exclusive
from puna.store.manifests import Manifests
from puna.store.model import Model, mendable
from puna.store.pruning import SPARED_SECONDS, Leftovers, leftovers
from puna.store.pulling import Pulling

__all__ = ["Model", "Store"]

log = logging.getLogger(__name__)


class Store:
    """A directory of models in Ollama's layout. Its methods may be called from any thread, in several processes.

    ``prune`` is whether blobs that no model needs any more are removed when a model is replaced and at a start;
    ``go_template`` is the operator's word on TEMPLATEs (None: each model's better template). ``permits`` says whether
    whoever asks at the moment may have to do with the model of a name: others are not listed, and every method that is
    given the name of one raises ModelNotPermitted, whether or not there is such a model.
    """

    def __init__(
        self,
        root: Path,
        *,
        prune: bool = True,
        go_template: bool | None = None,
        permits: Callable[[ModelName], bool] = lambda _: True,
        disk: Disk = DISK,
    ) -> None:
        self.root = root
        self.blobs = Blobs(root / "blobs", disk=disk)
        self.manifests = Manifests(root / "manifests", disk=disk)
        self.pulling = Pulling(root / "pulling", disk=disk)
        self._disk = disk
        self._prunes = prune
        self._go_template = go_template
        self.permits = permits
        self._changing = threading.Lock()
        self._read: dict[tuple[str, ...], tuple[tuple[int, ...], Model]] = {}
        self._reported: dict[tuple[str, ...], int] = {}

    def model(self, name: str | ModelName) -> Model:
        """The model of that name, whatever its case. One that was read before costs one ``stat``.

        Raises:
            InvalidName: ``name`` cannot be a model's name.
            ModelNotFound: there is none; the error has the name as it was given.
            CorruptManifest, BlobNotFound: its manifest or config is damaged.
            StoreError: the store cannot be read.
        """
        wanted = ModelName.parse(name) if isinstance(name, str) else name
        self.require_permitted(wanted)
        found = self._find(wanted) or self._find(self.manifests.spelling(wanted))
        if found is None:
            raise ModelNotFound(str(name))
        return found

    def models(self) -> list[Model]:
        """All models, the latest changed first. One whose manifest or config is damaged is logged and left out."""
        found = []
        for name, status in self.manifests.names():
            if not self.permits(name):
                continue
            try:
                model = self._open(name, status)
            except (StoreError, BlobNotFound) as error:
                if self._reported.get(name.parts) != status.st_mtime_ns:
                    self._reported[name.parts] = status.st_mtime_ns
                    log.warning("the model %s is left out: %s", name, error)
                continue
            if model is not None:
                found.append(model)
        return sorted(found, key=lambda model: (-model.modified_ns, model.name))

    def require_permitted(self, name: ModelName) -> None:
        """Do nothing if whoever asks may have to do with the model ``name``, which need not be there.

        Raises:
            ModelNotPermitted: they may not.
        """
        if not self.permits(name):
            raise ModelNotPermitted(name.short)

    def spelling(self, name: ModelName) -> ModelName:
        """``name`` as the store spells it, for the parts of it that exist."""
        return self.manifests.spelling(name)

    def write(self, name: ModelName, manifest: Manifest) -> None:
        """Make ``manifest`` the model ``name``; what it replaces goes, with the blobs nothing else needs.

        Raises:
            BlobNotFound: a blob of it is not there.
            DiskFull, StoreError: it cannot be written; then everything is as it was.
        """
        self.install(name, formats.write_manifest(manifest))

    def install(self, name: ModelName, content: bytes) -> None:
        """``write`` of a manifest that came from elsewhere and is kept byte for byte, which keeps its digest.

        Raises:
            CorruptManifest: it is none.
            BlobNotFound, DiskFull, StoreError: as ``write`` does.
        """
        self.require_permitted(name)
        manifest = formats.read_manifest(content)
        with translated():
            make_directories(self.root, self._disk)
        with self._alone():
            self._check_blobs(manifest)
            self._replace(self.manifests.spelling(name), content, manifest)

    def copy(self, source: ModelName, destination: ModelName) -> None:
        """Give the model ``source`` a second name, ``destination``; a model that has it already is replaced.

        Raises:
            ModelNotFound: there is no ``source``.
            DiskFull, StoreError: it cannot be written; then everything is as it was.
        """
        self.require_permitted(source)
        self.require_permitted(destination)
        with self._alone():
            stored, target = self.manifests.spelling(source), self.manifests.spelling(destination)
            content = self.manifests.read(stored)
            if content is None:
                raise ModelNotFound(str(source))
            if stored != target:
                self._replace(target, content, None)

    def delete(self, name: ModelName) -> None:
        """Remove the model ``name`` and the blobs no other model needs.

        Raises:
            ModelNotFound: there is none.
            StoreError: it cannot be removed.
        """
        self.require_permitted(name)
        with self._alone():
            stored = self.manifests.spelling(name)
            content = self.manifests.read(stored)
            if content is None:
                raise ModelNotFound(str(name))
            self.manifests.remove(stored)
            self._read.pop(stored.parts, None)
            self._remove_blobs_of(content)

    def repair(self, *, now: float | None = None) -> None:
        """Put in order what a crash or an old version left: old names of blobs, unfinished files, unneeded blobs.

        ``now`` is the time in seconds since the epoch; what is younger than an hour stays, and so does every download
        that can be resumed. Nothing is removed while a manifest is damaged, since what it needs cannot be told. A
        store that may only be read is served as it is.
        """
        now = time.time() if now is None else now
        try:
            with self._alone():
                self.blobs.rename_old()
            if self._prunes:
                self.prune(now=now)
                with self._alone():
                    self.manifests.tidy(now - SPARED_SECONDS)
        except StoreError as error:
            log.warning("the model store was not tidied: %s", error)

    def prune(self, *, partials: bool = False, dry_run: bool = False, now: float | None = None) -> Leftovers:
        """Remove what no model needs, with ``partials`` also downloads that could be resumed; return what went.

        ``dry_run`` removes nothing and returns what would go. What someone is making something of stays.

        Raises:
            CorruptManifest: nothing is removed, since what a damaged model needs cannot be told.
            StoreError: the store cannot be read, or something not be removed.
        """
        with self._alone():
            needed, kept = self.needed(), self.pulling.blobs()
            now = time.time() if now is None else now
            found = leftovers(self.blobs.files(), needed, kept=kept, now=now, partials=partials)
            if dry_run:
                return found
            if partials:
                self.pulling.forget_all()
            discarded = {
                file.digest for file in found.partials if file.digest and self.blobs.discard_partial(file.digest)
            }
            return replace(
                found,
                blobs=tuple(file for file in found.blobs if self.blobs.discard(file)),
                unfinished=tuple(file for file in found.unfinished if self.blobs.discard(file)),
                partials=tuple(file for file in found.partials if file.digest in discarded),
            )

    def needed(self) -> set[Digest]:
        """The blobs that models need.

        Raises:
            CorruptManifest: it cannot be told, since one is damaged.
            StoreError: a manifest cannot be read.
        """
        needed: set[Digest] = set()
        for name, _ in self.manifests.names():
            content = self.manifests.read(name)
            if content is not None:
                needed |= _manifest(content, name).blobs
        return needed

    def remove_unneeded(self, digests: Iterable[Digest]) -> None:
        """Remove those of the blobs ``digests`` that no model needs and nobody claims. What cannot be removed stays."""
        with self._alone():
            self._remove_unneeded(digests)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else, in whatever process, changes meanwhile which blobs are needed, or removes some."""
        with self._changing, translated(), exclusive(self.root):
            yield

    def _find(self, name: ModelName) -> Model | None:
        status = self.manifests.status(name)
        return None if status is None else self._open(name, status)

    def _open(self, name: ModelName, status: os.stat_result) -> Model | None:
        version = (status.st_mtime_ns, status.st_size, status.st_ino)
        known, model = self._read.get(name.parts, (None, None))
        if known == version:
            return model
        content = self.manifests.read(name)
        if content is None:
            return None
        with mendable():
            manifest = _manifest(content, name)
            config = formats.read_config(self.blobs.read(manifest.config.blob))
        model = Model(
            name=ModelName(*name.parts),
            digest=digest_of(content),
            modified_ns=status.st_mtime_ns,
            manifest=manifest,
            config=config,
            blobs=self.blobs,
            go_template=self._go_template,
        )
        self._read[name.parts] = (version, model)
        return model

    def _check_blobs(self, manifest: Manifest) -> None:
        for digest in sorted(manifest.blobs, key=str):
            if not self.blobs.exists(digest):
                raise BlobNotFound(str(digest))

    def _replace(self, name: ModelName, content: bytes, manifest: Manifest | None) -> None:
        before = self.manifests.read(name)
        self.blobs.settle()
        self.manifests.write(name, content)
        try:
            if manifest is not None:
                self._check_blobs(manifest)
        except BlobNotFound:
            # An Ollama on this store, which knows no locks, removed it just now.
            if before is None:
                self.manifests.remove(name)
            else:
                self.manifests.write(name, before)
            raise
        if self._prunes and before is not None:
            self._remove_blobs_of(before)

    def _remove_blobs_of(self, before: bytes) -> None:
        """Remove the blobs of the manifest ``before``, which is gone, that no manifest needs."""
        try:
            blobs = formats.read_manifest(before).blobs
        except CorruptManifest as error:
            log.warning("nothing is pruned: %s", error)
            return
        self._remove_unneeded(blobs)

    def _remove_unneeded(self, digests: Iterable[Digest]) -> None:
        try:
            for digest in set(digests) - self.needed():
                self.blobs.remove(digest)
        except StoreError as error:
            log.warning("nothing is pruned: %s", error)


def _manifest(content: bytes, name: ModelName) -> Manifest:
    try:
        return formats.read_manifest(content)
    except CorruptManifest as error:
        raise CorruptManifest(f"the model {name}: {error}") from error
