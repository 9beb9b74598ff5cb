"""Making models: each step that is said, what comes of it, and that a failure changes nothing."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from puna.conversion import huggingface
from puna.errors import (
    BlobNotFound,
    InvalidDigest,
    InvalidName,
    InvalidOption,
    InvalidRequest,
    ModelfileError,
    ModelNotFound,
    NotCapable,
    PunaError,
    QuantizeFailed,
    TemplateError,
)
from puna.names import Digest, ModelName
from puna.service.create import create
from puna.service.create.recipe import count
from puna.store.blobs import digest_of
from puna.store.formats import CONFIG_TYPE, Config, Layer, Manifest, write_config
from puna.store.models import Model, Store
from puna.types import CreateRequest, Details, Message

CHATML = (
    "{% for message in messages %}"
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
STOPS = ["<|im_start|>", "<|im_end|>"]
Upload = Callable[..., str]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def upload(store: Store, tmp_path: Path, write_gguf: Callable[..., Path]) -> Upload:
    """Store a GGUF file with these keys; give its digest."""

    def upload(values: dict[str, Any] | None = None) -> str:
        known = {"llama.block_count": 1, "tokenizer.chat_template": CHATML}
        return str(store.blobs.put(write_gguf(tmp_path / "upload.gguf", known | (values or {})).read_bytes()))

    return upload


@pytest.fixture
def no_converter(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra that converts is not installed, wherever the tests run."""
    monkeypatch.setattr(huggingface, "is_installed", lambda: False)


def made(store: Store, model: str, **fields: Any) -> list[str]:
    """Create a model; give what was said."""

    async def said() -> list[str]:
        return [step.status async for step in create(store, CreateRequest(model=model, **fields))]

    return asyncio.run(said())


def refused(store: Store, kind: type[PunaError], model: str = "m", **fields: Any) -> str:
    """Create a model in vain; give the error's text, after seeing that it came before any step."""

    async def first() -> None:
        await anext(create(store, CreateRequest(model=model, **fields)))

    with pytest.raises(kind) as caught:
        asyncio.run(first())
    return str(caught.value)


def layers(model: Model) -> list[tuple[str, str]]:
    return [(layer.media_type.rpartition(".")[2], layer.parent) for layer in model.manifest.layers or ()]


def test_from_a_file(store: Store, upload: Upload) -> None:
    """A GGUF file becomes a model as it is, with the template it is found to have."""
    weights = upload()
    said = made(store, "smol", files={"folder/SmolLM2.gguf": weights})
    model = store.model("smol")
    template, parameters = (str(model.manifest.of(part)[0].blob) for part in ("template", "params"))
    assert [
        "parsing GGUF",
        f"using existing layer {weights}",
        "using autodetected template chatml",
        f"creating new layer {parameters}",
        "writing manifest",
        "success",
    ] == said
    assert "f02dd72bb2423204352eabc5637b44d79d17f109fdb510a7c51455892aa2d216" == parameters.removeprefix("sha256:")
    assert "e3b2721cec511e3a627ae0993753abbf5c72cdf4cfcdbc8f5c33ce15c4c4e04b" == template.removeprefix("sha256:")
    assert {"stop": STOPS} == model.parameters
    assert Digest.parse(weights) == digest_of(model.weights.read_bytes())
    assert Details("folder/SmolLM2.gguf", "gguf", "llama", ("llama",), "128", "F16") == model.details
    assert [("model", "folder/SmolLM2.gguf"), ("template", ""), ("params", "")] == layers(model)


def test_again(store: Store, upload: Upload) -> None:
    """Made a second time, a model is the same and nothing is stored twice."""
    files = {"a.gguf": upload()}
    made(store, "smol", files=files)
    first = store.model("smol").digest
    assert "using existing layer" in made(store, "smol", files=files)[3]
    assert first == store.model("smol").digest


