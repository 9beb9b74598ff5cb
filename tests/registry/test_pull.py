"""Pulls from a real registry, over a line and by servers that have a bad day."""

from __future__ import annotations

import hashlib
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from support.fault_proxy import (
    Answer,
    Cut,
    Fault,
    FaultProxy,
    Flip,
    Redirect,
    Shorten,
    Stall,
    WithoutRange,
    WrongRange,
    fault_proxy,
)
from support.registry_peer import Certified, RegistryPeer, registry
from support.transfers import Home, ask, noise

CONTENT = noise(3_000_000)


@dataclass(frozen=True)
class Published:
    """A model at a registry, behind a proxy."""

    peer: RegistryPeer
    proxy: FaultProxy
    digest: str
    config: str

    @property
    def name(self) -> str:
        return f"{self.proxy.host}/team/noise"

    @property
    def sent(self) -> int:
        """Bytes of the weights that went over the line."""
        return sum(seen.sent for seen in self.proxy.asked("GET", self.digest))


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory, start_server: Callable[..., Any]) -> Iterator[RegistryPeer]:
    """A registry that has the model ``team/noise``, put there by a push."""
    folder = tmp_path_factory.mktemp("shelf")
    home = Home(folder)
    with registry(folder / "registry") as peer, start_server(folder / "store", **home.environ) as running:
        home.add(f"{peer.host}/team/noise", CONTENT)
        assert "success" == ask(running, "/api/push", model=f"{peer.host}/team/noise", insecure=True).statuses[-1]
        yield peer


@pytest.fixture
def published(shelf: RegistryPeer) -> Iterator[Published]:
    manifest = json.loads(shelf.manifest("team/noise", "latest"))
    with fault_proxy(shelf.host) as proxy:
        yield Published(shelf, proxy, manifest["layers"][0]["digest"], manifest["config"]["digest"])


def pull(running: Any, published: Published, **fields: Any) -> Any:
    return ask(running, "/api/pull", model=published.name, insecure=True, **fields)


@pytest.fixture
def empty(running: Any, home: Home) -> Any:
    """The server, whose store has nothing that was published."""
    for model in running.call("GET", "/api/tags")["models"]:
        if model["name"].endswith("/team/noise:latest"):
            running.call("DELETE", "/api/delete", {"model": model["name"]})
    return running


def test_a_pull_tells_each_step_and_keeps_the_manifest_byte_for_byte(
    published: Published, empty: Any, home: Home
) -> None:
    """Its steps are Ollama's, and what is stored is what was published."""
    told = pull(empty, published)
    weights, config = published.digest[7:19], published.config[7:19]
    expected = ["pulling manifest", f"pulling {weights}", f"pulling {config}"]
    assert [*expected, "verifying sha256 digest", "writing manifest", "success"] == told.statuses
    assert published.peer.manifest("team/noise", "latest") == home.manifest(published.name)
    assert CONTENT == home.content(published.digest)


def test_what_is_there_is_not_fetched_again(published: Published, empty: Any) -> None:
    """A second pull asks for the manifest only."""
    pull(empty, published)
    published.proxy.clear()
    told = pull(empty, published)
    assert "success" == told.statuses[-1]
    step = next(step for step in told.steps if step.get("digest") == published.digest)
    assert (len(CONTENT), len(CONTENT)) == (step["total"], step["completed"])
    assert ["GET"] == [seen.method for seen in published.proxy.seen]


def test_a_blob_that_a_crash_cut_short_is_fetched_again(published: Published, empty: Any, home: Home) -> None:
    """A file that is not as long as the manifest says does not pass for the blob."""
    pull(empty, published)
    path = home.folder / "store" / "blobs" / published.digest.replace(":", "-")
    with path.open("r+b") as file:
        file.truncate(100)
    assert "success" == pull(empty, published).statuses[-1]
    assert CONTENT == home.content(published.digest)


def test_a_model_that_is_replaced_loses_its_layers(published: Published, empty: Any, home: Home) -> None:
    """What only the former model of the name had is removed, and that is said."""
    old = home.add(published.name, b"what was there before")
    assert ["writing manifest", "removing unused layers", "success"] == pull(empty, published).statuses[-3:]
    assert not home.has(old)


