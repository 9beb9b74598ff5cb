"""Registries as Ollama's is, and as the OCI specification would have them: in memory, over real sockets."""

import hashlib
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest


@dataclass
class PlayedRegistry:
    """Takes blobs at ``host``. With ``elsewhere`` it sends their parts there, without having read them.

    It breaks the connection of the uploads that ``cuts`` names, after so many bytes, which it keeps. ``busiest`` is how
    many parts it received at once.
    """

    host: str
    elsewhere: str = ""
    blobs: dict[str, bytes] = field(default_factory=dict)
    cuts: list[int] = field(default_factory=list)
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    uploads: dict[str, bytearray] = field(default_factory=dict)
    parts: dict[str, bytes] = field(default_factory=dict)
    forgetful: bool = False
    refusals: list[int] = field(default_factory=list)
    stalls: int = 0
    receiving: int = 0
    busiest: int = 0
    counting: threading.Lock = field(default_factory=threading.Lock)
    released: threading.Event = field(default_factory=threading.Event)

    def receives(self, parts: int) -> None:
        """So many parts more, or less, are being received."""
        with self.counting:
            self.receiving += parts
            self.busiest = max(self.busiest, self.receiving)

    def of(self, method: str) -> list[tuple[str, dict[str, str]]]:
        """Target and headers of the requests of that method."""
        return [(target, headers) for asked, target, headers in self.asked if asked == method]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    registry: PlayedRegistry
    everyone: dict[str, PlayedRegistry]

    def _answer(self) -> None:
        self.registry.asked.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}))
        getattr(self, f"_on_{self.command.lower()}")(urlsplit(self.path))

    do_HEAD = do_GET = do_POST = do_PATCH = do_PUT = _answer  # noqa: N815 - the names that http.server looks for

    def _reply(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _on_head(self, url: Any) -> None:
        self._reply(200 if url.path.rpartition("/")[2] in self.registry.blobs else 404)

    def _on_post(self, _url: Any) -> None:
        upload = str(len(self.registry.uploads))
        self.registry.uploads[upload] = bytearray()
        self._reply(202, Docker_Upload_Location=f"uploads/{upload}?state=0", Location="/wrong")

    def _on_get(self, url: Any) -> None:
        received = self.registry.uploads.get(url.path.rpartition("/")[2])
        if received is None or self.registry.forgetful:
            self._reply(404)
        else:
            self._reply(204, Range=f"0-{max(len(received) - 1, 0)}", Location=f"{url.path}?state={len(received)}")

    def _on_patch(self, url: Any) -> None:
        if self.registry.elsewhere:
            number = int(parse_qs(url.query)["state"][0])
            self.close_connection = True  # its body was not read
            self._reply(
                307,
                Location=f"http://{self.registry.elsewhere}/part/{number}?signature=x",
                Docker_Upload_Location=f"{url.path}?state={number + 1}",
            )
            return
        if self.registry.stalls:
            self.registry.stalls -= 1
            self.close_connection = True
            self.registry.released.wait()
            return
        received = self.registry.uploads[url.path.rpartition("/")[2]]
        first, last = (int(place) for place in self.headers["Content-Range"].split("-"))
        assert first == len(received)
        assert last - first + 1 == int(self.headers["Content-Length"])
        if self.registry.cuts:
            received += self.rfile.read(self.registry.cuts.pop(0))
            self.close_connection = True
            return
        received += self.rfile.read(last - first + 1)
        self._reply(202, Range=f"0-{len(received) - 1}", Location=f"{url.path}?state={len(received)}")

    def _on_put(self, url: Any) -> None:
        self.registry.receives(1)
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.registry.receives(-1)
        if self.registry.refusals:
            self._reply(self.registry.refusals.pop(0))
            return
        if url.path.startswith("/part/"):
            self.registry.parts[url.path] = content
            self._reply(200)
            return
        said = parse_qs(url.query)
        parts = self.everyone[self.registry.elsewhere].parts if self.registry.elsewhere else {}
        ordered = [parts[path] for path in sorted(parts, key=lambda path: int(re.sub(r"\D", "", path)))]
        whole = b"".join(ordered) or bytes(self.registry.uploads[url.path.rpartition("/")[2]])
        if ordered:
            sums = b"".join(hashlib.md5(part, usedforsecurity=False).digest() for part in ordered)
            assert [f"{hashlib.md5(sums, usedforsecurity=False).hexdigest()}-{len(ordered)}"] == said["etag"]
        digest = "sha256:" + hashlib.sha256(whole).hexdigest()
        if [digest] != said["digest"]:
            self._reply(400)
            return
        self.registry.blobs[digest] = whole
        self._reply(201)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def play() -> Iterator[Any]:
    """Start a registry: ``play(elsewhere=…)``."""
    servers, everyone = [], {}

    def start(**said: Any) -> PlayedRegistry:
        server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        server.daemon_threads = True
        played = PlayedRegistry(f"127.0.0.1:{server.server_port}", **said)
        everyone[played.host] = played
        server.RequestHandlerClass = type("Handler", (_Handler,), {"registry": played, "everyone": everyone})
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        servers.append((server, thread))
        return played

    yield start
    for played in everyone.values():
        played.released.set()
    for server, thread in servers:
        server.shutdown()
        server.server_close()
        thread.join()
