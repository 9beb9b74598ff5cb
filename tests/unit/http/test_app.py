"""Journeys through the whole HTTP side: real sockets, a real server, services that do as they are told."""

from __future__ import annotations

import asyncio
import http.client
import logging
import threading
from collections.abc import AsyncGenerator

import pytest

from puna import OLLAMA_API_VERSION, __version__
from puna.errors import (
    BlobNotFound,
    ContextTooLong,
    EngineGone,
    InvalidDigest,
    InvalidOption,
    ModelNotFound,
    NotCapable,
    QuantizeFailed,
    QueueFull,
    RemoteNotFound,
    TemplateError,
)
from puna.events import Event, Rendered, Text
from puna.types import ChatRequest, Details, Message, RunningModel

HELLO = {"model": "smol", "messages": [{"role": "user", "content": "Hi"}]}
JSON, NDJSON = "application/json; charset=utf-8", "application/x-ndjson"
PNG_DIGEST = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"


def test_the_server_says_that_it_is_there(site):
    """The words every client of Ollama looks for, and who really speaks."""
    answer = site.send("GET", "/")

    assert (200, "Ollama is running", "text/plain; charset=utf-8") == (
        answer.status,
        answer.text,
        answer.headers["content-type"],
    )
    assert f"puna/{__version__}" == answer.headers["server"]


@pytest.mark.parametrize("path", ["/", "/api/version", "/api/tags"])
def test_head_is_get_without_a_body(site, path):
    """Clients probe with HEAD."""
    answer = site.send("HEAD", path)

    assert (200, "") == (answer.status, answer.text)


@pytest.mark.parametrize(
    ("method", "path", "status", "expected"),
    [
        ("GET", "/api/version", 200, {"version": OLLAMA_API_VERSION}),
        ("GET", "/api/status", 200, {"cloud": {"disabled": True, "source": "env"}}),
        ("GET", "/api/ps", 200, {"models": []}),
        ("POST", "/api/me", 503, {"error": "account unavailable"}),
        ("POST", "/api/signout", 401, {"error": "you are not currently signed in"}),
        ("DELETE", "/api/user/keys/abc", 401, {"error": "you are not currently signed in"}),
        (
            "POST",
            "/api/experimental/web_search",
            403,
            {"error": "ollama cloud is disabled: web search is unavailable"},
        ),
        ("POST", "/api/experimental/web_fetch", 403, {"error": "ollama cloud is disabled: web fetch is unavailable"}),
        ("GET", "/api/experimental/model-recommendations", 200, {"recommendations": []}),
    ],
)
def test_what_needs_no_model(site, method, path, status, expected):
    """The server about itself, and about what only ollama.com can do."""
    answer = site.send(method, path)

    assert (status, expected, JSON) == (answer.status, answer.json, answer.headers["content-type"])


def test_other_paths_and_methods(site):
    """The router and the guard stand before every dialect."""
    missing, wrong, moved = (site.send(*call) for call in (("GET", "/x"), ("GET", "/api/chat"), ("GET", "/api/tags/")))
    preflight = site.send("OPTIONS", "/api/chat", headers={"Origin": "http://localhost:3000"})
    stranger = site.send("GET", "/api/tags", headers={"Origin": "https://evil.com"})
    rebound = site.send("GET", "/api/tags", headers={"Host": "evil.com"})

    assert [404, 405, 301, 204, 403, 403] == [
        answer.status for answer in (missing, wrong, moved, preflight, stranger, rebound)
    ]
    assert ("POST", "/api/tags", "POST") == (
        wrong.headers["allow"],
        moved.headers["location"],
        preflight.headers["allow"],
    )


def test_a_chat_streams(site):
    """One JSON object per line, and the request as the caller meant it."""
    answer = site.send("POST", "/api/chat", HELLO)

    assert (200, NDJSON) == (answer.status, answer.headers["content-type"])
    assert ["Hel", "lo", ""] == [line["message"]["content"] for line in answer.lines]
    assert [False, False, True] == [line["done"] for line in answer.lines]
    assert ("stop", 500_000_000) == (answer.lines[-1]["done_reason"], answer.lines[-1]["total_duration"])
    assert [ChatRequest("smol", messages=(Message("user", "Hi"),))] == site.chat.asked


