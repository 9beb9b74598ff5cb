"""What a new model is made of: the layers of another model, or files that were uploaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

import msgspec

from puna import gguf
from puna.errors import BlobNotFound, CorruptModel, InvalidRequest, NotCapable
from puna.gguf import Gguf, foreign
from puna.names import Digest
from puna.service.create.recipe import Base, Ingredient
from puna.store import formats
from puna.store.blobs import Blobs
from puna.store.formats import Config, layer_type
from puna.store.models import Store
from puna.template.detect import detect

_WEIGHTS = ".safetensors"
_ADAPTER_CONFIG = "adapter_config.json"


@dataclass(frozen=True, slots=True)
class File:
    """An uploaded GGUF file: its name as it was given, its blob and its header."""

    name: str
    digest: Digest
    header: Gguf
    status: str = ""

    @property
    def is_part(self) -> bool:
        """Whether it is one of several parts of a model."""
        parts = self.header.metadata.get("split.count")
        return isinstance(parts, int) and parts > 1


@dataclass(frozen=True, slots=True)
class Adapter:
    """A LoRA adapter in safetensors files."""

    name: str
    weights: Digest
    config: Digest


def from_model(store: Store, source: str) -> Base:
    """What a model of the model ``source`` is made of.

    Raises:
        InvalidName, ModelNotFound: there is no such model.
        NotCapable: it runs on another server.
        BlobNotFound: a layer of it is missing.
    """
    model = store.model(source)
    if model.config.remote_host:
        raise NotCapable(f"{source} runs on another server, and no model can be made from it here")
    layers = model.manifest.layers or ()
    for layer in layers:
        if not store.blobs.exists(layer.blob):
            raise BlobNotFound(layer.digest)
    return Base(
        header=model.gguf,
        ingredients=tuple(
            Ingredient(layer.media_type, layer.blob, parent=model.name.short, name=layer.name) for layer in layers
        ),
        parameters=model.parameters,
        config=Config(
            model_format=model.config.model_format,
            renderer=model.config.renderer,
            parser=model.config.parser,
            requires=model.config.requires,
            capabilities=model.config.capabilities,
            draft=model.config.draft,
        ),
    )


def has_safetensors(files: Mapping[str, str]) -> bool:
    """Whether ``files`` are a model in safetensors."""
    return any(file.lower().endswith(_WEIGHTS) for file in files)


def digests(blobs: Blobs, files: Mapping[str, str]) -> dict[str, Digest]:
    """The blobs of ``files``, in the order of their names.

    Raises:
        BlobNotFound: one was not uploaded.
    """
    found = {file: Digest.parse(files[file]) for file in sorted(files)}
    for digest in found.values():
        if not blobs.exists(digest):
            raise BlobNotFound(str(digest))
    return found


def opened(blobs: Blobs, files: Mapping[str, str] | None) -> list[File]:
    """The GGUF files that ``files`` name.

    Raises:
        InvalidRequest: there are none, or one is no GGUF file.
        BlobNotFound: one was not uploaded.
    """
    if files is None:
        raise InvalidRequest("neither 'from' or 'files' was specified")
    if not any(file.lower().endswith(".gguf") or _is_gguf(blobs, digest) for file, digest in files.items()):
        raise InvalidRequest("unknown type")
    return [_opened(blobs, file, digest) for file, digest in digests(blobs, files).items()]


def from_files(files: Sequence[File], *, any_layout: bool = False, parent: str = "") -> Base:
    """What a model of ``files`` is made of: one model, with its projectors and adapters.

    ``any_layout`` says that the engine reads what only Ollama's own does. ``parent`` is what the layers note as theirs,
    in the place of the files' names.

    Raises:
        InvalidRequest: they are not that.
        NotCapable: the model is laid out for Ollama's engine only.
    """
    models = [file.header for file in files if file.header.kind == "model"]
    if len(models) != 1:
        raise InvalidRequest(f"the files must be one model, with its projectors and adapters; these are {len(models)}")
    if not any_layout:
        foreign.check(models[0])
    base = Base(
        header=models[0],
        ingredients=tuple(
            Ingredient(layer_type(file.header.kind), file.digest, parent=parent or file.name, status=file.status)
            for file in files
        ),
    )
    return _with_detected_template(base)


def adapters(blobs: Blobs, files: Mapping[str, str]) -> tuple[list[File], list[Adapter]]:
    """The LoRA adapters that ``files`` name: GGUF files, and those in safetensors, each beside its configuration.

    Raises:
        InvalidRequest: a file is not part of an adapter.
        BlobNotFound: one was not uploaded.
    """
    found = {PurePosixPath(file): digest for file, digest in digests(blobs, files).items()}
    weights = [path for path in found if path.suffix.lower() == _WEIGHTS]
    folders = [path.parent for path in weights]
    converted = []
    for path in weights:
        config = found.get(path.parent / _ADAPTER_CONFIG)
        if config is None or folders.count(path.parent) > 1:
            raise InvalidRequest(f"an adapter in safetensors is one file of weights and its {_ADAPTER_CONFIG}")
        converted.append(Adapter(path.name, found[path], config))
    rest = {path: digest for path, digest in found.items() if path.parent not in folders}
    return [_adapter(_opened(blobs, str(path), digest)) for path, digest in rest.items()], converted


def with_adapter(base: Base, file: File) -> Base:
    """``base`` with one more adapter.

    Raises:
        InvalidRequest: it is one for other models.
    """
    if file.header.architecture != base.header.architecture:
        have, need = file.header.architecture, base.header.architecture
        raise InvalidRequest(f"{file.name} is an adapter for {have} models, and this is a {need} model")
    layer = Ingredient(layer_type("adapter"), file.digest, parent=file.name, status=file.status)
    return replace(base, ingredients=(*base.ingredients, layer))


def with_draft(base: Base, file: File) -> Base:
    """``base`` with the draft model ``file`` in the place of any it has."""
    kept = [one for one in base.ingredients if one.media_type != layer_type("draft")]
    layer = Ingredient(layer_type("draft"), file.digest, parent=file.name, status=file.status)
    told = {"model_format": "gguf", "architecture": file.header.architecture}
    return replace(base, ingredients=(*kept, layer), config=msgspec.structs.replace(base.config, draft=told))


def with_weights(base: Base, file: File) -> Base:
    """``base`` with the weights in ``file`` in the place of its own."""
    ingredients = tuple(
        replace(one, content=file.digest, status=file.status) if one.media_type == layer_type("model") else one
        for one in base.ingredients
    )
    return replace(base, header=file.header, ingredients=ingredients)


def draft(blobs: Blobs, files: Mapping[str, str]) -> File:
    """The draft model that ``files`` name.

    Raises:
        InvalidRequest: they are not one GGUF file of a model.
        BlobNotFound: it was not uploaded.
    """
    found = [_opened(blobs, file, digest) for file, digest in digests(blobs, files).items()]
    if len(found) != 1 or found[0].header.kind != "model":
        raise InvalidRequest("a DRAFT is one GGUF file of a model")
    return found[0]


def _adapter(file: File) -> File:
    if file.header.kind != "adapter":
        raise InvalidRequest(f"{file.name} is a {file.header.kind}, not an adapter")
    return file


def _with_detected_template(base: Base) -> Base:
    """A model whose own template is a known one gets that as its TEMPLATE, which can be changed and inherited."""
    jinja = base.header.chat_template
    eos_token = base.header.token("eos_token_id") if "eos_token" in jinja else ""
    detected = detect(jinja, eos_token=eos_token) if jinja else None
    if detected is None:
        return base
    said = f"using autodetected template {detected.name}"
    template = Ingredient(layer_type("template"), detected.template.encode(), status=said)
    parameters = Ingredient(layer_type("params"), formats.write_parameters(detected.parameters))
    return replace(base, ingredients=(*base.ingredients, template, parameters), parameters=dict(detected.parameters))


def _is_gguf(blobs: Blobs, digest: str) -> bool:
    return blobs.exists(Digest.parse(digest)) and gguf.is_gguf(blobs.path(Digest.parse(digest)))


def _opened(blobs: Blobs, file: str, digest: Digest) -> File:
    if not gguf.is_gguf(blobs.path(digest)):
        raise InvalidRequest("supplied file was not in GGUF format")
    try:
        found = File(file, digest, gguf.read(blobs.path(digest)))
    except CorruptModel as error:
        raise InvalidRequest(f"{file} cannot be used: {error}") from error
    if not found.is_part and not found.header.tensors:
        raise InvalidRequest(f"{file} cannot be used: there are no tensors in it")
    if not found.is_part and "general.architecture" not in found.header.metadata:
        raise InvalidRequest(f"{file} cannot be used: it does not say of which architecture it is")
    return found
