"""What a real server does when something breaks, with a real model."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from support.waiting import until

pytestmark = pytest.mark.real

ENDLESS = {"temperature": 0.8, "num_predict": 3000}
BRIEF = {"temperature": 0, "num_predict": 4}


@pytest.fixture
def own(tmp_path: Path, smollm2: Path, start_server: Any) -> Iterator[Any]:
    """A server that a test may break, with one slot per model and a queue of one."""
    with start_server(tmp_path / "store", OLLAMA_NUM_PARALLEL="1", OLLAMA_MAX_QUEUE="1") as running:
        running.create("smollm2", smollm2)
        yield running


def begin(url: str, **fields: Any) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    """Begin a streamed /api/generate and read its first line."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=120)
    body = {"model": "smollm2", "prompt": "Tell me a long story.", "options": ENDLESS, **fields}
    connection.request("POST", "/api/generate", json.dumps(body))
    reply = connection.getresponse()
    assert reply.status == 200
    assert json.loads(reply.readline())["done"] is False
    return connection, reply


def ended(pid: int) -> bool:
    """Whether the process has ended; one that nobody has reaped yet has."""
    try:
        return not Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return True


def test_a_killed_engine_ends_the_stream_with_an_error_and_is_replaced(own: Any) -> None:
    """The client gets an error line, the server goes on, and the next request loads the model again."""
    connection, reply = begin(own.url)
    [child] = own.children()
    os.kill(child, signal.SIGKILL)
    *_, last = reply.read().splitlines()
    assert "model runner has unexpectedly stopped" in json.loads(last)["error"]
    connection.close()
    answer = own.call("POST", "/api/generate", {"model": "smollm2", "prompt": "Hi", "stream": False, "options": BRIEF})
    assert answer["response"]
    assert own.children() != [child]


def test_a_killed_server_leaves_no_engine(own: Any) -> None:
    """kill -9 of the server ends the engine too."""
    connection, _ = begin(own.url)
    [child] = own.children()
    own.process.kill()
    own.process.wait()
    until(lambda: ended(child))
    connection.close()


def test_a_stopped_server_says_goodbye(own: Any) -> None:
    """SIGTERM ends a running answer with an error line, the engine, and the server with status 0."""
    connection, reply = begin(own.url)
    [child] = own.children()
    own.process.terminate()
    *_, last = reply.read().splitlines()
    assert "error" in json.loads(last)
    assert own.process.wait(30) == 0
    assert ended(child)
    connection.close()


def test_a_client_that_leaves_frees_its_slot(own: Any) -> None:
    """The only slot is free for the next request although the first would have run for minutes."""
    connection, _ = begin(own.url)
    connection.close()
    answer = own.call("POST", "/api/generate", {"model": "smollm2", "prompt": "Hi", "stream": False, "options": BRIEF})
    assert answer["done_reason"] == "length"


def test_a_client_that_leaves_while_the_model_loads_stops_the_load(own: Any) -> None:
    """Nobody waits for the model any more, so it is not loaded."""
    body = json.dumps({"model": "smollm2", "prompt": "Hi"}).encode()
    host, port = own.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(b"POST /api/generate HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body))
        connection.sendall(body)
        until(lambda: bool(own.children()))
    until(lambda: not own.children())
    assert own.call("GET", "/api/ps") == {"models": []}


def test_a_full_queue_is_a_503(own: Any) -> None:
    """With the slot taken and the queue full, the next request is turned away in Ollama's words."""
    connection, _ = begin(own.url)
    body = {"model": "smollm2", "prompt": "Hi", "stream": False, "options": BRIEF}

    def ask() -> int:
        asking = http.client.HTTPConnection(own.url.removeprefix("http://"), timeout=120)
        asking.request("POST", "/api/generate", json.dumps(body))
        reply = asking.getresponse()
        text = json.loads(reply.read())
        asking.close()
        if reply.status == 503:
            assert text == {"error": "server busy, please try again.  maximum pending requests exceeded"}
            connection.close()
        return reply.status

    with ThreadPoolExecutor(2) as threads:
        assert sorted(threads.map(lambda _: ask(), range(2))) == [200, 503]


def test_half_an_upload_is_no_blob(own: Any, tmp_path: Path) -> None:
    """A server killed in the middle of an upload has neither the blob nor a broken model, and starts again."""
    digest = hashlib.sha256(b"x" * 1_000_000).hexdigest()
    host, port = own.url.removeprefix("http://").split(":")
    blobs = tmp_path / "store" / "blobs"
    before = set(blobs.iterdir())
    with socket.create_connection((host, int(port))) as connection:
        head = f"POST /api/blobs/sha256:{digest} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n"
        connection.sendall(head.encode() + b"x" * 500_000)
        until(lambda: set(blobs.iterdir()) != before)
        own.process.kill()
        own.process.wait()
    assert not (blobs / f"sha256-{digest}").exists()


def test_a_smaller_context_is_served_without_loading_again(own: Any) -> None:
    """A request with a smaller num_ctx uses the model as it is; a larger one loads it once more."""
    ask = {"model": "smollm2", "prompt": "Hi", "stream": False}
    own.call("POST", "/api/generate", ask | {"options": BRIEF | {"num_ctx": 2048}})
    first = own.children()
    own.call("POST", "/api/generate", ask | {"options": BRIEF | {"num_ctx": 1024}})
    assert own.children() == first
    own.call("POST", "/api/generate", ask | {"options": BRIEF | {"num_ctx": 4096}})
    assert own.children() != first
