"""Whatever a registry, or the line to it, does wrong: a pull or push succeeds, or says why not. It is never wrong."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

from puna.download import Downloads, Patience
from puna.errors import Unreachable
from puna.events import Progress
from puna.service.pull import pull
from puna.types import PullRequest
from support.fault_proxy import (
    Answer,
    Cut,
    CutUpload,
    Fault,
    FaultProxy,
    Flip,
    Redirect,
    Shorten,
    Slow,
    Stall,
    WithoutRange,
    WrongRange,
    fault_proxy,
)
from support.registry_peer import RegistryPeer, registry
from support.token_server import by_password, token_server
from support.transfers import Home, ask, noise

SIZE = 1_000_000
BLOB = "/blobs/sha256"
UPLOAD = "/blobs/uploads/"
MANIFEST = "/manifests/"
UNAVAILABLE = Answer(503, body=b"busy")


@pytest.fixture
def published(running: Any, home: Home, proxy: FaultProxy, request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """A model that only the registry has: its name, and the digest of its weights, which no other test has."""
    name = f"{proxy.host}/team/noise"
    digest = home.add(name, noise(SIZE, seed=crc32(request.node.name.encode())))
    pushed = ask(running, "/api/push", model=name, insecure=True)
    assert "success" == pushed.statuses[-1], pushed.error
    running.call("DELETE", "/api/delete", {"model": name})
    proxy.clear()
    yield name, digest
    if any(model["name"].startswith(proxy.host) for model in running.call("GET", "/api/tags")["models"]):
        running.call("DELETE", "/api/delete", {"model": name})


@pytest.mark.parametrize(
    ("method", "target", "fault", "times"),
    [
        ("GET", BLOB, Cut(), 2),
        ("GET", BLOB, Cut(300_000), 2),
        ("GET", BLOB, Cut(300_000, reset=False), 2),
        ("GET", BLOB, Shorten(300_000), 1),
        ("GET", BLOB, Flip(400_000), 1),
        ("GET", BLOB, UNAVAILABLE, 2),
        ("GET", BLOB, Answer(500), 1),
        ("GET", BLOB, Answer(429, {"Retry-After": "1"}), 1),
        ("GET", BLOB, Answer(416), 1),
        ("GET", BLOB, WrongRange(7), 1),
        ("GET", BLOB, WithoutRange(), None),
        ("GET", BLOB, Slow(2_000_000), 1),
        ("GET", MANIFEST, UNAVAILABLE, 2),
        ("GET", MANIFEST, Cut(), 1),
        ("GET", MANIFEST, Cut(100), 1),
        ("GET", MANIFEST, Answer(429, {"Retry-After": "1"}), 1),
    ],
)
def test_a_pull_outlives_a_fault(  # noqa: PLR0917 - a table's columns
    running: Any,
    home: Home,
    proxy: FaultProxy,
    published: tuple[str, str],
    method: str,
    target: str,
    fault: Fault,
    times: int | None,
) -> None:
    """A fault that passes is not the user's business: the model is there, and it is right."""
    name, digest = published
    proxy.on(method, target, fault, times=times)
    pulled = ask(running, "/api/pull", model=name, insecure=True)
    assert "success" == pulled.statuses[-1], pulled.error
    assert any(seen.fault == fault for seen in proxy.seen)
    assert SIZE == len(home.content(digest))


@pytest.mark.parametrize(
    ("method", "target", "fault", "words"),
    [
        ("GET", BLOB, Answer(403, body=b"not for you"), "403"),
        ("GET", BLOB, Answer(404), "does not exist"),
        ("GET", BLOB, Flip(400_000), "digest mismatch, file must be downloaded again"),
        ("GET", MANIFEST, Answer(404), "pull model manifest: file does not exist"),
        ("GET", MANIFEST, Answer(403, body=b"not for you"), "403: not for you"),
        ("GET", MANIFEST, Answer(401), "unauthorized"),
        ("GET", MANIFEST, Answer(200, body=b"<html>welcome</html>"), "not the manifest of a model"),
        ("GET", MANIFEST, Shorten(100), "not the manifest of a model"),
        ("GET", MANIFEST, Answer(429, {"Retry-After": "3600"}), "429"),
        ("GET", MANIFEST, Answer(302, {"Location": "/elsewhere"}), "does not exist"),
        ("GET", MANIFEST, Answer(302, {"Location": "ftp://127.0.0.1/x"}), "ftp"),
    ],
)
def test_a_pull_that_cannot_succeed_says_why(  # noqa: PLR0917 - a table's columns
    running: Any,
    home: Home,
    proxy: FaultProxy,
    published: tuple[str, str],
    method: str,
    target: str,
    fault: Fault,
    words: str,
) -> None:
    """A fault that stays is an error in words, soon, and no model and no wrong blob come of it."""
    name, digest = published
    proxy.on(method, target, fault, times=None)
    if isinstance(fault, Answer):
        proxy.on("HEAD", target, fault, times=None)
    begun = time.monotonic()
    pulled = ask(running, "/api/pull", model=name, insecure=True)
    assert words in pulled.error
    assert time.monotonic() - begun < 20
    assert not home.has(digest)
    assert name not in [model["name"] for model in running.call("GET", "/api/tags")["models"]]


