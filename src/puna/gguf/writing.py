"""Writing GGUF files: a new header before tensors that come from other files, and split files joined into one.

What is not changed is copied byte for byte: values keep the types they had. Tensors are never held in memory.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

from puna.errors import CorruptModel
from puna.gguf import read
from puna.gguf.kinds import BY_NAME
from puna.gguf.layout import MAX_NAME, Cursor, Scalar, map_file

_VERSION = 3
_ALIGNMENT = 32
_PIECE = 1 << 22
"""Bytes that are copied at a time."""

_FLAG, _FLOAT32, _TEXT, _UINT32 = 7, 6, 8, 4


@dataclass(frozen=True, slots=True)
class Stored:
    """A tensor in a file: ``type`` as llama.cpp names it, ``size`` bytes from ``start``."""

    name: str
    type: str
    shape: tuple[int, ...]
    start: int
    size: int


@dataclass(frozen=True, slots=True)
class Parts:
    """A GGUF file taken apart: each key's value as its bytes, type included, and where each tensor lies."""

    path: Path
    values: Mapping[str, bytes]
    tensors: tuple[Stored, ...]


@dataclass(frozen=True, slots=True)
class Planned:
    """A tensor of a file to be written."""

    name: str
    type: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Its bytes."""
        return BY_NAME[self.type].bytes(prod(self.shape))


def take_apart(path: Path) -> Parts:
    """Read the header of the GGUF file at ``path`` so that it can be written again.

    Raises:
        CorruptModel: it is not GGUF, damaged, or has a tensor of a type puna does not know.
        StoreError: it cannot be opened.
    """
    header = read(path)  # which checks everything
    with map_file(path) as data:
        cursor = Cursor(path, data)
        cursor.take(8)
        _, key_count = cursor.u64(), cursor.u64()
        values: dict[str, bytes] = {}
        for _ in range(key_count):
            key, start = cursor.text(MAX_NAME), cursor.at
            cursor.value()
            values[key] = data[start : cursor.at]
        offsets = [_offset(cursor) for _ in header.tensors]
        start = _padded(cursor.at, _alignment(values))
    tensors = []
    for tensor, offset in zip(header.tensors, offsets, strict=True):
        if tensor.type not in BY_NAME:
            raise CorruptModel(f"{path.name} has a tensor of a type that is not known: {tensor.type}")
        size = Planned(tensor.name, tensor.type, tensor.shape).size
        tensors.append(Stored(tensor.name, tensor.type, tensor.shape, start + offset, size))
    return Parts(path, values, tuple(tensors))


def encode(value: Scalar) -> bytes:
    """The bytes of a value with those of its type: whole numbers take 32 bits, without a sign."""
    match value:
        case bool():
            return struct.pack("<I?", _FLAG, value)
        case int():
            return struct.pack("<II", _UINT32, value)
        case float():
            return struct.pack("<If", _FLOAT32, value)
        case str():
            return struct.pack("<I", _TEXT) + _text(value)


def header(values: Mapping[str, bytes], tensors: Sequence[Planned]) -> bytes:
    """The beginning of a file with these ``values`` and ``tensors``, up to where the first tensor starts.

    Each tensor follows the one before it, and is filled up with zeros by ``padding``.
    """
    parts = [b"GGUF", struct.pack("<IQQ", _VERSION, len(tensors), len(values))]
    for key, value in values.items():
        parts += [_text(key), value]
    offset, alignment = 0, _alignment(values)
    for tensor in tensors:
        shape = struct.pack(f"<I{len(tensor.shape)}Q", len(tensor.shape), *tensor.shape)
        parts += [_text(tensor.name), shape, struct.pack("<IQ", BY_NAME[tensor.type].number, offset)]
        offset = _padded(offset + tensor.size, alignment)
    written = b"".join(parts)
    return written + bytes(_padded(len(written), alignment) - len(written))


def padding(values: Mapping[str, bytes], size: int) -> bytes:
    """The zeros that follow a tensor of ``size`` bytes in a file with these ``values``."""
    return bytes(_padded(size, _alignment(values)) - size)


def rewritten(parts: Parts, values: Mapping[str, bytes], tensors: Mapping[str, Stored]) -> Iterator[bytes]:
    """The pieces of a file with these ``values`` and, by their names in it, ``tensors`` of ``parts``."""
    yield header(values, [Planned(name, tensor.type, tensor.shape) for name, tensor in tensors.items()])
    yield from _copied(parts.path, tensors.values(), values)


def joined(files: Sequence[Path]) -> tuple[int, Iterator[bytes]]:
    """The one file that ``files``, parts of a split model, make together: the bytes of its tensors, and its pieces.

    They may come in any order.

    Raises:
        CorruptModel: one of them is damaged, or they are not all the parts of one model.
        StoreError: one of them cannot be read.
    """
    parts = sorted((take_apart(file) for file in files), key=lambda one: _split_number(one, "split.no"))
    count = _split_number(parts[0], "split.count")
    numbers = [_split_number(one, "split.no") for one in parts]
    if count != len(numbers) or numbers != list(range(len(numbers))):
        have = ", ".join(str(number + 1) for number in numbers)
        raise CorruptModel(f"a model in {count} parts cannot be made of the parts {have}")
    tensors = [tensor for one in parts for tensor in one.tensors]
    told = _split_number(parts[0], "split.tensors.count")
    if len({tensor.name for tensor in tensors}) != told or len(tensors) != told:
        raise CorruptModel(f"the parts have {len(tensors)} tensors, and the model has {told}")
    return sum(tensor.size for tensor in tensors), _joined(parts)


def _joined(parts: Sequence[Parts]) -> Iterator[bytes]:
    values = {key: value for key, value in parts[0].values.items() if not key.startswith("split.")}
    plan = [Planned(tensor.name, tensor.type, tensor.shape) for one in parts for tensor in one.tensors]
    yield header(values, plan)
    for one in parts:
        yield from _copied(one.path, one.tensors, values)


def _copied(path: Path, tensors: Iterable[Stored], values: Mapping[str, bytes]) -> Iterator[bytes]:
    with map_file(path) as data:
        for tensor in tensors:
            for start in range(tensor.start, tensor.start + tensor.size, _PIECE):
                end = min(start + _PIECE, tensor.start + tensor.size)
                yield data[start:end]
                _forget(data, end)
            yield padding(values, tensor.size)


def _forget(data: mmap.mmap, end: int) -> None:
    """Let the system have the pages back that were copied: the file may be larger than the memory."""
    start = max(0, end - _PIECE) // mmap.PAGESIZE * mmap.PAGESIZE
    data.madvise(mmap.MADV_DONTNEED, start, end - start)


def _offset(cursor: Cursor) -> int:
    cursor.text(MAX_NAME)
    for _ in range(cursor.u32()):
        cursor.u64()
    cursor.u32()
    return cursor.u64()


def _split_number(parts: Parts, key: str) -> int:
    value = parts.values.get(key, b"")
    if len(value) not in (5, 6, 8, 12):
        raise CorruptModel(f"{parts.path.name} does not say {key}")
    return int.from_bytes(value[4:], "little")


def _alignment(values: Mapping[str, bytes]) -> int:
    value = values.get("general.alignment")
    return _ALIGNMENT if value is None else int.from_bytes(value[4:], "little")


def _padded(size: int, alignment: int) -> int:
    return -(-size // alignment) * alignment


def _text(text: str) -> bytes:
    # What is not UTF-8 was read with replacement characters, in names that nothing refers to.
    encoded = text.encode()
    return struct.pack("<Q", len(encoded)) + encoded
