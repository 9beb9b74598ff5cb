"""LoRA adapters as PEFT saves them become GGUF adapters that do the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf import GGUFReader

from puna import gguf
from puna.conversion import lora
from puna.errors import CorruptModel, InvalidRequest, NotCapable

WriteGguf = Callable[..., Path]

RANK, WIDTH, HEADS = 2, 16, 2
PREFIX = "base_model.model.model.layers.0"
LLAMA = {"llama.block_count": 1, "llama.attention.head_count": HEADS, "llama.attention.head_count_kv": 1}


def write_safetensors(path: Path, tensors: dict[str, np.ndarray], dtype: str = "F32") -> Path:
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    data = b""
    for name, tensor in tensors.items():
        raw = tensor.tobytes()
        header[name] = {"dtype": dtype, "shape": tensor.shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def config(**fields: Any) -> lora.Config:
    return lora.read_config(json.dumps({"r": RANK, "lora_alpha": 8, "peft_type": "LORA", **fields}).encode())


@pytest.fixture
def base(tmp_path: Path, write_gguf: WriteGguf) -> gguf.Gguf:
    return gguf.read(write_gguf(tmp_path / "base.gguf", LLAMA))


def pair(module: str, rows: int, start: int = 0) -> dict[str, np.ndarray]:
    """The two matrices of a module; each row of the second is its number."""
    return {
        f"{PREFIX}.{module}.lora_A.weight": np.arange(RANK * WIDTH, dtype=np.float32).reshape(RANK, WIDTH),
        f"{PREFIX}.{module}.lora_B.weight": np.repeat(np.arange(rows, dtype=np.float32) + start, RANK).reshape(
            rows, RANK
        ),
    }


def converted(tmp_path: Path, tensors: dict[str, np.ndarray], base: gguf.Gguf, dtype: str = "F32") -> Path:
    source, target = write_safetensors(tmp_path / "a.safetensors", tensors, dtype), tmp_path / "a.gguf"
    target.write_bytes(b"".join(lora.converted(source, config(), base)))
    return target


def test_llama(tmp_path: Path, base: gguf.Gguf) -> None:
    """Names and shapes are GGUF's; the rows of a head's queries are where llama.cpp's converter puts the weights'."""
    path = converted(tmp_path, {**pair("self_attn.q_proj", WIDTH), **pair("mlp.down_proj", 4)}, base)
    header = gguf.read(path)
    assert ("adapter", "llama", "lora", 8.0) == (
        header.kind,
        header.architecture,
        header.metadata["adapter.type"],
        header.metadata["adapter.lora.alpha"],
    )
    tensors = {tensor.name: tensor.data for tensor in GGUFReader(path).tensors}
    halves = np.arange(WIDTH).reshape(HEADS, 2, WIDTH // HEADS // 2).swapaxes(1, 2).reshape(-1)
    assert list(halves) == list(tensors["blk.0.attn_q.weight.lora_b"][:, 0])
    assert [0, 1, 2, 3] == list(tensors["blk.0.ffn_down.weight.lora_b"][:, 1])
    assert (RANK, WIDTH) == tensors["blk.0.attn_q.weight.lora_a"].shape
    assert np.array_equal(np.arange(RANK * WIDTH).reshape(RANK, WIDTH), tensors["blk.0.attn_q.weight.lora_a"])


def test_qwen(tmp_path: Path, write_gguf: WriteGguf) -> None:
    """Where the converter leaves the rows as they are, they stay."""
    values = {key.replace("llama", "qwen2"): value for key, value in LLAMA.items()}
    base = gguf.read(write_gguf(tmp_path / "base.gguf", {"general.architecture": "qwen2", **values}))
    path = converted(tmp_path, pair("self_attn.q_proj", WIDTH), base)
    tensors = {tensor.name: tensor.data for tensor in GGUFReader(path).tensors}
    assert list(range(WIDTH)) == list(tensors["blk.0.attn_q.weight.lora_b"][:, 0])


def test_bfloat16(tmp_path: Path, base: gguf.Gguf) -> None:
    """Numbers of 16 bits become the same ones of 32."""
    exact = {name: (tensor.view(np.uint32) >> 16).astype(np.uint16) for name, tensor in pair("mlp.up_proj", 4).items()}
    path = converted(tmp_path, exact, base, "BF16")
    tensors = {tensor.name: tensor.data for tensor in GGUFReader(path).tensors}
    assert [0, 1, 2, 3] == list(tensors["blk.0.ffn_up.weight.lora_b"][:, 0])


def test_rank_stabilized() -> None:
    """An adapter that was trained to be divided by the root of its rank is."""
    assert 8 * RANK**0.5 == pytest.approx(config(use_rslora=True).alpha)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"{", InvalidRequest),
        (b"{}", InvalidRequest),
        (b'{"r": -8, "lora_alpha": 16, "use_rslora": true}', InvalidRequest),
        (b'{"r": 8, "lora_alpha": 16, "peft_type": "IA3"}', NotCapable),
        (b'{"r": 8, "lora_alpha": 16, "use_dora": true}', NotCapable),
        (b'{"r": 8, "lora_alpha": 16, "alpha_pattern": {"q_proj": 4}}', NotCapable),
    ],
)
def test_other_adapters(content: bytes, kind: type[Exception]) -> None:
    """What is no plain LoRA adapter is refused, not half understood."""
    with pytest.raises(kind):
        lora.read_config(content)


def test_what_cannot_be_converted(tmp_path: Path, base: gguf.Gguf, write_gguf: WriteGguf) -> None:
    """Changed norms, whole weights and unknown architectures are named."""
    name = "base_model.model.model.norm.weight"
    with pytest.raises(NotCapable, match=name):
        converted(tmp_path, {name: np.zeros(4, np.float32)}, base)
    other = gguf.read(write_gguf(tmp_path / "o.gguf", {"general.architecture": "mamba"}))
    with pytest.raises(NotCapable, match='unsupported architecture "mamba"'):
        converted(tmp_path, pair("mlp.up_proj", 4), other)
    for rows in (0, HEADS * 2 + 1):
        with pytest.raises(NotCapable, match=r"does not fit the 2 heads of the model: blk.0.attn_q.weight.lora_b"):
            converted(tmp_path, pair("self_attn.q_proj", rows), base)
    cut = write_safetensors(tmp_path / "cut.safetensors", pair("mlp.up_proj", 4))
    cut.write_bytes(cut.read_bytes()[:-1])
    with pytest.raises(CorruptModel, match="cut short"):
        list(lora.converted(cut, config(), base))
    header = json.dumps({"a": {"dtype": "F32", "shape": [-1, -1], "data_offsets": [0, 4]}}).encode()
    cut.write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    with pytest.raises(CorruptModel, match="not a safetensors file"):
        list(lora.converted(cut, config(), base))
    cut.write_bytes(b"not safetensors at all")
    with pytest.raises(CorruptModel, match="not a safetensors file"):
        list(lora.converted(cut, config(), base))
