"""A real registry for tests: Debian's docker-registry in a process of its own, on a free port of loopback."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROGRAM = "docker-registry"
USER, PASSWORD = "heidi", "correct horse"
_HTPASSWD = f"{USER}:$2b$04$WqOhZ7/SpPHr.dsdVG4I0.rNJyyK1iOJ67XMmlbAQImQINajFXpwy\n"
_START_SECONDS = 30


@dataclass(frozen=True)
class Certified:
    """Files of a server's certificate, its key, and the authority that signed it."""

    certificate: Path
    key: Path
    authority: Path


@dataclass(frozen=True)
class RegistryPeer:
    """A running registry at ``host``, such as ``127.0.0.1:4321``. What it holds lies in ``storage``."""

    host: str
    storage: Path
    log: list[str] = field(repr=False)

    @property
    def port(self) -> int:
        return int(self.host.rpartition(":")[2])

    def blob(self, digest: str) -> bytes:
        """The content of a blob as the registry keeps it."""
        return self._blob(digest).read_bytes()

    def has(self, digest: str, repository: str) -> bool:
        """Whether the blob is there and linked into ``repository``."""
        kind, _, value = digest.partition(":")
        link = self.storage / "docker/registry/v2/repositories" / repository / "_layers" / kind / value / "link"
        return link.is_file() and self._blob(digest).is_file()

    def manifest(self, repository: str, tag: str) -> bytes:
        """The manifest that ``tag`` stands for, byte for byte."""
        tags = self.storage / "docker/registry/v2/repositories" / repository / "_manifests" / "tags"
        return self.blob((tags / tag / "current" / "link").read_text())

    def _blob(self, digest: str) -> Path:
        kind, _, value = digest.partition(":")
        return self.storage / "docker/registry/v2/blobs" / kind / value[:2] / value / "data"


def program() -> str:
    """Where the registry is: on the PATH, or where ``scripts/peers.sh`` puts it."""
    found = shutil.which(PROGRAM) or shutil.which(PROGRAM, path=str(Path(sys.prefix) / "peers/usr/bin"))
    assert found is not None, f"{PROGRAM} is missing: run `make test`, or scripts/peers.sh, which fetches it"
    return found


@contextmanager
def registry(
    folder: Path,
    *,
    tls: Certified | None = None,
    password: bool = False,
    token: Mapping[str, Any] | None = None,
    relative_urls: bool = False,
) -> Iterator[RegistryPeer]:
    """Run a registry that keeps everything in ``folder``.

    It speaks TLS with a ``tls`` certificate, asks for USER and PASSWORD if ``password``, and for a bearer token if
    ``token`` says of whom (the registry's own settings: realm, service, issuer, rootcertbundle). With
    ``relative_urls`` the Location headers that it sends name no host.
    """
    folder.mkdir(parents=True, exist_ok=True)
    settings: dict[str, Any] = {
        "version": "0.1",
        "log": {"level": "info", "formatter": "json", "accesslog": {"disabled": True}},
        "storage": {"delete": {"enabled": True}, "filesystem": {"rootdirectory": str(folder / "storage")}},
        "http": {"addr": "127.0.0.1:0", "relativeurls": relative_urls, "secret": "one of the tests"},
    }
    if tls is not None:
        settings["http"]["tls"] = {"certificate": str(tls.certificate), "key": str(tls.key)}
    if password:
        (folder / "htpasswd").write_text(_HTPASSWD)
        settings["auth"] = {"htpasswd": {"realm": "tests", "path": str(folder / "htpasswd")}}
    if token is not None:
        settings["auth"] = {"token": dict(token)}
    (folder / "config.yml").write_text(json.dumps(settings))  # JSON is YAML
    process = subprocess.Popen([program(), "serve", str(folder / "config.yml")], stderr=subprocess.PIPE)
    with _listening(process) as (port, log):
        yield RegistryPeer(f"127.0.0.1:{port}", folder / "storage", log)


@contextmanager
def _listening(process: subprocess.Popen[bytes]) -> Iterator[tuple[int, list[str]]]:
    """Wait until ``process`` says where it listens, keep what it says, and end it."""
    log: list[str] = []
    ports: list[int] = []
    known = threading.Event()

    def read() -> None:
        assert process.stderr is not None
        for line in process.stderr:
            log.append(line.decode())
            if not ports and (found := re.search(r"listening on [0-9.]+:(\d+)", log[-1])):
                ports.append(int(found.group(1)))
                known.set()
        known.set()

    reader = threading.Thread(target=read)
    reader.start()
    try:
        assert known.wait(_START_SECONDS), log
        assert ports, log
        yield ports[0], log
    finally:
        process.kill()
        process.wait()
        reader.join()
        assert process.stderr is not None
        process.stderr.close()
