"""How GGUF lays out its values: a cursor that walks a mapped header, and the arrays it leaves where they are.

The header comes from strangers, so nothing in it is believed: every length is checked against the file, and every
count against a bound, before anything is allocated or looped over.
"""

from __future__ import annotations

import mmap
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import repeat
from math import isfinite
from pathlib import Path

from puna.errors import CorruptModel, StoreError

Scalar = int | float | bool | str

MAX_NAME = (1 << 16) - 1
_MAX_TEXT = 64 << 20
_MAX_TEXTS = 1 << 24
"""Texts in all arrays of one file: stepping over one takes time however short it is."""
_MAX_READ = 1 << 22
"""Elements of an array that is read; the largest vocabularies have a quarter of it."""

_FLOAT32, _TEXT, _ARRAY = 6, 8, 9
_LAYOUTS: Mapping[int, struct.Struct] = {
    kind: struct.Struct("<" + code) for kind, code in enumerate("BbHhIif?--Qqd") if code != "-"
}
_U32, _U64 = struct.Struct("<I"), struct.Struct("<Q")

_BLOCK = 64
_SHORT_TEXTS = re.compile(
    b"(?>" + b"|".join(re.escape(_U64.pack(n)) + b".{%d}" % n for n in range(64)) + b"){%d}+" % _BLOCK, re.DOTALL
)
"""``_BLOCK`` texts in a row, each of less than 64 bytes: what nearly every block of a vocabulary is. Matching it steps
over a vocabulary two to three times as fast as unpacking every length."""


@dataclass(frozen=True, slots=True)
class Array:
    """An array left in the file, from ``start`` to ``end``; ``len`` counts its elements, ``read`` fetches them."""

    path: Path
    kind: int
    count: int
    start: int
    end: int

    def __len__(self) -> int:
        return self.count

    def read(self) -> list[Scalar]:
        """The elements; texts that are not UTF-8 have replacement characters.

        Raises:
            CorruptModel: it is too large to be true, or the file has changed.
            StoreError: the file cannot be read.
        """
        if self.count > _MAX_READ or self.end - self.start > _MAX_TEXT:
            raise CorruptModel(f"{self.path.name} has an array of {self.count} elements")
        with map_file(self.path) as data:
            raw = data[self.start : self.end]
        try:
            if self.kind == _TEXT:
                return _texts(raw, self.count)
            values = struct.unpack(f"<{self.count}{_LAYOUTS[self.kind].format[1:]}", raw)
        except struct.error as error:
            raise CorruptModel(f"{self.path.name} has changed") from error
        return [_shortest(value) for value in values] if self.kind == _FLOAT32 else list(values)

    def text_at(self, index: int) -> str:
        """The text at ``index``, "" where there is none; only what is before it is looked at. Raises as ``read``."""
        if self.kind != _TEXT or not 0 <= index < self.count:
            return ""
        with map_file(self.path) as data:
            at = self.start
            try:
                for _ in range(index):
                    at += _U64.size + _U64.unpack_from(data, at)[0]
                size = _U64.unpack_from(data, at)[0]
            except struct.error as error:
                raise CorruptModel(f"{self.path.name} has changed") from error
            return data[at + _U64.size : at + _U64.size + size].decode("utf-8", "replace")


Value = Scalar | Array


def map_file(path: Path) -> mmap.mmap:
    """Map the file at ``path`` for reading.

    Raises:
        CorruptModel: it is empty.
        StoreError: it cannot be opened.
    """
    try:
        with path.open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except ValueError as error:
        raise CorruptModel(f"{path.name} is empty") from error
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}") from error


class Cursor:
    """A place in a mapped file, ``at`` bytes from its start. What would pass the end is ``CorruptModel``."""

    def __init__(self, path: Path, data: mmap.mmap) -> None:
        self._path = path
        self._data = data
        self._texts = 0
        self.at = 0

    def take(self, count: int) -> bytes:
        """The next ``count`` bytes."""
        start = self.at
        self._step(count)
        return self._data[start : self.at]

    def u32(self) -> int:
        """An unsigned 32-bit number."""
        return int.from_bytes(self.take(4), "little")

    def u64(self) -> int:
        """An unsigned 64-bit number."""
        return int.from_bytes(self.take(8), "little")

    def text(self, limit: int = _MAX_TEXT) -> str:
        """A text of at most ``limit`` bytes."""
        length = self.u64()
        if length > limit:
            raise CorruptModel(f"it has a text of {length} bytes")
        return self.take(length).decode("utf-8", "replace")

    def value(self) -> Value:
        """A value, after the number of its type."""
        kind = self.u32()
        if kind == _TEXT:
            return self.text()
        if kind == _ARRAY:
            return self._array(self.u32(), self.u64())
        layout = _layout(kind)
        scalar: int | float | bool = layout.unpack(self.take(layout.size))[0]
        return _shortest(scalar) if kind == _FLOAT32 else scalar

    def _array(self, kind: int, count: int) -> Array:
        start = self.at
        if kind == _TEXT:
            self._texts += count
            if self._texts > _MAX_TEXTS:
                raise CorruptModel(f"it has an array of {count} texts")
            self._step_over_texts(count)
        else:
            self._step(count * _layout(kind).size)
        return Array(self._path, kind, count, start, self.at)

    def _step_over_texts(self, count: int) -> None:
        data, at = self._data, self.at
        match, unpack_from = _SHORT_TEXTS.match, _U64.unpack_from
        try:
            while count:
                if count >= _BLOCK and (found := match(data, at)):
                    at = found.end()
                    count -= _BLOCK
                    continue
                for _ in repeat(None, min(count, _BLOCK)):
                    at += 8 + unpack_from(data, at)[0]
                count -= min(count, _BLOCK)
        except (struct.error, OverflowError) as error:
            raise CorruptModel("it is cut short in an array of texts") from error
        self._step(at - self.at)

    def _step(self, count: int) -> None:
        if count > len(self._data) - self.at:
            raise CorruptModel("it is cut short in its header")
        self.at += count


def _layout(kind: int) -> struct.Struct:
    try:
        return _LAYOUTS[kind]
    except KeyError:
        raise CorruptModel(f"it has a value of the unknown type {kind}") from None


def _texts(raw: bytes, count: int) -> list[Scalar]:
    texts: list[Scalar] = []
    append, unpack_from, at = texts.append, _U64.unpack_from, 0
    for _ in repeat(None, count):
        end = at + 8 + unpack_from(raw, at)[0]
        append(raw[at + 8 : end].decode("utf-8", "replace"))
        at = end
    return texts


def _shortest(value: float) -> float:
    """The float that prints shortest of those equal to ``value`` as 32-bit floats: 1e-05, not 9.999999747378752e-06."""
    if not isfinite(value) or (value.is_integer() and abs(value) < 1e7):
        return value
    for digits in range(6, 9):
        short = float(f"{value:.{digits}g}")
        if struct.unpack("<f", struct.pack("<f", short))[0] == value:
            return short
    return float(f"{value:.9g}")
