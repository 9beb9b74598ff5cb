"""Answers that are kept for later requests to go on from, in one SQLite file."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from puna.errors import ResponseNotFound, StoreError
from puna.service.blocking import blocking
from puna.service.requests import caller
from puna.types import StoredResponse

_LAYOUT = """
CREATE TABLE IF NOT EXISTS responses (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    owner TEXT NOT NULL DEFAULT '',
    id TEXT NOT NULL UNIQUE,
    previous TEXT NOT NULL,
    items BLOB NOT NULL,
    body BLOB NOT NULL,
    size INTEGER NOT NULL
)
"""

_ADD_OWNERS = "ALTER TABLE responses ADD COLUMN owner TEXT NOT NULL DEFAULT ''"
"""What makes a file of before there were keys one of today."""

_ONE = "SELECT id, previous, items, body FROM responses WHERE id = ? AND owner = ?"

_CHAIN = """
WITH RECURSIVE chain AS (
    SELECT owner, number, id, previous, items, body FROM responses WHERE id = ? AND owner = ?
    UNION ALL
    SELECT earlier.owner, earlier.number, earlier.id, earlier.previous, earlier.items, earlier.body
    FROM responses AS earlier JOIN chain ON earlier.id = chain.previous AND earlier.owner = chain.owner
)
SELECT id, previous, items, body FROM chain ORDER BY number
"""

_FORGET_OLDEST = "DELETE FROM responses WHERE number = (SELECT min(number) FROM responses) RETURNING size"

_BUSY_SECONDS = 5.0
"""How long another process that uses the same file is waited for."""


class KeptResponses:
    """Keeps answers in the directory ``folder``, at most ``limit`` bytes of them; the oldest go first.

    An answer belongs to the key it was asked for with: for callers with another one, or none, it is not there.
    Nothing is written, and no directory made, before there is an answer to keep. Every method raises StoreError when
    the file cannot be used.
    """

    def __init__(self, folder: Path, *, limit: int) -> None:
        self._path = folder / "responses.sqlite3"
        self._limit = limit

    async def save(self, response: StoredResponse) -> bool:
        """Keep an answer; false if it alone is larger than all may be."""
        size = len(response.items) + len(response.body)
        if size > self._limit:
            return False
        await blocking(self._save, response, size)
        return True

    async def load(self, id_: str) -> StoredResponse:
        """The answer of that id.

        Raises:
            ResponseNotFound: it is not kept.
        """
        found = await blocking(self._read, _ONE, id_)
        if not found:
            raise ResponseNotFound(id_)
        return found[0]

    async def conversation(self, id_: str) -> Sequence[StoredResponse]:
        """The answer of that id and all that it went on from, the first one first.

        Raises:
            ResponseNotFound: one of them is not kept.
        """
        found = await blocking(self._read, _CHAIN, id_)
        if not found or found[0].previous:
            raise ResponseNotFound(found[0].previous if found else id_)
        return found

    async def delete(self, id_: str) -> None:
        """Forget the answer of that id.

        Raises:
            ResponseNotFound: it is not kept.
        """
        if not await blocking(self._delete, id_):
            raise ResponseNotFound(id_)

    def _save(self, response: StoredResponse, size: int) -> None:
        with self._opened() as database:
            database.execute(
                "INSERT INTO responses (owner, id, previous, items, body, size) VALUES (?, ?, ?, ?, ?, ?)",
                (_owner(), response.id, response.previous, response.items, response.body, size),
            )
            (total,) = database.execute("SELECT sum(size) FROM responses").fetchone()
            while total > self._limit:
                (freed,) = database.execute(_FORGET_OLDEST).fetchone()
                total -= freed

    def _read(self, query: str, id_: str) -> list[StoredResponse]:
        if not self._path.exists():
            return []
        with self._opened() as database:
            return [StoredResponse(*row) for row in database.execute(query, (id_, _owner()))]

    def _delete(self, id_: str) -> bool:
        if not self._path.exists():
            return False
        with self._opened() as database:
            gone = database.execute("DELETE FROM responses WHERE id = ? AND owner = ?", (id_, _owner()))
            return gone.rowcount > 0

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        """The file, for one transaction."""
        try:
            if not self._path.exists():
                self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                # What people said to a model is nobody else's to read.
                os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
            with closing(sqlite3.connect(self._path, timeout=_BUSY_SECONDS)) as database, database:
                database.execute("PRAGMA secure_delete = ON")
                database.execute(_LAYOUT)
                if "owner" not in {column[1] for column in database.execute("PRAGMA table_info(responses)")}:
                    database.execute(_ADD_OWNERS)
                yield database
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"the answers that are kept cannot be read or written: {self._path}: {error}") from error


def _owner() -> str:
    return caller().rights.key
