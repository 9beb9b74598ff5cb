"""A pull that is interrupted goes on where it was, however it was interrupted.

The whole of the promise: ``PUNA_TEST_RESUME_MB=200 PUNA_TEST_RESUME_KILLS=20``. By default less is pulled.
"""

from __future__ import annotations

import json
import os
import signal
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from support.fault_proxy import FaultProxy
from support.transfers import Home, ask, noise

SIZE = int(os.environ.get("PUNA_TEST_RESUME_MB", "12")) * 1_000_000
KILLS = int(os.environ.get("PUNA_TEST_RESUME_KILLS", "4"))
RATE = int(os.environ.get("PUNA_TEST_RESUME_RATE", "6000000"))


@pytest.fixture
def own(tmp_path: Path) -> Home:
    """A home of the test's own, since what serves it is killed."""
    (tmp_path / "home").mkdir()
    return Home(tmp_path / "home")


def published(proxy: FaultProxy, home: Home, running: Any, content: bytes) -> tuple[str, str]:
    """A model of ``content`` that only the registry has; its name and the digest of its weights."""
    name = f"{proxy.host}/team/noise"
    digest = home.add(name, content)
    pushed = ask(running, "/api/push", model=name, insecure=True)
    assert "success" == pushed.statuses[-1], pushed.error
    running.call("DELETE", "/api/delete", {"model": name})
    proxy.clear()
    return name, digest


def kill_when(running: Any, name: str, digest: str, bytes_there: int) -> int:
    """Pull until so many bytes are there, then kill the server; give how many were there at first."""
    body = json.dumps({"model": name, "insecure": True}).encode()
    first = -1
    with urllib.request.urlopen(urllib.request.Request(f"{running.url}/api/pull", body), timeout=60) as reply:
        for line in reply:
            step = json.loads(line)
            assert "error" not in step, step
            if step.get("digest") != digest:
                continue
            first = step.get("completed", 0) if first < 0 else first
            if step.get("completed", 0) >= bytes_there:
                running.process.send_signal(signal.SIGKILL)
                running.process.wait()
                return first
    raise AssertionError(f"the pull ended before {bytes_there} bytes were there")


def test_a_server_killed_again_and_again_fetches_hardly_more(
    running: Any, start_server: Any, home: Home, own: Home, proxy: FaultProxy
) -> None:
    """However often the server is killed during a pull, the blob is transferred less than 1.1 times, and is right."""
    content = noise(SIZE)
    name, digest = published(proxy, home, running, content)
    proxy.rate = RATE
    store, resumed_at = own.folder / "store", []
    for kill in range(1, KILLS + 1):
        with start_server(store, **own.environ) as server:
            resumed_at.append(kill_when(server, name, digest, SIZE * kill // (KILLS + 1)))
    with start_server(store, **own.environ) as server:
        pulled = ask(server, "/api/pull", model=name, insecure=True)
    assert "success" == pulled.statuses[-1], pulled.error
    assert content == own.content(digest)
    assert sorted(resumed_at) == resumed_at
    transferred = sum(seen.sent for seen in proxy.asked("GET", f"/blobs/{digest}"))
    print(f"{KILLS} kills, {SIZE} bytes: {transferred / SIZE:.3f} times transferred")  # noqa: T201 - the figure
    assert SIZE <= transferred < 1.1 * SIZE


def test_a_client_that_leaves_and_comes_back_finds_what_was_there(running: Any, home: Home, proxy: FaultProxy) -> None:
    """Cancelling a pull keeps what was fetched; the next pull fetches the rest."""
    content = noise(6_000_000, seed=2)
    name, digest = published(proxy, home, running, content)
    proxy.rate = 6_000_000
    body = json.dumps({"model": name, "insecure": True}).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{running.url}/api/pull", body), timeout=60) as reply:
        for line in reply:
            if json.loads(line).get("completed", 0) >= 3_000_000:
                break
    pulled = ask(running, "/api/pull", model=name, insecure=True)
    assert "success" == pulled.statuses[-1], pulled.error
    assert content == home.content(digest)
    assert next(step for step in pulled.steps if step.get("digest") == digest)["completed"] >= 2_000_000
    assert sum(seen.sent for seen in proxy.asked("GET", f"/blobs/{digest}")) < 1.2 * len(content)