def test_a_generation_in_one_piece(site):
    """With "stream": false, whatever the content type says."""
    body = b'{"model": "smol", "prompt": "Hi", "stream": false} and more'
    answer = site.send("POST", "/api/generate", body, {"Content-Type": "text/plain"})

    assert (200, JSON) == (answer.status, answer.headers["content-type"])
    assert ("Hello", True, 5, 2) == tuple(
        answer.json[key] for key in ("response", "done", "prompt_eval_count", "eval_count")
    )


def test_loading_and_unloading(site):
    """Without anything to answer a model is only loaded, or freed."""
    loaded = site.send("POST", "/api/generate", {"model": "smol"})
    unloaded = site.send("POST", "/api/chat", {"model": "smol", "messages": [], "keep_alive": 0})

    assert ("load", "unload") == (loaded.json["done_reason"], unloaded.json["done_reason"])
    assert ["smol"] == site.chat.unloaded


def test_a_prompt_is_rendered(site):
    """_debug_render_only shows what the model would read."""

    async def render() -> AsyncGenerator[Event, None]:
        yield Rendered("<|user|>Hi")

    site.chat.script = render
    answer = site.send("POST", "/api/chat", {**HELLO, "_debug_render_only": True})

    assert {"rendered_template": "<|user|>Hi"} == answer.json["_debug_info"]


@pytest.mark.parametrize(
    ("path", "body", "status", "text"),
    [
        ("/api/generate", None, 400, "missing request body"),
        ("/api/chat", b"{", 400, "unexpected EOF"),
        ("/api/generate", {"prompt": "x"}, 404, "model '' not found"),
        ("/api/chat", {"messages": []}, 400, "model is required"),
        ("/api/chat", {"model": "a b!"}, 400, "invalid model name"),
        ("/api/generate", {"model": "nope:local", "prompt": "x"}, 404, "model 'nope:local' not found"),
        ("/api/generate", {"model": "nope", "keep_alive": 0}, 404, "model 'nope' not found"),
        ("/api/generate", {"model": "nope", "prompt": "x", "format": 5}, 404, "model 'nope' not found"),
        (
            "/api/generate",
            {"model": "smol", "prompt": "x", "format": 5},
            500,
            'invalid format: "5"; expected "json" or a valid JSON Schema object',
        ),
        (
            "/api/chat",
            {"model": "gpt-oss:120b-cloud"},
            403,
            "ollama cloud is disabled: remote model is unavailable",
        ),
        ("/api/show", {"model": "x:cloud"}, 403, "ollama cloud is disabled: remote model details are unavailable"),
        ("/api/show", {"model": "nope"}, 404, "model 'nope:latest' not found"),
        ("/api/show", {}, 400, "model is required"),
        ("/api/show", {"model": "  "}, 400, "model is required"),
        ("/api/pull", {"model": "m:local:cloud"}, 400, 'use either :local or :cloud, not both: "m:local:cloud"'),
        ("/api/copy", {"source": 'a"b', "destination": "x"}, 400, 'source "a\\"b" is invalid'),
        ("/api/create", {"model": "m", "from": "x:local:cloud"}, 400, "invalid model name"),
        ("/api/show", {"model": "a b!"}, 400, "invalid model name"),
        ("/api/copy", {"source": "smol"}, 400, 'destination "" is invalid'),
        ("/api/copy", {"source": "a b", "destination": "x"}, 400, 'source "a b" is invalid'),
        ("/api/copy", {"source": "nope", "destination": "x"}, 404, 'model "nope" not found'),
        ("/api/create", {}, 400, "invalid model name"),
        ("/api/blobs/sha256:abc", b"hello", 400, "invalid digest format"),
    ],
)
def test_errors_are_said_in_the_route_s_own_words(site, path, body, status, text):
    """Status and text of each mistake are what clients of Ollama expect there."""
    answer = site.send("POST", path, body)

    assert (status, {"error": text}, JSON) == (answer.status, answer.json, answer.headers["content-type"])


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (InvalidOption("num_ctx", "integer"), 500, 'option "num_ctx" must be of type integer'),
        (TemplateError("template: no"), 500, "template: no"),
        (NotCapable('"smol" does not support thinking'), 400, '"smol" does not support thinking'),
        (QueueFull(), 503, "server busy, please try again.  maximum pending requests exceeded"),
        (EngineGone("it died"), 500, "it died"),
        (
            ContextTooLong(5000, 4096),
            400,
            str(ContextTooLong(5000, 4096)),
        ),
        (KeyError("x"), 500, "internal error (KeyError); the server's log has the details"),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
