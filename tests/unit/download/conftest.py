"""A server of one file, and a store to download into."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from puna.download import Downloads, Patience, Wanted
from puna.names import Digest
from puna.store.blobs import Blobs
from support.file_server import FileServer

SIZE = 1_000_003


@pytest.fixture
def server() -> Iterator[FileServer]:
    with FileServer(random.Random(7).randbytes(SIZE)) as found:
        yield found


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "blobs")


@pytest.fixture
def downloads(blobs: Blobs) -> Callable[[], Downloads]:
    """Downloads that give up soon; made inside a running loop."""
    patience = Patience(stall=0.3, tries=3, pause=0.01, longest_pause=0.02)
    return lambda: Downloads(blobs, connections=4, patience=patience)


@pytest.fixture
def fetch(downloads: Callable[[], Downloads]) -> Callable[[Wanted], list[int | Digest]]:
    """Download to the end; give everything that was told meanwhile."""

    def run(wanted: Wanted) -> list[int | Digest]:
        async def told() -> list[int | Digest]:
            return [step async for step in downloads().fetch(wanted)]

        return asyncio.run(told())

    return run
