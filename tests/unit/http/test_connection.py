"""What a connection takes from a client, beside plain requests, over real sockets."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest
from starlette.types import Receive, Scope, Send

from puna.http.connection import MOST_HEAD_BYTES
from support.served_app import served

HOST = b"Host: localhost\r\n"
OFFER = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"


class Echo:
    """Answers with the body; to ``/pieces``, bit by bit; to ``/wait``, when the client has left, which it notes."""

    def __init__(self) -> None:
        self.waiting = threading.Event()
        self.left = threading.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        if scope["path"] == "/pieces":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            for place in range(len(body)):
                await send({"type": "http.response.body", "body": body[place : place + 1], "more_body": True})
            await send({"type": "http.response.body", "body": b""})
            return
        if scope["path"] == "/wait":
            self.waiting.set()
            while (await receive())["type"] != "http.disconnect":
                pass
            self.left.set()
            return
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@pytest.fixture(scope="module")
def echo() -> Echo:
    return Echo()


@pytest.fixture(scope="module")
def port(echo: Echo) -> Iterator[int]:
    with served(echo, timeout_keep_alive=60) as found:
        yield found


def said(port: int, *parts: bytes) -> bytes:
    """All that the server says to ``parts``, the last of which must end the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        heard = b""
        try:
            for part in parts:
                client.sendall(part)
            while data := client.recv(65536):
                heard += data
        except ConnectionError:  # it has not read all that it refused
            pass
        return heard


LAST = b"GET / HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"


@pytest.mark.parametrize("split", [0, 30, 120])
def test_an_offer_of_another_protocol_is_declined(port: int, split: int) -> None:
    """Java's HTTP client offers HTTP/2 with its first request; that has its answer, and so have those that follow."""
    request = b"POST /a%20b?c=d HTTP/1.1\r\n" + HOST + OFFER + b"Content-Length: 5\r\n\r\nhello"
    heard = said(port, request[:split], request[split:], LAST)
    assert 2 == heard.count(b"HTTP/1.1 200 OK")
    assert b"\r\n\r\nhelloHTTP/1.1" in heard


def test_an_offer_with_a_body_in_pieces(port: int) -> None:
    """Chunks are no different."""
    request = b"POST / HTTP/1.1\r\n" + HOST + OFFER + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    assert b"\r\n\r\nhelloHTTP/1.1" in said(port, request, LAST)


@pytest.mark.parametrize("start", [b"GET / HTTP/1.1\r\nX-Long: ", b"GET /"])
def test_a_head_that_never_ends_is_refused(port: int, start: bytes) -> None:
    """It would take all memory; what is merely long is served."""
    heard = said(port, start + b"a" * MOST_HEAD_BYTES, b"a" * MOST_HEAD_BYTES)
    # Where it is still sending, the client may hear of a broken connection first.
    assert heard[:12] in (b"HTTP/1.1 431", b"HTTP/1.1 400", b"")
    long = b"GET / HTTP/1.1\r\n" + HOST + b"X-Long: " + b"a" * (MOST_HEAD_BYTES // 2) + b"\r\n\r\n"
    assert 2 == said(port, long, LAST).count(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize(
    ("version", "path", "body"),
    [
        (b"1.0", b"/pieces", b"hello"),
        (b"1.0", b"/", b"hello"),
        (b"1.1", b"/pieces", b"".join(b"1\r\n%c\r\n" % c for c in b"hello") + b"0\r\n\r\n"),
    ],
)
def test_an_old_client_gets_no_chunks(port: int, version: bytes, path: bytes, body: bytes) -> None:
    """HTTP/1.0, which proxies speak and scripts, knows no other end of a stream than that of the connection."""
    rest = b"Connection: close\r\nContent-Length: 5\r\n\r\nhello"
    head, _, found = said(port, b"POST %b HTTP/%b\r\n" % (path, version) + HOST + rest).partition(b"\r\n\r\n")
    assert (body, version == b"1.1") == (found, b"transfer-encoding: chunked" in head)


@pytest.mark.parametrize(("version", "asked_on"), [(b"1.0", False), (b"1.1", True)])
def test_only_who_knows_it_is_asked_to_go_on(port: int, version: bytes, asked_on: bool) -> None:
    """HTTP/1.0 has one answer to a request, and a client would take ``100 Continue`` for it."""
    head = b"POST / HTTP/%b\r\n" % version + HOST + b"Expect: 100-continue\r\nContent-Length: 5\r\n"
    heard = said(port, head + b"Connection: close\r\n\r\n", b"hello")
    assert (asked_on, True) == (heard.startswith(b"HTTP/1.1 100 Continue\r\n\r\n"), b"HTTP/1.1 200 OK" in heard)


def test_a_body_may_be_as_long_as_it_likes(port: int) -> None:
    """Only heads are counted, also where body and head come in one piece."""
    size = 2 * MOST_HEAD_BYTES
    heard = said(port, b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % size + b"a" * size, LAST)
    assert 2 == heard.count(b"HTTP/1.1 200 OK")
    assert size == heard.count(b"a" * 1024) * 1024


@pytest.mark.parametrize("data", [b"CONNECT a:443 HTTP/1.1\r\n" + HOST + b"\r\n", b"\x16\x03\x01\x02\x00"])
def test_what_is_no_request_is_refused(port: int, data: bytes) -> None:
    """A proxy is wanted, or TLS where there is none."""
    assert said(port, data).startswith(b"HTTP/1.1 400 Bad Request\r\n")


@pytest.mark.parametrize("data", [b"", b"GET / HTTP/1.1\r\nHost:"], ids=["nothing", "half a head"])
def test_a_client_that_says_nothing_is_not_kept_for_ever(data: bytes) -> None:
    """Its connection is closed after the time an idle one is kept."""
    with served(Echo(), timeout_keep_alive=0) as port:
        assert b"" == said(port, data)


def test_whoever_sent_requests_ahead_and_leaves_ends_the_one_that_runs(port: int, echo: Echo) -> None:
    """The computer's time is not spent on an answer that nobody reads."""
    wait = b"POST /wait HTTP/1.1\r\n" + HOST + b"Content-Length: 0\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        client.sendall(wait + wait)
        assert echo.waiting.wait(60)
    assert echo.left.wait(60)
