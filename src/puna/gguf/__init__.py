"""GGUF files: what the header says of a model, without reading the weights.

The file is mapped, and only the pages of its header are touched. Arrays (a vocabulary) are stepped over and stay in
the file as ``Array`` until somebody reads them. ``read`` remembers what it has parsed while the file is unchanged.
"""

from __future__ import annotations

import mmap
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from puna.errors import CorruptModel, StoreError
from puna.gguf.kinds import FILE_TYPES, TENSOR_TYPES
from puna.gguf.layout import MAX_NAME, Array, Cursor, Scalar, Value, map_file
from puna.types import Tensor

__all__ = ["Array", "Gguf", "Kind", "Scalar", "Value", "is_gguf", "read"]

Kind = Literal["model", "adapter", "projector"]

_MAGIC = b"GGUF"
_MAX_KEYS = 1 << 16
_MAX_TENSORS = 1 << 17
_MAX_ELEMENTS = 1 << 48
_MAX_LAYERS = 1 << 12

_BOS_TOKENIZERS = frozenset({"llama", "bert", "t5", "gemma4"})
_BOS_PRETOKENIZERS = frozenset({"llama3", "llama-v3", "llama-bpe", "lfm2", "gemma4"})
"""Tokenizers that begin every prompt with a token of their own where the file does not say."""


@dataclass(frozen=True, slots=True)
class Gguf:
    """The header of a GGUF file. ``metadata`` has its keys and values; ``tensor_bytes`` is the size of the weights."""

    path: Path
    metadata: Mapping[str, Value]
    tensors: tuple[Tensor, ...]
    parameter_count: int
    tensor_bytes: int

    @property
    def architecture(self) -> str:
        """``general.architecture``, "unknown" where it is missing."""
        return self._text("general.architecture") or "unknown"

    @property
    def kind(self) -> Kind:
        """Whether it is a model, a LoRA adapter, or a projector that makes embeddings of pictures or sound."""
        declared = self._text("general.type")
        if declared == "adapter":
            return "adapter"
        encoder = self.metadata.get("clip.has_vision_encoder") or self.metadata.get("clip.has_audio_encoder")
        only_sees = self.of_architecture("block_count") is None and self.of_architecture("vision.block_count")
        is_projector = declared in ("projector", "mmproj") or (self.architecture == "clip" and encoder) or only_sees
        return "projector" if is_projector else "model"

    @property
    def file_type(self) -> str:
        """How the weights are quantized as llama.cpp names it, such as ``Q4_K_M``; "unknown" where it is not told."""
        number = self.metadata.get("general.file_type")
        return FILE_TYPES.get(number, "unknown") if isinstance(number, int) else "unknown"

    @property
    def chat_template(self) -> str:
        """The Jinja template the file carries, "" without one."""
        return self._text("tokenizer.chat_template")

    def tokens(self) -> list[str]:
        """The texts of its vocabulary. Reads them, which takes a tenth of a second for a large one.

        Raises:
            CorruptModel, StoreError: they cannot be read.
        """
        value = self.metadata.get("tokenizer.ggml.tokens")
        return [token for token in value.read() if isinstance(token, str)] if isinstance(value, Array) else []

    def token(self, key: str) -> str:
        """The text of the special token ``tokenizer.ggml.<key>``, such as ``eos_token_id``, "" where there is none."""
        number, tokens = self.metadata.get(f"tokenizer.ggml.{key}"), self.metadata.get("tokenizer.ggml.tokens")
        return tokens.text_at(number) if isinstance(number, int) and isinstance(tokens, Array) else ""

    @property
    def adds_bos(self) -> bool:
        """Whether llama.cpp puts a beginning-of-sequence token before every prompt."""
        told = self.metadata.get("tokenizer.ggml.add_bos_token")
        if isinstance(told, bool):
            return told
        kind, pre = self._text("tokenizer.ggml.model"), self._text("tokenizer.ggml.pre")
        return kind in _BOS_TOKENIZERS or pre in _BOS_PRETOKENIZERS

    @property
    def block_count(self) -> int:
        """Layers; 0 where it is not told, as in the properties below."""
        return self._number("block_count")

    @property
    def context_length(self) -> int:
        """Tokens of the longest context it was trained on."""
        return self._number("context_length")

    @property
    def embedding_length(self) -> int:
        """Numbers in one embedding."""
        return self._number("embedding_length")

    @property
    def head_count(self) -> int:
        """Attention heads of a layer; of the layer with the most where layers differ."""
        return max(self._per_layer("attention.head_count"), default=0)

    @property
    def head_count_kv(self) -> int:
        """Heads of a layer that keys and values are kept for; of the layer with the most where layers differ."""
        return max(self._per_layer("attention.head_count_kv"), default=self.head_count)

    @property
    def kv_bytes_per_token(self) -> int:
        """Bytes one token takes in an f16 KV cache over all layers, were none shortened by a sliding window."""
        heads = self.head_count
        if heads <= 0:
            return 0
        usual = self.embedding_length // heads
        width = (self._number("attention.key_length") or usual) + (self._number("attention.value_length") or usual)
        kv_heads = self._per_layer("attention.head_count_kv") or self._per_layer("attention.head_count")
        return 2 * width * (kv_heads[0] * self.block_count if len(kv_heads) == 1 else sum(kv_heads))

    def of_architecture(self, key: str) -> Value | None:
        """The value of ``<architecture>.<key>``, such as that of ``pooling_type``."""
        return self.metadata.get(f"{self.architecture}.{key}")

    def _text(self, key: str) -> str:
        value = self.metadata.get(key)
        return value if isinstance(value, str) else ""

    def _number(self, key: str) -> int:
        value = self.of_architecture(key)
        return value if isinstance(value, int) else 0

    def _per_layer(self, key: str) -> list[int]:
        value = self.of_architecture(key)
        items = value.read() if isinstance(value, Array) and len(value) <= _MAX_LAYERS else [value]
        return [item for item in items if isinstance(item, int)]


