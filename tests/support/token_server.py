"""Servers that hand out bearer tokens: for docker-registry, and as Ollama's registry does it.

Each keeps what it was asked in ``asked``. A registry that wants a token names the server as its challenge's realm.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import secrets
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding

from support.certificates import token_signer
from support.registry_peer import PASSWORD, USER

SERVICE, ISSUER = "registry of the tests", "token server of the tests"
IDENTITY = "an identity token of the tests"
_NOTHING = base64.b64encode(hashlib.sha256(b"").hexdigest().encode()).decode()


@dataclass(frozen=True)
class Asked:
    """A request for a token. ``fields`` are of the query, or of the form that was posted."""

    method: str
    url: str
    headers: Mapping[str, str]
    fields: Mapping[str, Sequence[str]]


Admit = Callable[[Asked], bool]
"""Whether whoever asks may have a token."""


@dataclass
class TokenServer:
    """A token server at ``host``. Whoever ``admit`` lets in gets the access they ask for."""

    admit: Admit
    certificates: Path
    host: str = ""
    asked: list[Asked] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._key, self._certificate = token_signer()
        self.certificates.parent.mkdir(parents=True, exist_ok=True)
        self.certificates.write_bytes(self._certificate.public_bytes(Encoding.PEM))

    def settings(self, realm: str = "") -> dict[str, str]:
        """What a registry needs to be told of it; ``realm`` is its address where that is another's."""
        return {
            "realm": realm or f"http://{self.host}/token",
            "service": SERVICE,
            "issuer": ISSUER,
            "rootcertbundle": str(self.certificates),
        }

    def answer(self, asked: Asked) -> tuple[int, dict[str, Any]]:
        self.asked.append(asked)
        if not self.admit(asked):
            return 401, {"errors": [{"code": "UNAUTHORIZED", "message": "authentication required"}]}
        access = [one for scope in asked.fields.get("scope", ()) for part in scope.split() for one in _access(part)]
        token = self._token(asked.fields.get("service", [""])[0], access)
        return 200, {"token": token, "access_token": token, "expires_in": 300}

    def _token(self, service: str, access: Sequence[Mapping[str, Any]]) -> str:
        now = int(time.time())
        head = {"typ": "JWT", "alg": "RS256", "x5c": [base64.b64encode(_der(self._certificate)).decode()]}
        claims = {"iss": ISSUER, "sub": USER, "aud": service, "exp": now + 300, "nbf": now - 10, "iat": now}
        signed = f"{_url64(_json(head))}.{_url64(_json({**claims, 'jti': secrets.token_hex(8), 'access': access}))}"
        signature = self._key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{_url64(signature)}"


def anyone(_: Asked) -> bool:
    """Everybody may have a token."""
    return True


def by_password(asked: Asked) -> bool:
    """Only USER, by PASSWORD or IDENTITY."""
    if asked.method == "POST":
        return asked.fields.get("grant_type") == ["refresh_token"] and asked.fields.get("refresh_token") == [IDENTITY]
    expected = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    return asked.headers.get("authorization") == f"Basic {expected}"


def by_signature(public_key: Callable[[], str]) -> Admit:
    """Only who signs the request with the key whose public half, in OpenSSH's form, ``public_key()`` is."""

    def admit(asked: Asked) -> bool:
        key_type, blob, *_ = public_key().split()
        given, colon, signature = asked.headers.get("authorization", "").partition(":")
        if not colon or given != blob:
            return False
        key = serialization.load_ssh_public_key(f"{key_type} {blob}".encode())
        assert isinstance(key, Ed25519PublicKey)
        try:
            key.verify(base64.b64decode(signature, validate=True), f"GET,{asked.url},{_NOTHING}".encode())
        except (InvalidSignature, binascii.Error):
            return False
        fresh = abs(time.time() - int(asked.fields["ts"][0])) < 60
        return fresh and len(_from_url64(asked.fields["nonce"][0])) == 16

    return admit


@contextmanager
def token_server(folder: Path, admit: Admit) -> Iterator[TokenServer]:
    """Run a token server, whose certificate lies in ``folder``."""
    token = TokenServer(admit, folder / "tokens.pem")
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"server_of_tokens": token}))
    server.daemon_threads = True
    token.host = f"127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield token
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    server_of_tokens: TokenServer

    def _answer(self) -> None:
        posted = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        fields = urllib.parse.parse_qs(posted or urllib.parse.urlsplit(self.path).query)
        headers = {name.lower(): value for name, value in self.headers.items()}
        # The Host that was asked for, so that a proxy may stand between.
        url = f"http://{headers['host']}{self.path}"
        status, said = self.server_of_tokens.answer(Asked(self.command, url, headers, fields))
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(_json(said))

    do_GET = do_POST = _answer  # noqa: N815 - the names that http.server looks for

    def log_message(self, *_: Any) -> None:
        pass


def _access(scope: str) -> list[dict[str, Any]]:
    kind, name, actions = scope.split(":", 2) if scope.count(":") == 2 else ("", "", "")
    return [{"type": kind, "name": name, "actions": actions.split(",")}] if kind else []


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _url64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _from_url64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _der(certificate: Any) -> bytes:
    found = certificate.public_bytes(Encoding.DER)
    assert isinstance(found, bytes)
    return found
