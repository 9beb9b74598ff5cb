"""Strangers' pages and strangers' names are kept out, and browsers told what they may do."""

from __future__ import annotations

import asyncio
import ipaddress
from typing import Any

import pytest
from starlette.responses import PlainTextResponse

from puna.errors import BodyTooLarge, InvalidSetting
from puna.http.guard import Guard, Host, Origins, is_loopback, is_own_address, judge_host, limit_body


@pytest.mark.parametrize(
    "origin",
    [
        "http://localhost",
        "https://localhost:3000",
        "http://127.0.0.1:8080",
        "http://0.0.0.0",
        "app://obsidian.md",
        "file:///home",
        "tauri://localhost",
        "vscode-webview://1x2y",
        "vscode-file://vscode-app",
        "HTTP://LOCALHOST",
    ],
)
def test_local_pages_may_call(origin):
    """Pages and apps of the same machine need no setting."""
    assert Origins.parse(()).allow(origin)


@pytest.mark.parametrize("origin", ["http://evil.com", "http://localhost.evil.com", "null", "https://10.0.0.1"])
def test_strangers_pages_may_not_call(origin):
    """A page from anywhere else is refused, however local its name looks."""
    assert not Origins.parse(()).allow(origin)


@pytest.mark.parametrize(
    ("entry", "welcome", "refused"),
    [
        ("https://a.example", "https://a.example", "https://a.example:8443"),
        (" HTTPS://A.example ", "https://a.example", "http://a.example"),
        ("https://a.example:*", "https://a.example:8443", "https://b.example:8443"),
        ("*.example", "https://b.example", "https://b.example.org"),
        ("https://*.example", "https://c.example", "http://c.example"),
        ("chrome-extension://*", "chrome-extension://abc", "moz-extension://abc"),
        ("ab*ba", "abba", "aba"),
    ],
)
def test_origins_may_be_added(entry, welcome, refused):
    """An entry names one origin, or with one * all that begin and end alike."""
    origins = Origins.parse([entry])

    assert (True, False) == (origins.allow(welcome), origins.allow(refused))


def test_a_star_alone_is_everyone():
    """The entry * lets every page call."""
    assert Origins.parse(["*"]).allow("https://anywhere.example")


@pytest.mark.parametrize("entry", ["a.example", "ftp://a.example", "https://*.*.example", "**"])
def test_an_entry_that_can_match_nothing_is_refused(entry):
    """A mistake in OLLAMA_ORIGINS stops the start, and is named."""
    with pytest.raises(InvalidSetting) as caught:
        Origins.parse([entry])

    assert f"OLLAMA_ORIGINS: {entry!r}" in str(caught.value)


OWN = ipaddress.ip_address("203.0.113.7")


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1:11434", Host.ADDRESS),
        ("127.8.8.8", Host.ADDRESS),
        ("[::1]:11434", Host.ADDRESS),
        ("[::1]", Host.ADDRESS),
        ("::1", Host.ADDRESS),
        ("0.0.0.0:11434", Host.ADDRESS),
        ("192.168.1.20:80", Host.ADDRESS),
        ("172.16.0.1", Host.ADDRESS),
        ("[fd00::1]:80", Host.ADDRESS),
        ("203.0.113.7", Host.ADDRESS),
        ("203.0.113.8", Host.FOREIGN),
        ("169.254.169.254", Host.FOREIGN),
        ("", Host.NAME),
        ("localhost:11434", Host.NAME),
        ("LOCALHOST", Host.NAME),
        ("WorkStation:11434", Host.NAME),
        ("puna.localhost", Host.NAME),
        ("nas.local:11434", Host.NAME),
        ("host.docker.internal:11434", Host.NAME),
        ("evil.com", Host.FOREIGN),
        ("localhost.evil.com:11434", Host.FOREIGN),
        ("local", Host.FOREIGN),
    ],
)
def test_only_local_hosts_are_answered(host, expected):
    """A stranger's name that resolves to this machine is not a way in."""
    assert expected is judge_host(host, hostname="workstation", is_own=OWN.__eq__)


def test_own_addresses_are_known():
    """An address is this machine's if something can be bound to it."""
    assert is_own_address(ipaddress.ip_address("127.0.0.1"))
    assert not is_own_address(OWN)


@pytest.mark.parametrize(
    ("address", "expected"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("192.168.1.2", False), ("", False)],
)
def test_loopback_is_recognised(address, expected):
    """Hosts are checked only where nobody but this machine can connect."""
    assert expected is is_loopback(address)


def ask(client: Any, method: str, *, loopback: bool = True, origins: tuple[str, ...] = (), **headers: str) -> Any:
    """What a guarded app answers to a request; the app itself says "in"."""
    guard = Guard(
        PlainTextResponse("in"),
        origins=Origins.parse(origins),
        loopback=loopback,
        hostname="workstation",
        methods=lambda path: ("GET", "HEAD") if path == "/api/tags" else (),
    )
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": method, "path": "/api/tags", "headers": raw}
    asyncio.run(guard(scope, client.receive, client.send))
    return client