def test_from_a_model(store: Store, upload: Upload) -> None:
    """A derived model shares what it does not change; steps and bytes are those Ollama was recorded with."""
    weights = upload()
    made(store, "smol", files={"a.gguf": weights})
    parameters = {"temperature": 0.25, "stop": ["<|im_end|>", "END"], "num_ctx": 1024, "top_k": 20}
    messages = (Message("user", "hi"), Message("assistant", "arr"))
    said = made(
        store,
        "smol-sys:v1",
        source="Smol",
        system="You are a pirate.",
        template=store.model("smol").template,
        parameters=parameters,
        licenses=("MIT one", "Second license"),
        messages=messages,
    )
    assert [
        f"using existing layer {weights}",
        "using existing layer sha256:e3b2721cec511e3a627ae0993753abbf5c72cdf4cfcdbc8f5c33ce15c4c4e04b",
        "creating new layer sha256:400458a606a027e03f40c7083c8fef279d4b148514199aa7aac44a6c04f4d607",
        "creating new layer sha256:955976a5de2a2c82de66a2e6e5d728f06504201e38e260701187294e47ec84c3",
        "creating new layer sha256:b38adb557c887a4816a79df056e360b96aaa0836e69e0fd5027599b81ecc6e79",
        "creating new layer sha256:f001597897c2d52ad6ab87089d162db4918d7dbaa629c1252c59f4176746607a",
        "creating new layer sha256:0243e0d77efbf54d5fac7f2220432f070ec1013d157d1d70d47321031317b78a",
        "writing manifest",
        "success",
    ] == said
    model = store.model("smol-sys:v1")
    assert ("You are a pirate.", parameters, messages, ("MIT one", "Second license")) == (
        model.system,
        model.parameters,
        model.messages,
        model.licenses,
    )
    parts = ("model", "template", "system", "license", "license", "params", "messages")
    assert [(part, "smol:latest" if part == "model" else "") for part in parts] == layers(model)


def test_a_derived_model_inherits(store: Store, upload: Upload) -> None:
    """What is not said is as in the base: texts, parameters key by key, renderer, parser and version."""
    made(
        store,
        "base",
        files={"a.gguf": upload()},
        system="one",
        licenses=("MIT",),
        messages=(Message("user", "hi"),),
        parameters={"top_k": 1, "seed": 5},
        renderer="r",
        parser="p",
        requires="v0.14.0",
    )
    made(store, "derived", source="base", parameters={"top_k": 2}, licenses=("MIT", "more"), system="")
    model = store.model("derived")
    assert {"stop": STOPS, "top_k": 2, "seed": 5} == model.parameters
    assert ("one", ("MIT", "more"), (Message("user", "hi"),)) == (model.system, model.licenses, model.messages)
    assert ("r", "p", "0.14.0") == (model.renderer, model.parser, model.config.requires)
    assert "base:latest" == model.details.parent_model


def test_over_itself(store: Store, upload: Upload) -> None:
    """A model can be made from itself; it keeps the case of its name, and what it no longer needs goes."""
    made(store, "smol", files={"a.gguf": upload()}, system="old")
    old = store.model("smol").manifest.of("system")[0].blob
    made(store, "SMOL", source="smol", system="new")
    assert ["smol:latest"] == [model.name.short for model in store.models()]
    assert "new" == store.model("smol").system
    assert not store.blobs.exists(old)


def test_several_files(store: Store, upload: Upload) -> None:
    """A projector and an adapter are known by what they are, whatever their names; layers have the order of those."""
    clip = {"general.architecture": "clip", "clip.has_vision_encoder": True, "clip.projector_type": "mlp"}
    projector = upload(clip)
    adapter = upload({"general.type": "adapter"})
    files = {"p.gguf": projector, "nameless": adapter, "m.gguf": upload()}
    assert ["parsing GGUF"] * 3 == made(store, "m", files=files)[:3]
    model = store.model("m")
    assert [("model", "m.gguf"), ("adapter", "nameless"), ("projector", "p.gguf")] == layers(model)[:3]
    assert ("llama",) == model.details.families
    assert ("completion", "vision") == model.capabilities


def test_an_adapter_on_a_model(store: Store, upload: Upload) -> None:
    """An adapter is put on a base."""
    made(store, "base", files={"a.gguf": upload()})
    made(store, "tuned", source="base", adapters={"lora.gguf": upload({"general.type": "adapter"})})
    assert 1 == len(store.model("tuned").adapters)
    assert (1, "lora.gguf is a model, not an adapter") == (
        len(store.model("tuned").adapters),
        refused(store, InvalidRequest, source="base", adapters={"lora.gguf": upload()}),
    )


@pytest.mark.parametrize(
    ("architecture", "spoken", "stop"),
    [
        ("gemma4", "gemma4", ["<turn|>"]),
        ("laguna", "laguna", None),
        ("nemotron_h_moe", "nemotron-3-nano", None),
        ("llama", "", None),
    ],
)
def test_architectures_with_a_speech_of_their_own(
    store: Store, upload: Upload, architecture: str, spoken: str, stop: list[str] | None
) -> None:
    """Some architectures get their renderer and parser unless told otherwise."""
    files = {"a.gguf": upload({"general.architecture": architecture, "tokenizer.chat_template": ""})}
    made(store, "m", files=files)
    model = store.model("m")
    assert (spoken, spoken, stop) == (model.renderer, model.parser, model.parameters.get("stop"))
    made(store, "m", files=files, renderer="mine", parameters={"stop": ["x"]})
    assert ("mine", ["x"]) == (store.model("m").renderer, store.model("m").parameters["stop"])
    made(store, "m", files=files, renderer="mine", parser="mine")
    assert {} == store.model("m").parameters


