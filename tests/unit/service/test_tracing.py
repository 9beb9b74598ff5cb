"""Every request that used a model is a span of OpenTelemetry, where the standard variables ask for that."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest

from puna.service.requests import Caller, Ticket
from puna.service.tracing import exporters, find
from puna.types import Usage
from support.otlp_receiver import Receiver, attributes, receiving

SINCE = 1_700_000_000_000_000_000
TRACE = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate": "a=b"}


@pytest.mark.parametrize(
    ("environ", "names"),
    [
        ({}, ()),
        ({"OTEL_SERVICE_NAME": "x"}, ()),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://h:4318"}, ("otlp_proto_http",)),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://h:4318/v1/traces"}, ("otlp_proto_http",)),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://h:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, ("otlp_proto_grpc",)),
        ({"OTEL_TRACES_EXPORTER": "otlp, console"}, ("otlp_proto_http", "console")),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://h:4318"}, ()),
        ({"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://h:4318"}, ()),
    ],
)
def test_the_standard_variables_decide(environ: Mapping[str, str], names: tuple[str, ...]) -> None:
    """As they do for every program that knows OpenTelemetry."""
    assert names == exporters(environ)


def test_who_traces_nothing_pays_nothing() -> None:
    """The library is not even imported."""
    program = (
        "import sys; import puna.server; from puna.service import tracing;"
        "assert tracing.find({}, address='h', port=1) is None;"
        "assert not [name for name in sys.modules if name.startswith('opentelemetry')]"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_an_exporter_that_is_missing_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """With the command that brings what is needed; the server runs without."""
    assert find({"OTEL_TRACES_EXPORTER": "carrier-pigeon"}, address="h", port=1) is None
    (record,) = caplog.records
    assert "carrier-pigeon" in record.getMessage()
    assert "pip install 'puna[otel]'" in record.getMessage()


def ticket(**fields: Any) -> Ticket:
    values: dict[str, Any] = {"kind": "chat", "model": "smol", "asked": 10.0, "since": SINCE, "clock": lambda: 15.0}
    return Ticket(**{"caller": Caller("a1", "10.0.0.7"), **values, **fields})


def sent(*tickets: Ticket, **environ: str) -> tuple[dict[str, Any], Receiver]:
    """The spans, by their names, that a collector gets of requests."""
    with receiving() as receiver, pytest.MonkeyPatch.context() as patch:
        settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url, **environ}
        for name, value in settings.items():
            patch.setenv(name, value)
        traces = find(settings, address="127.0.0.1", port=11434)
        assert traces is not None
        for one in tickets:
            traces.ended(one)
        traces.close()
    return {span.name: span for span in receiver.spans}, receiver


def seconds(span: Any) -> tuple[float, float]:
    return (span.start_time_unix_nano - SINCE) / 1e9, (span.end_time_unix_nano - SINCE) / 1e9


def test_a_request_is_a_span_and_what_it_waited_for_are_others_inside() -> None:
    """With the names of the conventions for generative AI, and the tokens it took."""
    usage = Usage(9, 5, cached_tokens=4, reasoning_tokens=2)
    times = {"waited": 1.0, "load": 0.5, "first": 12.0, "last": 14.0}
    spans, receiver = sent(ticket(found="smol:latest", usage=usage, outcome="ok", reason="stop", **times))

    whole = spans["chat smol:latest"]
    assert (0.0, 5.0) == seconds(whole)
    assert {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "puna",
        "gen_ai.request.model": "smol",
        "gen_ai.response.model": "smol:latest",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.response.time_to_first_chunk": 2.0,
        "gen_ai.usage.input_tokens": 9,
        "gen_ai.usage.cache_read.input_tokens": 4,
        "gen_ai.usage.output_tokens": 5,
        "gen_ai.usage.reasoning.output_tokens": 2,
        "server.address": "127.0.0.1",
        "server.port": 11434,
        "client.address": "10.0.0.7",
        "puna.request.id": "a1",
        "puna.outcome": "ok",
    } == attributes(whole)
    parts = {name: seconds(span) for name, span in spans.items() if span is not whole}
    assert {"queue": (0.0, 1.0), "load": (1.0, 1.5), "prompt": (1.5, 2.0), "completion": (2.0, 5.0)} == parts
    assert {whole.span_id} == {span.parent_span_id for span in spans.values() if span is not whole}
    assert "puna" == receiver.resource["service.name"]


def test_a_callers_trace_goes_on() -> None:
    """By its W3C headers."""
    spans, _ = sent(ticket(caller=Caller("a1", trace=TRACE), kind="embed"))
    (span,) = spans.values()
    assert "embeddings smol" == span.name
    assert "0af7651916cd43dd8448eb211c80319c" == span.trace_id.hex()
    assert ("b7ad6b7169203331", "a=b") == (span.parent_span_id.hex(), span.trace_state)


def test_a_caller_who_does_not_sample_is_not_traced() -> None:
    """The standard's default."""
    unsampled = {"traceparent": TRACE["traceparent"][:-1] + "0"}
    spans, _ = sent(ticket(caller=Caller("a1", trace=unsampled), model="quiet"), ticket(model="loud"))
    assert {"chat loud"} == spans.keys()


def test_a_failure_has_its_type_and_no_words() -> None:
    """An error's text may quote what was asked."""
    spans, _ = sent(ticket(outcome="error", error="ModelNotFound"), ticket(model="b", found="b", waited=None))
    failed = spans["chat smol"]
    assert ("ModelNotFound", 2, "") == (attributes(failed)["error.type"], failed.status.code, failed.status.message)
    assert (0.0, 5.0) == seconds(spans["queue"])
    assert "error.type" not in attributes(spans["chat b"])


def test_a_service_has_the_name_it_is_given() -> None:
    """The operator's name wins."""
    _, receiver = sent(ticket(), OTEL_SERVICE_NAME="kitchen")
    assert "kitchen" == receiver.resource["service.name"]
