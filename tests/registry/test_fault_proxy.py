"""The proxy of these tests does what it says."""

from __future__ import annotations

import http.client
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from support.fault_proxy import (
    Answer,
    Cut,
    CutUpload,
    Fault,
    FaultProxy,
    Flip,
    Redirect,
    Shorten,
    Slow,
    Stall,
    WithoutRange,
    WrongRange,
    fault_proxy,
)

CONTENT = bytes(range(256)) * 1000


class _Origin(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    uploaded: list[bytes]

    def do_GET(self) -> None:
        first, last, status = 0, len(CONTENT) - 1, 200
        if wanted := self.headers.get("Range"):
            first, last = (int(place) for place in wanted.removeprefix("bytes=").split("-"))
            status = 206
        self.send_response(status)
        self.send_header("Content-Length", str(last - first + 1))
        if status == 206:
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(CONTENT)}")
        self.end_headers()
        self.wfile.write(CONTENT[first : last + 1])

    def do_PUT(self) -> None:
        self.uploaded.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(201)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


class _Origins(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        # The proxy breaks connections, as it is told to.
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@pytest.fixture
def uploaded() -> list[bytes]:
    return []


@pytest.fixture
def proxy(uploaded: list[bytes]) -> Iterator[FaultProxy]:
    server = _Origins(("127.0.0.1", 0), type("Origin", (_Origin,), {"uploaded": uploaded}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    with fault_proxy(f"127.0.0.1:{server.server_port}") as running:
        yield running
    server.shutdown()
    server.server_close()
    thread.join()


def get(proxy: FaultProxy, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """GET /content; its status, headers (names in lower case) and as much of the body as came."""
    connection = http.client.HTTPConnection(proxy.host, timeout=5)
    try:
        connection.request("GET", "/content", headers=headers)
        reply = connection.getresponse()
        try:
            body = reply.read()
        except http.client.IncompleteRead as error:
            body = error.partial
        return reply.status, {name.lower(): value for name, value in reply.getheaders()}, body
    finally:
        connection.close()


def test_without_a_rule_a_request_goes_through(proxy: FaultProxy) -> None:
    """Requests and replies pass unchanged, also several on one connection."""
    connection = http.client.HTTPConnection(proxy.host, timeout=5)
    for _ in range(2):
        connection.request("GET", "/content")
        assert CONTENT == connection.getresponse().read()
    connection.close()
    assert [len(CONTENT)] * 2 == [seen.sent for seen in proxy.asked("GET")]


def test_a_rule_is_used_up(proxy: FaultProxy) -> None:
    """A fault happens as often as was said, and then no more."""
    proxy.on("GET", "^/content$", Answer(500, body=b"no"), times=2)
    assert [500, 500, 200] == [get(proxy)[0] for _ in range(3)]


def test_an_answer_has_its_headers(proxy: FaultProxy) -> None:
    """The proxy answers in the registry's stead."""
    proxy.on("GET", "", Answer(429, {"Retry-After": "3"}))
    status, headers, _ = get(proxy)
    assert (429, "3") == (status, headers["retry-after"])


def test_a_redirect_keeps_the_path(proxy: FaultProxy) -> None:
    """The client is sent to the same path elsewhere."""
    proxy.on("GET", "", Redirect("127.0.0.1:9"))
    status, headers, _ = get(proxy)
    assert (307, "http://127.0.0.1:9/content") == (status, headers["location"])


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Cut(1000, reset=False), CONTENT[:1000]),
        (Shorten(1000), CONTENT[:1000]),
        (Flip(20_000), CONTENT[:20_000] + bytes([CONTENT[20_000] ^ 1]) + CONTENT[20_001:]),
        (Slow(2_000_000), CONTENT),
    ],
)
def test_a_body_is_changed_as_told(proxy: FaultProxy, fault: Fault, expected: bytes) -> None:
    """Faults of the reply's body reach the client byte for byte."""
    proxy.on("GET", "", fault)
    assert expected == get(proxy)[2]


@pytest.mark.parametrize("fault", [Cut(1000), Cut()])
def test_a_connection_is_reset(proxy: FaultProxy, fault: Fault) -> None:
    """The client's connection breaks."""
    proxy.on("GET", "", fault)
    with pytest.raises(ConnectionResetError):
        get(proxy)


@pytest.mark.parametrize("fault", [Stall(), Stall(1000)])
def test_a_stalled_reply_goes_on_until_the_client_leaves(proxy: FaultProxy, fault: Fault) -> None:
    """Nothing comes any more, and the connection stays."""
    proxy.on("GET", "", fault)
    connection = http.client.HTTPConnection(proxy.host, timeout=0.2)
    connection.request("GET", "/content")
    with pytest.raises(TimeoutError):
        connection.getresponse().read()
    connection.close()


def test_ranges_are_misled(proxy: FaultProxy) -> None:
    """A range may come with a wrong place, or be ignored."""
    proxy.on("GET", "", WrongRange(5))
    assert "bytes 15-24/256000" == get(proxy, Range="bytes=10-19")[1]["content-range"]
    proxy.on("GET", "", WithoutRange())
    assert (200, CONTENT) == get(proxy, Range="bytes=10-19")[::2]


@pytest.mark.parametrize("deliver", [False, True])
def test_an_upload_is_cut(proxy: FaultProxy, uploaded: list[bytes], deliver: bool) -> None:
    """The connection breaks while the client sends, and the next request goes through."""
    proxy.on("PUT", "", CutUpload(1000, deliver=deliver))
    connection = http.client.HTTPConnection(proxy.host, timeout=5)
    with pytest.raises((ConnectionResetError, BrokenPipeError)):  # noqa: PT012 - sending or reading may be what fails
        connection.request("PUT", "/content", CONTENT)
        connection.getresponse()
    connection.close()
    assert [1000] == [seen.received for seen in proxy.asked("PUT")]
    assert 200 == get(proxy)[0]
    assert CONTENT not in uploaded
