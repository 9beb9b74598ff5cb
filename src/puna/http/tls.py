"""The certificate that the server shows, and its private key."""

from __future__ import annotations

import ssl
from pathlib import Path

from puna.errors import InvalidSetting


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
    try:
        # OpenSSL would ask whoever sits at the terminal for the password of an encrypted key.
        made.load_cert_chain(certificate, key or None, password="")
    except ssl.SSLError as error:
        raise InvalidSetting(_problem(certificate, key or certificate, error)) from error
    return made


def _problem(certificate: str, key: str, error: ssl.SSLError) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return f"the private key in {key} does not belong to the certificate in {certificate}"
    try:
        ssl.create_default_context(cafile=certificate)
    except ssl.SSLError:
        return f"{certificate} is not a certificate in PEM"
    return f"{key} is not a private key in PEM that needs no password"
