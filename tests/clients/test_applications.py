"""Requests as applications make them: what they send that the libraries do not, and what they read of the answers."""

from __future__ import annotations

import hashlib
import http.client
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

SAID = '<think>Hm</think>Yes.<tool_call>\n{"name": "look", "arguments": {"at": "it"}}\n</tool_call>'
PARAMETERS = {"type": "object", "properties": {"at": {"type": "string"}}, "additionalProperties": False}
EPHEMERAL = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}


@pytest.fixture
def client(scripted: Any) -> Iterator[httpx.Client]:
    """Talks to the server with the model `able`."""
    with httpx.Client(base_url=scripted.url) as client:
        yield client


def http_chunks(url: str, path: str, body: object) -> list[bytes]:
    """The chunks that the answer to a request comes in."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    connection.request("POST", path, json.dumps(body))
    reply = connection.getresponse()
    assert "chunked" == reply.getheader("transfer-encoding")
    chunks = []
    while size := int(reply.fp.readline().partition(b";")[0], 16):
        chunks.append(reply.fp.read(size))
        reply.fp.readline()
    connection.close()
    return chunks


def test_each_object_of_a_stream_is_a_chunk(scripted: Any, answer: Callable[[str], str]) -> None:
    """Programs that take every piece they receive for one JSON object (ollama-rs does) get one at a time."""
    tool = {"type": "function", "function": {"name": "look", "parameters": PARAMETERS}}
    message = {"role": "user", "content": answer(SAID)}
    body = {"model": "able", "messages": [message], "tools": [tool], "think": True}
    objects = [json.loads(chunk) for chunk in http_chunks(scripted.url, "/api/chat", body)]
    assert [False] * (len(objects) - 1) + [True] == [one["done"] for one in objects]
    assert {"thinking", "content", "tool_calls"} <= {key for one in objects for key in one["message"]}


@pytest.mark.parametrize("authorization", ["Bearer ollama", "Bearer undefined", "Basic dXNlcjpwYXNz"])
def test_who_sends_a_key_that_nobody_asked_for_comes_in(client: httpx.Client, authorization: str) -> None:
    """Programs that always send one, whatever it is, are let in where there are no keys."""
    for path in ("/api/tags", "/api/version", "/v1/models"):
        assert 200 == client.get(path, headers={"Authorization": authorization, "Accept": "*/*"}).status_code


def test_editors_find_models_by_version_list_and_description(client: httpx.Client) -> None:
    """VS Code compares the version number by number, lists, and reads what each model can do and hold."""
    assert (0, 6, 4) <= tuple(int(part) for part in client.get("/api/version").json()["version"].split("."))
    (listed,) = (one for one in client.get("/api/tags").json()["models"] if one["name"] == "able:latest")
    assert re.fullmatch(r"[0-9a-f]{64}", listed["digest"])
    about = client.post("/api/show", json={"model": listed["model"]}, headers={"User-Agent": "GitHubCopilotChat/0.35"})
    info = about.json()["model_info"]
    assert isinstance(info[f"{info['general.architecture']}.context_length"], int)
    assert "able:latest" == info["general.basename"]
    assert {"tools", "thinking"} <= set(about.json()["capabilities"])


def test_a_web_interface_uploads_a_model_and_unloads_it(client: httpx.Client, tiny: tuple[Path, Path]) -> None:
    """Open WebUI sends a file in pieces, names the model after it, and unloads it by an empty prompt."""
    content = tiny[0].read_bytes()
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    sent = client.post(
        f"/api/blobs/{digest}",
        content=(content[at : at + 65536] for at in range(0, len(content), 65536)),
        headers={"Content-Type": "application/octet-stream", "Content-Length": str(len(content))},
    )
    assert sent.is_success
    made = {"model": "Tiny-1.5_Q8", "files": {"Tiny-1.5_Q8.gguf": digest}, "stream": False}
    assert {"status": "success"} == client.post("/api/create", json=made).json()
    unloaded = client.post("/api/generate", json={"model": "Tiny-1.5_Q8", "keep_alive": 0, "prompt": ""})
    assert "unload" == unloaded.json()["done_reason"]
    assert 200 == client.request("DELETE", "/api/delete", json={"model": "Tiny-1.5_Q8"}).status_code


def test_claude_code(client: httpx.Client, answer: Callable[[str], str]) -> None:
    """Claude Code's caching, betas, adaptive thinking and context edits are taken, and its tool is called."""
    body = {
        "model": "able",
        "max_tokens": 32000,
        "stream": True,
        "system": [{"type": "text", "text": "You are careful.", **EPHEMERAL}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": answer(SAID), **EPHEMERAL}]}],
        "tools": [{"name": "look", "description": "Look", "input_schema": PARAMETERS, "eager_input_streaming": True}],
        "metadata": {"user_id": "someone"},
        "thinking": {"type": "adaptive", "display": "summarized"},
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        "output_config": {"effort": "medium"},
    }
    headers = {"anthropic-version": "2023-06-01", "anthropic-beta": "claude-code-20250219", "x-app": "cli"}
    assert 200 == client.head("/").status_code
    reply = client.post("/v1/messages?beta=true", json=body, headers=headers)
    assert 200 == reply.status_code, reply.text
    events = [json.loads(line[6:]) for line in reply.text.splitlines() if line.startswith("data: ")]
    blocks = [event["content_block"]["type"] for event in events if event["type"] == "content_block_start"]
    assert ["thinking", "text", "tool_use"] == blocks
    assert ["tool_use"] == [one["delta"]["stop_reason"] for one in events if one["type"] == "message_delta"]


def test_codex(client: httpx.Client, answer: Callable[[str], str]) -> None:
    """Tools that Codex brings for OpenAI's own models do not keep it from using its functions."""
    own = [{"type": kind} for kind in ("local_shell", "web_search", "image_generation", "tool_search")]
    custom = {"type": "custom", "name": "patch", "format": {"type": "grammar", "syntax": "lark", "definition": "a: b"}}
    body = {
        "model": "able:latest",
        "instructions": "You are careful.",
        "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": answer(SAID)}]}],
        "tools": [{"type": "function", "name": "look", "parameters": PARAMETERS, "strict": False}, *own, custom],
        "tool_choice": "auto",
        "parallel_tool_calls": False,
        "reasoning": {"effort": "medium", "summary": "auto"},
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "prompt_cache_key": "one",
        "text": {"verbosity": "low"},
    }
    reply = client.post("/v1/responses", json=body)
    assert 200 == reply.status_code, reply.text
    (call,) = (item for item in reply.json()["output"] if item["type"] == "function_call")
    assert ("look", {"at": "it"}) == (call["name"], json.loads(call["arguments"]))


