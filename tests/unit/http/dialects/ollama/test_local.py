"""Where the store is, which only programs on the same machine are told."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from starlette.requests import Request

from puna.http.dialects.ollama.local import routes
from puna.types import StorePlace

PLACE = {"path": "/models", "device": 7, "inode": 42}


class Library:
    def place(self) -> StorePlace:
        return StorePlace(**PLACE)


def ask(client: tuple[str, int] | None, **headers: str) -> tuple[int, Any]:
    [route] = routes(Library())  # type: ignore[arg-type]
    sent = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    request = Request({"type": "http", "method": "GET", "path": "/api/store", "headers": sent, "client": client})
    response: Any = asyncio.run(route.endpoint(request))  # type: ignore[arg-type]
    body = response.body.decode()
    return response.status_code, json.loads(body) if response.status_code == 200 else body


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
def test_a_program_on_this_machine(address: str) -> None:
    """A program on this machine is told, whichever loopback address it has."""
    assert (200, PLACE) == ask((address, 1234))


@pytest.mark.parametrize("client", [("192.168.1.7", 80), ("::ffff:10.0.0.1", 80), ("2001:db8::1", 80), ("x", 1), None])
def test_everybody_else(client: tuple[str, int] | None) -> None:
    """To others there is no such route."""
    assert (404, "404 page not found") == ask(client)


@pytest.mark.parametrize("header", ["forwarded", "via", "x_forwarded_for", "x_real_ip"])
def test_somebody_behind_a_proxy(header: str) -> None:
    """A proxy on this machine asks for somebody else."""
    assert 404 == ask(("127.0.0.1", 1234), **{header: "1.2.3.4"})[0]


def test_on_a_real_connection(site: Any) -> None:
    """The server of the tests is on this machine."""
    assert PLACE == json.loads(site.send("GET", "/api/store").text)
