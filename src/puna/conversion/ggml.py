"""GGML's functions that change the type of numbers, from the library that xllamacpp brings."""

from __future__ import annotations

import ctypes
import importlib.util
from functools import cache
from pathlib import Path

from puna.errors import QuantizeFailed
from puna.gguf.kinds import BY_NAME

_int64, _pointer, _size = ctypes.c_int64, ctypes.c_void_p, ctypes.c_size_t

_SIGNATURES = {
    "ggml_quantize_chunk": (_size, [ctypes.c_int, _pointer, _pointer, _int64, _int64, _int64, _pointer]),
    "ggml_validate_row_data": (ctypes.c_bool, [ctypes.c_int, _pointer, _size]),
    "ggml_fp16_to_fp32_row": (None, [_pointer, _pointer, _int64]),
    "ggml_bf16_to_fp32_row": (None, [_pointer, _pointer, _int64]),
}
_TO_FLOAT32 = {"F16": "ggml_fp16_to_fp32_row", "BF16": "ggml_bf16_to_fp32_row"}


@cache
def library() -> ctypes.CDLL:
    """The library, with the signatures of what is used of it.

    Raises:
        QuantizeFailed: it is not there, or does not have these functions.
    """
    found = importlib.util.find_spec("xllamacpp")
    folders = (found.submodule_search_locations if found else None) or []
    for path in (path for folder in folders for path in sorted(Path(folder).glob("xllamacpp*.so"))):
        loaded = ctypes.CDLL(str(path))
        try:
            for name, (result, arguments) in _SIGNATURES.items():
                function = getattr(loaded, name)
                function.restype, function.argtypes = result, arguments
        except AttributeError as error:
            raise QuantizeFailed(f"this release of xllamacpp cannot quantize: {error}") from error
        return loaded
    raise QuantizeFailed("quantizing needs the package xllamacpp, which is not installed")


def convert(source: int, have: str, want: str, rows: int, columns: int) -> bytearray:
    """``rows`` of ``columns`` numbers each, which lie at the address ``source`` as type ``have``, as type ``want``.

    Raises:
        QuantizeFailed: there is one among them that is infinite or no number at all.
    """
    ggml, kind = library(), BY_NAME[want]
    result = bytearray(kind.bytes(rows * columns))
    target = ctypes.addressof(ctypes.c_char.from_buffer(result))
    floats = source
    if have != "F32":
        widened = (ctypes.c_float * (rows * columns))()
        floats = ctypes.addressof(widened)
        getattr(ggml, _TO_FLOAT32[have])(source, floats, rows * columns)
    ggml.ggml_quantize_chunk(kind.number, floats, target, 0, rows, columns, None)
    given = BY_NAME[have]
    if not (
        ggml.ggml_validate_row_data(given.number, source, given.bytes(rows * columns))
        and ggml.ggml_validate_row_data(kind.number, target, len(result))
    ):
        raise QuantizeFailed("the weights have values that are infinite or not numbers")
    return result
