"""A server that is told of a collector sends it a trace of each answer, and nothing of what was said."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from support.otlp_receiver import attributes, receiving

pytestmark = pytest.mark.real

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def test_an_answer_is_traced(start_server: Any, smollm2: Path, tmp_path: Path) -> None:
    """From the caller's span down to the engine's work, also when the server ends right afterwards."""
    with receiving() as receiver:
        with start_server(tmp_path / "store", OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url) as running:
            running.create("smollm2", smollm2)
            asked = {
                "model": "smollm2",
                "messages": [{"role": "user", "content": "Tell me of xylophones"}],
                "options": {"num_predict": 3},
                "stream": False,
            }
            request = urllib.request.Request(
                f"{running.url}/api/chat", json.dumps(asked).encode(), {"traceparent": f"00-{TRACE}-{PARENT}-01"}
            )
            with urllib.request.urlopen(request) as reply:
                id_, said = reply.headers["x-request-id"], json.loads(reply.read())
            port = int(running.url.rpartition(":")[2])
        spans = {span.name: span for span in receiver.wait(5)}

    whole = spans.pop("chat smollm2:latest")
    found = attributes(whole)
    assert (TRACE, PARENT) == (whole.trace_id.hex(), whole.parent_span_id.hex())
    assert {"queue", "load", "prompt", "completion"} == spans.keys()
    assert {whole.span_id} == {span.parent_span_id for span in spans.values()}
    assert (said["prompt_eval_count"], 3) == (found["gen_ai.usage.input_tokens"], found["gen_ai.usage.output_tokens"])
    assert ("127.0.0.1", port, id_) == (found["server.address"], found["server.port"], found["puna.request.id"])
    assert not [body for body in receiver.bodies if b"xylophone" in body]
