"""Addresses of servers, as ``OLLAMA_HOST`` says them."""

from __future__ import annotations

import pytest

from puna.address import of_server, parse_address


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("", "http://127.0.0.1:11434"),
        ("1.2.3.4", "http://1.2.3.4:11434"),
        ("1.2.3.4:80", "http://1.2.3.4:80"),
        ("box", "http://box:11434"),
        (" box ", "http://box:11434"),
        (":1234", "http://127.0.0.1:1234"),
        (":0", "http://127.0.0.1:0"),
        ("0.0.0.0", "http://0.0.0.0:11434"),
        ("http://h", "http://h:80"),
        ("http://h:1", "http://h:1"),
        ("https://h", "https://h:443"),
        ("https://h:1", "https://h:1"),
        ("https://", "https://127.0.0.1:443"),
        ("https://h/puna", "https://h:443/puna"),
        ("https://h:1/puna/x/", "https://h:1/puna/x"),
        ("h/", "http://h:11434"),
        ("[::1]", "http://[::1]:11434"),
        ("[::1]:99", "http://[::1]:99"),
        ("::1", "http://[::1]:11434"),
        ("fe80::1", "http://[fe80::1]:11434"),
        ("https://[::1]/x", "https://[::1]:443/x"),
        ("[::]:99", "http://[::]:99"),
        ("ollama.com", "https://ollama.com:443"),
    ],
)
def test_an_address_is_completed(text: str, url: str) -> None:
    """Without a scheme the port is 11434, with one the scheme's own; a path and IPv6, in brackets or not, are kept."""
    assert url == parse_address(text).url


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("h:", "http://h:11434"),
        ("h:x", "http://h:11434"),
        ("h:-1", "http://h:11434"),
        ("h:65536", "http://h:11434"),
        ("h:1.5", "http://h:11434"),
        ("h:²", "http://h:11434"),
        (":x", "http://127.0.0.1:11434"),
        ("[::1]:x", "http://[::1]:11434"),
        ("http://h:x", "http://h:80"),
        ("https://h:99999/p", "https://h:443/p"),
    ],
)
def test_an_invalid_port_is_told_and_the_default_used(text: str, url: str, caplog: pytest.LogCaptureFixture) -> None:
    """The rest of the address is kept."""
    assert url == parse_address(text).url
    assert ["WARNING"] == [record.levelname for record in caplog.records]


@pytest.mark.parametrize("text", ["1.2.3.4:80", "https://h/p", "[::1]:99", "::1", ":1", "box"])
def test_a_url_is_read_as_the_address_it_was_made_of(text: str) -> None:
    """So that it can be given on."""
    address = parse_address(text)
    assert address == parse_address(address.url)


@pytest.mark.parametrize(
    ("environ", "url"),
    [
        ({}, "http://127.0.0.1:11434"),
        ({"OLLAMA_HOST": ""}, "http://127.0.0.1:11434"),
        ({"OLLAMA_HOST": " 'box:80' "}, "http://box:80"),
    ],
)
def test_the_variable_names_the_server(environ: dict[str, str], url: str) -> None:
    """Spaces and quotes around it do not count, and without it the server is this machine's."""
    assert url == of_server(environ).url
