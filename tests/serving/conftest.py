"""Servers whose engine does what the prompt says, for how a server speaks and how it ends."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf import GGUFWriter

SUPPORT = Path(__file__).parents[1] / "support"


@dataclass(frozen=True)
class Scripted:
    """A server with the model `able`, which says what it is told to; ``open_gate`` lets its answers go on."""

    url: str
    process: Any
    log: list[str]
    children: Callable[[], list[int]]
    gate: Path
    connections: list[http.client.HTTPConnection]

    def open_gate(self) -> None:
        self.gate.touch()

    def begin(self, path: str = "/api/generate", **fields: Any) -> http.client.HTTPResponse:
        """Send a request whose answer waits at the gate, or as ``fields`` say, and give the reply, unread."""
        body = {"model": "able", "prompt": "say:one gate say:two", **fields}
        return self._send("POST", path, json.dumps(body))

    def get(self, path: str) -> http.client.HTTPResponse:
        """The reply to a request."""
        return self._send("GET", path, None)

    def _send(self, method: str, path: str, body: str | None) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=60)
        self.connections.append(connection)
        connection.request(method, path, body)
        return connection.getresponse()

    def requests(self) -> list[dict[str, Any]]:
        """The lines of the log about requests, where it is JSON."""
        lines = [json.loads(line) for line in self.log if line.startswith("{")]
        return [line for line in lines if line["logger"] == "puna.request"]


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GGUF file with as little in it as there can be."""
    path = tmp_path_factory.mktemp("model") / "able.gguf"
    writer = GGUFWriter(path, "llama")
    writer.add_context_length(4096)
    writer.add_tensor("token_embd.weight", np.zeros((4, 32), dtype=np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture
def scripted(start_server: Any, tmp_path: Path, model: Path) -> Callable[..., AbstractContextManager[Scripted]]:
    """Run a server: ``with scripted(PUNA_DRAIN="5s") as server``."""

    @contextmanager
    def run(**environ: str) -> Iterator[Scripted]:
        gate = tmp_path / "gate"
        given = {"PUNA_LLAMA_SERVER": str(SUPPORT / "scripted_llama_server.py"), "SCRIPTED_GATE": str(gate)}
        with start_server(tmp_path / "store", **given, PUNA_LOG_FORMAT="json", **environ) as running:
            running.create("able", model, template="{{ .Prompt }}")
            connections: list[http.client.HTTPConnection] = []
            try:
                yield Scripted(running.url, running.process, running.log, running.children, gate, connections)
            finally:
                for connection in connections:
                    connection.close()

    return run