PASSING: dict[str, list[Fault]] = {
    "500": [Answer(500), Answer(502)],
    "416": [Answer(416)],
    "cut": [Cut(100_000), Cut(None), Cut(1)],
    "cut gently": [Cut(100_000, reset=False)],
    "another range": [WrongRange(5)],
    "no ranges": [WithoutRange(), WithoutRange(), WithoutRange()],
    "a shorter body": [Shorten(1000)],
    "wrong bytes": [Flip(1234)],
}


@pytest.mark.parametrize("name", PASSING)
def test_a_fault_that_passes_is_survived(name: str, published: Published, empty: Any, home: Home) -> None:
    """A bad day of the registry's costs time, not the model."""
    for fault in PASSING[name]:
        published.proxy.on("GET", f"/blobs/{published.digest}", fault)
    assert "success" == pull(empty, published).statuses[-1]
    assert CONTENT == home.content(published.digest)


def test_a_registry_that_has_no_such_model_says_so(published: Published, empty: Any) -> None:
    """A name that does not exist is the error that clients know."""
    told = ask(empty, "/api/pull", model=f"{published.proxy.host}/team/nothing", insecure=True)
    assert [{"status": "pulling manifest"}, {"error": "pull model manifest: file does not exist"}] == told.steps


def test_a_blob_that_is_missing_is_an_error_at_once(published: Published, empty: Any, home: Home) -> None:
    """A registry that has lost a blob is told from one that is slow."""
    published.proxy.on("GET", published.digest, Answer(404), times=None)
    published.proxy.on("HEAD", published.digest, Answer(404), times=None)
    assert "file does not exist" in pull(empty, published).error
    assert 1 == len(published.proxy.asked("GET", published.digest))


def test_content_that_is_always_wrong_is_never_stored(published: Published, empty: Any, home: Home) -> None:
    """A registry that serves other bytes than it announces gets nothing into the store."""
    published.proxy.on("GET", published.digest, Flip(7), times=None)
    assert pull(empty, published).error.startswith("digest mismatch, file must be downloaded again: want sha256:")
    assert not home.has(published.digest)
    left = f"{published.digest.replace(':', '-')}*"
    assert [] == list((home.folder / "store" / "blobs").glob(left))


def test_no_credentials_go_to_another_host(published: Published, empty: Any, home: Home) -> None:
    """A redirect to a content network is followed without what was shown to the registry."""
    home.log_in(published.proxy.host, auth="aGVpZGk6c2VjcmV0")
    challenge = Answer(401, {"WWW-Authenticate": 'Basic realm="tests"'})
    with fault_proxy(published.peer.host) as elsewhere:
        published.proxy.on("GET", "/manifests/", challenge)
        published.proxy.on("GET", published.digest, Redirect(elsewhere.host), times=None)
        assert "success" == pull(empty, published).statuses[-1]
        shown = [seen.headers.get("authorization") for seen in published.proxy.asked("GET", published.digest)]
        assert ["Basic aGVpZGk6c2VjcmV0"] == shown
        assert elsewhere.asked("GET", published.digest)
        assert not any("authorization" in seen.headers for seen in elsewhere.seen)
    (home.folder / "docker" / "config.json").unlink()


def test_two_clients_share_one_download(published: Published, empty: Any) -> None:
    """Two pulls of one model fetch it once; the second goes on when the first client leaves."""
    published.proxy.rate = 3_000_000
    body = json.dumps({"model": published.name, "insecure": True}).encode()
    with urllib.request.urlopen(f"{empty.url}/api/pull", body, timeout=60) as first:
        while b"completed" not in first.readline():
            pass
        second: list[Any] = []
        thread = threading.Thread(target=lambda: second.append(pull(empty, published)))
        thread.start()
        while len(published.proxy.asked("GET", "/manifests/")) < 2:
            first.readline()
        for _ in range(3):
            first.readline()
    thread.join()
    assert "success" == second[0].statuses[-1]
    assert len(CONTENT) == published.sent


