"""What a model is going to be: its layers and its config, from what it is made of and what the request says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from puna import modelfile, options
from puna.conversion import mixture
from puna.errors import InvalidRequest, QuantizeFailed, TemplateError
from puna.gguf import Gguf
from puna.names import Digest, ModelName
from puna.service.create import info
from puna.store import formats
from puna.store.blobs import digest_of
from puna.store.formats import Config, Part, layer_type
from puna.template.prompt import PromptTemplate
from puna.types import CreateRequest


@dataclass(frozen=True, slots=True)
class _Speech:
    """How an architecture is spoken to when nobody says how."""

    name: str = ""
    stop: tuple[str, ...] = ()


_SPEECH: Mapping[str, _Speech] = {
    "gemma4": _Speech("gemma4", ("<turn|>",)),
    "laguna": _Speech("laguna"),
    "nemotron_h": _Speech("nemotron-3-nano"),
    "nemotron_h_moe": _Speech("nemotron-3-nano"),
    "nemotron_h_omni": _Speech("nemotron-3-nano"),
}


@dataclass(frozen=True, slots=True)
class Ingredient:
    """A layer to be: its content, or the digest of a blob that is there. ``status`` is what is said of it, if given."""

    media_type: str
    content: bytes | Digest
    parent: str = ""
    name: str = ""
    status: str = ""


@dataclass(frozen=True, slots=True)
class Base:
    """What a model is made from: the header of its weights, its layers, its parameters, and what else is inherited."""

    header: Gguf
    ingredients: tuple[Ingredient, ...]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    config: Config = field(default_factory=Config)


@dataclass(frozen=True, slots=True)
class Recipe:
    """A model to be."""

    name: ModelName
    ingredients: tuple[Ingredient, ...]
    config: Config


def check(request: CreateRequest) -> None:
    """Do nothing if all is well with what ``request`` says by itself.

    Raises:
        RequestError: a field of it is not what it must be.
        QuantizeFailed: there is no such level.
    """
    for files in (request.files, request.adapters, request.draft_files):
        _check_files(files or {})
    if request.draft_quantize and not request.draft_files:
        raise InvalidRequest("--draft-quantize requires a DRAFT model")
    ModelName.parse(request.model)
    info.check(request.info or {})
    if request.template:
        _check_template(request.template)
    options.check(request.parameters or {})
    if request.requires:
        modelfile.version(request.requires)
    for wanted in filter(None, (request.quantize, request.draft_quantize)):
        _level(wanted)


def level(wanted: str, have: str) -> str:
    """The level that weights of level ``have`` are to be quantized to; "" for none, or when they are of it already.

    Raises:
        QuantizeFailed: there is no level ``wanted``, or ``have`` is not one to begin with.
    """
    if not wanted:
        return ""
    found = _level(wanted)
    if have not in mixture.FLOATS:
        raise QuantizeFailed("quantization is only supported for F16, BF16 and F32 models")
    return "" if found == have else found


def draft_level(wanted: str, have: str) -> str:
    """What ``level`` says, of a draft model."""
    if wanted and have not in mixture.FLOATS:
        raise QuantizeFailed(f"draft quantization requires an unquantized draft model, got {have}")
    return level(wanted, have)


def write(base: Base, request: CreateRequest) -> Recipe:
    """The recipe for what ``request`` asks for, made of ``base``."""
    inherited, header = info.apply(base.config, request.info or {}), base.header
    renderer, parser = request.renderer or inherited.renderer, request.parser or inherited.parser
    speech = _Speech() if renderer and parser else _SPEECH.get(header.architecture, _Speech())
    config = Config(
        model_format=inherited.model_format or "gguf",
        model_family=inherited.model_family or header.architecture,
        model_families=tuple(dict.fromkeys((*(inherited.model_families or ()), header.architecture))),
        model_type=inherited.model_type or count(header.parameter_count),
        file_type=inherited.file_type or header.file_type,
        renderer=renderer or speech.name,
        parser=parser or speech.name,
        requires=_requires(request) or inherited.requires,
        capabilities=inherited.capabilities,
        context_length=inherited.context_length,
        embedding_length=inherited.embedding_length,
        base_name=inherited.base_name,
        draft=inherited.draft,
    )
    usual = {"stop": list(speech.stop)} if speech.stop else {}
    return Recipe(
        ModelName.parse(request.model), _ingredients(base.ingredients, {**usual, **base.parameters}, request), config
    )


def write_remote(request: CreateRequest, host: str) -> Recipe:
    """The recipe for a model that runs on the server ``host``, with what ``request`` says of it."""
    config = Config(
        renderer=request.renderer,
        parser=request.parser,
        requires=_requires(request),
        remote_host=host,
        remote_model=request.source,
    )
    return Recipe(ModelName.parse(request.model), _ingredients((), {}, request), info.apply(config, request.info or {}))


def _check_files(files: Mapping[str, str]) -> None:
    for file, digest in files.items():
        path = PurePosixPath(file)
        if path.is_absolute() or ".." in path.parts or not path.parts:
            raise InvalidRequest("file path must be relative")
        Digest.parse(digest)


def _check_template(text: str) -> None:
    try:
        PromptTemplate.parse(text)
    except TemplateError as error:
        raise TemplateError(f"template error: {error}") from error


def _level(wanted: str) -> str:
    found = mixture.level(wanted)
    if found is None:
        # The text names what Ollama takes; the documentation names the rest.
        raise QuantizeFailed(
            f"unsupported quantization type {wanted.upper()} - supported types are F32, F16, Q4_K_S, Q4_K_M, Q8_0"
        )
    return found


def _requires(request: CreateRequest) -> str:
    return modelfile.version(request.requires) if request.requires else ""


def _ingredients(
    found: tuple[Ingredient, ...], inherited: Mapping[str, Any], request: CreateRequest
) -> tuple[Ingredient, ...]:
    """What was ``found``, with what ``request`` says; ``inherited`` are the parameters there are without it."""
    if request.template:
        found = _replaced(found, request.template.encode(), "template", "prompt")
    if request.system:
        found = _replaced(found, request.system.encode(), "system")
    for text in filter(None, request.licenses):
        if not any(one.media_type == layer_type("license") and _same(one.content, text.encode()) for one in found):
            found = (*found, Ingredient(layer_type("license"), text.encode()))
    # Written anew even when nothing changes, and so last but for messages, as Ollama does it.
    if parameters := {**inherited, **options.named(request.parameters or {})}:
        found = _replaced(found, formats.write_parameters(parameters), "params")
    if request.messages:
        found = _replaced(found, formats.write_messages(request.messages), "messages")
    return found


def _replaced(ingredients: Sequence[Ingredient], content: bytes, part: Part, *old: Part) -> tuple[Ingredient, ...]:
    """The ingredients with ``content`` as their ``part``, in the place of what they have of that and of ``old``."""
    gone = {layer_type(one) for one in (part, *old)}
    return (*(one for one in ingredients if one.media_type not in gone), Ingredient(layer_type(part), content))


def _same(one: bytes | Digest, content: bytes) -> bool:
    return one == content or one == digest_of(content)


def count(parameters: int) -> str:
    """A number of parameters as people write it: 134.52M, 3.2B, 7B."""
    for unit, size, decimals in (("B", 10**9, 1), ("M", 10**6, 2), ("K", 10**3, 0)):
        if parameters >= size:
            return f"{parameters / size:.{decimals if parameters % size else 0}f}{unit}"
    return str(parameters)
