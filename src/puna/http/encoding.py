"""Bodies that come compressed: ``Content-Encoding`` zstd, gzip or deflate.

A few bytes can hold gigabytes, so a body is unpacked piece by piece, and no further than it may be long.
"""

from __future__ import annotations

import asyncio
import sys
import zlib
from collections.abc import Callable
from functools import partial
from typing import Protocol

from starlette.types import Message, Receive, Scope

from puna.errors import BodyTooLarge, InvalidRequest, UnsupportedEncoding

_PIECE = 1 << 20
"""Bytes that are unpacked at once; others have their turn in between."""

_WINDOW_BITS = 23
"""Eight megabytes, the most that RFC 9659 lets a body ask its receiver to keep at hand."""


class _Unpacker(Protocol):
    """The form that Python's unpackers have."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = ...) -> bytes: ...


class _Zlib:
    """Python's zlib in the form of its other unpackers."""

    def __init__(self, bits: int) -> None:
        self._inner = zlib.decompressobj(bits)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int = 0) -> bytes:
        piece = self._inner.decompress(self._inner.unconsumed_tail + data, max_length)
        # What it has read may come to more than it was allowed to say.
        self.needs_input = len(piece) < max_length and not self._inner.unconsumed_tail
        return piece


_Made = tuple[_Unpacker, type[Exception]]
"""An unpacker, and what it raises of damaged data."""


def _zstd() -> _Made:
    # It takes longer to import than most of puna, and few clients compress.
    if sys.version_info >= (3, 14):
        from compression import zstd  # noqa: PLC0415
    else:
        from backports import zstd  # noqa: PLC0415

    options: dict[int, int] = {zstd.DecompressionParameter.window_log_max: _WINDOW_BITS}
    return zstd.ZstdDecompressor(options=options), zstd.ZstdError


def _zlib(bits: int) -> _Made:
    return _Zlib(bits), zlib.error


_UNPACKERS: dict[str, Callable[[], _Made]] = {
    "zstd": _zstd,
    "gzip": partial(_zlib, zlib.MAX_WBITS | 16),
    "x-gzip": partial(_zlib, zlib.MAX_WBITS | 16),
    "deflate": partial(_zlib, zlib.MAX_WBITS),
}

ENCODINGS = ("zstd", "gzip", "deflate")
"""What a body may be compressed with."""


def unpacked(scope: Scope, receive: Receive, limit: int) -> Receive:
    """``receive``, giving the body as it was before it was compressed.

    Raises, when it is called:
        UnsupportedEncoding: it is compressed in a way that is not known here, or in several.
        BodyTooLarge: there are more than ``limit`` bytes in it.
        InvalidRequest: it is damaged, or breaks off.
    """
    said = [value.decode("latin-1") for name, value in scope["headers"] if name == b"content-encoding"]
    encoding = ", ".join(said).strip().lower()
    if encoding in ("", "identity"):
        return receive
    return _Unpacked(receive, encoding, limit)


class _Unpacked:
    """Gives the messages of a request, unpacked."""

    def __init__(self, receive: Receive, encoding: str, limit: int) -> None:
        self._receive = receive
        self._encoding = encoding
        self._limit = limit
        self._make = _UNPACKERS.get(encoding)
        self._unpacker: _Unpacker | None = None
        self._damage: type[Exception] = Exception
        self._packed = b""
        self._size = 0
        self._all_here = False
        self._ended = False

    async def __call__(self) -> Message:
        """The next message."""
        if self._make is None:
            raise UnsupportedEncoding(self._encoding, ENCODINGS)
        while not self._ended:
            if not self._packed and not self._all_here and self._is_hungry():
                message = await self._receive()
                if message["type"] != "http.request":
                    return message
                self._packed = message.get("body", b"")
                self._all_here = not message.get("more_body", False)
            if piece := self._piece(self._make):
                await asyncio.sleep(0)
                return {"type": "http.request", "body": piece, "more_body": True}
            if self._all_here and not self._packed and self._is_hungry():
                self._end()
                return {"type": "http.request", "body": b"", "more_body": False}
        return await self._receive()

    def _is_hungry(self) -> bool:
        return self._unpacker is None or self._unpacker.eof or self._unpacker.needs_input

    def _piece(self, make: Callable[[], _Made]) -> bytes:
        """More of the body; nothing, if that takes more of what is still to come."""
        if self._unpacker is None or self._unpacker.eof:
            if not self._packed:
                return b""
            # Some programs compress in parts, each for itself.
            self._unpacker, self._damage = make()
        try:
            piece = self._unpacker.decompress(self._packed, _PIECE)
        except self._damage as error:
            raise InvalidRequest(f"the request body is not {self._encoding} data: {error}") from error
        self._packed = self._unpacker.unused_data if self._unpacker.eof else b""
        self._size += len(piece)
        if self._size > self._limit:
            raise BodyTooLarge(self._size, self._limit)
        return piece

    def _end(self) -> None:
        self._ended = True
        if self._unpacker is not None and not self._unpacker.eof:
            raise InvalidRequest(f"the request body breaks off in the middle of its {self._encoding} data")