async def pulled_impatiently(home: Home, name: str) -> Progress:
    """Pull in this process, with little patience; the last step."""
    patience = Patience(stall=0.3, tries=3, pause=0.01, longest_pause=0.02)
    downloads = Downloads(home.store.blobs, connections=2, patience=patience)
    last = Progress("")
    async with aclosing(pull(home.store, downloads, PullRequest(name, insecure=True))) as steps:
        async for step in steps:
            last = step
    await downloads.close()
    return last


@pytest.mark.parametrize(("fault", "times"), [(Stall(), 2), (Stall(300_000), 1), (Stall(300_000), None)])
def test_a_pull_outlives_stalls(
    home: Home, proxy: FaultProxy, published: tuple[str, str], fault: Fault, times: int | None
) -> None:
    """A connection on which nothing comes any more is given up in time and another goes on, as long as bytes come."""
    name, digest = published
    proxy.on("GET", BLOB, fault, times=times)
    begun = time.monotonic()
    assert Progress("success") == asyncio.run(pulled_impatiently(home, name))
    assert time.monotonic() - begun < 10
    assert SIZE == len(home.content(digest))


def test_a_pull_that_stalls_for_good_ends(home: Home, proxy: FaultProxy, published: tuple[str, str]) -> None:
    """A registry that never sends a byte is given up after a few tries, and the error says what was waited for."""
    name, digest = published
    proxy.on("GET", BLOB, Stall(), times=None)
    begun = time.monotonic()
    with pytest.raises(Unreachable, match="no answer in time"):
        asyncio.run(pulled_impatiently(home, name))
    assert time.monotonic() - begun < 10
    assert not home.has(digest)


@pytest.mark.parametrize(
    ("method", "target", "fault", "times"),
    [
        ("HEAD", BLOB, UNAVAILABLE, 1),
        ("POST", UPLOAD, UNAVAILABLE, 1),
        ("POST", UPLOAD, Cut(), 1),
        ("PATCH", UPLOAD, UNAVAILABLE, 1),
        ("PATCH", UPLOAD, Answer(429, {"Retry-After": "1"}), 1),
        ("PATCH", UPLOAD, Answer(413), 1),
        ("PATCH", UPLOAD, Cut(), 1),
        ("PATCH", UPLOAD, CutUpload(300_000), 1),
        ("PATCH", UPLOAD, CutUpload(300_000, deliver=True), 1),
        ("PUT", UPLOAD, UNAVAILABLE, 1),
        ("PUT", UPLOAD, Cut(), 1),
        ("PUT", UPLOAD, Answer(404), 1),
        ("PUT", MANIFEST, UNAVAILABLE, 1),
        ("PUT", MANIFEST, Cut(), 1),
    ],
)
def test_a_push_outlives_a_fault(  # noqa: PLR0917 - a table's columns
    running: Any,
    home: Home,
    peer: RegistryPeer,
    proxy: FaultProxy,
    method: str,
    target: str,
    fault: Fault,
    times: int,
    request: pytest.FixtureRequest,
) -> None:
    """A fault that passes does not keep a model from arriving, and it arrives as it is."""
    name = f"{proxy.host}/team/noise"
    size = 5_000_000 if fault == Answer(413) else SIZE
    content = noise(size, seed=crc32(request.node.name.encode()))
    digest = home.add(name, content)
    proxy.on(method, target, fault, times=times)
    pushed = ask(running, "/api/push", model=name, insecure=True)
    assert "success" == pushed.statuses[-1], pushed.error
    assert any(seen.fault == fault for seen in proxy.seen)
    assert content == peer.blob(digest)
    assert home.manifest(name) == peer.manifest("team/noise", "latest")
    running.call("DELETE", "/api/delete", {"model": name})


@pytest.mark.parametrize(
    ("method", "target", "fault", "words"),
    [
        ("HEAD", BLOB, Answer(401), "unauthorized: access denied"),
        ("POST", UPLOAD, Answer(403, body=b"read only"), "unauthorized: access denied: 403: read only"),
        ("POST", UPLOAD, Answer(202), "does not say where to upload to"),
        ("POST", UPLOAD, Answer(404, body=b"no such name"), "404: no such name"),
        ("PATCH", UPLOAD, Answer(400, body=b"no"), "400: no"),
        ("PATCH", UPLOAD, Answer(401), "unauthorized: access denied"),
        ("PUT", UPLOAD, Answer(400, body=b"no"), "400: no"),
        ("PUT", MANIFEST, Answer(400, body=b"manifest invalid"), "400: manifest invalid"),
    ],
)
def test_a_push_that_cannot_succeed_says_why(  # noqa: PLR0917 - a table's columns
    running: Any, home: Home, peer: RegistryPeer, proxy: FaultProxy, method: str, target: str, fault: Fault, words: str
) -> None:
    """A fault that stays is an error in the registry's words, soon, and nothing is published."""
    name = f"{proxy.host}/team/noise"
    home.add(name, noise(SIZE, seed=crc32(f"{method} {target} {words}".encode())))
    proxy.on(method, target, fault, times=None)
    begun = time.monotonic()
    assert words in ask(running, "/api/push", model=name, insecure=True).error
    assert time.monotonic() - begun < 20
    with pytest.raises(FileNotFoundError):
        peer.manifest("team/noise", "latest")
    running.call("DELETE", "/api/delete", {"model": name})


