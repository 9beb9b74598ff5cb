"""A collector of traces: an OTLP/HTTP receiver on a port of its own that keeps the spans it is sent."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Receiver:
    """What has come so far: ``spans``, in the order they came, the ``resource`` of the last, and every ``body``."""

    def __init__(self) -> None:
        self.url = ""
        self.spans: list[Any] = []
        self.resource: dict[str, Any] = {}
        self.bodies: list[bytes] = []
        self._came = threading.Condition()

    def take(self, body: bytes) -> None:
        """Read what an exporter has sent."""
        request = ExportTraceServiceRequest.FromString(body)
        with self._came:
            self.bodies.append(body)
            for one in request.resource_spans:
                self.resource = attributes(one.resource)
                self.spans += [span for scope in one.scope_spans for span in scope.spans]
            self._came.notify_all()

    def wait(self, count: int, seconds: float = 30) -> list[Any]:
        """The spans, as soon as there are ``count`` of them."""
        until = time.monotonic() + seconds
        with self._came:
            while len(self.spans) < count:
                assert self._came.wait(until - time.monotonic()), f"{len(self.spans)} of {count} spans came"
            return self.spans


def attributes(said: Any) -> dict[str, Any]:
    """The attributes of a span or a resource, lists as tuples."""
    found = {}
    for one in said.attributes:
        kind = one.value.WhichOneof("value")
        value = getattr(one.value, kind)
        found[one.key] = tuple(item.string_value for item in value.values) if kind == "array_value" else value
    return found


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver that listens; its ``url`` is what OTEL_EXPORTER_OTLP_ENDPOINT is to be."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.take(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        receiver.url = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()
