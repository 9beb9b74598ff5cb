"""A server that speaks what Hugging Face's does about models: its endpoint for Ollama, its list of files, its files.

Files lie at another host, ``cdn``, to which it sends whoever asks for one, as Hugging Face does.
"""

from __future__ import annotations

import hashlib
import json
import re
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from puna.gguf import writing

_RANGE = re.compile(r"bytes=(\d+)-(\d+)")
_PAGE = 2
"""Entries of one page of the list: few, so that there are several."""


@dataclass
class Hub:
    """Has the repository ``name`` with ``files``, by their paths; nobody gets it without ``token``, if that is set.

    ``asked`` are method, path and Authorization of what it was asked, ``fetched`` those of what the other host was.
    ``wrong`` names a file whose digest is not what the list says.
    """

    name: str
    files: dict[str, bytes] = field(default_factory=dict)
    token: str = ""
    wrong: str = ""
    manifests: dict[str, bytes] = field(default_factory=dict)
    host: str = ""
    cdn: str = ""
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    fetched: list[tuple[str, str, str]] = field(default_factory=list)

    def entry(self, path: str) -> dict[str, Any]:
        """What the list says of a file."""
        content = self.files[path] if path != self.wrong else b"something else"
        stored = {"oid": hashlib.sha256(content).hexdigest(), "size": len(self.files[path]), "pointerSize": 134}
        known = {"type": "file", "oid": hashlib.sha1(content, usedforsecurity=False).hexdigest(), "path": path}
        return {**known, "size": len(self.files[path]), **({"lfs": stored} if path.endswith(".gguf") else {})}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def _answer(self) -> None:
        url, shown = urlsplit(self.path), self.headers.get("Authorization", "")
        if url.path.startswith("/cdn/"):
            self.hub.fetched.append((self.command, self.path, shown))
            self._content(self.hub.files[unquote(url.path.removeprefix("/cdn/"))])
            return
        self.hub.asked.append((self.command, self.path, shown))
        if self.hub.token and shown != f"Bearer {self.hub.token}":
            self._reply(401, b'{"error":"Invalid username or password."}')
        elif url.path.startswith(f"/v2/{self.hub.name}/manifests/"):
            content = self.hub.manifests.get(url.path.rpartition("/")[2])
            said = b'{"error":"The specified repository contains sharded GGUF. Ollama does not support this yet."}'
            self._reply(200 if content else 400, content or said)
        elif url.path == f"/api/models/{self.hub.name}/tree/main":
            self._list(int(parse_qs(url.query).get("cursor", ["0"])[0]))
        elif url.path.startswith(f"/{self.hub.name}/resolve/main/"):
            self._send_on(unquote(url.path.removeprefix(f"/{self.hub.name}/resolve/main/")))
        else:
            self._reply(404, b'{"error":"Repository not found"}')

    do_GET = do_HEAD = _answer  # noqa: N815 - the names that http.server looks for

    def _list(self, start: int) -> None:
        folders = sorted({path.rpartition("/")[0] for path in self.hub.files} - {""})
        entries = [{"type": "directory", "oid": "0" * 40, "size": 0, "path": path} for path in folders]
        entries += [self.hub.entry(path) for path in self.hub.files]
        more = {}
        if start + _PAGE < len(entries):
            # Of another host than was asked, as it is when a mirror hands on what it was told.
            following = f"https://huggingface.co{urlsplit(self.path).path}?recursive=true&cursor={start + _PAGE}"
            more = {"Link": f'<{following}>; rel="next"'}
        self._reply(200, json.dumps(entries[start : start + _PAGE]).encode(), **more)

    def _send_on(self, path: str) -> None:
        if path not in self.hub.files:
            self._reply(404, b"Entry not found")
            return
        oid = self.hub.entry(path)["lfs"]["oid"]
        target = f"http://{self.hub.cdn}/cdn/{quote(path)}?signature=secret"
        self._reply(302, b"", **{"Location": target, "X-Linked-ETag": f'"{oid}"'})

    def _content(self, content: bytes) -> None:
        found = _RANGE.fullmatch(self.headers.get("Range", ""))
        first, last = map(int, found.groups()) if found else (0, len(content) - 1)
        of = {"Content-Range": f"bytes {first}-{last}/{len(content)}"} if found else {}
        self._reply(206 if found else 200, content[first : last + 1], **of)

    def _reply(self, status: int, content: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def hugging_face(name: str, **said: Any) -> Iterator[Hub]:
    """Run a server that has the repository ``name``, at 127.0.0.1; the other host is localhost."""
    hub = Hub(name, **said)
    with ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub})) as server:
        server.daemon_threads = True
        hub.host, hub.cdn = f"127.0.0.1:{server.server_port}", f"localhost:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join()


def split(path: Path, count: int) -> list[bytes]:
    """The GGUF file at ``path`` as the ``count`` parts that llama.cpp's ``llama-gguf-split`` makes of it."""
    whole = writing.take_apart(path)
    size = -(-len(whole.tensors) // count)
    parts = []
    for number in range(count):
        tensors = whole.tensors[number * size : (number + 1) * size]
        values = dict(whole.values) if number == 0 else {"general.architecture": whole.values["general.architecture"]}
        values |= {
            "split.no": struct.pack("<IH", 2, number),
            "split.count": struct.pack("<IH", 2, count),
            "split.tensors.count": struct.pack("<Ii", 5, len(whole.tensors)),
        }
        parts.append(b"".join(writing.rewritten(whole, values, {one.name: one for one in tensors})))
    return parts
