"""Answers are kept for later requests, within bounds, and only for their owner's eyes."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Coroutine
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from puna.errors import ResponseNotFound, StoreError
from puna.service.requests import Caller, calls
from puna.service.responses import KeptResponses
from puna.service.rights import Rights
from puna.types import StoredResponse


def one(id_: str, previous: str = "", size: int = 10) -> StoredResponse:
    return StoredResponse(id_, previous, b"[]", b"x" * (size - 2))


def test_what_is_saved_can_be_loaded(tmp_path: Path) -> None:
    """Also by another server that is started later."""

    async def scene() -> None:
        assert await KeptResponses(tmp_path, limit=100).save(one("a"))
        assert one("a") == await KeptResponses(tmp_path, limit=100).load("a")

    asyncio.run(scene())


def test_a_conversation_comes_in_its_order(tmp_path: Path) -> None:
    """Each response and all that it went on from."""

    async def scene() -> None:
        kept = KeptResponses(tmp_path, limit=100)
        for response in (one("a"), one("b", "a"), one("other"), one("c", "b"), one("d", "a")):
            await kept.save(response)
        assert ["a", "b", "c"] == [response.id for response in await kept.conversation("c")]
        assert ["a", "d"] == [response.id for response in await kept.conversation("d")]

    asyncio.run(scene())


def test_a_conversation_that_lacks_something_is_not_found(tmp_path: Path) -> None:
    """Rather than gone on with as if nothing were missing; the error says what is."""

    async def scene() -> None:
        kept = KeptResponses(tmp_path, limit=100)
        await kept.save(one("a"))
        await kept.save(one("b", "a"))
        await kept.delete("a")
        with pytest.raises(ResponseNotFound) as missing:
            await kept.conversation("b")
        assert missing.value.id == "a"

    asyncio.run(scene())


def test_the_oldest_make_room(tmp_path: Path) -> None:
    """No more bytes are kept than may be."""

    async def scene() -> None:
        kept = KeptResponses(tmp_path, limit=25)
        for name in "abc":
            assert await kept.save(one(name))
        with pytest.raises(ResponseNotFound):
            await kept.load("a")
        assert one("b") == await kept.load("b")
        assert not await kept.save(one("huge", size=26))
        assert one("c") == await kept.load("c")

    asyncio.run(scene())


def test_what_was_never_kept_is_not_found(tmp_path: Path) -> None:
    """And asking writes nothing."""

    async def scene() -> None:
        kept = KeptResponses(tmp_path / "state", limit=100)
        for method in (kept.load, kept.conversation, kept.delete):
            with pytest.raises(ResponseNotFound):
                await method("a")
        assert not (tmp_path / "state").exists()
        assert not await KeptResponses(tmp_path / "state", limit=0).save(one("a"))
        assert not (tmp_path / "state").exists()

    asyncio.run(scene())


def test_only_the_owner_may_read_the_file(tmp_path: Path) -> None:
    """It holds what people said."""
    asyncio.run(KeptResponses(tmp_path, limit=100).save(one("a")))
    assert {0o600} == {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}


def test_a_file_that_is_none_is_an_error(tmp_path: Path) -> None:
    """One that says which file it is."""
    (tmp_path / "responses.sqlite3").write_bytes(b"this is not a database, but it is long enough to be read as one")
    with pytest.raises(StoreError, match=r"responses\.sqlite3"):
        asyncio.run(KeptResponses(tmp_path, limit=100).load("a"))


def asking_with(key: str, work: Coroutine[Any, Any, Any]) -> Any:
    """What ``work`` gives to a caller with that key."""

    async def scene() -> Any:
        calls(Caller("r", rights=Rights(key, frozenset({"admin"}))))
        return await work

    return asyncio.run(scene())


def test_an_answer_is_its_keys_alone(tmp_path: Path) -> None:
    """Nobody with another key, or without one, reads, goes on from or deletes it, whatever they may do else."""
    kept = KeptResponses(tmp_path, limit=100)
    asking_with("a", kept.save(one("mine")))
    asking_with("a", kept.save(one("next", "mine")))

    for other in ("b", ""):
        for work in (kept.load("mine"), kept.conversation("next"), kept.delete("mine")):
            with pytest.raises(ResponseNotFound):
                asking_with(other, work)
    assert one("mine") == asking_with("a", kept.load("mine"))
    assert [one("mine"), one("next", "mine")] == asking_with("a", kept.conversation("next"))
    asking_with("a", kept.delete("mine"))
    with pytest.raises(ResponseNotFound):
        asking_with("a", kept.load("mine"))


def test_answers_of_before_there_were_keys_stay(tmp_path: Path) -> None:
    """A file of an earlier puna is read on, and belongs to those who need no key."""
    with closing(sqlite3.connect(tmp_path / "responses.sqlite3")) as database, database:
        database.execute(
            "CREATE TABLE responses (number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, "
            "previous TEXT NOT NULL, items BLOB NOT NULL, body BLOB NOT NULL, size INTEGER NOT NULL)"
        )
        database.execute("INSERT INTO responses VALUES (1, 'old', '', ?, ?, 10)", (b"[]", b"x" * 8))
    kept = KeptResponses(tmp_path, limit=100)

    assert one("old") == asking_with("", kept.load("old"))
    with pytest.raises(ResponseNotFound):
        asking_with("a", kept.load("old"))
