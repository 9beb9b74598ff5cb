"""Safetensors files: which tensors they have, and where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from puna.errors import CorruptModel, StoreError

_MOST_HEADER = 100 << 20
_MOST_ROWS = 1 << 48
"""Along any dimension: what a GGUF file can say, and more than a file can have."""


class _Entry(msgspec.Struct, frozen=True):
    dtype: str
    shape: tuple[Annotated[int, Meta(ge=0, le=_MOST_ROWS)], ...]
    data_offsets: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor: ``dtype`` such as F32 or BF16, its bytes from ``start`` to ``end`` of the file."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int

    @property
    def count(self) -> int:
        """Its elements."""
        return prod(self.shape)


def read(path: Path) -> Mapping[str, Tensor]:
    """The tensors of the file at ``path`` by their names.

    Raises:
        CorruptModel: it is no safetensors file, or cut short.
        StoreError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            text = file.read(length) if length <= _MOST_HEADER else b""
            size = path.stat().st_size
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}") from error
    try:
        header = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
        entries = {
            name: msgspec.json.decode(raw, type=_Entry) for name, raw in header.items() if name != "__metadata__"
        }
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise CorruptModel(f"{path.name} is not a safetensors file: {error}") from error
    start = 8 + length
    tensors = {
        name: Tensor(one.dtype, one.shape, start + one.data_offsets[0], start + one.data_offsets[1])
        for name, one in entries.items()
    }
    if any(not start <= tensor.start <= tensor.end <= size for tensor in tensors.values()):
        raise CorruptModel(f"{path.name} is cut short")
    return tensors
