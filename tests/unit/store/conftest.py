"""A store as Ollama writes it, and a way to die at every step of a write."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from puna.names import ModelName
from puna.store import formats
from puna.store.formats import CONFIG_TYPE, Config, Layer, Manifest, layer_type
from puna.store.models import Store

MODEL = "application/vnd.ollama.image."


@dataclass(frozen=True)
class OllamaStore:
    """Files laid down as Ollama lays them down."""

    root: Path

    def blob(self, content: bytes) -> str:
        digest = hashlib.sha256(content).hexdigest()
        path = self.root / "blobs" / f"sha256-{digest}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return f"sha256:{digest}"

    def layer(self, part: str, content: bytes, **more: str) -> dict[str, Any]:
        return {"mediaType": MODEL + part, "digest": self.blob(content), "size": len(content), **more}

    def model(self, path: str, *layers: dict[str, Any], config: dict[str, Any] | None = None, **more: Any) -> Path:
        said = json.dumps(
            {"model_format": "gguf", "model_family": "llama", "model_families": ["llama"]} | (config or {})
        )
        manifest = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "config": self.layer("", said.encode()) | {"mediaType": "application/vnd.docker.container.image.v1+json"},
            "layers": layers,
            **more,
        }
        file = self.root / "manifests" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(manifest, separators=(",", ":")))
        return file

    def files(self) -> dict[str, bytes]:
        """Every file by its path in the store."""
        return {str(path.relative_to(self.root)): path.read_bytes() for path in self.root.rglob("*") if path.is_file()}


@pytest.fixture
def ollama(tmp_path: Path) -> OllamaStore:
    return OllamaStore(tmp_path)


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory, write_gguf: Callable[..., Path]) -> bytes:
    """A tiny GGUF file."""
    values = {"llama.block_count": 1, "llama.context_length": 512, "llama.embedding_length": 32}
    return write_gguf(tmp_path_factory.mktemp("weights") / "tiny.gguf", values).read_bytes()


EVENTS = frozenset({"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.utime", "between"})
"""What counts as a step; ``between`` is for tests that have steps of their own."""
DIED = 9


def _die_at(step: int) -> None:
    """Let this process die, as by SIGKILL, when it is about to touch a file for the ``step``-th time."""
    left = iter(range(step))

    def hook(event: str, _: Any) -> None:
        if event in EVENTS and next(left, None) is None:
            os._exit(DIED)

    sys.addaudithook(hook)


@pytest.fixture(scope="session")
def deaths() -> Callable[[Callable[[], Any]], Iterator[int]]:
    """``for step in deaths(work):`` has ``work`` done in a process that dies at its first step, then at its second, ...

    The last one survives. Look around after each.
    """

    def deaths(work: Callable[[], Any]) -> Iterator[int]:
        for step in count():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads; this child starts none
                child = os.fork()
            if child == 0:
                status = 1
                try:
                    _die_at(step)
                    work()
                    status = 0
                finally:
                    os._exit(status)
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            assert status in (0, DIED), "the work failed"
            yield step
            if status == 0:
                return

    return deaths


@pytest.fixture(scope="session")
def faulty_disk() -> Any:
    """The module of disks that fail."""
    path = Path(__file__).parents[2] / "support" / "faulty_disk.py"
    spec = importlib.util.spec_from_file_location("faulty_disk", path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["faulty_disk"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_model(store: Store, name: str, *texts: str) -> None:
    """Make a model of licences alone."""
    config = store.blobs.put(formats.write_config(Config()))
    layers = [(store.blobs.put(text.encode()), len(text.encode())) for text in texts]
    manifest = Manifest(
        Layer(CONFIG_TYPE, str(config), store.blobs.size(config)),
        tuple(Layer(layer_type("license"), str(digest), size) for digest, size in layers),
    )
    store.write(ModelName.parse(name), manifest)


@pytest.fixture(scope="session")
def make_model() -> Callable[..., None]:
    """``make_model(store, name, text, ...)`` makes a model of licences alone."""
    return write_model
