"""Compressed bodies are read as what they were, and only as far as a body may be long."""

from __future__ import annotations

import asyncio
import gzip
import random
import sys
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from starlette.requests import Request

from puna.errors import BodyTooLarge, InvalidRequest, UnsupportedEncoding
from puna.http.encoding import unpacked

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LIMIT = 3 << 20
HELLO = b'{"model": "smol", "messages": [{"role": "user", "content": "Hi"}]}'
PACK: dict[str, Callable[[bytes], bytes]] = {
    "zstd": zstd.compress,
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
}


def read(encoding: str | None, *parts: bytes, limit: int = LIMIT) -> bytes:
    """The body that arrives when ``parts`` are sent one after the other."""
    headers = [] if encoding is None else [(b"content-encoding", encoding.encode())]
    scope: Any = {"type": "http", "method": "POST", "headers": headers}
    messages = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    messages.append({"type": "http.request", "body": b"", "more_body": False})
    messages.append({"type": "http.disconnect"})

    async def receive() -> Any:
        return messages.pop(0)

    async def body() -> bytes:
        given = unpacked(scope, receive, limit)
        content = await Request(scope, given).body()
        assert "http.disconnect" == (await given())["type"], "the client's leaving is still heard of"
        return content

    return asyncio.run(body())


@pytest.mark.parametrize("encoding", sorted(PACK))
@pytest.mark.parametrize("step", [1, 7, 1 << 20])
def test_a_compressed_body_is_what_it_was(encoding: str, step: int) -> None:
    """However it is cut on its way, and however long it is."""
    content = HELLO if step < 100 else random.Random(1).randbytes(1_400_000) + bytes(1_600_000)
    packed = PACK[encoding](content)
    assert content == read(encoding, *(packed[at : at + step] for at in range(0, len(packed), step)))


@pytest.mark.parametrize("encoding", [None, "", "identity", "Identity"])
def test_a_body_that_is_not_compressed_is_left_alone(encoding: str | None) -> None:
    """Also when that is said."""
    assert HELLO == read(encoding, HELLO)


@pytest.mark.parametrize("encoding", ["ZSTD", "GZip"])
def test_an_encoding_has_no_case(encoding: str) -> None:
    """Names of encodings are read as HTTP has it."""
    assert HELLO == read(encoding, PACK[encoding.lower()](HELLO))


@pytest.mark.parametrize("encoding", ["zstd", "gzip"])
def test_a_body_may_be_compressed_in_parts(encoding: str) -> None:
    """As programs write it that compress what they have, and then the rest."""
    pack = PACK[encoding]
    assert HELLO == read(encoding, pack(HELLO[:9]) + pack(HELLO[9:20]), pack(HELLO[20:]))


def test_an_empty_body_is_empty() -> None:
    """A client may always say how it would compress one."""
    assert b"" == read("zstd")


@pytest.mark.parametrize("encoding", ["br", "compress", "zstd, gzip", "rot13"])
def test_other_encodings_are_refused_by_name(encoding: str) -> None:
    """The error says which there are."""
    with pytest.raises(UnsupportedEncoding) as caught:
        read(encoding, HELLO)
    assert 415 == caught.value.status
    assert encoding in str(caught.value)
    assert "zstd, gzip, deflate" in str(caught.value)


@pytest.mark.parametrize("encoding", sorted(PACK))
def test_damage_is_told_as_such(encoding: str) -> None:
    """What is no such data, and what ends too early, are the caller's errors."""
    with pytest.raises(InvalidRequest, match=f"not {encoding} data"):
        read(encoding, HELLO)
    with pytest.raises(InvalidRequest, match="breaks off"):
        read(encoding, PACK[encoding](HELLO)[:-3])
    with pytest.raises(InvalidRequest, match=f"not {encoding} data"):
        read(encoding, PACK[encoding](HELLO), b"and more")


@pytest.mark.parametrize("encoding", sorted(PACK))
def test_a_bomb_does_not_go_off(encoding: str) -> None:
    """A body that would unpack to far more than is allowed takes no more memory than one that is allowed."""
    bomb = PACK[encoding](bytes(48 << 20))
    tracemalloc.start()
    with pytest.raises(BodyTooLarge):
        read(encoding, bomb)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 4 * LIMIT


def test_the_limit_is_exact() -> None:
    """A body of just that length is read."""
    assert bytes(1000) == read("zstd", zstd.compress(bytes(1000)), limit=1000)
    with pytest.raises(BodyTooLarge):
        read("zstd", zstd.compress(bytes(1001)), limit=1000)


def test_a_window_is_no_larger_than_http_allows() -> None:
    """The server keeps no more than eight megabytes at hand for a body, whatever its header says."""
    wide = zstd.compress(bytes(1000), options={zstd.CompressionParameter.window_log: 27})
    large = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: 27})
    streamed = large.compress(bytes(1000)) + large.flush()
    assert bytes(1000) == read("zstd", wide)
    with pytest.raises(InvalidRequest, match="not zstd data"):
        read("zstd", streamed)