def test_a_template_of_its_own(store: Store, upload: Upload) -> None:
    """A given template takes the place of the detected one, whose stops stay."""
    made(store, "m", files={"a.gguf": upload()}, template="{{ .Prompt }}")
    assert ("{{ .Prompt }}", {"stop": STOPS}) == (store.model("m").template, store.model("m").parameters)


def test_names_are_checked_first(store: Store) -> None:
    """A model needs a name."""
    for name in ("", "a b!"):
        assert "invalid model name" == refused(store, InvalidName, name, source="x")


@pytest.mark.usefixtures("no_converter")
@pytest.mark.parametrize(
    ("fields", "kind", "text"),
    [
        ({}, InvalidRequest, "neither 'from' or 'files' was specified"),
        ({"files": {}}, InvalidRequest, "unknown type"),
        ({"files": {"x.bin": "TEXT"}}, InvalidRequest, "unknown type"),
        ({"files": {"x.gguf": "TEXT"}}, InvalidRequest, "supplied file was not in GGUF format"),
        ({"files": {"/etc/x.gguf": "MODEL"}}, InvalidRequest, "file path must be relative"),
        ({"files": {"../x.gguf": "MODEL"}}, InvalidRequest, "file path must be relative"),
        ({"files": {"": "MODEL"}}, InvalidRequest, "file path must be relative"),
        ({"files": {"x.gguf": ""}}, InvalidDigest, "invalid digest format"),
        ({"files": {"x.gguf": f"sha256:{'0' * 64}"}}, BlobNotFound, f'blob "sha256:{"0" * 64}" not found'),
        ({"source": "a b"}, InvalidName, "invalid model name"),
        ({"source": "nope"}, ModelNotFound, "model 'nope' not found"),
        ({"source": "base", "adapters": {"a.gguf": "MODEL"}}, InvalidRequest, "a.gguf is a model, not an adapter"),
        (
            {"source": "base", "adapters": {"a.gguf": "GEMMA"}},
            InvalidRequest,
            "a.gguf is an adapter for gemma models, and this is a llama model",
        ),
        (
            {"source": "base", "adapters": {"adapter_model.safetensors": "TEXT"}},
            InvalidRequest,
            "an adapter in safetensors is one file of weights and its adapter_config.json",
        ),
        (
            {"source": "base", "draft_files": {"a.gguf": "GEMMA"}},
            InvalidRequest,
            "a DRAFT is one GGUF file of a model",
        ),
        ({"source": "base", "draft_quantize": "q8_0"}, InvalidRequest, "--draft-quantize requires a DRAFT model"),
        (
            {"files": {"model.safetensors": "TEXT"}},
            NotCapable,
            "converting safetensors needs a converter, which `pip install 'puna[convert]'` installs",
        ),
        (
            {"source": "base", "quantize": "q9_z"},
            QuantizeFailed,
            "unsupported quantization type Q9_Z - supported types are F32, F16, Q4_K_S, Q4_K_M, Q8_0",
        ),
        (
            {"source": "quantized", "quantize": "q4_K_M"},
            QuantizeFailed,
            "quantization is only supported for F16, BF16 and F32 models",
        ),
        (
            {"source": "base", "draft_files": {"d.gguf": "QUANTIZED"}, "draft_quantize": "q8_0"},
            QuantizeFailed,
            "draft quantization requires an unquantized draft model, got Q4_1",
        ),
        ({"source": "base", "info": {"base_name": 1}}, InvalidRequest, 'info field "base_name" must be a string'),
        (
            {"source": "base", "info": {"context_length": "8"}},
            InvalidRequest,
            'info field "context_length" must be a number',
        ),
        (
            {"source": "base", "info": {"context_length": 0.5}},
            InvalidRequest,
            'info field "context_length" must be a non-negative integer',
        ),
        (
            {"source": "base", "info": {"capabilities": "vision"}},
            InvalidRequest,
            'info field "capabilities" must be an array of strings',
        ),
        (
            {"source": "base", "info": {"capabilities": [1]}},
            InvalidRequest,
            'info field "capabilities" element 0 must be a string',
        ),
        ({"source": "base", "remote_host": "a b"}, InvalidRequest, "bad remote"),
        ({"source": "base", "remote_host": "http://a:b"}, InvalidRequest, "bad remote"),
        (
            {"source": "base", "remote_host": "a", "draft_files": {"d.gguf": "MODEL"}},
            InvalidRequest,
            "DRAFT cannot be used with remote models",
        ),
        ({"source": "base", "requires": "soon"}, ModelfileError, "requires must be a valid semver (e.g. 0.14.0)"),
        ({"source": "base", "parameters": {"top_k": "x"}}, InvalidOption, 'option "top_k" must be of type integer'),
        ({"source": "base", "parameters": {"stop": "x"}}, InvalidOption, 'option "stop" must be of type array'),
        (
            {"files": {"a.gguf": "MODEL", "b.gguf": "OTHER"}},
            InvalidRequest,
            "the files must be one model, with its projectors and adapters; these are 2",
        ),
    ],
)
def test_refusals(store: Store, upload: Upload, fields: dict[str, Any], kind: type[PunaError], text: str) -> None:
    """What is wrong with a request is said before anything is done."""
    digests = {"TEXT": str(store.blobs.put(b"hello")), "MODEL": upload(), "OTHER": upload({"x": 1})}
    digests["GEMMA"] = upload({"general.architecture": "gemma", "general.type": "adapter"})
    made(store, "base", files={"a.gguf": digests["MODEL"]})
    digests["QUANTIZED"] = upload({"general.file_type": 3})
    made(store, "quantized", files={"a.gguf": digests["QUANTIZED"]})
    named = {
        name: {file: digests.get(digest, digest) for file, digest in value.items()}
        if name in ("files", "adapters", "draft_files")
        else value
        for name, value in fields.items()
    }
    assert text == refused(store, kind, **named)
    with pytest.raises(ModelNotFound):
        store.model("m")


