"""A server that plays Ollama's API for the client and the command line: real HTTP, replies laid down by the test."""

import json
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    client: tuple[str, int]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    status: int = 200
    body: bytes = b""
    chunks: Iterable[bytes] | None = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class PlayedApi:
    """Answers ``(method, path)`` with what was laid down for it, 404 else; remembers what it was asked."""

    url: str
    replies: dict[tuple[str, str], Reply | Callable[[Asked], Reply]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    left: threading.Event = field(default_factory=threading.Event)

    def on(self, method: str, path: str, reply: Any = None, *, status: int = 200) -> None:
        """Answer with ``reply``: a Reply, a function that makes one, or JSON."""
        if not isinstance(reply, Reply) and not callable(reply):
            reply = Reply(status, b"" if reply is None else json.dumps(reply).encode())
        self.replies[method, path] = reply

    def reply(self, **said: Any) -> Reply:
        """A reply with a body, chunks to stream, a status or headers."""
        return Reply(**said)

    def streams(self, path: str, *objects: Any) -> None:
        """Answer POST ``path`` with one line per object."""
        self.on("POST", path, Reply(chunks=[json.dumps(each).encode() + b"\n" for each in objects]))

    def bodies(self, path: str) -> list[Any]:
        """What was sent to ``path``."""
        return [asked.json for asked in self.asked if asked.path == path]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    api: PlayedApi

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        asked = Asked(self.command, self.path, dict(self.headers), body, self.client_address)
        self.api.asked.append(asked)
        reply = self.api.replies.get((self.command, self.path), Reply(404, b"404 page not found"))
        if callable(reply):
            reply = reply(asked)
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.chunks is None:
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(b"" if self.command == "HEAD" else reply.body)
            return
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            for chunk in reply.chunks:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            self.wfile.write(b"0\r\n\r\n")
        except ConnectionError:
            self.api.left.set()
            self.close_connection = True

    do_GET = do_HEAD = do_POST = do_DELETE = _answer  # noqa: N815 - the names that http.server looks for

    def version_string(self) -> str:
        return "played"

    def log_message(self, *_: Any) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that leaves early is no error."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@pytest.fixture
def api() -> Iterator[PlayedApi]:
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {}))
    played = PlayedApi(f"http://127.0.0.1:{server.server_port}")
    played.on("HEAD", "/")
    server.RequestHandlerClass.api = played
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield played
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def unused_url() -> str:
    """An address where nothing listens."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.server_close()
    return f"http://127.0.0.1:{server.server_port}"


@pytest.fixture(scope="session")
def write_gguf() -> Callable[..., Path]:
    """Write a small GGUF file, by llama.cpp's package: ``write_gguf(path, {key: value}, tensors={name: shape})``."""
    import numpy as np  # noqa: PLC0415 - slow to import, and few tests need it
    from gguf import GGUFWriter  # noqa: PLC0415

    def write(
        path: Path, values: dict[str, Any] | None = None, *, tensors: dict[str, tuple[int, ...]] | None = None
    ) -> Path:
        given = {"general.architecture": "llama", "general.file_type": 1} | (values or {})
        writer = GGUFWriter(path, given.pop("general.architecture"))
        for key, value in given.items():
            match value:
                case bool():
                    writer.add_bool(key, value)
                case int():
                    writer.add_uint32(key, value)
                case float():
                    writer.add_float32(key, value)
                case str():
                    writer.add_string(key, value)
                case list():
                    writer.add_array(key, value)
        for name, shape in ({"token_embd.weight": (32, 4)} if tensors is None else tensors).items():
            writer.add_tensor(name, np.zeros(shape[::-1], dtype=np.float16))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path

    return write