def test_an_answer_that_fails_at_once_has_a_status(site, error, status, text, stream):
    """Streamed or not."""

    async def fail() -> AsyncGenerator[Event, None]:
        raise error
        yield

    site.chat.script = fail
    answer = site.send("POST", "/api/chat", {**HELLO, "stream": stream})

    assert (status, {"error": text}) == (answer.status, answer.json)


def test_a_stream_that_breaks_says_why(site):
    """After the first word, an error is the last line."""

    async def fail() -> AsyncGenerator[Event, None]:
        yield Text("Hel")
        raise EngineGone("it died")

    site.chat.script = fail
    answer = site.send("POST", "/api/generate", {"model": "smol", "prompt": "Hi"})

    assert (200, "Hel", {"error": "it died"}) == (answer.status, answer.lines[0]["response"], answer.lines[1])


@pytest.mark.parametrize("words_first", [False, True])
def test_a_client_that_leaves_ends_the_work(site, caplog, words_first):
    """While it loads or while it answers; the server goes on without a word in its log."""
    closed = threading.Event()
    begun = threading.Event()

    async def forever() -> AsyncGenerator[Event, None]:
        try:
            if words_first:
                yield Text("Hel")
            begun.set()
            await asyncio.Event().wait()
        finally:
            closed.set()

    site.chat.script = forever
    with caplog.at_level(logging.WARNING):
        connection = site.begin("/api/chat", HELLO)
        assert begun.wait(10)
        connection.close()
        assert closed.wait(10)
        assert 200 == site.send("GET", "/").status

    # The line of an earlier test's request may come late.
    assert [] == [
        one for one in caplog.records if one.name != "puna.request" or one.__dict__["fields"]["path"] == "/api/chat"
    ]


def test_a_connection_is_used_again(site):
    """After a stream, an error and a refused body the same connection still serves."""
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=10)
    statuses = []
    for path, body in (
        ("/api/chat", b'{"model": "smol", "messages": [{"role": "user", "content": "Hi"}]}'),
        ("/api/chat", b"{"),
        ("/api/chat", b"x" * 500_000),
        ("/api/generate", b'{"model": "smol"}'),
    ):
        connection.request("POST", path, body)
        response = connection.getresponse()
        response.read()
        statuses.append(response.status)
    local = connection.sock.getsockname()
    connection.request("GET", "/")

    assert (200, local) == (connection.getresponse().status, connection.sock.getsockname())
    assert [200, 400, 413, 200] == statuses
    connection.close()


def test_a_large_json_body_is_refused_with_both_figures(site):
    """The limit guards the memory; blobs, which are not held in it, have none."""
    answer = site.send("POST", "/api/chat", b"x" * 1001)
    blob = site.send("POST", f"/api/blobs/{PNG_DIGEST}", b"x" * 5000)

    assert (413, {"error": "the request body is too large: it has 1001 bytes and may have 1000"}) == (
        answer.status,
        answer.json,
    )
    assert (400, True) == (blob.status, "digest mismatch" in blob.json["error"])


def test_a_blob_is_uploaded_once(site):
    """Missing, stored, there already."""
    path = f"/api/blobs/{PNG_DIGEST}"
    calls = [("HEAD", path), ("POST", path, b"hello"), ("POST", path, b"hello"), ("HEAD", path)]

    assert [(404, ""), (201, ""), (200, ""), (200, "")] == [
        (answer.status, answer.text) for answer in (site.send(*call) for call in calls)
    ]


def test_a_blob_that_is_there_may_be_sent_again_in_one_go(site):
    """A client that sends first and reads then is not cut off, however much it sends."""
    path = f"/api/blobs/{PNG_DIGEST}"
    site.send("POST", path, b"hello")
    assert 200 == site.send("POST", path, b"x" * (32 << 20)).status


def test_creating_reports_its_steps(site):
    """Each as a line, or only the last."""
    stream = site.send("POST", "/api/create", {"model": "mine", "from": "smol"})
    whole = site.send("POST", "/api/create", {"model": "mine", "from": "smol", "stream": False})

    assert (NDJSON, ["parsing GGUF", "writing manifest", "success"]) == (
        stream.headers["content-type"],
        [line["status"] for line in stream.lines],
    )
    assert (JSON, {"status": "success"}) == (whole.headers["content-type"], whole.json)