def test_templates_are_checked(store: Store, upload: Upload) -> None:
    """A template that does not parse is refused when the model is made, not when it is used."""
    made(store, "base", files={"a.gguf": upload()})
    assert refused(store, TemplateError, source="base", template="{{ if }}").startswith("template error: ")


def test_damaged_and_unsuitable_files(
    store: Store, upload: Upload, tmp_path: Path, write_gguf: Callable[..., Path]
) -> None:
    """Files this version cannot use are refused with the reason."""
    empty = str(store.blobs.put(write_gguf(tmp_path / "empty.gguf", tensors={}).read_bytes()))
    assert "there are no tensors in it" in refused(store, InvalidRequest, files={"a.gguf": empty})
    tensor = struct.pack("<Q1sIQIQ", 1, b"t", 1, 8, 0, 0)
    nameless = b"GGUF" + struct.pack("<IQQ", 3, 1, 0) + tensor + bytes(64)
    said = refused(store, InvalidRequest, files={"a.gguf": str(store.blobs.put(nameless))})
    assert "a.gguf cannot be used: it does not say of which architecture it is" == said
    damaged = str(store.blobs.put(b"GGUF\3\0\0\0"))
    assert "a.gguf cannot be used" in refused(store, InvalidRequest, files={"a.gguf": damaged})
    part = upload({"split.count": 2, "split.no": 0, "split.tensors.count": 2})
    said = refused(store, InvalidRequest, files={"a-00001-of-00002.gguf": part})
    assert "a model in 2 parts cannot be made of the parts 1" in said
    foreign = upload({"general.architecture": "qwen25vl", "qwen25vl.block_count": 1})
    assert "laid out for Ollama's own engine" in refused(store, NotCapable, files={"a.gguf": foreign})


def test_a_model_that_runs_elsewhere_is_no_base(store: Store) -> None:
    """There is nothing of it here to make a model from."""
    config = write_config(Config(remote_host="https://x"))
    digest = store.blobs.put(config)
    store.write(ModelName.parse("cloud"), Manifest(Layer(CONFIG_TYPE, str(digest), len(config))))
    assert "another server" in refused(store, NotCapable, source="cloud")


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("ollama.com", "https://ollama.com:443"),
        ("other.example", "http://other.example:11434"),
        ("https://other.example:8443/v/", "https://other.example:8443/v"),
        ("http://[::1]", "http://[::1]:11434"),
        ("/proxy", "http://localhost:11434/proxy"),
    ],
)
def test_a_model_that_runs_elsewhere(store: Store, host: str, expected: str) -> None:
    """It is a note of where it runs, with what the request says of it; its config is the one Ollama writes."""
    info = {"capabilities": ["tools"], "model_family": "llama", "context_length": 131072.0, "parameter_size": "70B"}
    said = made(store, "far", source="llama3:70b", remote_host=host, system="Be short.", info=info)
    assert ["creating new layer", "writing manifest", "success"] == [one.partition(" sha256")[0] for one in said]
    model = store.model("far")
    assert "Be short." == model.system
    assert (
        '{"model_format":"","model_family":"llama","model_families":["llama"],"model_type":"70B","file_type":"",'
        f'"remote_host":"{expected}","remote_model":"llama3:70b","capabilities":["tools"],"context_length":131072,'
        '"architecture":"amd64","os":"linux"}\n'
    ).encode() == store.blobs.read(model.manifest.config.blob)


