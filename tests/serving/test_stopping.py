"""A server that is told to stop lets what runs finish, takes nothing new, and leaves nothing behind."""

from __future__ import annotations

import json
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from support.waiting import until


def ended(pid: int) -> bool:
    """Whether the process has ended; one that nobody has reaped yet has."""
    try:
        return not Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return True


def said(reply: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in reply.read().splitlines()]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_answer_finishes_while_new_requests_are_turned_away(
    scripted: Any, tmp_path: Path, number: signal.Signals
) -> None:
    """Its client gets all of it; others hear, in the form of their API, when to come back, and a balancer that asks."""
    temporary = tmp_path / "t"
    temporary.mkdir()
    with scripted(PUNA_DRAIN="60s", TMPDIR=str(temporary)) as server:
        reply = server.begin()
        assert "one" == json.loads(reply.readline())["response"]
        children = server.children()
        server.process.send_signal(number)
        until(lambda: any("Stopping" in line for line in server.log))
        refused = [server.get("/"), server.begin(), server.begin("/v1/chat/completions"), server.begin("/v1/messages")]
        assert [503] * 4 == [one.status for one in refused]
        assert ["close"] * 4 == [one.headers["connection"] for one in refused]
        assert all(0 < int(one.headers["retry-after"]) <= 60 for one in refused)
        bodies = [json.loads(one.read()) for one in refused]
        assert {"error": "the server is shutting down"} == bodies[1]
        assert ("api_error", "overloaded_error") == (bodies[2]["error"]["type"], bodies[3]["error"]["type"])
        assert [1, 200] == [len(json.load(server.get("/api/requests"))["requests"]), server.get("/metrics").status]
        server.open_gate()
        *_, last = said(reply)
        assert ("stop", 2) == (last["done_reason"], last["eval_count"])
        assert 0 == server.process.wait(30)
        assert all(ended(child) for child in children)
    assert [] == list(temporary.iterdir())


def test_what_does_not_end_in_time_is_ended_with_a_word_of_why(scripted: Any) -> None:
    """In streams of every API, and in answers that are sent whole."""
    with scripted(PUNA_DRAIN="0") as server:
        native, openai = server.begin(), server.begin("/v1/completions", stream=True)
        assert "one" == json.loads(native.readline())["response"]
        assert b"one" in openai.readline()
        whole: list[Any] = []
        thread = threading.Thread(target=lambda: whole.append(server.begin(stream=False)))
        thread.start()
        until(lambda: len(json.load(server.get("/api/requests"))["requests"]) == 3)
        server.process.terminate()
        assert {"error": "the server is shutting down"} == said(native)[-1]
        assert b'"message":"the server is shutting down"' in openai.read()
        thread.join()
        assert (503, b'{"error":"the server is shutting down"}') == (whole[0].status, whole[0].read())
        assert 0 == server.process.wait(30)
    ended_so = [line for line in server.requests() if line.get("error") == "ShuttingDown"]
    assert [200, 200, 503] == sorted(line["status"] for line in ended_so)


def test_a_second_signal_ends_it_at_once(scripted: Any) -> None:
    """Whoever is in a hurry presses Ctrl+C twice."""
    with scripted(PUNA_DRAIN="1h") as server:
        reply = server.begin()
        reply.readline()
        [child] = server.children()
        server.process.send_signal(signal.SIGINT)
        until(lambda: any("Stopping" in line for line in server.log))
        server.process.send_signal(signal.SIGINT)
        assert {"error": "the server is shutting down"} == said(reply)[-1]
        assert 0 == server.process.wait(30)
        assert ended(child)


def test_an_idle_server_ends_at_once_whatever_its_limit(scripted: Any) -> None:
    """Connections that are kept for later hold up nothing, nor does a model in memory."""
    with scripted(PUNA_DRAIN="1h") as server:
        kept = server.get("/")
        assert b"Ollama is running" == kept.read()
        server.process.terminate()
        assert 0 == server.process.wait(30)


class Stalling(BaseHTTPRequestHandler):
    """Serves the head of a large file, and then nothing more."""

    head = b"GGUF"

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(1 << 20))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(self.head + b"\0" * 1000)
            self.wfile.flush()
            self.connection.recv(1)

    def log_message(self, *_: Any) -> None:
        pass


def test_a_download_stops_at_once_to_be_resumed(scripted: Any) -> None:
    """It does not hold up the end for as long as an answer may."""
    source = ThreadingHTTPServer(("127.0.0.1", 0), Stalling)
    source.daemon_threads = True
    thread = threading.Thread(target=source.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        with scripted(PUNA_DRAIN="1h") as server:
            url = f"http://127.0.0.1:{source.server_port}/model.gguf"
            reply = server.begin("/api/pull", model=url, insecure=True)
            assert "pulling manifest" == json.loads(reply.readline())["status"]
            server.process.terminate()
            assert {"error": "the server is shutting down"} == said(reply)[-1]
            assert 0 == server.process.wait(30)
    finally:
        source.shutdown()
        source.server_close()
        thread.join()