def test_credentials_do_not_follow_a_redirect(
    tmp_path: Path, running: Any, home: Home, request: pytest.FixtureRequest
) -> None:
    """Another host that a registry sends to gets the request, and nothing of who we are."""
    with (
        token_server(tmp_path, by_password) as tokens,
        registry(tmp_path / "registry", token=tokens.settings()) as peer,
        registry(tmp_path / "registry") as open_peer,  # the same content, for everybody
        fault_proxy(peer.host) as front,
        fault_proxy(open_peer.host) as elsewhere,
    ):
        home.log_in(front.host)
        name = f"{front.host}/team/noise"
        digest = home.add(name, noise(SIZE, seed=crc32(request.node.name.encode())))
        assert "success" == ask(running, "/api/push", model=name, insecure=True).statuses[-1]
        running.call("DELETE", "/api/delete", {"model": name})
        front.clear()
        front.on("GET", BLOB, Redirect(elsewhere.host), times=None)
        front.on("HEAD", BLOB, Redirect(elsewhere.host), times=None)
        pulled = ask(running, "/api/pull", model=name, insecure=True)
        assert "success" == pulled.statuses[-1], pulled.error
        assert SIZE == len(home.content(digest))
        assert any("authorization" in shown(seen) for seen in front.seen)
        assert elsewhere.asked("GET", digest)
        for seen in elsewhere.seen:
            assert not {"authorization", "cookie", "proxy-authorization"} & shown(seen)
        running.call("DELETE", "/api/delete", {"model": name})


def shown(seen: Any) -> set[str]:
    return {name.lower() for name in seen.headers}


def test_clients_that_pull_one_model_share_it(running: Any, home: Home, proxy: FaultProxy, published: Any) -> None:
    """Several clients pulling one model: the registry sends each byte once, and all see it arrive."""
    name, digest = published
    proxy.rate = 2_000_000
    told: list[Any] = []
    clients = [
        threading.Thread(target=lambda: told.append(ask(running, "/api/pull", model=name, insecure=True)))
        for _ in range(4)
    ]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert ["success"] * 4 == [one.statuses[-1] for one in told]
    assert SIZE == len(home.content(digest))
    assert SIZE == sum(seen.sent for seen in proxy.asked("GET", f"/blobs/{digest}"))
    assert all(any(0 < step.get("completed", 0) < SIZE for step in one.steps) for one in told)


def test_what_the_registry_has_is_not_sent_again(
    running: Any, home: Home, peer: RegistryPeer, proxy: FaultProxy
) -> None:
    """A blob that is there is not sent, and one of another repository is mounted from it."""
    name, copy = f"{proxy.host}/team/first", f"{proxy.host}/others/second"
    content = noise(SIZE, seed=11)
    digest = home.add(name, content)
    assert "success" == ask(running, "/api/push", model=name, insecure=True).statuses[-1]
    proxy.clear()
    again = ask(running, "/api/push", model=name, insecure=True)
    assert "success" == again.statuses[-1]
    assert {"status": f"pushing {digest[7:19]}", "digest": digest, "total": SIZE, "completed": SIZE} in again.steps
    running.call("POST", "/api/copy", {"source": name, "destination": copy})
    assert "success" == ask(running, "/api/push", model=copy, insecure=True).statuses[-1]
    assert peer.has(digest, "others/second")
    assert not proxy.asked("PATCH")
    assert [201, 201] == [seen.status for seen in proxy.asked("POST", r"mount=.*&from=team%2Ffirst")]
    for gone in (name, copy):
        running.call("DELETE", "/api/delete", {"model": gone})


def test_a_layer_is_mounted_from_the_model_it_came_from(
    running: Any, home: Home, peer: RegistryPeer, proxy: FaultProxy
) -> None:
    """What was made FROM a model of the registry needs no copy there, though that model is gone here."""
    base, made = f"{proxy.host}/team/base", f"{proxy.host}/others/made"
    content = noise(SIZE, seed=12)
    digest = home.add(base, content)
    assert "success" == ask(running, "/api/push", model=base, insecure=True).statuses[-1]
    home.add(made, content, parent=f"{base}:latest")
    running.call("DELETE", "/api/delete", {"model": base})
    proxy.clear()
    assert "success" == ask(running, "/api/push", model=made, insecure=True).statuses[-1]
    assert peer.has(digest, "others/made")
    assert SIZE > sum(seen.received for seen in proxy.seen)
    running.call("DELETE", "/api/delete", {"model": made})
