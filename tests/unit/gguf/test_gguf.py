"""GGUF headers: what is told of a model, how little of the file that takes, and that no file can do harm."""

from __future__ import annotations

import os
import resource
import struct
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from puna import gguf
from puna.errors import CorruptModel, StoreError
from puna.gguf import Array
from puna.gguf.layout import _shortest
from puna.types import Tensor

Write = Callable[..., Path]


def text(value: str | bytes) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(raw)) + raw


def key(name: str, kind: int, value: bytes) -> bytes:
    return text(name) + struct.pack("<I", kind) + value


def header(*keys: bytes, tensors: int = 0, version: int = 3, count: int | None = None) -> bytes:
    return struct.pack("<4sIQQ", b"GGUF", version, tensors, len(keys) if count is None else count) + b"".join(keys)


def texts(name: str, values: list[bytes]) -> bytes:
    return key(name, 9, struct.pack("<IQ", 8, len(values)) + b"".join(map(text, values)))


@pytest.fixture
def read(tmp_path: Path) -> Callable[[bytes], gguf.Gguf]:
    names = count()

    def read(content: bytes) -> gguf.Gguf:
        path = tmp_path / f"{next(names)}.gguf"
        path.write_bytes(content)
        return gguf.read(path)

    return read


def test_reads_what_llama_cpp_writes(tmp_path: Path, write_gguf: Write) -> None:
    """Every kind of value and every tensor that llama.cpp's own package writes comes back."""
    values = {"llama.block_count": 2, "general.name": "Tiny", "a.flag": True, "a.number": 0.1, "a.list": [1, 2, 3]}
    found = gguf.read(write_gguf(tmp_path / "m.gguf", values, tensors={"a": (64, 2), "b": (8,)}))
    assert "llama" == found.architecture
    assert {"llama.block_count": 2, "general.name": "Tiny", "a.flag": True, "a.number": 0.1} == {
        name: value for name, value in found.metadata.items() if name in values and not isinstance(value, Array)
    }
    assert [1, 2, 3] == array(found, "a.list").read()
    assert (Tensor("a", "F16", (64, 2)), Tensor("b", "F16", (8,))) == found.tensors
    assert 136 == found.parameter_count
    assert 256 + 32 == found.tensor_bytes


def array(found: gguf.Gguf, name: str) -> Array:
    value = found.metadata[name]
    assert isinstance(value, Array)
    return value


def test_a_real_model(smollm2: Path) -> None:
    """What Ollama shows of SmolLM2 is what is read of it."""
    found = gguf.read(smollm2)
    assert ("llama", "model", "Q4_1", 134515008) == (
        found.architecture,
        found.kind,
        found.file_type,
        found.parameter_count,
    )
    assert (30, 8192, 576, 9, 3) == (
        found.block_count,
        found.context_length,
        found.embedding_length,
        found.head_count,
        found.head_count_kv,
    )
    assert 2 * 2 * 64 * 3 * 30 == found.kv_bytes_per_token
    assert "<|im_start|>" in found.chat_template
    assert ["<|endoftext|>", "<|im_start|>", "<|im_end|>"] == found.tokens()[:3]
    assert 49152 == len(found.tokens())
    assert "1e-05" == repr(found.metadata["llama.attention.layer_norm_rms_epsilon"])
    assert 100000 == found.metadata["llama.rope.freq_base"]


@pytest.mark.parametrize(
    ("kind", "layout", "value"),
    [
        (0, "B", 200),
        (1, "b", -3),
        (2, "H", 60000),
        (3, "h", -300),
        (4, "I", 4_000_000_000),
        (5, "i", -5),
        (6, "f", 0.5),
        (7, "?", True),
        (10, "Q", 2**63),
        (11, "q", -(2**62)),
        (12, "d", 0.1),
    ],
)
def test_scalars(read: Callable[[bytes], gguf.Gguf], kind: int, layout: str, value: Any) -> None:
    """Values of every type are read, alone and in arrays."""
    one, two = (
        struct.pack("<" + layout, value),
        struct.pack("<IQ", kind, 2) + struct.pack("<" + 2 * layout, value, value),
    )
    found = read(header(key("one", kind, one), key("two", 9, two)))
    assert value == found.metadata["one"]
    assert [value, value] == array(found, "two").read()