@pytest.mark.parametrize("stream", [True, False])
def test_a_bad_option_of_a_new_model_is_its_maker_s_mistake(site, stream):
    """Creating answers 400, where generating answers 500 as Ollama's clients know it."""
    site.library.fault = InvalidOption("num_ctx", "integer")
    answer = site.send("POST", "/api/create", {"model": "mine", "from": "smol", "stream": stream})

    assert (400, {"error": 'option "num_ctx" must be of type integer'}) == (answer.status, answer.json)


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (InvalidDigest(""), 400),
        (InvalidDigest("sha256:abc"), 500),
        (BlobNotFound("sha256:0"), 500),
        (RemoteNotFound("file does not exist"), 500),
        (QuantizeFailed("no"), 500),
        (ModelNotFound("base"), 404),
    ],
)
def test_what_a_new_model_lacks_has_the_status_it_has_with_ollama(site, fault, status):
    """Streamed or not; whether a mistake was the caller's is in the text."""
    site.library.fault = fault
    for stream in (True, False):
        answer = site.send("POST", "/api/create", {"model": "mine", "from": "smol", "stream": stream})
        assert (status, {"error": str(fault)}) == (answer.status, answer.json)


def test_a_name_that_says_local_is_that_without_it(site):
    """So that what is created or copied is found, and deleted, by the name it was given."""
    site.send("POST", "/api/create", {"model": "mine:local", "from": "smol:v1:local", "info": {"base_name": "b"}})
    site.send("POST", "/api/copy", {"source": "smol:local", "destination": "twin:local"})
    (request,) = site.library.created
    assert ("mine", "smol:v1", "", {"base_name": "b"}) == (
        request.model,
        request.source,
        request.remote_host,
        request.info,
    )
    assert {"smol:latest", "twin:latest"} == site.library.names
    assert 200 == site.send("POST", "/api/show", {"model": "smol:local"}).status
    site.library.remote_host = "http://elsewhere:11434"
    answer = site.send("POST", "/api/show", {"model": "smol:local"})
    assert (404, {"error": "model 'smol:local' not found"}) == (answer.status, answer.json)


@pytest.mark.parametrize(
    ("body", "source", "host"),
    [
        ({"from": "gpt-oss:120b-cloud"}, "gpt-oss:120b", "ollama.com"),
        ({"from": "m:cloud", "remote_host": "a"}, "m", "a"),
    ],
)
def test_a_model_of_the_cloud_runs_there(site, body, source, host):
    """A new model that starts from one is a note of it."""
    site.send("POST", "/api/create", {"model": "mine", **body})
    (request,) = site.library.created
    assert (source, host) == (request.source, request.remote_host)


def test_models_are_listed_copied_and_deleted(site):
    """A copy is a model of its own."""
    copied = site.send("POST", "/api/copy", {"source": "smol", "destination": "twin"})
    names = [model["name"] for model in site.send("GET", "/api/tags").json["models"]]
    deleted = [site.send("DELETE", "/api/delete", {"name": name}) for name in ("twin", "twin:local", "", "a b")]

    assert (200, "", ["smol:latest", "twin:latest"]) == (copied.status, copied.text, names)
    assert [
        (200, ""),
        (404, '{"error":"model \'twin:local\' not found"}'),
        (400, '{"error":"model is required"}'),
        (400, '{"error":"name \\"a b\\" is invalid"}'),
    ] == [(answer.status, answer.text) for answer in deleted]


def test_the_stub_of_a_cloud_model_can_be_deleted(site):
    """By the name clients call it, whatever name an older client stored it under."""
    site.library.names = {"m:8b-cloud"}

    assert 200 == site.send("DELETE", "/api/delete", {"model": "m:8b:cloud"}).status
    assert set() == site.library.names


def test_a_model_is_shown(site):
    """With what the caller overrides; one client finds it by its base name."""
    body = {"name": "smol", "verbose": True, "system": "S", "options": {"top_k": 1}}
    plain = site.send("POST", "/api/show", body)
    copilot = site.send("POST", "/api/show", body, {"User-Agent": "GitHubCopilotChat/0.3"})

    assert ("smol", True, "S", {"top_k": 1}) == site.library.shown[0]
    assert {"general.architecture": "llama"} == plain.json["model_info"]
    assert "smol" == copilot.json["model_info"]["general.basename"]


def test_the_models_in_memory_are_listed(site):
    """With when they leave it."""
    site.chat.models = [RunningModel("smol:latest", 9, 0, "56", Details(), "2026-11-21T20:46:12Z", 4096)]

    (model,) = site.send("GET", "/api/ps").json["models"]
    assert ("smol:latest", "2026-11-21T20:46:12Z", 4096) == (
        model["name"],
        model["expires_at"],
        model["context_length"],
    )
