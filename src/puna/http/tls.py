"""The certificate that the server shows, and its private key."""

from __future__ import annotations

import asyncio
import logging
import ssl
from pathlib import Path

from puna import logs
from puna.errors import InvalidSetting

log = logging.getLogger(__name__)


class Certificate:
    """A certificate that is renewed while the server runs: new connections have what its files hold by then.

    Raises:
        InvalidSetting: the files cannot be used; as `context`, which tells what they are.
    """

    def __init__(self, certificate: str, key: str) -> None:
        self._certificate = certificate
        self._key = key
        self._seen = self._state()
        self.context = context(certificate, key)
        """What connections are accepted with."""

    async def follow(self, seconds: float) -> None:
        """Look every so many ``seconds``, for ever, whether the files have changed; the log tells what came of it."""
        while True:
            await asyncio.sleep(seconds)
            try:
                renewed = await asyncio.to_thread(self.renew)
            except InvalidSetting as error:
                log.warning("the certificate stays the one of before: %s", error)
            else:
                if renewed:
                    log.info("the certificate is renewed", extra=logs.fields({"file": self._certificate}))

    def renew(self) -> bool:
        """Take the certificate and key anew if their files have changed since the last time; whether they had.

        Raises:
            InvalidSetting: they cannot be used now; the ones of before stay.
        """
        seen = self._state()
        if seen == self._seen:
            return False
        self._seen = seen
        context(self._certificate, self._key)
        _load(self.context, self._certificate, self._key)
        return True

    def _state(self) -> list[tuple[int, ...]]:
        state: list[tuple[int, ...]] = []
        for file in filter(None, (self._certificate, self._key)):
            try:
                found = Path(file).stat()
                state.append((found.st_ino, found.st_size, found.st_mtime_ns))
            except OSError:
                state.append(())
        return state


def context(certificate: str, key: str) -> ssl.SSLContext:
    """What TLS connections (1.2 and later) are accepted with: the files, in PEM, of a certificate and its private key.

    The certificate may be followed by those that link it to one that clients trust. Without ``key`` the file of the
    certificate has the key as well.

    Raises:
        InvalidSetting: one of them cannot be used; the text says which.
    """
    if not certificate:
        raise InvalidSetting(f"--tls-key {key} is of no use without --tls-cert, the file of its certificate")
    for file in filter(None, (certificate, key)):
        try:
            Path(file).read_bytes()
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise InvalidSetting(f"{file}, which TLS needs, cannot be read: {reason}") from error
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    _load(made, certificate, key)
    return made


def _load(into: ssl.SSLContext, certificate: str, key: str) -> None:
    try:
        # OpenSSL would ask whoever sits at the terminal for the password of an encrypted key.
        into.load_cert_chain(certificate, key or None, password="")
    except ssl.SSLError as error:
        raise InvalidSetting(_problem(certificate, key or certificate, error)) from error


def _problem(certificate: str, key: str, error: ssl.SSLError) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return f"the private key in {key} does not belong to the certificate in {certificate}"
    try:
        ssl.create_default_context(cafile=certificate)
    except ssl.SSLError:
        return f"{certificate} is not a certificate in PEM"
    return f"{key} is not a private key in PEM that needs no password"