def test_a_request_without_an_origin_is_no_browser_s(client):
    """Programs are not asked where they come from, and get no CORS headers."""
    answer = ask(client, "GET", host="localhost:11434")

    assert (200, "in") == (answer.status, answer.text)
    assert not any(name.startswith("access-control") or name == "vary" for name in answer.headers)


def test_a_page_of_the_server_itself_is_not_cross_origin(client):
    """A page served under the same host needs no permission."""
    answer = ask(client, "GET", host="box.internal:11434", origin="http://box.internal:11434")

    assert (200, "in") == (answer.status, answer.text)
    assert "access-control-allow-origin" not in answer.headers


def test_a_welcome_page_is_told_so(client):
    """Its origin is echoed, so that the browser hands the reply over."""
    answer = ask(client, "GET", host="localhost:11434", origin="http://localhost:3000")

    assert (200, "in") == (answer.status, answer.text)
    assert ("http://localhost:3000", "Origin") == (
        answer.headers["access-control-allow-origin"],
        answer.headers["vary"],
    )


def test_with_a_star_everyone_is_told_so(client):
    """With OLLAMA_ORIGINS=* the permission does not depend on who asks."""
    answer = ask(client, "GET", host="localhost", origin="https://a.example", origins=("*",))

    assert "*" == answer.headers["access-control-allow-origin"]


def test_a_stranger_s_preflight_is_refused(client):
    """As any other request of its page."""
    answer = ask(client, "OPTIONS", host="localhost:11434", origin="https://evil.com")

    assert (403, "", "GET, HEAD") == (answer.status, answer.text, answer.headers["allow"])


def test_a_strangers_page_gets_nothing(client):
    """Not even a simple GET of a foreign page reaches the app."""
    answer = ask(client, "GET", host="localhost:11434", origin="https://evil.com")

    assert (403, "") == (answer.status, answer.text)


def test_a_preflight_is_answered(client):
    """Browsers learn which methods and headers they may use, and which the path has."""
    answer = ask(client, "OPTIONS", host="localhost", origin="http://localhost:3000")

    assert (204, "") == (answer.status, answer.text)
    assert "GET, HEAD" == answer.headers["allow"]
    assert "GET,POST,PUT,PATCH,DELETE,HEAD,OPTIONS" == answer.headers["access-control-allow-methods"]
    assert "43200" == answer.headers["access-control-max-age"]
    assert (
        "Authorization,Content-Type,User-Agent,Accept,X-Requested-With,OpenAI-Beta,x-stainless-arch,x-stainless-async,"
        "x-stainless-custom-poll-interval,x-stainless-helper-method,x-stainless-lang,x-stainless-os,"
        "x-stainless-package-version,x-stainless-poll-helper,x-stainless-retry-count,x-stainless-runtime,"
        "x-stainless-runtime-version,x-stainless-timeout,x-api-key,anthropic-version,anthropic-beta,"
        "anthropic-dangerous-direct-browser-access"
    ) == answer.headers["access-control-allow-headers"]
    vary = [value for name, value in answer.sent[0]["headers"] if name == b"vary"]
    assert {b"Origin", b"Access-Control-Request-Method", b"Access-Control-Request-Headers"} == set(vary)


@pytest.mark.parametrize(("loopback", "expected"), [(True, (403, "")), (False, (200, "in"))])
def test_the_host_matters_on_loopback_only(client, loopback, expected):
    """A server that the network may reach is known by whatever name it is given."""
    answer = ask(client, "GET", loopback=loopback, host="evil.com:11434")

    assert expected == (answer.status, answer.text)


def test_options_of_a_local_name_are_answered(client):
    """OPTIONS without an origin, to a local name, ends at the guard."""
    answer = ask(client, "OPTIONS", host="localhost:11434")

    assert (204, "GET, HEAD") == (answer.status, answer.headers["allow"])


def test_a_body_within_the_limit_arrives(client):
    """The limit itself is allowed."""
    client.body = b"12345"
    receive = limit_body({"headers": [(b"content-length", b"5")]}, client.receive, 5)

    assert b"12345" == asyncio.run(receive())["body"]


@pytest.mark.parametrize("headers", [[(b"content-length", b"6")], []])
def test_a_body_above_the_limit_is_refused_with_both_sizes(client, headers):
    """Whether it says so beforehand or not."""
    client.body = b"123456"
    receive = limit_body({"headers": headers}, client.receive, 5)

    with pytest.raises(BodyTooLarge) as caught:
        asyncio.run(receive())

    assert "the request body is too large: it has 6 bytes and may have 5" == str(caught.value)
    assert (not headers) is client.body_given
