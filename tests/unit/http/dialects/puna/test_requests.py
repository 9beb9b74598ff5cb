from typing import Any

from puna.types import RunningRequest

ONE = RunningRequest("abc", "chat", "smol:latest", "prompt", "127.0.0.1", "2026-11-21T20:41:05Z", 1.5, 700, 512, 0)


def test_what_runs_is_listed(site: Any) -> None:
    """With what tells whether to wait for it."""
    site.requests.requests = [ONE]
    reply = site.send("GET", "/api/requests")
    assert (200, "application/json") == (reply.status, reply.headers["content-type"])
    assert {
        "requests": [
            {
                "id": "abc",
                "kind": "chat",
                "model": "smol:latest",
                "state": "prompt",
                "client": "127.0.0.1",
                "started_at": "2026-11-21T20:41:05Z",
                "duration": 1_500_000_000,
                "progress": {"prompt_tokens": 700, "prompt_done": 512, "tokens": 0},
            }
        ]
    } == reply.json


def test_what_runs_can_be_ended(site: Any) -> None:
    """By its id, also in the form that Anthropic's clients know; a second time there is nothing to end."""
    for id_ in ("abc", "req_abc"):
        site.requests.requests = [ONE]
        ended = site.send("DELETE", f"/api/requests/{id_}")
        assert (200, "") == (ended.status, ended.text)
    gone = site.send("DELETE", "/api/requests/abc")
    assert (404, {"error": 'request "abc" not found'}) == (gone.status, gone.json)


def test_every_reply_says_the_id_of_its_request(site: Any) -> None:
    """No two are the same."""
    ids = {site.send("GET", "/api/version").headers["x-request-id"] for _ in range(3)}
    assert 3 == len(ids)


def test_a_request_may_bring_its_id(site: Any) -> None:
    """So that it can be asked for while it has no reply yet; what is no id is not taken for one."""
    for brought, kept in (("0123456789abcdef01234567", True), ("abc", False), ("0" * 23 + "\u00e9", False)):
        reply = site.send("GET", "/api/version", headers={"X-Request-Id": brought})
        assert kept == (brought == reply.headers["x-request-id"])


def test_the_metrics_are_in_the_form_that_is_asked_for(site: Any) -> None:
    """Prometheus says which it can read."""
    reply = site.send("GET", "/metrics", headers={"Accept": "text/plain"})
    assert (200, "# text/plain") == (reply.status, reply.text)