def test_what_is_told_of_a_model(store: Store, upload: Upload) -> None:
    """What the request says of it goes before what its weights say; what is derived from it is told its own."""
    info = {"model_family": "mine", "quantization_level": "best", "embedding_length": 8, "capabilities": ["vision"]}
    made(store, "m", files={"a.gguf": upload()}, info={**info, "base_name": None, "new": {}})
    made(store, "derived", source="m")
    told, derived = store.model("m"), store.model("derived")
    assert Details("a.gguf", "gguf", "mine", ("mine", "llama"), "128", "best") == told.details
    assert (8, ("vision",)) == (told.config.embedding_length, told.config.capabilities)
    assert Details("m:latest", "gguf", "llama", ("llama",), "128", "F16") == derived.details
    assert (0, ("vision",)) == (derived.config.embedding_length, derived.config.capabilities)


def test_parameters_are_stored_as_they_are(store: Store, upload: Upload) -> None:
    """Those of a newer version are kept for it, and null takes back what the base has."""
    made(store, "base", files={"a.gguf": upload()}, parameters={"newer": {"x": [1]}, "top_k": 20.0, "max_tokens": 5})
    layer = store.model("base").manifest.of("params")[0].blob
    assert (
        b'{"newer":{"x":[1]},"num_predict":5,"stop":["\\u003c|im_start|\\u003e","\\u003c|im_end|\\u003e"],"top_k":20}\n'
        == store.blobs.read(layer)
    )
    made(store, "derived", source="base", parameters={"stop": None})
    parameters = store.model("derived").parameters
    assert (None, {"x": [1]}) == (parameters["stop"], parameters["newer"])


def test_what_does_nothing_is_allowed(store: Store, upload: Upload) -> None:
    """Asking for the quantization it has, or for empty fields, makes a plain copy."""
    made(store, "base", files={"a.gguf": upload()})
    made(store, "m", source="base", quantize="F16", template="", licenses=("",), messages=(), parameters={})
    assert store.model("base").manifest.blobs == store.model("m").manifest.blobs


def test_stopped_half_way(store: Store, upload: Upload) -> None:
    """A client that leaves before the end leaves the old model as it was."""
    made(store, "smol", files={"a.gguf": upload()}, system="old")

    async def stop_at(step: str) -> None:
        steps = create(store, CreateRequest(model="smol", source="smol", system="new"))
        async for said in steps:
            if said.status.startswith(step):
                break
        await steps.aclose()

    for step in ("using existing", "creating new", "writing manifest"):
        asyncio.run(stop_at(step))
        assert "old" == store.model("smol").system


def test_a_missing_layer_of_the_base(store: Store, upload: Upload) -> None:
    """A base that lost a file is found out before the new model is begun."""
    made(store, "base", files={"a.gguf": upload()}, system="text")
    store.blobs.remove(store.model("base").manifest.of("system")[0].blob)
    refused(store, BlobNotFound, source="base")


def test_the_files_written(store: Store, upload: Upload) -> None:
    """The config says what Ollama's would."""
    made(store, "smol", files={"a.gguf": upload()})
    config = json.loads(store.blobs.read(store.model("smol").manifest.config.blob))
    assert {
        "model_format": "gguf",
        "model_family": "llama",
        "model_families": ["llama"],
        "model_type": "128",
        "file_type": "F16",
        "architecture": "amd64",
        "os": "linux",
    } == config


@pytest.mark.parametrize(
    ("parameters", "size"),
    [
        (999, "999"),
        (12_345, "12K"),
        (1_000_000, "1M"),
        (134_515_008, "134.52M"),
        (3_212_749_888, "3.2B"),
        (7 * 10**9, "7B"),
    ],
)
def test_model_sizes(parameters: int, size: str) -> None:
    """The number of parameters is written as people write it."""
    assert size == count(parameters)
