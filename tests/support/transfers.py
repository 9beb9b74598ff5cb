"""A home directory for a server, models of noise in its store, and what transfers tell."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from puna.names import ModelName
from puna.store.formats import CONFIG_TYPE, Config, Layer, Manifest, layer_type, write_config
from puna.store.models import Store
from support.registry_peer import PASSWORD, USER

_BASIC = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


@dataclass(frozen=True)
class Home:
    """A home directory for a server: its store, its key, and what ``docker login`` left."""

    folder: Path

    @property
    def store(self) -> Store:
        return Store(self.folder / "store")

    @property
    def environ(self) -> dict[str, str]:
        """What a server of this home is started with. No proxy or credentials of the machine reach it."""
        own = {"HOME": str(self.folder), "DOCKER_CONFIG": str(self.folder / "docker"), "HF_TOKEN": ""}
        names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
        return own | {each: "" for name in names for each in (name, name.lower())}

    def public_key(self) -> str:
        return (self.folder / ".ollama" / "id_ed25519.pub").read_text()

    def log_in(self, host: str, **entry: str) -> None:
        """Leave credentials for ``host`` (user and password where nothing is said) as ``docker login`` does."""
        path = self.folder / "docker" / "config.json"
        path.parent.mkdir(exist_ok=True)
        known = json.loads(path.read_text())["auths"] if path.exists() else {}
        path.write_text(json.dumps({"auths": {**known, host: entry or {"auth": _BASIC}}}))

    def add(self, name: str, content: bytes, *, parent: str = "") -> str:
        """Put a model with the weights ``content`` into the store; give their digest. It is not one that could run."""
        blobs = self.store.blobs
        config = write_config(Config(model_format="gguf", model_family="llama", model_families=("llama",)))
        weights = Layer(layer_type("model"), str(blobs.put(content)), len(content), parent)
        manifest = Manifest(Layer(CONFIG_TYPE, str(blobs.put(config)), len(config)), (weights,))
        self.store.write(ModelName.parse(name), manifest)
        return weights.digest

    def manifest(self, name: str) -> bytes:
        content = self.store.manifests.read(ModelName.parse(name))
        assert content is not None, f"there is no {name}"
        return content

    def has(self, digest: str) -> bool:
        return (self.folder / "store" / "blobs" / digest.replace(":", "-")).exists()

    def content(self, digest: str) -> bytes:
        """What the store has under ``digest``, which must be what that says."""
        found = (self.folder / "store" / "blobs" / digest.replace(":", "-")).read_bytes()
        assert digest == "sha256:" + hashlib.sha256(found).hexdigest()
        return found


@dataclass(frozen=True)
class Told:
    """What a stream of progress told: its lines, and what it ended with."""

    steps: list[dict[str, Any]]

    @property
    def statuses(self) -> list[str]:
        """Every status, once where it repeats, in order."""
        said = [step["status"] for step in self.steps if "status" in step]
        return [status for at, status in enumerate(said) if not at or said[at - 1] != status]

    @property
    def error(self) -> str:
        return str(self.steps[-1].get("error", ""))


def ask(running: Any, path: str, **body: Any) -> Told:
    """Ask ``/api/pull`` or ``/api/push`` for a stream, and read it to the end; check that it never runs backwards."""
    request = urllib.request.Request(running.url + path, json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=120) as reply:
        told = Told([json.loads(line) for line in reply])
    for step, after in zip(told.steps, told.steps[1:], strict=False):
        if step.get("digest") and step["digest"] == after.get("digest"):
            assert step.get("completed", 0) <= after.get("completed", 0) <= after["total"]
    return told


def noise(size: int, seed: int = 1) -> bytes:
    """Bytes that no two parts of are alike."""
    return random.Random(seed).randbytes(size)
