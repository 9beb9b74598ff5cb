"""Making a model of another one, or of uploaded files.

Everything that can be wrong with a request is found while its recipe is made, before anything is written or reported.
The model that had the name is replaced in the last step, at once.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

from puna import gguf, modelfile, options
from puna.errors import BlobNotFound, CorruptModel, InvalidRequest, NotCapable, QuantizeFailed, TemplateError
from puna.events import Progress
from puna.gguf import Gguf
from puna.names import Digest, ModelName
from puna.service.blocking import blocking
from puna.service.legacy import translated
from puna.store import formats
from puna.store.blobs import Blobs, digest_of
from puna.store.formats import CONFIG_TYPE, Config, Layer, Manifest, Part, layer_type
from puna.store.models import Store
from puna.template.detect import detect
from puna.template.prompt import PromptTemplate
from puna.types import CreateRequest

_UNQUANTIZED = frozenset({"F16", "BF16", "F32"})
_QUANTIZATIONS = {name: name for name in ("F32", "F16", "BF16", "Q4_K_S", "Q4_K_M", "Q8_0")} | {"Q4_K": "Q4_K_M"}


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
class _Ingredient:
    """A layer to be: its content, or the digest of a blob that is there. ``status`` is what is said of it, if given."""

    media_type: str
    content: bytes | Digest
    parent: str = ""
    name: str = ""
    status: str = ""


@dataclass(frozen=True, slots=True)
class _Base:
    """What a model is made from: the header of its weights, its layers, its parameters, and what else is inherited."""

    header: Gguf
    ingredients: tuple[_Ingredient, ...]
    families: tuple[str, ...]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    config: Config = field(default_factory=Config)
    steps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Recipe:
    """A model to be."""

    name: ModelName
    ingredients: tuple[_Ingredient, ...]
    config: Config
    steps: tuple[str, ...]


async def create(store: Store, request: CreateRequest) -> AsyncGenerator[Progress, None]:
    """Make the model ``request`` asks for, saying each step. Raises as ``Library.create`` says."""
    recipe = await blocking(_recipe, store, await blocking(translated, store.blobs, request))
    for step in recipe.steps:
        yield Progress(step)
    layers = []
    for ingredient in recipe.ingredients:
        layer, status = await blocking(_put, store.blobs, ingredient)
        layers.append(layer)
        yield Progress(status)
    yield Progress("writing manifest")
    await blocking(_write, store, recipe, layers)
    yield Progress("success")


def _put(blobs: Blobs, ingredient: _Ingredient) -> tuple[Layer, str]:
    content = ingredient.content
    digest = content if isinstance(content, Digest) else digest_of(content)
    known = blobs.exists(digest)
    if isinstance(content, Digest):
        blobs.touch(digest)
    else:
        blobs.put(content)
    layer = Layer(ingredient.media_type, str(digest), blobs.size(digest), ingredient.parent, ingredient.name)
    return layer, ingredient.status or f"{'using existing' if known else 'creating new'} layer {digest}"


def _write(store: Store, recipe: _Recipe, layers: Sequence[Layer]) -> None:
    content = formats.write_config(recipe.config)
    config = Layer(CONFIG_TYPE, str(store.blobs.put(content)), len(content))
    store.write(recipe.name, Manifest(config, tuple(layers)))


def _recipe(store: Store, request: CreateRequest) -> _Recipe:
    name = ModelName.parse(request.model)
    _check_files(request.files or {})
    _check_files(request.adapters or {})
    base = _from_model(store, request.source) if request.source else _from_files(store.blobs, request.files)
    if request.adapters:
        base = _adapted(store.blobs, base, request.adapters)
    _check_quantization(request.quantize, base.header.file_type)
    config = _config(base, request)
    return _Recipe(name, _ingredients(base, request), config, base.steps)


def _check_files(files: Mapping[str, str]) -> None:
    for file, digest in files.items():
        path = PurePosixPath(file)
        if path.is_absolute() or ".." in path.parts:
            raise InvalidRequest("file path must be relative")
        Digest.parse(digest)


def _from_model(store: Store, source: str) -> _Base:
    model = store.model(source)
    if model.config.remote_host:
        raise NotCapable(f"{source} runs on another server, and no model can be made from it here")
    layers = model.manifest.layers or ()
    for layer in layers:
        if not store.blobs.exists(layer.blob):
            raise BlobNotFound(layer.digest)
    return _Base(
        header=model.gguf,
        ingredients=tuple(
            _Ingredient(layer.media_type, layer.blob, parent=model.name.short, name=layer.name) for layer in layers
        ),
        families=(model.gguf.architecture, *(gguf.read(path).architecture for path in model.projectors)),
        parameters=model.parameters,
        config=model.config,
    )


def _from_files(blobs: Blobs, files: Mapping[str, str] | None) -> _Base:
    if files is None:
        raise InvalidRequest("neither 'from' or 'files' was specified")
    if any(file.lower().endswith(".safetensors") for file in files):
        raise NotCapable("safetensors files cannot be converted by this version of puna; use a GGUF file")
    if not any(file.lower().endswith(".gguf") or _is_gguf(blobs, digest) for file, digest in files.items()):
        raise InvalidRequest("unknown type")
    opened = [(PurePosixPath(file).name, *_opened(blobs, file, digest)) for file, digest in files.items()]
    models = [header for _, _, header in opened if header.kind == "model"]
    if len(models) != 1:
        raise InvalidRequest(f"the files must be one model, with its projectors and adapters; these are {len(models)}")
    opened.sort(key=lambda one: one[2].kind != "model")
    ingredients = [_Ingredient(layer_type(header.kind), digest, parent=file) for file, digest, header in opened]
    base = _Base(
        header=models[0],
        ingredients=tuple(ingredients),
        families=tuple(header.architecture for _, _, header in opened if header.kind != "adapter"),
        steps=("parsing GGUF",) * len(opened),
    )
    return _with_detected_template(base)


def _with_detected_template(base: _Base) -> _Base:
    """A model whose own template is a known one gets that as its TEMPLATE, which can be changed and inherited."""
    jinja = base.header.chat_template
    eos_token = base.header.token("eos_token_id") if "eos_token" in jinja else ""
    detected = detect(jinja, eos_token=eos_token) if jinja else None
    if detected is None:
        return base
    said = f"using autodetected template {detected.name}"
    template = _Ingredient(layer_type("template"), detected.template.encode(), status=said)
    parameters = _Ingredient(layer_type("params"), formats.write_parameters(detected.parameters))
    return replace(base, ingredients=(*base.ingredients, template, parameters), parameters=dict(detected.parameters))


def _adapted(blobs: Blobs, base: _Base, adapters: Mapping[str, str]) -> _Base:
    if len(adapters) > 1:
        raise InvalidRequest("only one adapter is currently supported")
    ((file, digest_text),) = adapters.items()
    if file.lower().endswith(".safetensors"):
        raise NotCapable("safetensors adapters cannot be converted by this version of puna; use a GGUF file")
    digest, header = _opened(blobs, file, digest_text)
    if header.kind != "adapter":
        raise InvalidRequest(f"{file} is a {header.kind}, not an adapter")
    adapter = _Ingredient(layer_type("adapter"), digest, parent=PurePosixPath(file).name)
    return replace(base, ingredients=(*base.ingredients, adapter))


def _is_gguf(blobs: Blobs, digest: str) -> bool:
    return blobs.exists(Digest.parse(digest)) and gguf.is_gguf(blobs.path(Digest.parse(digest)))


def _opened(blobs: Blobs, file: str, digest_text: str) -> tuple[Digest, Gguf]:
    digest = Digest.parse(digest_text)
    if not blobs.exists(digest):
        raise BlobNotFound(digest_text)
    if not gguf.is_gguf(blobs.path(digest)):
        raise InvalidRequest("supplied file was not in GGUF format")
    try:
        header = gguf.read(blobs.path(digest))
    except CorruptModel as error:
        raise InvalidRequest(f"{file} cannot be used: {error}") from error
    parts = header.metadata.get("split.count")
    if isinstance(parts, int) and parts > 1:
        raise NotCapable(f"{file} is one of {parts} parts of a model, which this version of puna cannot join")
    return digest, header


def _check_quantization(wanted: str, have: str) -> None:
    if not wanted:
        return
    target = _QUANTIZATIONS.get(wanted.upper())
    if target is None:
        raise QuantizeFailed(
            f"unsupported quantization type {wanted.upper()} - supported types are F32, F16, Q4_K_S, Q4_K_M, Q8_0"
        )
    if have not in _UNQUANTIZED:
        raise QuantizeFailed("quantization is only supported for F16, BF16 and F32 models")
    if have != target:
        raise NotCapable("quantizing is not available in this version of puna")


def _config(base: _Base, request: CreateRequest) -> Config:
    inherited, header = base.config, base.header
    speech = _SPEECH.get(header.architecture, _Speech())
    return Config(
        model_format=inherited.model_format or "gguf",
        model_family=header.architecture,
        model_families=tuple(dict.fromkeys(base.families)),
        model_type=_count(header.parameter_count),
        file_type=header.file_type,
        renderer=request.renderer or inherited.renderer or speech.name,
        parser=request.parser or inherited.parser or speech.name,
        requires=modelfile.version(request.requires) if request.requires else inherited.requires,
        capabilities=inherited.capabilities,
        draft=inherited.draft,
    )


def _ingredients(base: _Base, request: CreateRequest) -> tuple[_Ingredient, ...]:
    found = base.ingredients
    if request.template:
        _check_template(request.template)
        found = _replaced(found, request.template.encode(), "template", "prompt")
    if request.system:
        found = _replaced(found, request.system.encode(), "system")
    for text in filter(None, request.licenses):
        if not any(one.media_type == layer_type("license") and _same(one.content, text.encode()) for one in found):
            found = (*found, _Ingredient(layer_type("license"), text.encode()))
    # Written anew even when nothing changes, and so last but for messages, as Ollama does it.
    if parameters := _parameters(base, request.parameters or {}):
        found = _replaced(found, formats.write_parameters(parameters), "params")
    if request.messages:
        found = _replaced(found, formats.write_messages(request.messages), "messages")
    return found


def _check_template(text: str) -> None:
    try:
        PromptTemplate.parse(text)
    except TemplateError as error:
        raise TemplateError(f"template error: {error}") from error


def _parameters(base: _Base, given: Mapping[str, Any]) -> dict[str, Any]:
    speech = _SPEECH.get(base.header.architecture, _Speech())
    usual = {"stop": list(speech.stop)} if speech.stop else {}
    checked = {name: list(value) if isinstance(value, tuple) else value for name, value in options.check(given).items()}
    return {**usual, **base.parameters, **checked}


def _replaced(ingredients: Sequence[_Ingredient], content: bytes, part: Part, *old: Part) -> tuple[_Ingredient, ...]:
    """The ingredients with ``content`` as their ``part``, in the place of what they have of that and of ``old``."""
    gone = {layer_type(one) for one in (part, *old)}
    return (*(one for one in ingredients if one.media_type not in gone), _Ingredient(layer_type(part), content))


def _same(one: bytes | Digest, content: bytes) -> bool:
    return one == content or one == digest_of(content)


def _count(parameters: int) -> str:
    """A number of parameters as people write it: 134.52M, 3.2B, 7B."""
    for unit, size, decimals in (("B", 10**9, 1), ("M", 10**6, 2), ("K", 10**3, 0)):
        if parameters >= size:
            return f"{parameters / size:.{decimals if parameters % size else 0}f}{unit}"
    return str(parameters)
