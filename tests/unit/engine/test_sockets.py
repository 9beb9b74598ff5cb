"""Where engines' sockets are: nothing stays behind, and nothing of another server's goes."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from puna.engine.sockets import Sockets, _remove_left_behind


@pytest.fixture
def parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty directory for temporary files."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    shutil.rmtree(folder)


def test_each_engine_has_a_socket_in_a_private_directory(parent: Path) -> None:
    """Nobody else may look into it, and it is gone when the server has ended."""
    sockets = Sockets()
    first, second = sockets.new(), sockets.new()
    assert first != second
    assert first.parent == second.parent
    assert parent == first.parent.parent
    assert 0o700 == first.parent.stat().st_mode & 0o777
    sockets.close()
    assert [] == list(parent.iterdir())
    sockets.close()


def test_a_directory_that_was_tidied_away_is_made_again(parent: Path) -> None:
    """Systems clear their temporary files after some days; a server that was idle meanwhile goes on."""
    sockets = Sockets()
    shutil.rmtree(sockets.new().parent)
    assert sockets.new().parent.is_dir()
    sockets.close()


def test_what_a_killed_server_left_is_removed(parent: Path) -> None:
    """A new server does it; what a living one uses, what is not its own, and what is just being made, stays."""
    living = Sockets()
    used = living.new().parent
    left, fresh, other = (parent / name for name in ("puna-engines-dead", "puna-engines-new", "puna-bench-1"))
    for folder in (left, fresh, other):
        folder.mkdir()
        (folder / "1.sock").touch()
    hour_ago = time.time() - 3600
    for folder in (used, left, other):
        os.utime(folder, (hour_ago, hour_ago))
    (parent / "puna-engines-file").touch()

    _remove_left_behind(parent, now=time.time())

    assert {used, fresh, other, parent / "puna-engines-file"} == set(parent.iterdir())
    living.close()


def test_a_long_path_gives_way_to_a_short_one(parent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket's path may have about a hundred bytes, and temporary folders of many have more."""
    long = parent / ("d" * 100)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    sockets = Sockets()
    assert Path("/tmp") == sockets.new().parent.parent
    assert [] == list(long.iterdir())
    sockets.close()
