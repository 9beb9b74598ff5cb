"""The client library: puna's own types and events over the HTTP API, whether a puna or an Ollama answers.

A call raises ``ServerUnreachable`` when there is no server or the connection broke, and ``ApiError`` when the server
said no. Streams are read as they come; closing one closes its connection, which cancels the work at the server.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from puna.client import wire
from puna.client.transport import Reply, connect
from puna.errors import InvalidSetting, PunaError

if TYPE_CHECKING:
    from puna.client.serving import RequestProgress, ServerVersion
    from puna.events import Event, Progress
    from puna.names import Digest
    from puna.types import (
        ChatRequest,
        CreateRequest,
        EmbedRequest,
        GenerateRequest,
        ModelDetails,
        ModelSummary,
        PullRequest,
        PushRequest,
        RunningModel,
        StorePlace,
    )

_KEY_VARIABLE = "OLLAMA_API_KEY"
_UPLOAD_CHUNK = 1 << 20
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


class Client:
    """Speaks with the server at ``base_url``, such as ``http://127.0.0.1:11434``. A context manager.

    ``key`` is sent with every request, unless it is ""; None: that of ``OLLAMA_API_KEY``, as for Ollama's libraries.
    ``patience`` is how many seconds the server may be silent while it is waited for; None: as many as it takes.

    Raises:
        InvalidSetting: it is nothing that can be sent.
    """

    def __init__(self, base_url: str, *, key: str | None = None, patience: float | None = None) -> None:
        self._url = base_url
        self._transport = connect(base_url, patience)
        key = os.environ.get(_KEY_VARIABLE, "").strip() if key is None else key
        if not (key.isascii() and key.isprintable()):
            raise InvalidSetting(f"{_KEY_VARIABLE} has characters in it that no key has")
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def heartbeat(self) -> None:
        """Return if a server answers.

        Raises:
            ServerUnreachable: none does.
        """
        try:
            self._call("HEAD", "/")
        except ApiError as error:
            if error.code not in {404, 405, 501}:
                raise
            text = f"what answers at {self._url} is neither puna nor Ollama; OLLAMA_HOST says where the server is"
            raise ApiError(text, code=error.code, reason=error.reason) from error

    def version(self) -> ServerVersion:
        """The server's version."""
        from puna.client.serving import ServerVersion  # noqa: PLC0415 - as below

        headers, content = self._call("GET", "/api/version")
        found = _PUNA.search(headers.get("server") or "")
        return ServerVersion(str(_object(content).get("version", "")), found.group(1) if found else "")

    def list(self) -> tuple[ModelSummary, ...]:
        """The models in the store, the latest changed first."""
        from puna.client import listings  # noqa: PLC0415 - an answer needs none of those types

        return tuple(map(listings.summary, self._models("/api/tags")))

    def running(self) -> tuple[RunningModel, ...]:
        """The models in memory."""
        from puna.client import listings  # noqa: PLC0415

        return tuple(map(listings.running, self._models("/api/ps")))

    def show(self, model: str, *, verbose: bool = False) -> ModelDetails:
        """Everything about ``model``; long arrays of its metadata only when ``verbose``."""
        from puna.client import listings  # noqa: PLC0415

        return listings.model_details(self._shown(model, verbose=verbose))

    def capabilities(self, model: str) -> tuple[str, ...]:
        """What ``model`` can do: completion, embedding, vision, thinking and so on."""
        return tuple(self._shown(model).get("capabilities") or ())

    def copy(self, source: str, destination: str) -> None:
        """Give the model ``source`` a second name."""
        self._call("POST", "/api/copy", {"source": source, "destination": destination})

    def delete(self, model: str) -> None:
        """Remove ``model`` from the store."""
        self._call("DELETE", "/api/delete", {"model": model})

    def unload(self, model: str) -> None:
        """Free the memory ``model`` takes, once its running requests are answered."""
        self._call("POST", "/api/generate", {"model": model, "keep_alive": 0, "stream": False})

    def generate(self, request: GenerateRequest, *, request_id: str = "") -> Generator[Event]:
        """Complete a prompt. An empty prompt loads the model and yields ``Done("load")``.

        ``request_id``, 24 hexadecimal digits, is what ``progress`` can be asked for meanwhile, through another client.
        """
        return self._events("/api/generate", wire.body(request), request_id)

    def chat(self, request: ChatRequest, *, request_id: str = "") -> Generator[Event]:
        """Continue a conversation. No messages load the model and yield ``Done("load")``. The id as in ``generate``."""
        return self._events("/api/chat", wire.body(request), request_id)

    def embed(self, request: EmbedRequest) -> tuple[Sequence[float], ...]:
        """A vector for each input."""
        body = wire.body(request)
        reply = _object(self._call("POST", "/api/embed", body)[1])
        return tuple(reply.get("embeddings") or ())

    def progress(self, request_id: str) -> RequestProgress | None:
        """How far the request is that was sent under ``request_id``; None if it runs no more, or nobody knows."""
        try:
            running = _object(self._call("GET", "/api/requests")[1]).get("requests") or ()
        except ApiError:
            return None  # an Ollama does not tell
        for one in running:
            if one.get("id") == request_id:
                from puna.client.serving import RequestProgress  # noqa: PLC0415 - a quick answer needs none

                said = one.get("progress") or {}
                return RequestProgress(
                    one.get("state") or "", said.get("prompt_done") or 0, said.get("prompt_tokens") or 0
                )
        return None

    def answer(self, path: str, body: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        """The JSON object that the server answers to GET ``path``, or to POST if there is a ``body``: just as it is."""
        return _object(self._call("GET" if body is None else "POST", path, body)[1])

    def create(self, request: CreateRequest) -> Generator[Progress]:
        """Make a model; the last step is ``Progress("success")``. The files must have been uploaded."""
        return self._steps("/api/create", wire.body(request))

    def push(self, request: PushRequest) -> Generator[Progress]:
        """Have the server send a model to its registry; the last step is ``Progress("success")``."""
        return self._steps("/api/push", wire.body(request))

    def pull(self, request: PullRequest) -> Generator[Progress]:
        """Have the server fetch a model; the last step is ``Progress("success")``."""
        return self._steps("/api/pull", wire.body(request))

    def store(self) -> StorePlace | None:
        """Where the server's model store is, if the server is a puna on this machine; else None."""
        from puna.types import StorePlace  # noqa: PLC0415

        try:
            raw = _object(self._call("GET", "/api/store")[1])
            return StorePlace(str(raw["path"]), int(raw["device"]), int(raw["inode"]))
        except ApiError as error:
            if error.code in {401, 403}:
                raise  # it may well be one, and the caller has the wrong key
            return None
        except (KeyError, TypeError, ValueError):
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
        with path.open("rb") as file:
            pieces = _chunks(iter(lambda: file.read(_UPLOAD_CHUNK), b""), on_progress)
            headers = {"Content-Type": "application/octet-stream", "Content-Length": str(path.stat().st_size)}
            with self._transport.send(
                "POST", f"/api/blobs/{digest}", content=pieces, headers=self._headers | headers
            ) as reply:
                _check(reply, f"/api/blobs/{digest}")

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> tuple[Mapping[str, str], bytes]:
        content, headers = _json(body)
        with self._transport.send(method, path, content=content, headers=self._headers | headers) as reply:
            _check(reply, path)
            return reply.headers, reply.read()

    def _shown(self, model: str, *, verbose: bool = False) -> Mapping[str, Any]:
        body = {"model": model} | ({"verbose": True} if verbose else {})
        return _object(self._call("POST", "/api/show", body)[1])

    def _models(self, path: str) -> Sequence[Mapping[str, Any]]:
        models = _object(self._call("GET", path)[1]).get("models") or []
        if not (isinstance(models, list) and all(isinstance(model, dict) for model in models)):
            raise ApiError(f"the server's answer to {path} is no list of models; is it a puna or Ollama server?")
        return models

    def _stream(self, path: str, body: Mapping[str, Any], request_id: str = "") -> Generator[Mapping[str, Any]]:
        content, headers = _json(body)
        if request_id:
            headers["X-Request-Id"] = request_id
        with self._transport.send("POST", path, content=content, headers=self._headers | headers) as reply:
            _check(reply, path, streaming=True)
            for line in split_lines(reply.pieces()):
                raw = _object(line)
                if "error" in raw:
                    raise ApiError(str(raw["error"]))
                yield raw

    def _steps(self, path: str, body: Mapping[str, Any]) -> Generator[Progress]:
        status = ""
        with closing(self._stream(path, body)) as lines:
            for step in map(wire.progress, lines):
                status = step.status
                yield step
        if status != "success":
            raise _cut_short(path)

    def _events(self, path: str, body: Mapping[str, Any], request_id: str) -> Generator[Event]:
        ended = False
        with closing(self._stream(path, body, request_id)) as lines:
            for raw in lines:
                ended = bool(raw.get("done") or "_debug_info" in raw)
                yield from wire.events(raw)
        if not ended:
            raise _cut_short(path)


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


def _check(reply: Reply, path: str, *, streaming: bool = False) -> None:
    if reply.status < 300:
        return
    text = reply.read().decode("utf-8", "replace").strip()
    if reply.status < 400 and (place := reply.headers.get("location")):
        raise ApiError(f"the server sends callers to {place}: OLLAMA_HOST must name that", code=reply.status)
    try:
        text = str(json.loads(text)["error"])
    except (ValueError, TypeError, KeyError):
        # Not a native error: what there is says most, unless it is a web page, or that there is no such route.
        if reply.status == 404:
            text = f"the server has no {path}: it is an older one, or neither puna nor Ollama"
        else:
            text = f"{reply.reason}; is it a puna or Ollama server?" if text.startswith("<") else text or reply.reason
    raise ApiError(text, code=reply.status, reason=reply.reason, streaming=streaming)


def _object(data: bytes) -> Mapping[str, Any]:
    try:
        raw = json.loads(data)
    except ValueError as error:
        raise ApiError("the server's answer is not JSON; is it a puna or Ollama server?") from error
    if not isinstance(raw, dict):
        raise ApiError("the server's answer is not a JSON object; is it a puna or Ollama server?")
    if raw.keys() == {"error"}:  # some servers say so of a route that they do not have, with status 200
        raise ApiError(str(raw["error"]))
    return raw


def _cut_short(path: str) -> ApiError:
    return ApiError(f"the server ended its answer to {path} too early: its log may tell why")


def _json(body: Mapping[str, Any] | None) -> tuple[bytes | None, dict[str, str]]:
    if body is None:
        return None, {}
    return wire.encode(body), {"Content-Type": "application/json"}
