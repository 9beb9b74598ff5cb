"""A server says what matters when it starts, and then one line for each request, without what was said in it."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from support.waiting import until

SECRET = "xyzzy"


def messages(server: Any) -> list[str]:
    return [json.loads(line)["message"] for line in server.log]


def test_the_first_lines_say_what_matters(scripted: Any) -> None:
    """Where it listens and in which version, where the models are, what computes, and on what."""
    with scripted(OLLAMA_VULKAN="1", PUNA_MAX_QUEUE="x", OLLAMA_MAX_QUEUE="x") as server:
        until(lambda: any(text.startswith("Engine: ") for text in messages(server)))
        said = [json.loads(line) for line in server.log]
        [first] = [one for one in said if one["message"].startswith("Listening on ")]
        assert re.fullmatch(r"Listening on 127\.0\.0\.1:\d+ \(version \S+, Ollama API \S+\)", first["message"])
        assert (server.url, 0) == (first["url"], first["keys"])
        [store] = [one for one in said if one["message"].startswith("Store: ")]
        assert store["models"] in (0, 1)
        [machine] = [one for one in said if one["message"].startswith("Machine: ")]
        assert 0 < machine["available_bytes"] <= machine["memory_bytes"]
        warnings = [one["message"] for one in said if one["level"] == "warning"]
        assert ["ignoring OLLAMA_MAX_QUEUE=x", "OLLAMA_VULKAN sets nothing here"] == [
            text.partition(": ")[0] for text in warnings
        ]


def test_each_request_is_a_line_that_holds_nothing_of_what_was_said(scripted: Any) -> None:
    """Not even to who looks for a fault: no prompt, no answer, no key."""
    with scripted(OLLAMA_DEBUG="2") as server:
        reply = server.begin(prompt=f"say:{SECRET}")
        assert SECRET in reply.read().decode()
        server.begin("/v1/chat/completions", messages=[{"role": "user", "content": f"refuse {SECRET}"}]).read()
        server.begin(
            "/v1/chat/completions", messages=[{"role": "user", "content": f"say:{SECRET} fail"}], stream=True
        ).read()
        server.begin(format=SECRET).read()
        until(lambda: len([line for line in server.requests() if line["path"] != "/api/create"]) >= 5)
        assert "able" == next(line["model"] for line in server.requests() if line["path"] == "/api/create")
        answer, *_ = [line for line in server.requests() if line["path"] == "/api/generate"]
        assert reply.headers["x-request-id"] == answer["id"]
        assert ("able:latest", "done", 1) == (answer["model"], answer["outcome"], answer["completion_tokens"])
        assert answer["load_seconds"] > 0
        refused, failed = [line for line in server.requests() if line["path"] == "/v1/chat/completions"]
        assert ("InvalidRequest", "refused") == (refused["error"], refused["error_text"])
        assert ("GenerationFailed", 200, "warning") == (failed["error"], failed["status"], failed["level"])
        assert SECRET not in "".join(server.log)


def test_the_words_of_an_engine_are_marked_with_its_model(scripted: Any) -> None:
    """By the name that one knows it by, also in what becomes of the request."""
    with scripted(OLLAMA_DEBUG="2", SCRIPTED_MODE="never-start") as server:
        reply = server.begin()
        assert (500, True) == (reply.status, "able:latest" in reply.read().decode())
        until(lambda: any(one["path"] == "/api/generate" for one in server.requests()))
        said = [json.loads(line) for line in server.log]
        [words] = [one for one in said if one["logger"] == "puna.engine.process" and one["level"] == "debug"]
        assert ("cannot read the tensors", "able:latest") == (words["message"], words["model"])


def test_a_log_that_nobody_reads_any_more_fails_no_request(tmp_path: Path) -> None:
    """The terminal is closed, or the program that collected the log has died."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        place = f"127.0.0.1:{free.getsockname()[1]}"
    environ = os.environ | {
        "OLLAMA_HOST": place,
        "OLLAMA_MODELS": str(tmp_path / "m"),
        "PUNA_STATE": str(tmp_path / "s"),
    }
    with subprocess.Popen([sys.executable, "-m", "puna", "serve"], env=environ, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        assert b"Listening on" in process.stderr.readline()
        process.stderr.close()
        for _ in range(5):
            with socket.create_connection(("127.0.0.1", int(place.rpartition(":")[2])), timeout=30) as connection:
                connection.sendall(b"GET /api/version HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                assert connection.recv(100).startswith(b"HTTP/1.1 200")
        process.terminate()
        assert 0 == process.wait(30)


def test_systemd_hears_when_it_serves_and_when_it_stops(scripted: Any, tmp_path: Path) -> None:
    """Units that need it are started when it answers, and its end is waited for as long as it may take."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.settimeout(60)
        manager.bind(str(tmp_path / "notify"))
        with scripted(NOTIFY_SOCKET=str(tmp_path / "notify"), PUNA_DRAIN="30s") as server:
            assert b"READY=1" in manager.recv(200)
            assert 200 == server.get("/").status
            server.process.terminate()
            last = manager.recv(200).decode().splitlines()
            assert "STOPPING=1" in last
            [patience] = [int(line.partition("=")[2]) for line in last if line.startswith("EXTEND_TIMEOUT_USEC=")]
            assert patience > 30_000_000
            assert 0 == server.process.wait(30)