def test_a_client_that_leaves_stops_the_download(published: Published, empty: Any) -> None:
    """Nobody downloads for a client that has gone, and what came is kept for the next one."""
    published.proxy.rate = 1_000_000
    body = json.dumps({"model": published.name, "insecure": True}).encode()
    with urllib.request.urlopen(f"{empty.url}/api/pull", body, timeout=60) as reply:
        while b"completed" not in reply.readline():
            pass
    # Still as slow: without its rate, the proxy would fill the buffers of the connection that is being left.
    told = pull(empty, published)
    assert "success" == told.statuses[-1]
    assert published.sent < 1.2 * len(CONTENT)


def test_a_rate_is_kept(published: Published, empty: Any) -> None:
    """``limit_rate`` bounds what a pull takes of the line."""
    told = pull(empty, published, limit_rate=3_000_000)
    assert "success" == told.statuses[-1]
    assert len([step for step in told.steps if step.get("digest") == published.digest]) >= 8


def test_a_model_at_hugging_face_is_one_by_its_endpoint(
    published: Published, tmp_path: Path, start_server: Callable[..., Any]
) -> None:
    """``hf.co/user/repo`` is fetched from HF_ENDPOINT with HF_TOKEN, and keeps its name."""
    home = Home(tmp_path)
    environ = home.environ | {"HF_ENDPOINT": f"http://{published.proxy.host}", "HF_TOKEN": "hf_secret"}
    with start_server(tmp_path / "store", **environ) as running:
        told = ask(running, "/api/pull", model="hf.co/team/noise", insecure=True)
        assert "success" == told.statuses[-1], told.error
    assert published.peer.manifest("team/noise", "latest") == home.manifest("hf.co/team/noise")
    assert {"Bearer hf_secret"} == {seen.headers.get("authorization") for seen in published.proxy.seen}


def test_a_stall_ends(published: Published, empty: Any) -> None:
    """A registry that takes a request and never answers is given up by the client's own leaving, without a trace."""
    published.proxy.on("GET", published.digest, Stall(1000), times=None)
    body = json.dumps({"model": published.name, "insecure": True}).encode()
    with urllib.request.urlopen(f"{empty.url}/api/pull", body, timeout=60) as reply:
        while b'"completed":1000' not in reply.readline():
            pass
    published.proxy.clear()
    assert "success" == pull(empty, published).statuses[-1]


@pytest.mark.real
def test_a_model_is_made_from_one_that_only_a_registry_has(
    tmp_path: Path, tls: Certified, running: Any, smollm2: Path
) -> None:
    """``create`` pulls the model it starts from, and says so, when that is not there."""
    with registry(tmp_path / "registry", tls=tls) as peer:
        parent = f"localhost:{peer.port}/team/parent"
        running.create(parent, smollm2)
        assert "success" == ask(running, "/api/push", model=parent).statuses[-1]
        running.call("DELETE", "/api/delete", {"model": parent})
        request = {"model": "child", "from": parent, "system": "Be brief."}
        told = ask(running, "/api/create", **request)
    assert "success" == told.statuses[-1], told.error
    assert 1 == told.statuses.count("success")
    assert "pulling manifest" == told.statuses[0]
    assert "Be brief." == running.call("POST", "/api/show", {"model": "child"})["system"]
    for model in ("child", parent):
        running.call("DELETE", "/api/delete", {"model": model})


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.real
def test_a_file_is_pulled_by_its_url(tmp_path: Path, home: Home, running: Any, smollm2: Path) -> None:
    """The URL of a GGUF file makes a model, named after the file, that has the file's weights."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(smollm2.parent))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_port}/{smollm2.name}"
            with pytest.raises(urllib.error.HTTPError) as refused:
                ask(running, "/api/pull", model=url)
            told = ask(running, "/api/pull", model=url, insecure=True)
        finally:
            server.shutdown()
            thread.join()
    with refused.value as reply:
        assert (400, {"error": "insecure protocol http"}) == (reply.code, json.loads(reply.read()))
    assert "success" == told.statuses[-1], told.error
    weights = f"sha256:{hashlib.sha256(smollm2.read_bytes()).hexdigest()}"
    assert weights in home.manifest(smollm2.stem).decode()