def read(path: Path) -> Gguf:
    """Read the header of the GGUF file at ``path``; a file read lately and not changed since costs one ``stat``.

    Raises:
        CorruptModel: it is not GGUF, damaged, cut short, or of a version or byte order puna cannot read.
        StoreError: it cannot be opened.
    """
    try:
        found = path.stat()
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}") from error
    return _parse(path, found.st_size, found.st_mtime_ns)


def is_gguf(path: Path) -> bool:
    """Whether the file at ``path`` begins as a GGUF file does.

    Raises:
        StoreError: it cannot be opened.
    """
    try:
        with path.open("rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}") from error


@lru_cache(maxsize=64)
def _parse(path: Path, size: int, mtime_ns: int) -> Gguf:  # noqa: ARG001 (size and mtime make the cache's key)
    with map_file(path) as data:
        try:
            return _header(path, data)
        except CorruptModel as error:
            raise CorruptModel(f"{path.name} is not a valid GGUF file: {error}") from error


def _header(path: Path, data: mmap.mmap) -> Gguf:
    cursor = Cursor(path, data)
    if cursor.take(len(_MAGIC)) != _MAGIC:
        raise CorruptModel("it does not begin with GGUF")
    version = cursor.u32()
    if version not in (2, 3):
        big_endian = int.from_bytes(version.to_bytes(4, "little"), "big") in (1, 2, 3)
        raise CorruptModel("it is big-endian" if big_endian else f"version {version} is not supported")
    tensor_count, key_count = cursor.u64(), cursor.u64()
    if key_count > _MAX_KEYS or tensor_count > _MAX_TENSORS:
        raise CorruptModel(f"it claims {key_count} keys and {tensor_count} tensors")
    metadata: dict[str, Value] = {}
    for _ in range(key_count):
        key = cursor.text(MAX_NAME)
        if key in metadata:
            raise CorruptModel(f"it has the key {key!r} twice")
        metadata[key] = cursor.value()
    found = [_tensor(cursor) for _ in range(tensor_count)]
    alignment = metadata.get("general.alignment", 32)
    if not isinstance(alignment, int) or alignment <= 0:
        raise CorruptModel(f"its alignment is {alignment}")
    start = -(-cursor.at // alignment) * alignment
    for tensor, end in found:
        if start + end > len(data):
            raise CorruptModel(f"it is cut short: it ends before the tensor {tensor.name!r} does")
    tensors = tuple(tensor for tensor, _ in found)
    count = sum(prod(tensor.shape) for tensor in tensors)
    return Gguf(path, MappingProxyType(metadata), tensors, count, max(0, len(data) - start))


def _tensor(cursor: Cursor) -> tuple[Tensor, int]:
    """A tensor and where it ends, counted from the start of all tensors."""
    name, dimensions = cursor.text(MAX_NAME), cursor.u32()
    if dimensions > 8:
        raise CorruptModel(f"its tensor {name!r} has {dimensions} dimensions")
    shape = tuple(cursor.u64() for _ in range(dimensions))
    if prod(shape) > _MAX_ELEMENTS:
        raise CorruptModel(f"its tensor {name!r} has the shape {shape}")
    number, offset = cursor.u32(), cursor.u64()
    kind = TENSOR_TYPES.get(number)
    end = offset + kind.bytes(prod(shape)) if kind else offset
    return Tensor(name, kind.name if kind else f"type {number}", shape), end
