"""The small files of the store: read leniently, written as Ollama writes them, to the byte."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from puna.errors import CorruptManifest
from puna.store import formats
from puna.store.formats import CONFIG_TYPE, Config, Layer, Manifest, layer_type
from puna.types import Message, ToolCall

MODEL = "sha256:941f309b54caaad6747569ba43712bcde44a2be3bae16c3282ff499c37c54af5"
TEMPLATE = b"{{- range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n{{ end }}<|im_start|>assistant\n"
CONFIG = Config(
    model_format="gguf",
    model_family="llama",
    model_families=("llama",),
    model_type="134.52M",
    file_type="Q4_1",
)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def layer(part: Any, content: bytes, parent: str = "") -> Layer:
    return Layer(layer_type(part), f"sha256:{sha256(content)}", len(content), parent)


def test_a_manifest_as_ollama_writes_it() -> None:
    """SmolLM2 made with Ollama 0.33 has the digest 567593dc...: so has what is written here of the same parts."""
    config = formats.write_config(CONFIG)
    parameters = formats.write_parameters({"stop": ["<|im_start|>", "<|im_end|>"]})
    manifest = Manifest(
        Layer(CONFIG_TYPE, f"sha256:{sha256(config)}", len(config)),
        (
            Layer(layer_type("model"), MODEL, 98362432, "smol:latest"),
            layer("template", TEMPLATE, "smol:latest"),
            layer("params", parameters),
        ),
    )
    written = formats.write_manifest(manifest)
    assert "567593dcd586e35c2e3a658eb0a2c8a5ea80108873ad1c8c07dda4db95cde057" == sha256(written)
    assert manifest == formats.read_manifest(written)


def test_parameters_as_ollama_writes_them() -> None:
    """Recorded: the digest of the params layer of a model with these parameters."""
    given = {"temperature": 0.25, "stop": ["<|im_end|>", "END"], "num_ctx": 1024, "top_k": 20}
    assert "f001597897c2d52ad6ab87089d162db4918d7dbaa629c1252c59f4176746607a" == sha256(formats.write_parameters(given))
    assert b'{"num_ctx":1024,"temperature":1}\n' == formats.write_parameters({"temperature": 1.0, "num_ctx": 1024})
    assert given == formats.read_parameters(formats.write_parameters(given))


def test_messages_as_ollama_writes_them() -> None:
    """Recorded: the digest of the messages layer of a model with this conversation."""
    messages = (Message("user", "hi"), Message("assistant", "arr"))
    assert "0243e0d77efbf54d5fac7f2220432f070ec1013d157d1d70d47321031317b78a" == sha256(
        formats.write_messages(messages)
    )


def test_messages_with_everything() -> None:
    """Pictures, thoughts and tool calls of a stored conversation come back."""
    call = ToolCall("f", {"b": 1, "a": [None]}, "call_1")
    messages = (
        Message("user", "a < b & c", images=(b"\x89PNG",)),
        Message("assistant", "", thinking="hm", tool_calls=(call,)),
        Message("tool", "1", tool_name="f", tool_call_id="call_1"),
    )
    written = formats.write_messages(messages)
    assert b"a \\u003c b \\u0026 c" in written
    assert b'"function":{"index":0,"name":"f","arguments":{"b":1,"a":[null]}}' in written
    assert messages == formats.read_messages(written)


def test_a_full_config() -> None:
    """What is set is written in Ollama's order, and read again."""
    config = Config(
        model_format="gguf",
        renderer="r",
        parser="p",
        requires="0.1.0",
        capabilities=("tools",),
        draft={"architecture": "x"},
    )
    written = formats.write_config(config)
    assert (
        b'{"model_format":"gguf","model_family":"","model_families":null,"model_type":"","file_type":"","renderer":"r",'
        b'"parser":"p","requires":"0.1.0","capabilities":["tools"],"draft":{"architecture":"x"},'
        b'"architecture":"amd64","os":"linux"}\n'
    ) == written
    assert config == formats.read_config(written)


def test_unknown_keys_are_no_reason_to_refuse() -> None:
    """Stores of older and newer versions are read."""
    old = b'{"model_format":"gguf","model_families":null,"rootfs":{"type":"layers","diff_ids":["x"]},"new":{"a":1}}'
    assert Config(model_format="gguf") == formats.read_config(old)
    config = layer("model", b"")
    read = formats.read_manifest(
        b'{"config":{"mediaType":"%s","digest":"%s","size":0,"urls":[]},"layers":null,"annotations":{}}'
        % (config.media_type.encode(), config.digest.encode())
    )
    assert [] == read.of("model")
    assert 0 == read.size


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b'{"config":{}}',
        b'{"config":{"mediaType":"x","digest":"sha256:12","size":1}}',
        b'{"config":{"mediaType":"x","digest":"sha256:%s","size":"1"}}' % (b"0" * 64),
    ],
)
def test_damaged_manifests(content: bytes) -> None:
    """What is not a manifest is refused as damaged."""
    with pytest.raises(CorruptManifest):
        formats.read_manifest(content)


@pytest.mark.parametrize("read", [formats.read_config, formats.read_parameters, formats.read_messages])
@pytest.mark.parametrize("content", [b"", b"3", b"{", b"\xff"])
def test_damaged_blobs(read: Any, content: bytes) -> None:
    """So is what is not a config, parameters or messages."""
    with pytest.raises(CorruptManifest):
        read(content)


def test_roles() -> None:
    """A layer is known by its media type; others of the same ending are not taken for it."""
    assert layer("template", b"").holds("prompt", "template")
    assert not Layer("application/x.template", MODEL, 1).holds("template")
    assert not Layer("template", MODEL, 1).holds("template")