@pytest.mark.parametrize("origin", ["app://obsidian.md", "vscode-webview://1a2b", "tauri://localhost", "file://"])
def test_applications_made_of_web_pages_may_call(client: httpx.Client, origin: str) -> None:
    """A page of an application on the same machine may ask, before it does and when it does."""
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    asked["Access-Control-Request-Headers"] = "authorization,content-type,x-stainless-os"
    before = client.options("/api/chat", headers=asked)
    assert (204, origin) == (before.status_code, before.headers["access-control-allow-origin"])
    allowed = {name.lower() for name in before.headers["access-control-allow-headers"].split(",")}
    assert {"authorization", "content-type", "x-stainless-os"} <= allowed
    assert origin == client.get("/api/tags", headers={"Origin": origin}).headers["access-control-allow-origin"]


def test_a_body_without_a_type_is_json(client: httpx.Client, answer: Callable[[str], str]) -> None:
    """What `curl -d` sends is taken for JSON, and so is text that is not UTF-8, as older PowerShells send it."""
    body = json.dumps({"model": "able", "prompt": answer("Ja.") + " M\xfcller", "stream": False}, ensure_ascii=False)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for content in (body.encode(), body.encode("latin-1")):
        assert "Ja." == client.post("/api/generate", content=content, headers=form).json()["response"]
