"""A store whose disk is full, or may only be read, through a real server: everything refused, nothing lost."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import urllib.error
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support.registry_peer import RegistryPeer
from support.transfers import Home, ask, noise

FAULT = """
import os
from puna.store.disk import Disk

def faulty(method):
    def call(*arguments):
        if os.path.exists(os.environ["TEST_DISK_FAULT"]):
            number = int(open(os.environ["TEST_DISK_FAULT"]).read())
            raise OSError(number, os.strerror(number))
        return method(*arguments)
    return call

for name in os.environ["TEST_DISK_METHODS"].split():
    setattr(Disk, name, faulty(getattr(Disk, name)))
"""
"""Run at the start of the server: every change of its store fails while a file says with which error."""

WRITES = "create write make_directory"
CHANGES = f"{WRITES} rename link clone touch remove remove_directory sync"


@contextmanager
def served(home: Home, start_server: Callable[..., Any], methods: str) -> Iterator[tuple[Any, Path]]:
    """A server, and the file that says what is wrong with its disk."""
    code, fault = home.folder / "code", home.folder / "fault"
    code.mkdir()
    (code / "sitecustomize.py").write_text(FAULT)
    path = os.pathsep.join(filter(None, [str(code), os.environ.get("PYTHONPATH", "")]))
    environ = {"PYTHONPATH": path, "TEST_DISK_FAULT": str(fault), "TEST_DISK_METHODS": methods}
    with start_server(home.folder / "store", **home.environ, **environ) as running:
        yield running, fault


def refused(running: Any, method: str, path: str, body: Any = None, data: bytes | None = None) -> str:
    with pytest.raises(urllib.error.HTTPError) as caught:
        running.call(method, path, body, data=data)
    with caught.value as reply:
        assert 500 == reply.code
        return str(json.loads(reply.read())["error"])


def names(running: Any) -> list[str]:
    return [model["name"] for model in running.call("GET", "/api/tags")["models"]]


@pytest.mark.parametrize(
    "wrong",
    [(errno.ENOSPC, WRITES, "the disk of the model store is full"), (errno.EROFS, CHANGES, "ead-only file system")],
    ids=["full", "read-only"],
)
def test_nothing_is_lost(
    wrong: tuple[int, str, str], tmp_path: Path, peer: RegistryPeer, start_server: Callable[..., Any]
) -> None:
    """What cannot be written is an error that says why; models stay, are served, and the same works once it can."""
    number, methods, says = wrong
    home, name, content = Home(tmp_path), f"{peer.host}/team/noise", noise(300_000)
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    with served(home, start_server, methods) as (running, fault):
        home.add(name, content)
        assert "success" == ask(running, "/api/push", model=name, insecure=True).statuses[-1]
        home.add("stays", b"weights")
        running.call("DELETE", "/api/delete", {"model": name})
        fault.write_text(str(number))
        other = noise(1000, seed=2)
        upload = f"/api/blobs/sha256:{hashlib.sha256(other).hexdigest()}"
        assert says in refused(running, "POST", upload, data=other)
        assert says in refused(running, "POST", "/api/copy", {"source": "stays", "destination": "copy"})
        assert says in ask(running, "/api/pull", model=name, insecure=True).error
        assert ["stays:latest"] == names(running)
        fault.unlink()
        assert running.call("POST", upload, data=other) is None
        running.call("POST", "/api/copy", {"source": "stays", "destination": "copy"})
        assert "success" == ask(running, "/api/pull", model=name, insecure=True).statuses[-1]
        assert {"stays:latest", "copy:latest", f"{name}:latest"} == set(names(running))
    assert content == home.content(digest)
