"""The document at /openapi.json is whole, and true: a real server keeps to it, whatever it is sent."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

HERE = Path(__file__).parent
SUPPORT = HERE.parent / "support"

TEMPLATE = (
    "{{- if .Suffix }}<PRE>{{ .Prompt }}<SUF>{{ .Suffix }}<MID>{{ else }}{{ range .Tools }}{{ . }}\n{{ end }}"
    "{{ range .Messages }}{{ .Role }}: {{ if .Thinking }}<think>{{ .Thinking }}</think>{{ end }}{{ .Content }} "
    "{{ range .ToolCalls }}<tool_call>{{ .Function.Arguments }}</tool_call>{{ end }}\n{{ end }}assistant:{{ end }}"
)
"""A prompt with all that a model can be given, so that no request is refused for what this one lacks."""

UNENFORCEABLE = {"type": "array", "items": {"type": "integer"}, "uniqueItems": True}
ASKED = [{"role": "user", "content": "Hi"}]
FORMATS: dict[str, dict[str, Any]] = {
    "/api/generate": {"prompt": "Hi", "format": UNENFORCEABLE},
    "/api/chat": {"messages": ASKED, "format": UNENFORCEABLE},
    "/v1/chat/completions": {
        "messages": ASKED,
        "response_format": {"type": "json_schema", "json_schema": {"name": "list", "schema": UNENFORCEABLE}},
    },
    "/v1/responses": {
        "input": "Hi",
        "text": {"format": {"type": "json_schema", "name": "list", "schema": UNENFORCEABLE}},
    },
    "/v1/messages": {
        "messages": ASKED,
        "max_tokens": 9,
        "output_config": {"format": {"type": "json_schema", "schema": UNENFORCEABLE}},
    },
}


@pytest.fixture(scope="module")
def scripted(tmp_path_factory: pytest.TempPathFactory, start_server: Any, tiny: tuple[Path, Path]) -> Iterator[Any]:
    """A server with a model that says what its prompt tells it to, and no way out of this machine."""
    environ = {
        "PUNA_LLAMA_SERVER": str(SUPPORT / "scripted_llama_server.py"),
        "HTTP_PROXY": "http://127.0.0.1:9",
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "NO_PROXY": "127.0.0.1",
    }
    with start_server(tmp_path_factory.mktemp("store"), **environ) as running:
        running.create("smollm2", tiny[0], template=TEMPLATE)
        yield running


@pytest.fixture(scope="module")
def about(scripted: Any) -> Any:
    return scripted.call("GET", "/openapi.json")


def send(server: Any, method: str, path: str, body: Any) -> tuple[int, str, bytes]:
    """The status, the media type and the body of a reply."""
    request = urllib.request.Request(server.url + path, json.dumps(body).encode(), method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            return reply.status, reply.headers.get_content_type(), reply.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers.get_content_type(), error.read()


def loads(server: Any) -> float:
    """How often it has loaded the model."""
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=60) as reply:
        lines = reply.read().decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("puna_model_loads_total{"))


@pytest.fixture
def unloaded(scripted: Any) -> Any:
    """The server, with its model out of memory."""
    scripted.call("POST", "/api/generate", {"model": "smollm2", "stream": False})
    scripted.call("POST", "/api/generate", {"model": "smollm2", "keep_alive": 0})
    assert loads(scripted) > 0
    return scripted


def test_the_document_is_openapi(about: Any) -> None:
    """Programs that read OpenAPI 3.1 can read it."""
    validate(about)
    assert about["openapi"].startswith("3.1.")


def test_every_example_works(scripted: Any, about: Any) -> None:
    """Each of the document's examples is answered with success, by what the document says."""
    tried = 0
    for path, operations in sorted(about["paths"].items(), key=lambda found: found[0] == "/api/delete"):
        for method, operation in operations.items():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            for name, example in content.get("examples", {}).items():
                where = f"{method} {path}: {name}"
                status, media_type, reply = send(scripted, method.upper(), path, example["value"])
                assert status in {200, 201}, (where, reply)
                schema = Draft202012Validator({**content["schema"], "components": about["components"]})
                schema.validate(example["value"])
                said = operation["responses"][str(status)].get("content", {})
                if media_type == "application/json":
                    reply_schema = {**said[media_type]["schema"], "components": about["components"]}
                    Draft202012Validator(reply_schema).validate(json.loads(reply))
                elif reply:
                    assert media_type in said, where
                tried += 1
    assert tried > 30


@pytest.mark.parametrize("path", FORMATS)
def test_a_schema_that_cannot_be_followed_loads_no_model(unloaded: Any, path: str) -> None:
    """It is refused at once, in every dialect, and the keyword is named by its place."""
    before = loads(unloaded)
    status, _, reply = send(unloaded, "POST", path, {"model": "smollm2", **FORMATS[path]})
    assert 400 == status, reply
    assert b"/uniqueItems: this keyword cannot be enforced" in reply
    assert {"models": []} == unloaded.call("GET", "/api/ps")
    assert before == loads(unloaded)


def test_a_tool_that_must_be_called_and_cannot_be_loads_no_model(unloaded: Any) -> None:
    """A tool's parameters are looked at as early, where a call is required."""
    before = loads(unloaded)
    tool = {"name": "pick", "parameters": {"type": "object", "properties": {"which": UNENFORCEABLE}}}
    body = {"model": "smollm2", "messages": ASKED, "tool_choice": "required"}
    body["tools"] = [{"type": "function", "function": tool}]
    status, _, reply = send(unloaded, "POST", "/v1/chat/completions", body)
    assert (400, True) == (status, b"uniqueItems" in reply), reply
    assert before == loads(unloaded)


def test_the_server_keeps_to_the_document(scripted: Any, about: Any, tmp_path: Path) -> None:
    """Whatever schemathesis makes of it, right or wrong, the reply is one that the document promises."""
    environ = os.environ | {"SCHEMATHESIS_HOOKS": "support.api_checks", "PYTHONPATH": str(SUPPORT.parent)}
    report = tmp_path / "report.ndjson"
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", HERE / "schemathesis.toml"]
    command += ["run", f"{scripted.url}/openapi.json", "--report-ndjson-path", report]
    done = subprocess.run(command, env=environ, cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False)
    assert 0 == done.returncode, done.stdout[-20_000:] + done.stderr[-2_000:]

    labels = {f"{method.upper()} {path}" for path, found in about["paths"].items() for method in found}
    tried: dict[str, set[str]] = {}
    for line in report.read_text().splitlines():
        ((kind, event),) = json.loads(line).items()
        if kind == "ScenarioFinished" and (checks := event["recorder"].get("checks")):
            names = {one["name"] for each in checks.values() for one in each}
            tried.setdefault(event["recorder"]["label"], set()).update(names)
    # Where it found the document it does not look again.
    assert {"GET /openapi.json"} == labels - set(tried)
    assert all({"named_failure", "dialect_error", "stream_lines"} <= checks for checks in tried.values())
    assert [] == [line for line in scripted.log if "internal error" in line]
    assert scripted.process.poll() is None
