"""The store: models by name, each one typed object made of its manifest and the blobs that names."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from puna import gguf
from puna.errors import BlobNotFound, CorruptManifest, ModelNotFound, StoreError
from puna.gguf import Gguf
from puna.names import Digest, ModelName
from puna.store import formats
from puna.store.blobs import Blobs, digest_of
from puna.store.capabilities import TemplateChoice, capabilities, choose_template, declared
from puna.store.formats import Config, Manifest, Part
from puna.store.manifests import Manifests
from puna.types import Capability, Details, Message

log = logging.getLogger(__name__)

_PRUNE_AGE_SECONDS = 3600
"""Younger blobs may belong to a model that is being made."""


@dataclass(frozen=True, eq=False)
class Model:
    """A model in the store. Its texts and the header of its weights are read when first asked for, and kept.

    ``digest`` is that of its manifest, ``modified_ns`` the manifest's time in nanoseconds since the epoch.
    Whatever reads a blob raises BlobNotFound or CorruptManifest if it is not there or not what it must be.
    """

    name: ModelName
    digest: Digest
    modified_ns: int
    manifest: Manifest
    config: Config
    blobs: Blobs = field(repr=False)
    go_template: bool | None = field(default=None, repr=False)

    @property
    def size(self) -> int:
        """Bytes of everything it is made of."""
        return self.manifest.size

    @property
    def weights(self) -> Path:
        """The GGUF file of its weights.

        Raises:
            CorruptManifest: it has none.
        """
        found = self._paths("model")
        if not found:
            raise CorruptManifest(f"the model {self.name} has no weights")
        return found[0]

    @property
    def adapters(self) -> tuple[Path, ...]:
        """The GGUF files of its LoRA adapters."""
        return self._paths("adapter")

    @property
    def projectors(self) -> tuple[Path, ...]:
        """The GGUF files of its projectors, which make embeddings of pictures or sound."""
        return self._paths("projector")

    @cached_property
    def template(self) -> str | None:
        """The text of its TEMPLATE, None without one."""
        return self._text("template", "prompt")

    @cached_property
    def system(self) -> str:
        """Its system message, "" without one."""
        return self._text("system") or ""

    @cached_property
    def parameters(self) -> Mapping[str, Any]:
        """Its options, as they are stored."""
        layers = self.manifest.of("params")
        return formats.read_parameters(self.blobs.read(layers[-1].blob)) if layers else {}

    @cached_property
    def messages(self) -> tuple[Message, ...]:
        """The conversation that every conversation with it begins with."""
        layers = self.manifest.of("messages")
        return formats.read_messages(self.blobs.read(layers[-1].blob)) if layers else ()

    @cached_property
    def licenses(self) -> tuple[str, ...]:
        """The texts of its licences."""
        return tuple(_utf8(self.blobs.read(layer.blob)) for layer in self.manifest.of("license"))

    @property
    def renderer(self) -> str:
        """The name of the renderer that makes its prompts, "" without one."""
        return self.config.renderer

    @property
    def parser(self) -> str:
        """The name of the parser that reads its answers, "" without one."""
        return self.config.parser

    @cached_property
    def gguf(self) -> Gguf:
        """The header of its weights.

        Raises:
            CorruptModel: they are damaged.
        """
        return gguf.read(self.weights)

    @cached_property
    def leading_token(self) -> str:
        """The text of the token that the engine puts before every prompt, "" where it puts none."""
        return self.gguf.token("bos_token_id") if self.gguf.adds_bos else ""

    @cached_property
    def projector(self) -> Gguf | None:
        """The header of its first projector, None without one."""
        return gguf.read(self.projectors[0]) if self.projectors else None

    @cached_property
    def template_choice(self) -> TemplateChoice:
        """Which of its templates speaks for it."""
        return choose_template(self.config, self.template, self.gguf.chat_template, self.go_template)

    @cached_property
    def capabilities(self) -> tuple[Capability, ...]:
        """What it can do."""
        if self.config.remote_host:
            return declared(self.config)
        return capabilities(self.config, self.gguf, self.projector, self.template, self.template_choice)

    @property
    def details(self) -> Details:
        """What kind of model it is, as far as its config tells: the lengths are left out."""
        layers, config = self.manifest.of("model"), self.config
        return Details(
            parent_model=layers[0].parent if layers else "",
            format=config.model_format,
            family=config.model_family,
            families=config.model_families or (),
            parameter_size=config.model_type,
            quantization_level=config.file_type,
        )

    def _paths(self, part: Part) -> tuple[Path, ...]:
        return tuple(self.blobs.path(layer.blob) for layer in self.manifest.of(part))

    def _text(self, *parts: Part) -> str | None:
        layers = self.manifest.of(*parts)
        return _utf8(self.blobs.read(layers[-1].blob)) if layers else None


class Store:
    """A directory of models in Ollama's layout. Its methods may be called from any thread.

    ``prune`` is whether blobs that no model needs any more are removed when a model is replaced and at a start;
    ``go_template`` is the operator's word on TEMPLATEs (None: each model's better template).
    """

    def __init__(self, root: Path, *, prune: bool = True, go_template: bool | None = None) -> None:
        self.root = root
        self.blobs = Blobs(root / "blobs")
        self.manifests = Manifests(root / "manifests")
        self._prune = prune
        self._go_template = go_template
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
        found = self._find(wanted) or self._find(self.manifests.spelling(wanted))
        if found is None:
            raise ModelNotFound(str(name))
        return found

    def models(self) -> list[Model]:
        """All models, the latest changed first. One whose manifest or config is damaged is logged and left out."""
        found = []
        for name, status in self.manifests.names():
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

    def spelling(self, name: ModelName) -> ModelName:
        """``name`` as the store spells it, for the parts of it that exist."""
        return self.manifests.spelling(name)

    def write(self, name: ModelName, manifest: Manifest) -> None:
        """Make ``manifest`` the model ``name``; what it replaces goes, with the blobs nothing else needs.

        Raises:
            BlobNotFound: a blob of it is not there.
            DiskFull, StoreError: it cannot be written; then everything is as it was.
        """
        with self._changing:
            for digest in sorted(manifest.blobs, key=str):
                if not self.blobs.exists(digest):
                    raise BlobNotFound(str(digest))
            self._replace(self.manifests.spelling(name), formats.write_manifest(manifest))

    def copy(self, source: ModelName, destination: ModelName) -> None:
        """Give the model ``source`` a second name, ``destination``; a model that has it already is replaced.

        Raises:
            ModelNotFound: there is no ``source``.
            DiskFull, StoreError: it cannot be written; then everything is as it was.
        """
        with self._changing:
            stored, target = self.manifests.spelling(source), self.manifests.spelling(destination)
            content = self.manifests.read(stored)
            if content is None:
                raise ModelNotFound(str(source))
            if stored != target:
                self._replace(target, content)

    def delete(self, name: ModelName) -> None:
        """Remove the model ``name`` and the blobs no other model needs.

        Raises:
            ModelNotFound: there is none.
            StoreError: it cannot be removed.
        """
        with self._changing:
            stored = self.manifests.spelling(name)
            content = self.manifests.read(stored)
            if content is None:
                raise ModelNotFound(str(name))
            self.manifests.remove(stored)
            self._read.pop(stored.parts, None)
            self._remove_unneeded(content)

    def repair(self, *, now: float | None = None) -> None:
        """Put in order what a crash or an old version left: old names of blobs, unfinished files, unneeded blobs.

        ``now`` is the time in seconds since the epoch; what is younger than an hour stays. Nothing is removed while a
        manifest is damaged, since what it needs cannot be told. A store that may only be read is served as it is.
        """
        than = (time.time() if now is None else now) - _PRUNE_AGE_SECONDS
        try:
            with self._changing:
                self.blobs.rename_old()
                if self._prune:
                    self.blobs.remove_older(than, keep=self._needed())
                    self.manifests.tidy(than)
        except StoreError as error:
            log.warning("the model store was not tidied: %s", error)

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
        manifest = _manifest(content, name)
        model = Model(
            name=ModelName(*name.parts),
            digest=digest_of(content),
            modified_ns=status.st_mtime_ns,
            manifest=manifest,
            config=formats.read_config(self.blobs.read(manifest.config.blob)),
            blobs=self.blobs,
            go_template=self._go_template,
        )
        self._read[name.parts] = (version, model)
        return model

    def _replace(self, name: ModelName, content: bytes) -> None:
        before = self.manifests.read(name)
        self.manifests.write(name, content)
        if self._prune and before is not None:
            self._remove_unneeded(before)

    def _remove_unneeded(self, before: bytes) -> None:
        """Remove the blobs of the manifest ``before``, which is gone, that no manifest needs."""
        try:
            for digest in formats.read_manifest(before).blobs - self._needed():
                self.blobs.remove(digest)
        except CorruptManifest as error:
            log.warning("nothing is pruned: %s", error)

    def _needed(self) -> set[Digest]:
        needed: set[Digest] = set()
        for name, _ in self.manifests.names():
            content = self.manifests.read(name)
            if content is not None:
                needed |= _manifest(content, name).blobs
        return needed


def _manifest(content: bytes, name: ModelName) -> Manifest:
    try:
        return formats.read_manifest(content)
    except CorruptManifest as error:
        raise CorruptManifest(f"the model {name}: {error}") from error


def _utf8(content: bytes) -> str:
    return content.decode("utf-8", "replace")
