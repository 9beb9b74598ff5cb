"""A server shows the certificate it was given, or says what is wrong with it."""

from __future__ import annotations

import asyncio
import logging
import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from starlette.types import Receive, Scope, Send

from puna.errors import InvalidSetting
from puna.http import tls
from support.certificates import certified
from support.served_app import served


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate and its key, and what people have instead."""
    made = tmp_path_factory.mktemp("certificates")
    own, other = certified(made), certified(made / "other")
    (made / "both.pem").write_bytes(own.certificate.read_bytes() + own.key.read_bytes())
    (made / "other.key").write_bytes(other.key.read_bytes())
    (made / "empty.pem").write_bytes(b"")
    key = serialization.load_pem_private_key(own.key.read_bytes(), None)
    (made / "locked.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"password"),
        )
    )
    return made


@pytest.mark.parametrize(
    ("certificate", "key"), [("server.pem", "server.key"), ("both.pem", ""), ("both.pem", "server.key")]
)
def test_a_certificate_and_its_key_are_taken(folder: Path, certificate: str, key: str) -> None:
    """In two files or in one; what is older than TLS 1.2 is not spoken."""
    made = tls.context(str(folder / certificate), str(folder / key) if key else "")

    assert ssl.TLSVersion.TLSv1_2 <= made.minimum_version


@pytest.mark.parametrize(
    ("certificate", "key", "said"),
    [
        ("server.pem", "other.key", "other.key does not belong to the certificate in .*server.pem"),
        ("none.pem", "server.key", "none.pem, .* no such file"),
        ("server.pem", "none.key", "none.key, .* no such file"),
        ("other", "server.key", "other, .* is a directory"),
        ("server.key", "server.key", "server.key is not a certificate"),
        ("empty.pem", "server.key", "empty.pem is not a certificate"),
        ("server.pem", "empty.pem", "empty.pem is not a private key"),
        ("server.pem", "locked.key", "locked.key is not a private key in PEM that needs no password"),
        ("server.pem", "", "server.pem is not a private key"),
        ("", "server.key", "server.key is of no use without --tls-cert"),
    ],
)
def test_what_cannot_be_used_is_named(folder: Path, certificate: str, key: str, said: str) -> None:
    """The file at fault, in one line; nobody is asked for a password that a server has nobody to ask for."""
    files = [str(folder / name) if name else "" for name in (certificate, key)]
    with pytest.raises(InvalidSetting, match=said) as caught:
        tls.context(*files)
    assert "\n" not in str(caught.value)


def shown(port: int) -> str:
    """The certificate that the server shows to a new connection, in PEM."""
    return ssl.get_server_certificate(("127.0.0.1", port), timeout=60)


async def nothing(_scope: Scope, _receive: Receive, _send: Send) -> None:
    """An application that says nothing."""


def test_a_renewed_certificate_is_shown_to_new_connections(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The server need not be started again; what cannot be used is told once, and the one of before stays."""
    first, second = certified(tmp_path), certified(tmp_path / "new")
    certificate = tls.Certificate(str(first.certificate), str(first.key))
    before, after = first.certificate.read_text(), second.certificate.read_text()
    caplog.set_level(logging.INFO)

    async def followed(text: str) -> None:
        following = asyncio.create_task(certificate.follow(0.001))
        while text not in caplog.text:
            await asyncio.sleep(0.001)
        following.cancel()

    with served(nothing, ssl_context_factory=lambda *_: certificate.context) as port:
        assert (before, False) == (shown(port), certificate.renew())
        second.certificate.replace(first.certificate)
        asyncio.run(followed("does not belong to the certificate"))
        assert (before, False) == (shown(port), certificate.renew())
        second.key.replace(first.key)
        asyncio.run(followed("the certificate is renewed"))
        assert after == shown(port)
        first.key.unlink()
        with pytest.raises(InvalidSetting, match=r"server\.key.* no such file"):
            certificate.renew()
        assert (after, False) == (shown(port), certificate.renew())
