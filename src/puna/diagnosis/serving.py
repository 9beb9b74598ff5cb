"""The server that the command line speaks to: whether it answers, what it is, and what it has in memory."""

from __future__ import annotations

import socket

from puna import __version__
from puna.address import Address
from puna.client import ApiError, Client
from puna.diagnosis import Finding, Section
from puna.errors import ServerUnreachable
from puna.sizes import size

_PATIENCE_SECONDS = 10.0
_CONNECT_SECONDS = 3


def section(address: Address) -> Section:
    """The server at ``address`` in words."""
    place = ("address", address.url)
    try:
        with Client(address.url, patience=_PATIENCE_SECONDS) as client:
            version = client.version()
            loaded = client.running()
    except ServerUnreachable as error:
        return Section("Server", (place,), (_silent(address, error),))
    except ApiError as error:
        return Section("Server", (place,), (_strange(error, address),))
    name = f"puna {version.puna}" if version.puna else f"Ollama {version.api}"
    memory = ", ".join(f"{model.name} ({size(model.size)})" for model in loaded)
    findings = []
    if not version.puna:
        findings.append(
            Finding(
                "note",
                f"Ollama, not puna, answers at {address.url}",
                "stop it and start puna serve, or give puna another port: OLLAMA_HOST=127.0.0.1:11435",
            )
        )
    elif version.puna != __version__:
        advice = "start the server again, so that it is the one that is installed"
        findings.append(Finding("warning", f"the server is puna {version.puna}, this is puna {__version__}", advice))
    return Section("Server", (place, ("version", name), ("in memory", memory or "no model")), tuple(findings))


def _silent(address: Address, error: ServerUnreachable) -> Finding:
    try:
        socket.create_connection((address.host, address.port), _CONNECT_SECONDS).close()
    except ConnectionRefusedError:
        return Finding("note", f"no server answers at {address.url}", "puna serve starts one")
    except OSError:
        return Finding("warning", str(error), "OLLAMA_HOST names the server: [http://]host[:port]")
    return Finding(
        "error",
        f"something answers at {address.url} that is neither puna nor Ollama",
        "end it, or give puna another port: OLLAMA_HOST=127.0.0.1:11435",
    )


def _strange(error: ApiError, address: Address) -> Finding:
    if error.denied:
        advice = "put a key into OLLAMA_API_KEY (puna keys add NAME makes one where the server runs)"
        return Finding("error", f"the server at {address.url} asks for a key: {error}", advice)
    advice = "look whether it is puna or Ollama that listens there; OLLAMA_HOST names another address"
    return Finding("error", f"the server at {address.url} answers strangely: {error}", advice)
