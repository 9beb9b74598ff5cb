"""OpenTelemetry traces: a span for each request that used a model, with its waits inside, sent once it has ended.

The standard variables (``OTEL_…``) say whether, where to, and how; without them nothing of OpenTelemetry is even
imported. The library is the extra ``puna[otel]``, and only this module knows it. Names of attributes are those of the
conventions for generative AI. What was asked and answered is never part of a span.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from puna import __version__
from puna.service.requests import Ticket
from puna.types import RequestKind

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter

log = logging.getLogger(__name__)

Attributes = Mapping[str, str | int | float | Sequence[str]]

_ENDPOINTS = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"
_PROTOCOLS = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"

_OTLP = {"http/protobuf": "otlp_proto_http", "grpc": "otlp_proto_grpc"}
"""The names under which exporters of OTLP are installed, by the protocol."""

_OPERATIONS: Mapping[RequestKind, str] = {"generate": "text_completion", "embed": "embeddings"}
"""What the conventions call a kind of request, where it is not called so here."""

_LAST_SPANS_SECONDS = 3.0


def exporters(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The exporters that the variables ask for, by the names they are installed under; none: nothing is traced."""
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return ()
    asked = [name.strip() for name in environ.get("OTEL_TRACES_EXPORTER", "").split(",") if name.strip()]
    if not asked and any(environ.get(name) for name in _ENDPOINTS):
        asked = ["otlp"]
    protocol = next((environ[name] for name in _PROTOCOLS if environ.get(name)), "http/protobuf")
    return tuple(_OTLP.get(protocol, protocol) if name == "otlp" else name for name in asked if name != "none")


def find(environ: Mapping[str, str], *, address: str, port: int) -> Traces | None:
    """What makes traces for the server at that address, if the variables ask for them and the extra is installed."""
    names = exporters(environ)
    if not names:
        return None
    found = {one.name: one for one in entry_points(group="opentelemetry_traces_exporter") if one.name in names}
    try:
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 -- only who traces pays for it

        made: list[SpanExporter] = [found[name].load()() for name in names]
    except (ImportError, KeyError) as error:
        missing = f'the exporter "{error.args[0]}"' if isinstance(error, KeyError) else "OpenTelemetry"
        log.warning("traces are asked for and not made: %s is missing: pip install 'puna[otel]'", missing)
        return None
    provider = TracerProvider(resource=_resource(environ), shutdown_on_exit=False)
    return Traces(provider, made, address=address, port=port)


def _resource(environ: Mapping[str, str]) -> Resource:
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415

    named = "OTEL_SERVICE_NAME" in environ or "service.name=" in environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    return Resource.create({"service.version": __version__} | ({} if named else {"service.name": "puna"}))


class Traces:
    """Tells ``sinks`` of requests that have ended, as spans of ``provider``."""

    def __init__(self, provider: TracerProvider, sinks: Sequence[SpanExporter], *, address: str, port: int) -> None:
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

        for sink in sinks:
            provider.add_span_processor(BatchSpanProcessor(sink))
        self._provider = provider
        self._tracer = provider.get_tracer("puna", __version__)
        self._server: Attributes = {"server.address": address, "server.port": port}

    def ended(self, one: Ticket) -> None:
        """A request has ended."""
        from opentelemetry.trace import SpanKind, StatusCode, set_span_in_context  # noqa: PLC0415
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

        seconds = one.clock() - one.asked
        operation = _OPERATIONS.get(one.kind, one.kind)
        span = self._tracer.start_span(
            f"{operation} {one.found or one.model}".rstrip(),
            TraceContextTextMapPropagator().extract(one.caller.trace),
            SpanKind.SERVER,
            {**_attributes(one, operation), **self._server},
            start_time=one.since,
        )
        if span.is_recording():
            inside = set_span_in_context(span)
            for name, begin, end, said in _phases(one, seconds):
                phase = self._tracer.start_span(name, inside, attributes=said, start_time=_at(one, begin))
                phase.end(_at(one, end))
            if one.error:
                span.set_attribute("error.type", one.error)
                span.set_status(StatusCode.ERROR)
        span.end(_at(one, seconds))

    def close(self) -> None:
        """Send what is not sent yet, for which a collector has a few seconds."""
        # The library tries for longer, and a collector that is gone must not hold up the end of a server.
        closing = threading.Thread(target=self._provider.shutdown, name="last spans", daemon=True)
        closing.start()
        closing.join(_LAST_SPANS_SECONDS)


def _at(one: Ticket, seconds: float) -> int:
    """The time so long after a request came, in nanoseconds since the epoch."""
    return one.since + round(seconds * 1e9)


def _attributes(one: Ticket, operation: str) -> Attributes:
    said: dict[str, str | int | float | Sequence[str]] = {
        "gen_ai.operation.name": operation,
        "gen_ai.provider.name": "puna",
        "gen_ai.request.model": one.model,
        "gen_ai.usage.input_tokens": one.usage.prompt_tokens,
        "gen_ai.usage.cache_read.input_tokens": one.usage.cached_tokens,
        "gen_ai.usage.output_tokens": one.usage.completion_tokens,
        "gen_ai.usage.reasoning.output_tokens": one.usage.reasoning_tokens,
        "puna.request.id": one.caller.id,
        "puna.outcome": one.outcome,
    }
    if one.found:
        said["gen_ai.response.model"] = one.found
    if one.reason:
        said["gen_ai.response.finish_reasons"] = (one.reason,)
    if one.first is not None:
        said["gen_ai.response.time_to_first_chunk"] = one.first - one.asked
    if one.caller.address:
        said["client.address"] = one.caller.address
    return said


def _phases(one: Ticket, seconds: float) -> Iterator[tuple[str, float, float, Attributes]]:
    """What a request of so many ``seconds`` went through: a name, the seconds when it began and ended, attributes."""
    if not one.found:
        return
    if one.waited is None:
        yield "queue", 0.0, seconds, {}
        return
    turn = min(one.waited + one.load, seconds)
    yield "queue", 0.0, one.waited, {}
    if one.load:
        yield "load", one.waited, turn, {"gen_ai.response.model": one.found}
    if one.kind in ("chat", "generate"):
        first = seconds if one.first is None else one.first - one.asked
        yield "prompt", turn, first, {"gen_ai.usage.input_tokens": one.usage.prompt_tokens}
        if one.first is not None:
            yield "completion", first, seconds, {"gen_ai.usage.output_tokens": one.usage.completion_tokens}
