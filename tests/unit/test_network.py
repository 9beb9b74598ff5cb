"""The way out: what is no URL is told without giving away what it holds."""

from __future__ import annotations

import pytest

from puna import network
from puna.errors import Unreachable

_SHOWN = {
    "https://example.com/a/b.gguf": "https://example.com/a/b.gguf",
    "https://heidi:secret@example.com/a?signature=s": "https://example.com/a",
    "http://heidi:secret@proxy:3128": "http://proxy:3128",
    "https://example.com/a//b@c": "https://example.com/a//b@c",
    "/v2/a/b@c": "/v2/a/b@c",
}


@pytest.mark.parametrize("url", _SHOWN)
def test_nothing_secret_of_a_url_is_shown(url: str) -> None:
    """What errors and logs have of a URL is where it leads, not who may go there."""
    assert _SHOWN[url] == network.shown(url)


@pytest.mark.parametrize("proxy", ["http://heidi:secret@host:port", "heidi:secret@[host", "socks5://heidi:secret@host"])
def test_a_proxy_that_cannot_be_used_is_named_without_its_password(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slip in HTTP_PROXY is an error that says so; the password in it goes into no log."""
    monkeypatch.setenv("http_proxy", proxy)
    with pytest.raises(Unreachable, match=r"the proxy cannot be used: .*host") as refused:
        network.way("http://registry.example/v2/")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("target", ["http://[", "//[::1"])
def test_what_leads_nowhere_is_an_error_of_whoever_sent_it(target: str) -> None:
    """A redirect to nonsense is told for what it is."""
    with pytest.raises(Unreachable, match=r"https://example.com/a leads to .* which is not a URL"):
        network.joined("https://example.com/a?signature=s", target)


def test_a_relative_target_leads_on_from_where_it_came() -> None:
    """Locations may be paths."""
    assert "https://example.com/b" == network.joined("https://example.com/a", "/b")
