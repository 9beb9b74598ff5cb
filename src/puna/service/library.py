"""The models on disk: list, show, copy, delete, upload, create."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from puna import timestamps
from puna.errors import BlobNotFound, InvalidName, InvalidRequest, ModelNotFound, StoreError
from puna.events import Progress
from puna.gguf import Array, Gguf
from puna.modelfile import Modelfile, texts
from puna.names import Digest, ModelName
from puna.service.blocking import blocking
from puna.service.create import Obtain, create
from puna.store.models import Model, Store
from puna.template.prompt import DEFAULT_TEMPLATE
from puna.types import CreateRequest, ModelDetails, ModelSummary, StorePlace

log = logging.getLogger(__name__)

_BATCH_BYTES = 1 << 20
"""What an upload gathers before a thread writes it."""

_NOT_INFO = ("general.name", "tokenizer.chat_template")


class Library:
    """The models in ``store``. The methods that are not async may be called from any thread.

    ``obtain`` gets a model that another is to be made from, when it is not there. ``any_layout`` says that the engine
    reads weights which llama.cpp does not.
    """

    def __init__(self, store: Store, *, obtain: Obtain | None = None, any_layout: bool = False) -> None:
        self._store = store
        self._obtain = obtain
        self._any_layout = any_layout

    def list(self) -> list[ModelSummary]:
        """All models, the latest changed first. Of one whose weights cannot be read, less is told.

        Raises:
            StoreError: the store cannot be read.
        """
        return [_summary(model) for model in self._store.models()]

    def show(
        self, name: str, *, verbose: bool = False, system: str = "", options: Mapping[str, Any] | None = None
    ) -> ModelDetails:
        """Everything there is to show of the model ``name``, ``verbose`` with the arrays of its metadata.

        ``system`` and ``options`` are shown in the place of its own.

        Raises:
            InvalidName: it cannot be a model's name.
            ModelNotFound: there is no such model; the error has its short name.
            StoreError: it is damaged, or cannot be read.
        """
        model = self._store.model(ModelName.parse(name))
        return _details(model, verbose=verbose, system=system, options=options or {})

    def copy(self, source: str, destination: str) -> None:
        """Give the model ``source`` a second name; a model that has it already is replaced.

        Raises:
            InvalidRequest: one of them cannot be a model's name.
            ModelNotFound: there is no ``source``; the error has it as given.
            DiskFull, StoreError: it cannot be written; then everything is as it was.
        """
        before, after = _parsed(source, "source"), _parsed(destination, "destination")
        try:
            self._store.copy(before, after)
        except ModelNotFound as error:
            raise ModelNotFound(source) from error

    def delete(self, name: str) -> None:
        """Remove the model ``name``, and the blobs no other model needs.

        Raises:
            InvalidRequest: it cannot be a model's name.
            ModelNotFound: there is none; the error has the name as given.
            StoreError: it cannot be removed.
        """
        try:
            self._store.delete(_parsed(name, "name"))
        except ModelNotFound as error:
            raise ModelNotFound(name) from error

    def place(self) -> StorePlace:
        """Where the store is on this machine; it is made if it is not there yet.

        Raises:
            DiskFull, StoreError: it cannot be made.
        """
        status = self._store.blobs.prepare()
        return StorePlace(str(self._store.root.resolve()), status.st_dev, status.st_ino)

    def has_blob(self, digest: str) -> bool:
        """Whether the blob is there.

        Raises:
            InvalidDigest: it is not a digest.
        """
        return self._store.blobs.exists(Digest.parse(digest))

    async def write_blob(self, digest: str, chunks: AsyncIterator[bytes]) -> bool:
        """Store a blob; False, without reading ``chunks``, if it was there already.

        Raises:
            InvalidDigest: it is not a digest.
            DigestMismatch: what came has another digest; then nothing is stored.
            DiskFull, StoreError: it cannot be written.
        """
        expected, blobs = Digest.parse(digest), self._store.blobs
        if blobs.exists(expected):
            await blocking(blobs.touch, expected)
            return False
        with blobs.open_writer() as writer:
            held: list[bytes] = []
            size = 0
            async for chunk in chunks:
                held.append(chunk)
                size += len(chunk)
                if size >= _BATCH_BYTES:
                    await blocking(writer.write, b"".join(held))
                    held, size = [], 0
            await blocking(writer.write, b"".join(held))
            await blocking(writer.commit, expected)
        return True

    def create(self, request: CreateRequest) -> AsyncGenerator[Progress, None]:
        """Make a model. What is wrong with the request is raised before the first step.

        Raises:
            RequestError: a field of it is not what it must be.
            NotFound: the model it starts from, or a file, is not there.
            QuantizeFailed: it cannot be quantized like that.
            DiskFull, StoreError: it cannot be written; then a model of that name is as it was.
        """
        return create(self._store, request, obtain=self._obtain, any_layout=self._any_layout)


def _parsed(name: str, role: str) -> ModelName:
    try:
        return ModelName.parse(name)
    except InvalidName as error:
        raise InvalidRequest(f"{role} {json.dumps(name, ensure_ascii=False)} is invalid") from error


def _summary(model: Model) -> ModelSummary:
    try:
        return _full_summary(model)
    except (StoreError, BlobNotFound) as error:
        log.debug("of the model %s little can be told: %s", model.name, error)
        return _brief_summary(model)


# Only what could be read is kept: weights that are missing now may be there the next time.
@lru_cache(maxsize=1024)
def _full_summary(model: Model) -> ModelSummary:
    config, summary = model.config, _brief_summary(model)
    if config.remote_host:
        told = replace(summary.details, context_length=config.context_length, embedding_length=config.embedding_length)
        return replace(summary, details=told, capabilities=model.capabilities)
    header = model.gguf
    details = replace(
        summary.details,
        quantization_level=_quantization(summary.details.quantization_level, header),
        context_length=config.context_length or header.context_length,
        embedding_length=config.embedding_length or header.embedding_length,
    )
    return replace(summary, details=details, capabilities=model.capabilities)


def _brief_summary(model: Model) -> ModelSummary:
    return ModelSummary(
        name=model.name.short,
        modified=timestamps.local(model.modified_ns),
        size=model.size,
        digest=model.digest.hex,
        details=model.details,
        remote_model=model.config.remote_model,
        remote_host=model.config.remote_host,
    )


def _details(model: Model, *, verbose: bool, system: str, options: Mapping[str, Any]) -> ModelDetails:
    config, details = model.config, model.details
    shown = ModelDetails(
        modelfile=_modelfile(model, system, options),
        details=details,
        model_info={},
        capabilities=model.capabilities,
        modified=timestamps.local(model.modified_ns),
        license="\n".join(model.licenses),
        parameters="\n".join(_parameters(model.parameters)),
        template=DEFAULT_TEMPLATE if model.template is None else model.template,
        system=system or model.system,
        messages=model.messages,
        requires=config.requires,
        remote_model=config.remote_model,
        remote_host=config.remote_host,
    )
    if config.remote_host:
        return replace(shown, model_info=_remote_info(model))
    header, projector = model.gguf, model.projector
    return replace(
        shown,
        details=replace(details, quantization_level=_quantization(details.quantization_level, header)),
        model_info={key: value for key, value in _metadata(header, verbose=verbose).items() if key not in _NOT_INFO},
        template=header.chat_template if model.template_choice == "jinja" else shown.template,
        projector_info=None if projector is None else _metadata(projector, verbose=verbose),
        tensors=header.tensors,
    )


def _quantization(told: str, header: Gguf) -> str:
    return header.file_type if told in ("", "unknown") else told


def _metadata(header: Gguf, *, verbose: bool) -> dict[str, Any]:
    """The metadata by key. Arrays take long to print, so that only ``verbose`` has them; else they are None."""
    found: dict[str, Any] = {}
    for key, value in header.metadata.items():
        if isinstance(value, Array):
            found[key] = value.read() if verbose or not len(value) else None
        else:
            found[key] = value
    found["general.parameter_count"] = header.parameter_count
    return dict(sorted(found.items()))


def _remote_info(model: Model) -> dict[str, Any]:
    config, family = model.config, model.config.model_family
    return {
        "general.architecture": family,
        "general.basename": config.base_name,
        f"{family}.context_length": config.context_length,
        f"{family}.embedding_length": config.embedding_length,
    }


def _parameters(parameters: Mapping[str, Any]) -> list[str]:
    return [
        f"{name:<30} {json.dumps(item, ensure_ascii=False) if isinstance(item, str) else texts(item)[0]}"
        for name, value in sorted(parameters.items())
        for item in (value if isinstance(value, list) else [value])
        if item is not None
    ]


def _modelfile(model: Model, system: str, options: Mapping[str, Any]) -> str:
    name = model.name.short
    # Without a TEMPLATE of its own, saying the default one would hide the template in the weights from a new model.
    keep_quiet = model.template is None and not model.config.remote_host and model.gguf.chat_template
    return (
        '# Modelfile generated by "ollama show"\n'
        "# To build a new Modelfile based on this, replace FROM with:\n"
        f"# FROM {name}\n\n"
    ) + str(
        Modelfile(
            sources=(name,) if model.config.remote_host else (str(model.weights), *map(str, model.projectors)),
            parameters={**model.parameters, **options},
            template=None if keep_quiet else DEFAULT_TEMPLATE if model.template is None else model.template,
            system=system or model.system or None,
            adapters=tuple(map(str, model.adapters)),
            draft=str(model.draft or ""),
            licenses=model.licenses,
            messages=model.messages,
            renderer=model.renderer,
            parser=model.parser,
            requires=model.config.requires,
        )
    )
