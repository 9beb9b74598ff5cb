"""Quantizing with GGML's own functions: the result holds the numbers it was given, as well as its type can."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from gguf import GGUFReader, GGUFWriter, dequantize

from puna import gguf
from puna.conversion.quantize import quantize
from puna.errors import QuantizeFailed

RNG = np.random.default_rng(7)
WEIGHTS = RNG.standard_normal((3, 5, 512)).astype(np.float32)
NORM = RNG.standard_normal(512).astype(np.float32)


def write(path: Path, weights: np.ndarray, kind: type = np.float32) -> Path:
    writer = GGUFWriter(path, "llama")
    writer.add_block_count(1)
    writer.add_file_type(0 if kind is np.float32 else 1)
    writer.add_token_list(["a", "b"])
    writer.add_tensor("blk.0.ffn_up.weight", weights.astype(kind))
    writer.add_tensor("blk.0.attn_norm.weight", NORM)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.mark.parametrize("kind", [np.float32, np.float16])
@pytest.mark.parametrize(
    ("level", "worst"), [("F32", 1e-3), ("F16", 1e-3), ("BF16", 0.02), ("Q8_0", 0.02), ("Q6_K", 0.08), ("Q4_K_M", 0.3)]
)
def test_values(tmp_path: Path, capfd: pytest.CaptureFixture[str], kind: type, level: str, worst: float) -> None:
    """Every weight is what it was but for what its type costs; norms are the same; so is the vocabulary."""
    source, target = write(tmp_path / "a.gguf", WEIGHTS, kind), tmp_path / "b.gguf"
    with target.open("wb") as out:
        quantize(source, level, out, threads=2)
    tensors = {tensor.name: tensor for tensor in GGUFReader(target).tensors}
    found = dequantize(tensors["blk.0.ffn_up.weight"].data, tensors["blk.0.ffn_up.weight"].tensor_type)
    assert worst > np.abs(found.reshape(WEIGHTS.shape) - WEIGHTS).max()
    assert np.array_equal(NORM, tensors["blk.0.attn_norm.weight"].data)
    header = gguf.read(target)
    assert (level, ["a", "b"]) == (header.file_type, header.tokens())
    said = capfd.readouterr().err.splitlines()
    total = sum(tensor.size for tensor in (WEIGHTS.astype(kind),)) * np.dtype(kind).itemsize + NORM.nbytes
    assert f'{{"completed":{total},"total":{total}}}' == said[-1]


def test_tensors_of_one_number_and_of_none(tmp_path: Path, write_gguf: Callable[..., Path]) -> None:
    """A model may have tensors without rows: they stay as they are."""
    source = write_gguf(tmp_path / "a.gguf", {}, tensors={"scale": (), "none": (0, 4), "one.weight": (32, 2)})
    out = io.BytesIO()
    quantize(source, "Q8_0", out, threads=1)
    (tmp_path / "b.gguf").write_bytes(out.getvalue())
    found = {tensor.name: (tensor.type, tensor.shape) for tensor in gguf.read(tmp_path / "b.gguf").tensors}
    assert {"scale": ("F16", ()), "none": ("F16", (0, 4)), "one.weight": ("Q8_0", (32, 2))} == found


def test_numbers_that_are_none(tmp_path: Path) -> None:
    """A model with broken weights is not quantized into one that looks whole."""
    broken = WEIGHTS.copy()
    broken[1, 2, 3] = np.nan
    source = write(tmp_path / "a.gguf", broken)
    with pytest.raises(QuantizeFailed, match="not numbers"):
        quantize(source, "Q8_0", io.BytesIO(), threads=1)