@given(st.floats(width=32, allow_nan=False))
def test_floats_print_short(value: float) -> None:
    """A 32-bit float prints with no more digits than it has, and is the same 32-bit float."""
    short = _shortest(value)
    assert value == struct.unpack("<f", struct.pack("<f", short))[0]
    assert len(repr(short)) <= len(repr(value))


@settings(max_examples=60)
@given(st.lists(st.integers(0, 90) | st.just(5), max_size=300))
def test_vocabularies(tmp_path_factory: pytest.TempPathFactory, lengths: list[int]) -> None:
    """An array of texts of any lengths is stepped over to the byte, and read back whole."""
    path = tmp_path_factory.mktemp("vocabulary") / "m.gguf"
    tokens = [bytes([65 + number % 26]) * length for number, length in enumerate(lengths)]
    path.write_bytes(header(texts("tokens", tokens), key("after", 4, struct.pack("<I", 7))))
    found = gguf.read(path)
    assert 7 == found.metadata["after"]
    assert len(lengths) == len(array(found, "tokens"))
    assert [token.decode() for token in tokens] == array(found, "tokens").read()
    one_by_one = [array(found, "tokens").text_at(number) for number in range(-1, len(tokens) + 1)]
    assert ["", *(token.decode() for token in tokens), ""] == one_by_one


def test_a_huge_model_costs_its_header(tmp_path: Path, write_gguf: Write) -> None:
    """The header of a 5 GB model is read without reading its weights, which here are a hole in the file."""
    vocabulary = [f"token {number}" for number in range(5000)]
    path = write_gguf(tmp_path / "m.gguf", {"tokenizer.ggml.tokens": vocabulary}, tensors={"a": (1, 1)})
    content = bytearray(path.read_bytes())
    at = content.index(text("a") + struct.pack("<I", 2)) + 9 + 4
    content[at : at + 16] = struct.pack("<QQ", 2_500_000, 1000)
    path.write_bytes(content)
    os.truncate(path, 5_100_000_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    found = gguf.read(path)
    assert 2_000 > resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    assert 2_500_000_000 == found.parameter_count
    assert 5_000_000_000 < found.tensor_bytes
    assert vocabulary == found.tokens()


def test_remembered_until_changed(tmp_path: Path, write_gguf: Write) -> None:
    """A file is parsed once as long as it does not change."""
    path = write_gguf(tmp_path / "m.gguf", {"general.name": "one"})
    first = gguf.read(path)
    assert first is gguf.read(path)
    write_gguf(path, {"general.name": "another"})
    assert "another" == gguf.read(path).metadata["general.name"]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ({"llama.block_count": 2}, "model"),
        ({"general.type": "adapter"}, "adapter"),
        ({"general.type": "mmproj"}, "projector"),
        ({"general.type": "projector"}, "projector"),
        ({"general.architecture": "clip", "clip.has_vision_encoder": True}, "projector"),
        ({"general.architecture": "clip", "clip.has_audio_encoder": True}, "projector"),
        ({"llama.vision.block_count": 3}, "projector"),
        ({"llama.block_count": 2, "llama.vision.block_count": 3}, "model"),
    ],
)
def test_kinds(tmp_path: Path, write_gguf: Write, values: dict[str, Any], kind: str) -> None:
    """Models, adapters and projectors are told apart."""
    assert kind == gguf.read(write_gguf(tmp_path / "m.gguf", values)).kind


