"""/api/pull and /api/push: their progress and their errors as Ollama's clients know them."""

from __future__ import annotations

from typing import Any

import pytest

from puna.errors import InvalidRequest, RemoteNotFound, StoreError
from puna.types import PullRequest, PushRequest

ROUTES = ("/api/pull", "/api/push")


def test_a_pull_streams_its_steps(site: Any) -> None:
    """Each step is a line; nothing done is not said."""
    reply = site.send("POST", "/api/pull", {"name": "smol:tag:local", "insecure": True, "limit_rate": 5})
    assert (200, "application/x-ndjson") == (reply.status, reply.headers["content-type"])
    zeros = f"sha256:{'0' * 64}"
    assert [
        '{"status":"pulling manifest"}',
        f'{{"status":"pulling 0123456789ab","digest":"{zeros}","total":7}}',
        f'{{"status":"pulling 0123456789ab","digest":"{zeros}","total":7,"completed":7}}',
        '{"status":"success"}',
    ] == reply.text.splitlines()
    assert [PullRequest("smol:tag", insecure=True, limit_rate=5)] == site.transfers.pulled


@pytest.mark.parametrize("path", ROUTES)
def test_not_streamed_only_the_last_step_comes(path: str, site: Any) -> None:
    """``"stream": false`` waits for the end and says how it was."""
    reply = site.send("POST", path, {"model": "smol", "stream": False})
    assert (200, '{"status":"success"}') == (reply.status, reply.text)


@pytest.mark.parametrize("path", ROUTES)
def test_a_registrys_error_ends_the_stream(path: str, site: Any) -> None:
    """What goes wrong on the way is the last line, and not streamed a 500, whatever the registry's own status."""
    site.transfers.fault = RemoteNotFound("file does not exist")
    assert '{"error":"file does not exist"}' == site.send("POST", path, {"model": "smol"}).text.splitlines()[-1]
    reply = site.send("POST", path, {"model": "smol", "stream": False})
    assert (500, '{"error":"file does not exist"}') == (reply.status, reply.text)


@pytest.mark.parametrize(("fault", "status"), [(InvalidRequest("no"), 400), (StoreError("no"), 500)])
def test_other_errors_keep_their_status(fault: Exception, status: int, site: Any) -> None:
    """A mistake in the request is the caller's, a broken store is not."""
    site.transfers.fault = fault
    reply = site.send("POST", "/api/pull", {"model": "smol", "stream": False})
    assert (status, '{"error":"no"}') == (reply.status, reply.text)


@pytest.mark.parametrize(("body", "error"), [(b"", "missing request body"), ({"model": "a b"}, "invalid model name")])
def test_a_pull_of_nothing_is_refused(body: Any, error: str, site: Any) -> None:
    """What is no request is a 400, streamed or not."""
    reply = site.send("POST", "/api/pull", body)
    assert (400, f'{{"error":"{error}"}}') == (reply.status, reply.text)


def test_a_push_says_what_to_push(site: Any) -> None:
    """The fields of a push reach the service."""
    site.send("POST", "/api/push", {"model": "host/a/b", "insecure": True, "limit_rate": 9})
    assert [PushRequest("host/a/b", insecure=True, limit_rate=9)] == site.transfers.pushed
