"""The client library: puna's own types and events over the HTTP API, whether a puna or an Ollama answers.

A call raises ``ServerUnreachable`` when there is no server or the connection broke, and ``ApiError`` when the server
said no. Streams are read as they come; closing one closes its connection, which cancels the work at the server.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx2

from puna.client import wire
from puna.errors import PunaError, ServerUnreachable
from puna.events import Event, Progress
from puna.names import Digest
from puna.types import (
    ChatRequest,
    CreateRequest,
    GenerateRequest,
    ModelDetails,
    ModelSummary,
    PullRequest,
    PushRequest,
    RunningModel,
    StorePlace,
)

_UPLOAD_CHUNK = 1 << 20
_CONNECT_SECONDS = 10.0
_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - replaced, not bound
_LOCAL = re.compile(r"localhost|127\.[0-9.]+|::1")
_PUNA = re.compile(r"(?:^|\s)puna/(\S+)")


class ApiError(PunaError):
    """The server refused the request, or failed while it answered.

    ``text`` is the server's own words, ``code`` the HTTP status (0 when the error came inside a stream) and ``reason``
    its phrase. A refused stream reads ``400 Bad Request: <text>``, everything else just ``<text>``.
    """

    def __init__(self, text: str, *, code: int = 0, reason: str = "", streaming: bool = False) -> None:
        super().__init__(f"{code} {reason}: {text}" if streaming else text)
        self.text = text
        self.code = code
        self.reason = reason

    @property
    def denied(self) -> bool:
        """Whether a registry wants other credentials, as far as a server tells: an error in a stream has only words."""
        return self.code == 401 or any(words in self.text.lower() for words in ("access denied", "unauthorized"))


@dataclass(frozen=True, slots=True)
class ServerVersion:
    """What a server says of itself: the release of Ollama whose API it speaks, and of puna ("" when it is not one)."""

    api: str
    puna: str = ""


class Client:
    """Speaks with the server at ``base_url``, such as ``http://127.0.0.1:11434``. A context manager."""

    def __init__(self, base_url: str) -> None:
        try:
            url = httpx2.URL(base_url)
        except httpx2.InvalidURL as error:
            raise ServerUnreachable(f"{base_url!r} is not a server's address: {error}") from error
        if url.host in _WILDCARDS:
            url = url.copy_with(host=_WILDCARDS[url.host])
        self._http = httpx2.Client(
            base_url=url,
            follow_redirects=True,
            timeout=httpx2.Timeout(None, connect=_CONNECT_SECONDS),
            # A proxy for the world must not be asked for this machine.
            trust_env=not _LOCAL.fullmatch(url.host),
            # Reading the certificates of all authorities takes longer than a call that needs none.
            verify=url.scheme != "http",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def heartbeat(self) -> None:
        """Return if a server answers.

        Raises:
            ServerUnreachable: none does.
        """
        self._call("HEAD", "/")

    def version(self) -> ServerVersion:
        """The server's version."""
        response = self._call("GET", "/api/version")
        found = _PUNA.search(response.headers.get("server", ""))
        return ServerVersion(str(_object(response.content).get("version", "")), found.group(1) if found else "")

    def list(self) -> tuple[ModelSummary, ...]:
        """The models in the store, the latest changed first."""
        return tuple(map(wire.summary, self._models("/api/tags")))

    def running(self) -> tuple[RunningModel, ...]:
        """The models in memory."""
        return tuple(map(wire.running, self._models("/api/ps")))

    def show(self, model: str, *, verbose: bool = False) -> ModelDetails:
        """Everything about ``model``; long arrays of its metadata only when ``verbose``."""
        body = {"model": model} | ({"verbose": True} if verbose else {})
        return wire.model_details(_object(self._call("POST", "/api/show", body).content))

    def copy(self, source: str, destination: str) -> None:
        """Give the model ``source`` a second name."""
        self._call("POST", "/api/copy", {"source": source, "destination": destination})

    def delete(self, model: str) -> None:
        """Remove ``model`` from the store."""
        self._call("DELETE", "/api/delete", {"model": model})

    def unload(self, model: str) -> None:
        """Free the memory ``model`` takes, once its running requests are answered."""
        self._call("POST", "/api/generate", {"model": model, "keep_alive": 0, "stream": False})

    def generate(self, request: GenerateRequest) -> Generator[Event]:
        """Complete a prompt. An empty prompt loads the model and yields ``Done("load")``."""
        return self._events("/api/generate", wire.body(request))

    def chat(self, request: ChatRequest) -> Generator[Event]:
        """Continue a conversation. No messages load the model and yield ``Done("load")``."""
        return self._events("/api/chat", wire.body(request))

    def create(self, request: CreateRequest) -> Generator[Progress]:
        """Make a model; the last step is ``Progress("success")``. The files must have been uploaded."""
        with closing(self._stream("/api/create", wire.body(request))) as lines:
            yield from map(wire.progress, lines)

    def push(self, request: PushRequest) -> Generator[Progress]:
        """Have the server send a model to its registry; the last step is ``Progress("success")``."""
        with closing(self._stream("/api/push", wire.body(request))) as lines:
            yield from map(wire.progress, lines)

    def pull(self, request: PullRequest) -> Generator[Progress]:
        """Have the server fetch a model; the last step is ``Progress("success")``."""
        with closing(self._stream("/api/pull", wire.body(request))) as lines:
            yield from map(wire.progress, lines)

    def store(self) -> StorePlace | None:
        """Where the server's model store is, if the server is a puna on this machine; else None."""
        try:
            raw = _object(self._call("GET", "/api/store").content)
            return StorePlace(str(raw["path"]), int(raw["device"]), int(raw["inode"]))
        except (ApiError, KeyError, TypeError, ValueError):
            return None

    def has_blob(self, digest: Digest) -> bool:
        """Whether the server holds the blob ``digest``."""
        try:
            self._call("HEAD", f"/api/blobs/{digest}")
        except ApiError as error:
            if error.code == 404:
                return False
            raise
        return True

    def upload_blob(self, path: Path, digest: Digest, on_progress: Callable[[int], None] = lambda _: None) -> None:
        """Upload the file at ``path``, whose SHA-256 is ``digest``; ``on_progress`` is told the bytes sent so far.

        Raises:
            OSError: the file cannot be read.
        """
        with path.open("rb") as file, _translated():
            size = path.stat().st_size
            response = self._http.post(
                f"/api/blobs/{digest}",
                content=_chunks(iter(lambda: file.read(_UPLOAD_CHUNK), b""), on_progress),
                headers={"Content-Type": "application/octet-stream", "Content-Length": str(size)},
                follow_redirects=False,  # what was read from the file cannot be sent twice
            )
        _check(response)

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> httpx2.Response:
        with _translated():
            response = self._http.request(method, path, **_json(body))
        _check(response)
        return response

    def _models(self, path: str) -> Sequence[Mapping[str, Any]]:
        return _object(self._call("GET", path).content).get("models") or ()

    def _stream(self, path: str, body: Mapping[str, Any]) -> Generator[Mapping[str, Any]]:
        with _translated(), self._http.stream("POST", path, **_json(body)) as response:
            if response.status_code >= 300:
                response.read()
                _check(response, streaming=True)
            for line in split_lines(response.iter_bytes()):
                raw = _object(line)
                if "error" in raw:
                    raise ApiError(str(raw["error"]))
                yield raw

    def _events(self, path: str, body: Mapping[str, Any]) -> Generator[Event]:
        with closing(self._stream(path, body)) as lines:
            for raw in lines:
                yield from wire.events(raw)


def split_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    r"""The lines of a stream of bytes, without their ends; empty ones are left out.

    Only ``\n`` ends a line: JSON text may hold the other characters that Unicode counts as line ends.
    """
    pending = b""
    for chunk in chunks:
        *lines, pending = (pending + chunk).split(b"\n")
        yield from filter(None, lines)
    if pending:
        yield pending


def _chunks(pieces: Iterator[bytes], on_progress: Callable[[int], None]) -> Iterator[bytes]:
    sent = 0
    for piece in pieces:
        yield piece
        sent += len(piece)
        on_progress(sent)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
        raise ServerUnreachable("could not connect to puna server, run 'puna serve' to start it") from error
    except httpx2.HTTPError as error:
        raise ServerUnreachable(f"the connection to the server broke: {error}") from error


def _check(response: httpx2.Response, *, streaming: bool = False) -> None:
    if response.status_code < 300:
        return
    text = response.text.strip()
    try:
        text = str(json.loads(text)["error"])
    except (ValueError, TypeError, KeyError):
        text = text or response.reason_phrase  # not a native error: what there is says most
    raise ApiError(text, code=response.status_code, reason=response.reason_phrase, streaming=streaming)


def _object(data: bytes) -> Mapping[str, Any]:
    try:
        raw = json.loads(data)
    except ValueError as error:
        raise ApiError("the server's answer is not JSON; is it a puna or Ollama server?") from error
    if not isinstance(raw, dict):
        raise ApiError("the server's answer is not a JSON object; is it a puna or Ollama server?")
    return raw


def _json(body: Mapping[str, Any] | None) -> dict[str, Any]:
    if body is None:
        return {}
    return {"content": wire.encode(body), "headers": {"Content-Type": "application/json"}}