@pytest.mark.parametrize(
    ("number", "name"),
    [(0, "F32"), (1, "F16"), (3, "Q4_1"), (15, "Q4_K_M"), (32, "BF16"), (4, "unknown"), (99, "unknown")],
)
def test_file_types(tmp_path: Path, write_gguf: Write, number: int, name: str) -> None:
    """Quantizations have llama.cpp's names."""
    assert name == gguf.read(write_gguf(tmp_path / "m.gguf", {"general.file_type": number})).file_type


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"attention.head_count": 8}, 2 * 3 * 8 * (64 + 64)),
        ({"attention.head_count": 8, "attention.head_count_kv": 2}, 2 * 3 * 2 * (64 + 64)),
        ({"attention.head_count": 8, "attention.head_count_kv": [2, 0, 4]}, 2 * 6 * (64 + 64)),
        ({"attention.head_count": 8, "attention.key_length": 96, "attention.value_length": 32}, 2 * 3 * 8 * 128),
        ({}, 0),
    ],
)
def test_kv_cache(tmp_path: Path, write_gguf: Write, values: dict[str, Any], expected: int) -> None:
    """The memory a token takes follows the heads of each layer."""
    known = {"llama.block_count": 3, "llama.embedding_length": 512} | {f"llama.{key}": v for key, v in values.items()}
    assert expected == gguf.read(write_gguf(tmp_path / "m.gguf", known)).kv_bytes_per_token


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"GGU", "cut short"),
        (b"NOPE" + header()[4:], "does not begin"),
        (header(version=1), "version 1"),
        (header(version=77), "version 77"),
        (header(version=0x03000000), "big-endian"),
        (header(count=2**60), "claims"),
        (header(tensors=2**60), "claims"),
        (header(count=1), "cut short"),
        (header(key("a", 8, struct.pack("<Q", 2**63))), "a text of"),
        (header(key("a", 8, struct.pack("<Q", 1000))), "cut short"),
        (header(key("a", 13, b"12345678")), "unknown type 13"),
        (header(key("a", 9, struct.pack("<IQ", 9, 1))), "unknown type 9"),
        (header(key("a", 9, struct.pack("<IQ", 4, 2**62))), "cut short"),
        (header(key("a", 9, struct.pack("<IQ", 8, 2**62))), "an array of"),
        (header(key("a", 9, struct.pack("<IQ", 8, 1000))), "cut short"),
        (header(key("a", 9, struct.pack("<IQQQ", 8, 2, 2**64 - 8, 2**64 - 8))), "cut short"),
        (header(key("a", 0, b"1"), key("a", 0, b"1")), "twice"),
        (header(key("general.alignment", 4, bytes(4))), "alignment"),
        (header(tensors=1) + text("t") + struct.pack("<I", 2**31), "dimensions"),
        (header(tensors=1) + text("t") + struct.pack("<IQQQIQ", 3, 2**40, 2**40, 2**40, 0, 0), "shape"),
        (header(tensors=1) + text("t") + struct.pack("<IQIQ", 1, 64, 0, 0), "before the tensor 't'"),
    ],
)
def test_damaged_files(read: Callable[[bytes], gguf.Gguf], content: bytes, reason: str) -> None:
    """A damaged or hostile header is refused at once, and the reason is told."""
    with pytest.raises(CorruptModel, match=reason):
        read(content)


def test_every_cut_is_noticed(tmp_path: Path, write_gguf: Write, read: Callable[[bytes], gguf.Gguf]) -> None:
    """Wherever a download stopped, the file is known to be cut short."""
    path = write_gguf(tmp_path / "m.gguf", {"tokens": ["a", "b"], "name": "n", "list": [1, 2]})
    whole = path.read_bytes()
    for length in range(len(whole)):
        with pytest.raises(CorruptModel):
            read(whole[:length])


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory, write_gguf: Write) -> bytes:
    values = {
        "llama.attention.head_count": [1, 2],
        "tokenizer.ggml.tokens": ["a"] * 70,
        "x": 1.5,
        "general.type": "model",
    }
    return write_gguf(tmp_path_factory.mktemp("small") / "m.gguf", values).read_bytes()


@settings(max_examples=200)
@given(data=st.data())
def test_no_file_does_harm(tmp_path_factory: pytest.TempPathFactory, small: bytes, data: st.DataObject) -> None:
    """Whatever bytes are changed, the file is read or refused; nothing else happens."""
    content = bytearray(small)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        change = data.draw(st.binary(min_size=1, max_size=8) | st.just(b"\xff" * 8) | st.just(b"\0" * 8))
        content[at : at + len(change)] = change
    path = tmp_path_factory.mktemp("changed") / "m.gguf"
    path.write_bytes(content)
    try:
        found = gguf.read(path)
        assert found.kind in ("model", "adapter", "projector")
        assert found.kv_bytes_per_token is not None
        found.tokens()
    except CorruptModel:
        pass


def test_what_is_not_there(tmp_path: Path) -> None:
    """A file that cannot be opened is an error of the store."""
    with pytest.raises(StoreError, match=r"nope\.gguf"):
        gguf.read(tmp_path / "nope.gguf")
    with pytest.raises(StoreError, match=r"nope\.gguf"):
        gguf.is_gguf(tmp_path / "nope.gguf")


def test_tells_gguf_by_its_first_bytes(tmp_path: Path, write_gguf: Write) -> None:
    """Only files that begin with GGUF are taken for one."""
    (tmp_path / "text").write_text("GG")
    assert gguf.is_gguf(write_gguf(tmp_path / "m"))
    assert not gguf.is_gguf(tmp_path / "text")
