"""What schemathesis looks at beside what it knows itself; it imports this for its own run."""

from __future__ import annotations

import json
from typing import Any

import schemathesis
from jsonschema import Draft202012Validator

ANSWERED = {"stream", "format", "think", "logprobs", "top_logprobs"}
"""Fields that each kind of answer has its own way with."""

NATIVE = {"error"}
OPENAI = {"message", "type", "param", "code"}
ANTHROPIC = {"type", "error", "request_id"}


@schemathesis.hook
def before_load_schema(context: Any, raw_schema: dict[str, Any]) -> None:
    """A field that several requests have alike is read by the same code, and tried with one of them."""
    seen: set[str] = set()
    for name, schema in raw_schema["components"]["schemas"].items():
        if not name.endswith("Body"):
            continue
        for field in set(schema["properties"]) - set(schema.get("required", ())) - ANSWERED:
            alike = json.dumps([field, schema["properties"][field]], sort_keys=True)
            if alike in seen:
                del schema["properties"][field]
            seen.add(alike)


@schemathesis.check
def named_failure(ctx: Any, response: Any, case: Any) -> None:
    """A status of the server's fault is one that the document names for this route, and no accident."""
    if response.status_code < 500:
        return
    named = case.operation.definition.raw["responses"]
    assert str(response.status_code) in named, f"{response.status_code} is not among {sorted(named)}"
    assert b"internal error" not in response.content


@schemathesis.check
def dialect_error(ctx: Any, response: Any, case: Any) -> None:
    """An error has the form of the dialect that was spoken, and says something."""
    method, path = case.method, case.operation.path
    if response.status_code < 400 or method == "HEAD" or method.lower() not in methods(case):
        return
    body = json.loads(response.content)
    if path.startswith("/v1/messages"):
        assert ANTHROPIC == set(body), body
        assert {"type", "message"} == set(body["error"]), body
        text = body["error"]["message"]
    else:
        assert NATIVE == set(body), body
        text = body["error"]
        if path.startswith("/v1/") and path != "/v1/rerank" and not (response.status_code == 403 and "cloud" in text):
            assert OPENAI == set(text), body
            text = text["message"]
    assert isinstance(text, str), body
    assert text or "model" in path, body


def methods(case: Any) -> set[str]:
    """The methods that the path of ``case`` has."""
    return set(case.operation.schema.raw_schema["paths"][case.operation.path])


@schemathesis.check
def stream_lines(ctx: Any, response: Any, case: Any) -> None:
    """Each line of a stream is what the document says that lines are; it knows how to check events itself."""
    if not response.headers.get("content-type", [""])[0].startswith("application/x-ndjson"):
        return
    content = case.operation.definition.raw["responses"]["200"]["content"]["application/x-ndjson"]
    about = case.operation.schema.raw_schema
    line_schema = Draft202012Validator({**content["schema"], "components": about["components"]})
    lines = response.content.decode("ascii").split("\n")
    assert "" == lines.pop(), "the last line ends like the others"
    for line in lines:
        line_schema.validate(json.loads(line))
