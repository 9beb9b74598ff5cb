"""The child that quantizes: ``python -m puna.conversion.quantize PARENT SOURCE LEVEL`` writes GGUF to its output.

The size of every tensor is known before the first is quantized, so the file is written from its beginning to its end.
A few megabytes of it are in memory at a time, for each core that works at it.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from math import prod
from pathlib import Path
from typing import BinaryIO

from puna import gguf
from puna.conversion import Step, ggml, mixture, say
from puna.conversion.childhood import begin
from puna.errors import PunaError
from puna.gguf import writing
from puna.gguf.writing import Parts, Planned, Stored

_PIECE_ELEMENTS = 1 << 20
_QUANTIZATION_VERSION = 2
_STEPS = 200
"""How often progress is said, at most."""


def quantize(source: Path, level: str, out: BinaryIO, *, threads: int) -> None:
    """Write the model ``source`` to ``out``, quantized to ``level``; say each step.

    Raises:
        QuantizeFailed: it has numbers that cannot be quantized.
        CorruptModel, StoreError: it cannot be read.
    """
    types = mixture.choose(gguf.read(source), level)
    parts = writing.take_apart(source)
    stored = {tensor.name: tensor for tensor in parts.tensors}
    plan = [Planned(name, kind, stored[name].shape) for name, kind in types.items()]
    values = _values(parts, level)
    total = sum(tensor.size for tensor in parts.tensors)
    done = said = 0
    out.write(writing.header(values, plan))
    say(Step(0, total))
    with source.open("rb") as file, ThreadPoolExecutor(threads) as pool:
        # Copy on write, since ctypes takes the address of nothing that may not be written.
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        for tensor in plan:
            for piece, size in _pieces(pool, data, stored[tensor.name], tensor, ahead=2 * threads):
                out.write(piece)
                done += size
                if done - said >= total // _STEPS:
                    said = done
                    say(Step(done, total))
            out.write(writing.padding(values, tensor.size))
    say(Step(total, total))


def _values(parts: Parts, level: str) -> dict[str, bytes]:
    own = {"general.quantization_version": _QUANTIZATION_VERSION, "general.file_type": mixture.file_type(level)}
    kept = {key: value for key, value in parts.values.items() if key not in own and not key.startswith("split.")}
    return kept | {key: writing.encode(value) for key, value in own.items()}


def _pieces(
    pool: ThreadPoolExecutor, data: mmap.mmap, have: Stored, want: Planned, *, ahead: int
) -> Iterator[tuple[bytes | bytearray, int]]:
    """A tensor in its new type, piece by piece, each with the bytes it took before; ``ahead`` are worked at at once."""
    count = prod(have.shape)
    if not count:
        return
    columns = have.shape[0] if have.shape else 1
    rows = max(1, _PIECE_ELEMENTS // columns)
    width = have.size * columns // count
    start = ctypes.addressof(ctypes.c_char.from_buffer(data)) + have.start
    waiting: deque[tuple[Future[bytearray], int]] = deque()
    for first in range(0, count // columns, rows):
        these = min(rows, count // columns - first)
        at, size = first * width, these * width
        if have.type == want.type:
            yield data[have.start + at : have.start + at + size], size
            continue
        waiting.append((pool.submit(ggml.convert, start + at, have.type, want.type, these, columns), size))
        if len(waiting) > ahead:
            work, size = waiting.popleft()
            yield work.result(), size
    while waiting:
        work, size = waiting.popleft()
        yield work.result(), size


def main(argv: Sequence[str]) -> int:
    """Run the command line described at the top of this module."""
    parent, source, level = argv
    begin(int(parent))
    try:
        with os.fdopen(os.dup(1), "wb") as out:
            quantize(Path(source), level, out, threads=os.cpu_count() or 1)
    except (PunaError, OSError) as error:
        print(error, file=sys.stderr)  # noqa: T201 -- the last line is what the parent says of it
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
