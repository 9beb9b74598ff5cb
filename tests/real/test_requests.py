"""What runs, with real models: it is listed, can be ended, and is counted."""

from __future__ import annotations

import http.client
import json
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

import pytest

pytestmark = pytest.mark.real

# A model that may end where it likes can do so at once.
ROW = {"type": "array", "items": {"enum": ["on and on"]}, "minItems": 20_000}
ENDLESS = {"model": "smollm2", "prompt": "Once upon a time", "format": ROW, "options": {"num_predict": 100_000}}


def begin(server: Any, path: str, body: dict[str, Any]) -> http.client.HTTPConnection:
    address = urllib.parse.urlsplit(server.url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=60)
    connection.request("POST", path, json.dumps(body))
    return connection


def running(server: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = server.call("GET", "/api/requests")["requests"]
    return found


def test_a_stream_is_listed_and_ended(server: Any) -> None:
    """By the id that its own headers say; its client gets the error as the last line."""
    connection = begin(server, "/api/generate", ENDLESS)
    reply = connection.getresponse()
    reply.readline()
    id_ = reply.headers["x-request-id"]
    (one,) = running(server)
    assert (id_, "generate", "smollm2:latest", "answering", "127.0.0.1") == tuple(
        one[name] for name in ("id", "kind", "model", "state", "client")
    )
    assert one["progress"]["tokens"] > 0

    server.call("DELETE", f"/api/requests/{id_}")
    *_, last = reply.read().splitlines()
    connection.close()
    assert {"error": "request canceled"} == json.loads(last)
    assert [] == running(server)


def test_what_only_reads_is_counted_by_its_kind(server: Any) -> None:
    """Tokens and prompts, whatever API asks for them."""
    tokens = server.call("POST", "/api/tokenize", {"model": "smollm2", "text": "a b"})["tokens"]
    server.call("POST", "/api/detokenize", {"model": "smollm2", "tokens": tokens})
    messages = [{"role": "user", "content": "Hi"}]
    server.call("POST", "/api/apply-template", {"model": "smollm2", "messages": messages})
    server.call("POST", "/v1/messages/count_tokens", {"model": "smollm2", "messages": messages})
    with urllib.request.urlopen(f"{server.url}/metrics") as reply:
        counted = reply.read().decode()
    for kind in ("tokenize", "detokenize", "apply-template", "count-tokens"):
        assert f'puna_requests_total{{kind="{kind}",model="smollm2:latest",outcome="ok"}}' in counted


def test_a_whole_reply_is_ended_too(server: Any) -> None:
    """With a status that says so."""
    connection = begin(server, "/api/generate", ENDLESS | {"stream": False})
    while not (found := running(server)):
        pass
    server.call("DELETE", f"/api/requests/{found[0]['id']}")
    reply = connection.getresponse()
    assert (499, {"error": "request canceled"}) == (reply.status, json.loads(reply.read()))
    connection.close()


def test_what_does_not_run_cannot_be_ended(server: Any) -> None:
    """404, as for everything that is not there."""
    with pytest.raises(urllib.error.HTTPError) as raised:
        server.call("DELETE", "/api/requests/abc")
    with raised.value as error:
        assert 404 == error.code


def test_a_client_that_does_not_read_can_be_ended(server: Any) -> None:
    """Its slot is free afterwards."""
    connection = begin(server, "/api/generate", ENDLESS)
    while not (found := running(server)):
        pass
    server.call("DELETE", f"/api/requests/{found[0]['id']}")
    deadline = time.monotonic() + 20
    while running(server):
        assert time.monotonic() < deadline
    connection.close()


def test_everything_is_counted(server: Any) -> None:
    """By model: requests, tokens, waits and loads, in the form that Prometheus reads."""
    server.call("POST", "/api/generate", {"model": "smollm2", "keep_alive": 0})
    server.call("POST", "/api/generate", ENDLESS | {"stream": False, "options": {"num_predict": 5}})
    scraped = begin_get(server, "/metrics")
    samples = dict(line.rsplit(" ", 1) for line in scraped.splitlines() if not line.startswith("#"))

    model = 'model="smollm2:latest"'
    assert float(samples[f'puna_requests_total{{kind="generate",{model},outcome="ok"}}']) >= 1
    assert float(samples[f"puna_completion_tokens_total{{{model}}}"]) >= 5
    assert float(samples[f"puna_prompt_tokens_total{{{model}}}"]) > 0
    for name in ("queue", "time_to_first_token", "time_between_tokens", "request_duration"):
        assert float(samples[f"puna_{name}_seconds_count{{{model}}}"]) >= 1
    assert float(samples[f'puna_model_loads_total{{{model},outcome="ok"}}']) >= 1
    assert float(samples[f"puna_model_memory_bytes{{{model}}}"]) > 10**7


def begin_get(server: Any, path: str) -> str:
    address = urllib.parse.urlsplit(server.url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=60)
    connection.request("GET", path)
    text = connection.getresponse().read().decode()
    connection.close()
    return text


def test_several_run_at_once(server: Any) -> None:
    """Each with an id of its own, the oldest first."""
    connections = [begin(server, "/api/generate", ENDLESS) for _ in range(3)]
    replies = [connection.getresponse() for connection in connections]
    ids = [reply.headers["x-request-id"] for reply in replies]
    found = [one["id"] for one in running(server)]
    threads = [threading.Thread(target=server.call, args=("DELETE", f"/api/requests/{id_}")) for id_ in ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for reply in replies:
        reply.read()
    for connection in connections:
        connection.close()
    assert sorted(ids) == sorted(found)
    assert 3 == len(set(ids))
