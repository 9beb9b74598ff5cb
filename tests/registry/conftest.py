"""Registries of all kinds, and a server whose home, credentials and trust are the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.certificates import certified
from support.fault_proxy import FaultProxy, fault_proxy
from support.registry_peer import Certified, RegistryPeer, registry
from support.transfers import Home


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The home of the server that most tests share; what they put there has names and content of its own."""
    return Home(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def running(home: Home, tls: Certified, start_server: Any) -> Iterator[Any]:
    """A server that trusts the authority of ``tls``, for tests that leave it as it was."""
    with start_server(home.folder / "store", **home.environ, SSL_CERT_FILE=str(tls.authority)) as server:
        yield server


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Certified:
    """A certificate for loopback, from an authority that nobody knows."""
    return certified(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[RegistryPeer]:
    """A registry over plain HTTP that lets everybody in."""
    with registry(tmp_path / "registry") as running:
        yield running


@pytest.fixture
def proxy(peer: RegistryPeer) -> Iterator[FaultProxy]:
    """A proxy in front of ``peer`` that does what the test says."""
    with fault_proxy(peer.host) as running:
        yield running
