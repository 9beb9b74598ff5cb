"""A model goes to a real registry and comes back: the same, byte for byte, and it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support.certificates import certified
from support.fault_proxy import fault_proxy
from support.registry_peer import Certified, RegistryPeer, registry
from support.token_server import IDENTITY, anyone, by_password, by_signature, token_server
from support.transfers import Home, ask, noise

Way = tuple[RegistryPeer, str, dict[str, Any]]
"""The registry, the host to use, and fields for requests."""


@contextmanager
def plain(folder: Path, home: Home, tls: Certified) -> Iterator[Way]:
    with registry(folder) as peer:
        yield peer, peer.host, {"insecure": True}


@contextmanager
def trusted_tls(folder: Path, home: Home, tls: Certified) -> Iterator[Way]:
    with registry(folder, tls=tls) as peer:
        yield peer, f"localhost:{peer.port}", {}


@contextmanager
def untrusted_tls(folder: Path, home: Home, tls: Certified) -> Iterator[Way]:
    with registry(folder, tls=tls) as peer:
        yield peer, peer.host, {"insecure": True}


@contextmanager
def password(folder: Path, home: Home, tls: Certified) -> Iterator[Way]:
    with registry(folder, tls=tls, password=True) as peer:
        home.log_in(peer.host)
        yield peer, peer.host, {}


@contextmanager
def token(folder: Path, home: Home, tls: Certified) -> Iterator[Way]:
    with token_server(folder, by_password) as server, registry(folder, token=server.settings()) as peer:
        home.log_in(peer.host)
        yield peer, peer.host, {"insecure": True}


@contextmanager
def identity_token(folder: Path, home: Home, tls: Certified) -> Iterator[Way]:
    with token_server(folder, by_password) as server, registry(folder, token=server.settings()) as peer:
        home.log_in(peer.host, identitytoken=IDENTITY)
        yield peer, peer.host, {"insecure": True}


@contextmanager
def anonymous_token(folder: Path, home: Home, tls: Certified) -> Iterator[Way]:
    with token_server(folder, anyone) as server, registry(folder, token=server.settings()) as peer:
        yield peer, peer.host, {"insecure": True}


@contextmanager
def signed_token(folder: Path, home: Home, tls: Certified) -> Iterator[Way]:
    """As Ollama's registry does it: the token server is at the registry's own host and takes the user's key."""
    with token_server(folder, by_signature(home.public_key)) as server, fault_proxy("") as front:
        front.mounts = {"/token": server.host}
        with registry(folder, token=server.settings(f"http://{front.host}/token")) as peer:
            front.upstream = peer.host
            yield peer, front.host, {"insecure": True}


@contextmanager
def relative_urls(folder: Path, home: Home, tls: Certified) -> Iterator[Way]:
    with registry(folder, relative_urls=True) as peer:
        yield peer, peer.host, {"insecure": True}


@pytest.fixture
def stocked(running: Any, smollm2: Path) -> Any:
    """The server, with SmolLM2 in its store."""
    if not any(model["name"] == "smollm2:latest" for model in running.call("GET", "/api/tags")["models"]):
        running.create("smollm2", smollm2, system="Be brief.", parameters={"temperature": 0, "num_predict": 4})
    return running


@pytest.mark.real
@pytest.mark.parametrize("way", [plain, trusted_tls, password, token, signed_token], ids=lambda way: way.__name__)
def test_push_delete_pull_run(
    way: Callable[..., Any], tmp_path: Path, home: Home, tls: Certified, stocked: Any
) -> None:
    """What was pushed and deleted is pulled again with every byte in its place, and answers."""
    with way(tmp_path / "registry", home, tls) as (peer, host, fields):
        name = f"{host}/team/smollm2:q4"
        stocked.call("POST", "/api/copy", {"source": "smollm2", "destination": name})
        before = home.manifest(name)
        layers = [layer.digest for layer in home.store.model(name).manifest.layers or ()]
        digests = [*layers, home.store.model(name).manifest.config.digest]
        contents = {digest: home.content(digest) for digest in digests}

        pushed = ask(stocked, "/api/push", model=name, **fields)
        pushing = [f"pushing {digest[7:19]}" for digest in digests]
        assert ["retrieving manifest", *pushing, "pushing manifest", "success"] == pushed.statuses, pushed.error
        assert contents == {digest: peer.blob(digest) for digest in digests}
        assert before == peer.manifest("team/smollm2", "q4")

        for gone in ("smollm2", name):
            stocked.call("DELETE", "/api/delete", {"model": gone})
        assert not any(home.has(digest) for digest in layers)

        pulled = ask(stocked, "/api/pull", model=name, **fields)
        assert "success" == pulled.statuses[-1], pulled.error
        assert before == home.manifest(name)
        assert contents == {digest: home.content(digest) for digest in digests}
        answer = stocked.call("POST", "/api/generate", {"model": name, "prompt": "Hi", "stream": False})
        assert 4 == answer["eval_count"]
        stocked.call("POST", "/api/copy", {"source": name, "destination": "smollm2"})
        stocked.call("DELETE", "/api/delete", {"model": name})


@pytest.mark.parametrize(
    "way", [untrusted_tls, identity_token, anonymous_token, relative_urls], ids=lambda way: way.__name__
)
def test_push_delete_pull(way: Callable[..., Any], tmp_path: Path, home: Home, tls: Certified, running: Any) -> None:
    """Also where only a few registries are: what was pushed comes back byte for byte."""
    content = noise(3_000_000)
    with way(tmp_path / "registry", home, tls) as (peer, host, fields):
        name = f"{host}/team/noise"
        digest = home.add(name, content)
        before = home.manifest(name)
        pushed = ask(running, "/api/push", model=name, **fields)
        assert "success" == pushed.statuses[-1], pushed.error
        assert before == peer.manifest("team/noise", "latest")
        running.call("DELETE", "/api/delete", {"model": name})
        assert not home.has(digest)
        pulled = ask(running, "/api/pull", model=name, **fields)
        assert "success" == pulled.statuses[-1], pulled.error
        assert before == home.manifest(name)
        assert content == home.content(digest)
        running.call("DELETE", "/api/delete", {"model": name})


@pytest.mark.parametrize("way", [password, token], ids=lambda way: way.__name__)
def test_without_credentials_nothing_moves(
    way: Callable[..., Any], tmp_path: Path, home: Home, tls: Certified, running: Any
) -> None:
    """Who has not logged in gets neither in nor out, and is told why, not made to wait."""
    with way(tmp_path / "registry", home, tls) as (_, host, fields):
        (home.folder / "docker" / "config.json").unlink()
        home.add(f"{host}/team/noise", b"noise")
        assert "unauthorized" in ask(running, "/api/push", model=f"{host}/team/noise", **fields).error.lower()
        assert "unauthorized" in ask(running, "/api/pull", model=f"{host}/team/other", **fields).error.lower()


def test_an_unknown_authority_is_named(tmp_path: Path, running: Any) -> None:
    """A certificate that is not trusted is an error that says so, at once."""
    with registry(tmp_path / "registry", tls=certified(tmp_path / "tls")) as peer:
        assert "certificate is not trusted" in ask(running, "/api/pull", model=f"{peer.host}/team/noise").error
