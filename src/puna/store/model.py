"""A model in the store, as one typed object."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from puna import gguf
from puna.errors import BlobNotFound, CorruptManifest, StoreError
from puna.gguf import Gguf, foreign
from puna.names import Digest, ModelName
from puna.store import formats
from puna.store.blobs import Blobs
from puna.store.capabilities import TemplateChoice, capabilities, choose_template, declared
from puna.store.formats import Config, Manifest, Part
from puna.types import Capability, Details, Message


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
    def draft(self) -> Path | None:
        """The GGUF file of a smaller model that guesses its answers, None without one."""
        return next(iter(self._paths("draft")), None)

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
        with mendable():
            return formats.read_parameters(self.blobs.read(layers[-1].blob)) if layers else {}

    @cached_property
    def messages(self) -> tuple[Message, ...]:
        """The conversation that every conversation with it begins with."""
        layers = self.manifest.of("messages")
        with mendable():
            return formats.read_messages(self.blobs.read(layers[-1].blob)) if layers else ()

    @cached_property
    def licenses(self) -> tuple[str, ...]:
        """The texts of its licences."""
        with mendable():
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
        with mendable():
            return gguf.read(self.weights)

    @cached_property
    def peculiarity(self) -> str:
        """What is in its weights that llama.cpp cannot read rightly, "" where there is nothing."""
        return foreign.peculiarity(self.gguf)

    @cached_property
    def leading_token(self) -> str:
        """The text of the token that the engine puts before every prompt, "" where it puts none."""
        return self.gguf.token("bos_token_id") if self.gguf.adds_bos else ""

    @cached_property
    def projector(self) -> Gguf | None:
        """The header of its first projector, None without one."""
        with mendable():
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
    def is_read(self) -> bool:
        """Whether the headers of its files are read, so that nothing of them waits for a disk any more."""
        return "capabilities" in vars(self)

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
        with mendable():
            return _utf8(self.blobs.read(layers[-1].blob)) if layers else None


@contextmanager
def mendable() -> Iterator[None]:
    """Say, in the error that something of a model is missing or damaged, how it is mended."""
    try:
        yield
    except (BlobNotFound, StoreError) as error:
        error.args = (f"{error}; puna fsck --repair mends what can be fetched again, and tells of the rest",)
        raise


def _utf8(content: bytes) -> str:
    return content.decode("utf-8", "replace")
