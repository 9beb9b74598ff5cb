"""A server whose engine says what it is told to, with a model that sees."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

SUPPORT = Path(__file__).parent.parent / "support"
TEMPLATE = "{{ range .Messages }}{{ .Role }} {{ .Content }} {{ end }}"


@dataclass(frozen=True)
class Scripted:
    url: str
    log: Path
    call: Callable[..., Any]


@pytest.fixture(scope="session")
def scripted(tmp_path_factory: pytest.TempPathFactory, start_server: Any) -> Iterator[Scripted]:
    folder = tmp_path_factory.mktemp("terminal")
    subprocess.run([sys.executable, SUPPORT / "tiny_vision.py", folder], check=True)
    environ = {"PUNA_LLAMA_SERVER": str(SUPPORT / "scripted_llama_server.py"), "SCRIPTED_LOG": str(folder / "log")}
    with start_server(folder / "store", **environ) as running:
        files = {}
        for path in (folder / "model.gguf", folder / "projector.gguf"):
            content = path.read_bytes()
            files[path.name] = "sha256:" + hashlib.sha256(content).hexdigest()
            running.call("POST", f"/api/blobs/{files[path.name]}", data=content)
        body = {"model": "eyes", "files": files, "template": TEMPLATE, "stream": False}
        assert running.call("POST", "/api/create", body) == {"status": "success"}
        yield Scripted(running.url, folder / "log", running.call)
